"""Pulses on cells: reference and compiled kernels behind one signature; see README.md."""

from .cpu import Kernels as Kernels
from .cpu import compile_step as compile_step
from .reference import Noise as Noise
from .reference import Step as Step
from .reference import Tally as Tally
from .reference import stamp as stamp
