"""Training by a number per weight, pulses counted or cells programmed, in one compiled call; see cpu.py and twin.py."""

from .cpu import LEAST as LEAST
from .cpu import ROUND as ROUND
from .cpu import SIGN as SIGN
from .cpu import TRUNCATE as TRUNCATE
from .cpu import Counting as Counting
from .cpu import Keys as Keys
from .cpu import compile_counting as compile_counting
from .cpu import scratch_for as scratch_for
from .twin import Twin as Twin
from .twin import compile_twin as compile_twin
from .twin import twin_scratch_for as twin_scratch_for
