"""SGD with rounded numbers of pulses on a stack of layers in one compiled call; see cpu.py."""

from .cpu import Keys as Keys
from .cpu import Layer as Layer
from .cpu import compile_rounded as compile_rounded
from .cpu import scratch_for as scratch_for
