"""In-situ SGD on a stack of layers in one compiled call; see cpu.py."""

from .cpu import Keys as Keys
from .cpu import Trains as Trains
from .cpu import compile_sgd as compile_sgd
from .cpu import fire_trains as fire_trains
from .cpu import scratch_for as scratch_for
