"""Shapes that make a law begin with the steps of a simpler one: between rough starts its likelihood has many tops."""

from __future__ import annotations

import math

import numpy as np

from . import kernels
from .laws import NODES, Law

_LEAST = 0.02
"""Step relative to that at the middle below which a start does not go."""


def grown_shapes(old: Law, theta: np.ndarray, middle: float, new: Law) -> np.ndarray:
    """Shapes of `new` whose steps are near those of `old` with the parameter vector `theta`."""
    lower, upper = float(theta[kernels.LOWER]), float(theta[kernels.UPPER])
    centre = 0.5 * (lower + upper) if math.isnan(middle) else middle

    def relative(z: float, up: bool) -> float:
        there, here = (kernels.step_at(old.code, theta, middle, x, up)[0] for x in (z, centre))
        return max(float(there) / max(float(here), 1e-12), _LEAST)

    parts = []
    for up in (True, False):
        ahead, behind = (upper, lower) if up else (lower, upper)
        near, far, back = (relative(z, up) for z in (0.5 * (centre + ahead), ahead, 0.5 * (centre + behind)))
        if new.code == kernels.AFFINE:
            parts.append([1 - far if far > _LEAST else 2 * (1 - near)])
        elif new.code == kernels.POWER:
            parts.append([math.log(min(max(-math.log2(near), 0.1), 5.0))])
        elif new.code == kernels.EXPONENTIAL:
            parts.append(_exponential(near, back))
        else:
            nodes = np.linspace(lower, upper, NODES)
            logs = [math.log(relative(float(z), up)) for z in nodes]
            parts.append([x for k, x in enumerate(logs) if k != NODES // 2])
    return np.concatenate(parts)


def _exponential(near: float, back: float) -> list[float]:
    """Logarithm of the plateau and rate of the exponential through the steps half-way ahead and half-way behind."""
    if (1 - near) * (back - 1) <= 0:
        return [0.05, 0.5]
    growth = (1 - near) / (back - 1)
    if abs(growth - 1) < 0.1:  # a straight line has no rate; a weak curvature stands for it
        growth = 1.1
    growth = min(max(growth, 0.2), 5.0)
    plateau = 1 + (1 - near) / (growth - 1)
    return [math.log(plateau), 2 * math.log(growth)] if plateau > 0.05 else [-0.7, -1.5]
