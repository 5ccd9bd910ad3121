"""Accumulators: where the gradient waits. To add one: its file, one export line, one line in the contract-test list."""

from ...core.component import choice, members
from .base import AbstractAccumulator as AbstractAccumulator
from .batch_counter import BatchCounter as BatchCounter
from .digital_value import DigitalValue as DigitalValue
from .float_twin import FloatTwin as FloatTwin
from .low_rank import LowRank as LowRank
from .per_sample import PerSample as PerSample
from .persistent_counter import PersistentCounter as PersistentCounter
from .scaled_sample import ScaledSample as ScaledSample

MEMBERS = members(globals(), AbstractAccumulator)
AnyAccumulator = choice(MEMBERS)
