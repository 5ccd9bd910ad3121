"""No selector: Ohm's law, with a resistance in series if there is an access transistor."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from ...core.component import quantity
from .base import AbstractSelector


class Ohmic(AbstractSelector):
    """I = V G / (1 + G r_access): a bare cell (0 ohm), or one behind a transistor that is switched on."""

    kind: Literal["ohmic"] = "ohmic"
    linear: ClassVar[bool] = True

    r_access: float = quantity(0.0, unit="ohm", ge=0, doc="resistance in series with the cell, of its transistor")

    def folded(self, conductance: Tensor) -> Tensor:
        """S, of cell and transistor in series."""
        return conductance / (1 + conductance * self.r_access) if self.r_access else conductance

    def current(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """Ohm's law."""
        return self.slope(conductance, voltage) * voltage

    def slope(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """G / (1 + G r_access)."""
        return conductance / (1 + conductance * self.r_access) + 0 * voltage

    def spice(self, conductance: float, voltage: str) -> str:
        """Ohm's law."""
        return f"{conductance / (1 + conductance * self.r_access):.17g}*({voltage})"
