"""A hyperbolic sine: tunnelling cells, ohmic at small voltages."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from ...core.component import quantity
from .base import AbstractSelector


class Sinh(AbstractSelector):
    """I = G sinh(a V) / a."""

    kind: Literal["sinh"] = "sinh"
    sources: ClassVar[tuple[str, ...]] = (
        "Yakopcic et al., IEEE Electron Device Lett. 32:1436 (2011), sinh conduction",
    )

    a: float = quantity(2.0, unit="1/V", gt=0, doc="curvature: at 1/a the current is 18 % above Ohm's law")

    def current(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """G sinh(a V) / a."""
        return conductance * np.sinh(self.a * voltage) / self.a

    def slope(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """G cosh(a V)."""
        return conductance * np.cosh(self.a * voltage)

    def spice(self, conductance: float, voltage: str) -> str:
        """With SPICE's own sinh."""
        return f"{conductance:.17g}*sinh({self.a:.17g}*({voltage}))/{self.a:.17g}"
