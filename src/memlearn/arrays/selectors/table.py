"""A measured I(V) curve, scaled by the cell's conductance."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

import numpy as np
from pydantic import model_validator
from scipy.interpolate import PchipInterpolator

from ...core.component import setting
from ...core.errors import InputError
from .base import AbstractSelector


class CurrentTable(AbstractSelector):
    """I = G f(V): f through measured points, odd, monotone between them (PCHIP), straight beyond the last."""

    kind: Literal["table"] = "table"

    voltages: tuple[float, ...] = setting((0.0, 0.5, 1.0), doc="V, from 0 on, rising")
    drops: tuple[float, ...] = setting(
        (0.0, 0.5, 1.0), doc="current / conductance at these voltages, V, from 0 on, rising"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, values in (("voltages", self.voltages), ("drops", self.drops)):
            if len(values) < 2 or values[0] != 0 or any(b <= a for a, b in pairwise(values)):
                raise InputError(name, values, "must start at 0 and rise", "The curve is odd: give one half of it.")
        if len(self.voltages) != len(self.drops):
            raise InputError("drops", self.drops, f"must have {len(self.voltages)} values, one a voltage")
        return self

    def current(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """G f(V)."""
        curve, size = self._curve(), np.abs(voltage)
        last = self.voltages[-1]
        inside = curve(np.minimum(size, last)) + float(curve(last, 1)) * np.maximum(size - last, 0)
        return conductance * np.sign(voltage) * inside

    def slope(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """G f'(V)."""
        return conductance * self._curve()(np.minimum(np.abs(voltage), self.voltages[-1]), 1)

    def spice(self, conductance: float, voltage: str) -> str:
        """Piecewise cubic, written out."""
        curve, last = self._curve(), self.voltages[-1]
        x = f"abs({voltage})"
        beyond = f"{float(curve(last)):.17g}+{float(curve(last, 1)):.17g}*({x}-{last:.17g})"
        for k in reversed(range(len(self.voltages) - 1)):
            a, b, c, d = curve.c[:, k]
            t = f"({x}-{self.voltages[k]:.17g})"
            cubic = f"((({a:.17g}*{t}+{b:.17g})*{t}+{c:.17g})*{t}+{d:.17g})"
            beyond = f"({x}<{self.voltages[k + 1]:.17g} ? {cubic} : {beyond})"
        return f"{conductance:.17g}*sgn({voltage})*({beyond})"

    def _curve(self) -> PchipInterpolator:
        return PchipInterpolator(self.voltages, self.drops)
