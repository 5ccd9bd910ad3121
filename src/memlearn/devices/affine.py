"""Steps that are affine in the conductance, one kernel for every law of that form."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..ops.pulse_update import compile_step
from .state import Cells


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] + p[3] (upper - g) up, p[4] + p[5] (g - lower) down, never negative."""
    if up:
        return np.maximum(p[2] + p[3] * (p[1] - g), np.float32(0))
    return np.maximum(p[4] + p[5] * (g - p[0]), np.float32(0))


KERNELS = compile_step(step)


def columns(cells: Cells, middle: float, slopes: tuple[Tensor, Tensor]) -> list[Tensor]:
    """What `step` reads, for steps D (1 - slope w / b), from the step at the bound ahead: nothing cancels there.

    Arguments:
        cells: D, and the bounds, of which b is the distance from mid-range.
        middle: S, mid-range, where w is zero.
        slopes: up, down, (shape): 1 is a step of zero at the bound ahead.
    """
    parts: list[Tensor] = []
    ways = (cells.up, cells.upper - middle, slopes[0]), (cells.down, middle - cells.lower, slopes[1])
    for size, distance, slope in ways:
        # A stuck cell has no distance to its bounds, and no step.
        parts += [(1 - slope) * size, slope * size / distance.where(size > 0, 1.0)]
    return parts
