"""Noise of a read."""

from __future__ import annotations

from torch import Tensor

from ...core.component import Component, quantity
from ...core.random import Stream
from ...ops import random


class ReadNoise(Component):
    """White noise of every read of every cell: G (1 + relative x normal) + absolute x normal."""

    relative: float = quantity(0.0, unit="1", ge=0, doc="standard deviation relative to the conductance")
    absolute: float = quantity(0.0, unit="S", ge=0, doc="standard deviation added to the conductance")

    @property
    def silent(self) -> bool:
        """True when a read sees the conductance as it is."""
        return not (self.relative or self.absolute)

    def variance(self, conductance: Tensor) -> Tensor:
        """Variance of one read, S^2, same shape as `conductance` (S)."""
        return (self.relative * conductance) ** 2 + self.absolute**2

    def sample(self, conductance: Tensor, stream: Stream, event: int) -> Tensor:
        """One noisy read of every cell, S, same shape as `conductance` (S)."""
        if self.silent:
            return conductance
        draw = random.normal(stream.child("read"), event, conductance.shape, conductance)
        return conductance + self.variance(conductance).sqrt() * draw
