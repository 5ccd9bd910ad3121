"""Counter-based random numbers; see README.md."""

from .tensors import normal as normal
from .tensors import uniform as uniform
