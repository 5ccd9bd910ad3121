"""Exponential step: a constant step less an exponential of the conductance, as fitted to ReRAM and PCM."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from ..core.component import quantity
from ..ops.pulse_update import Kernels, compile_step
from .base import AbstractDevice
from .state import Cells


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] (1 - p[3] exp(p[4] (g - p[8]))) up, p[5] (1 - p[6] exp(p[7] (g - p[8]))) down, never negative."""
    if up:
        return p[2] * np.maximum(np.float32(1) - p[3] * np.exp(p[4] * (g - p[8])), np.float32(0))
    return p[5] * np.maximum(np.float32(1) - p[6] * np.exp(p[7] * (g - p[8])), np.float32(0))


class ExponentialStep(AbstractDevice):
    """Steps with an exponential of the conductance, per polarity; w = G - middle, b+ > 0 > b- the cell's own bounds.

        z = 2 a w / (b+ - b-) + b
        up     D max(0, 1 - A_up exp(gamma_up z))
        down   D max(0, 1 - A_down exp(-gamma_down z))

    `states` scales D as published: D = range / states. The step at mid-range is D times the bracket, which can be far
    from 1 (`middle_factor`). The defaults are a fit to HfO2 ReRAM, whose steps are uneven too: asymmetry 0.149.
    """

    kind: Literal["exponential_step"] = "exponential_step"
    kernels: ClassVar[Kernels] = compile_step(step)
    step_columns: ClassVar[tuple[int, ...]] = (2, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Gong et al., Nat. Commun. 9:2102 (2018), fit to ReRAM",
        "Rasch et al., IEEE AICAS (2021), arXiv 2104.02184: law and values",
    )

    A_up: float = quantity(-1.18445, unit="1", doc="weight of the exponential in up steps; below 0 it adds")
    A_down: float = quantity(-0.081404, unit="1", doc="weight of the exponential in down steps; below 0 it adds")
    gamma_up: float = quantity(5.0, unit="1", ge=-20, le=20, doc="steepness of up steps")
    gamma_down: float = quantity(5.0, unit="1", ge=-20, le=20, doc="steepness of down steps")
    a: float = quantity(-0.5, unit="1", ge=-2, le=2, doc="scale of z")
    b: float = quantity(-0.5, unit="1", ge=-2, le=2, doc="z at mid-range")

    def middle_factor(self, up: bool) -> float:
        """The bracket at mid-range."""
        weight = (
            self.A_up * math.exp(self.gamma_up * self.b) if up else self.A_down * math.exp(-self.gamma_down * self.b)
        )
        return max(0.0, 1 - weight)

    def columns(self, cells: Cells) -> list[Tensor]:
        """D, weight at mid-range and rate in 1/S, up then down; the middle."""
        # A stuck cell has no width, and no step; any rate will do.
        rate = 2 * self.a / (cells.upper - cells.lower).where(cells.upper > cells.lower, self.range)
        up, down = self.gamma_up + cells.shape_up, self.gamma_down + cells.shape_down
        return [
            cells.up,
            self.A_up * (up * self.b).exp(),
            up * rate,
            cells.down,
            self.A_down * (-down * self.b).exp(),
            -down * rate,
            cells.up.new_full(cells.up.shape, self.middle),
        ]
