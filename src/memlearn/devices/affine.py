"""Steps that are affine in the conductance, one kernel for every law of that form."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..ops.pulse_update import compile_step


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] + p[3] (upper - g) up, p[4] + p[5] (g - lower) down, never negative."""
    if up:
        return np.maximum(p[2] + p[3] * (p[1] - g), np.float32(0))
    return np.maximum(p[4] + p[5] * (g - p[0]), np.float32(0))


KERNELS = compile_step(step)


def columns(up: Tensor, down: Tensor, above: Tensor, below: Tensor, slopes: tuple[float, float]) -> list[Tensor]:
    """What `step` reads, for steps D (1 - slope w / b), from the step at the bound ahead: nothing cancels there.

    Arguments:
        up, down: S: D of each cell, zero in a stuck cell.
        above, below: S: b+ and -b-, the cell's bounds from mid-range.
        slopes: up, down; 1 is a step of zero at the bound ahead.
    """
    parts: list[Tensor] = []
    for size, distance, slope in ((up, above, slopes[0]), (down, below, slopes[1])):
        # A stuck cell has no distance to its bounds, and no step.
        parts += [(1 - slope) * size, slope * size / distance.where(size > 0, 1.0)]
    return parts
