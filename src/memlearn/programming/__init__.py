"""Writers: from change to pulses. To add one: its file, one export line here, one line in the contract-test list."""

from ..core.component import choice, members
from .base import AbstractWriter as AbstractWriter
from .base import Levels as Levels
from .base import Plan as Plan
from .base import Sent as Sent
from .base import Targets as Targets
from .base import Wanted as Wanted
from .base import WriteAddress as WriteAddress
from .blind_pulses import BlindPulses as BlindPulses
from .closed_loop import ClosedLoop as ClosedLoop
from .closed_loop import Program as Program
from .counted_products import CountedProducts as CountedProducts
from .deterministic_trains import DeterministicTrains as DeterministicTrains
from .multi_threshold import MultiThreshold as MultiThreshold
from .outer_product import OuterProduct as OuterProduct
from .rounded_counts import RoundedCounts as RoundedCounts
from .sign import Sign as Sign
from .stochastic_trains import StochasticTrains as StochasticTrains
from .threshold import Threshold as Threshold

MEMBERS = members(globals(), AbstractWriter)
AnyWriter = choice(MEMBERS)
