"""Sign backpropagation on a stack of layers in one compiled call; see cpu.py."""

from .cpu import Keys as Keys
from .cpu import Layer as Layer
from .cpu import compile_sign as compile_sign
from .cpu import scratch_for as scratch_for
