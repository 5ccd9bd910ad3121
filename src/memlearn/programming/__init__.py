"""Writers: from change to pulses. To add one: its file, one export line here, one line in the contract-test list."""

from ..core.component import choice, members
from .base import AbstractWriter as AbstractWriter
from .base import WriteAddress as WriteAddress
from .deterministic_trains import DeterministicTrains as DeterministicTrains
from .rounded_counts import RoundedCounts as RoundedCounts
from .sign import Sign as Sign
from .stochastic_trains import StochasticTrains as StochasticTrains
from .threshold import Threshold as Threshold

MEMBERS = members(globals(), AbstractWriter)
AnyWriter = choice(MEMBERS)
