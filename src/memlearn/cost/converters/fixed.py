"""A converter of which somebody has published what it takes."""

from __future__ import annotations

from typing import Literal

from ...core.component import quantity
from ..technology import Node
from .base import AbstractConverter


class FixedConverter(AbstractConverter):
    """The same energy, time and area whatever the bits and the node: for a published macro."""

    kind: Literal["fixed"] = "fixed"

    per_conversion: float = quantity(2.55e-12, unit="J", ge=0, doc="energy; by default of Yao et al. (2020)")
    duration: float = quantity(10e-9, unit="s", gt=0, doc="time of a conversion")
    size: float = quantity(1200e-12, unit="m^2", ge=0, doc="area; by default that of ISAAC's 8-bit converter, at 32 nm")

    def energy(self, bits: int, node: Node) -> float:
        """As set."""
        return self.per_conversion

    def time(self, bits: int, node: Node) -> float:
        """As set."""
        return self.duration

    def area(self, bits: int, node: Node) -> float:
        """As set."""
        return self.size
