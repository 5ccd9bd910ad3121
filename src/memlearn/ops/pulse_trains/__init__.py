"""Stochastic pulse trains from outer-product factors."""

from .cpu import stochastic as stochastic
from .reference import MAX_SLOTS as MAX_SLOTS
