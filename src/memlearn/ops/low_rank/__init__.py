"""Sums of outer products kept at a low rank, sample by sample or block by block."""

from .reference import Pair as Pair
from .reference import append as append
from .reference import mixing as mixing
from .reference import turn as turn
