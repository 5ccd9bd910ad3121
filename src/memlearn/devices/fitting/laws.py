"""The laws that can be fitted: which parameters each has, where they start, and what they are called in the package."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import kernels


class Law(NamedTuple):
    """One law as the fit sees it."""

    kind: str
    """Its TOML name in the package."""
    code: int
    shapes: tuple[str, ...]
    """Names of the shape entries of the parameter vector, all up ones, then all down ones."""
    fixed: tuple[float, ...] | None
    """Values of the shapes where the law has none to fit."""
    starts: tuple[tuple[float, ...], ...]
    """Shapes to start from; the best wins."""
    spread: bool
    """The shapes vary from device to device."""
    soft: bool
    """The step itself knows the bounds: they can be seen without being reached."""

    @property
    def parameters(self) -> int:
        """How many shapes are fitted: what parsimony counts."""
        return 0 if self.fixed is not None else len(self.shapes)


NODES = 5
"""Nodes of the piecewise law; the middle one is 1 by definition."""
_LINEAR = ("slope_up", "slope_down")
_POWER = ("log exponent_up", "log exponent_down")
_EXPONENTIAL = ("log plateau_up", "rate_up", "log plateau_down", "rate_down")
_CONCAVE, _CONVEX = (0.4, 1.5), (-0.7, -1.5)
_PIECEWISE = tuple(f"log node {k} {way}" for way in ("up", "down") for k in range(NODES) if k != NODES // 2)

LAWS = {
    "constant_step": Law("constant_step", kernels.AFFINE, _LINEAR, (0.0, 0.0), ((0.0, 0.0),), False, False),
    "soft_bounds": Law("soft_bounds", kernels.AFFINE, _LINEAR, (1.0, 1.0), ((1.0, 1.0),), False, True),
    "linear_step": Law("linear_step", kernels.AFFINE, _LINEAR, None, ((0.4, 0.4),), True, False),
    "power_step": Law("power_step", kernels.POWER, _POWER, None, ((-0.3, -0.3), (0.5, 0.5)), True, True),
    "exponential_step": Law(
        "exponential_step",
        kernels.EXPONENTIAL,
        _EXPONENTIAL,
        None,
        tuple((*up, *down) for up in (_CONCAVE, _CONVEX) for down in (_CONCAVE, _CONVEX)),
        False,
        False,
    ),
    "piecewise_step": Law(
        "piecewise_step", kernels.PIECEWISE, _PIECEWISE, None, ((0.0,) * len(_PIECEWISE),), False, False
    ),
}
"""In order of preference where nothing else decides."""


def vector(law: Law, means: np.ndarray, shapes: np.ndarray, noises: np.ndarray) -> np.ndarray:
    """A parameter vector of the compiled code: (step, balance, lower, upper), shapes, logarithms of the four noises."""
    return np.concatenate([means, shapes, noises]).astype(np.float64)


def noise_entries(law: Law) -> tuple[int, int, int, int]:
    """Where cycle, additive, read and relative read noise stand in the vector."""
    first = kernels.SHAPES + len(law.shapes)
    return first, first + 1, first + 2, first + 3
