"""What a device engineer asks of a fit: step, range, states, symmetry point, residuals."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from . import kernels
from .estimate import Estimate, filtered
from .laws import noise_entries

_CURVE = 101


class Figures(NamedTuple):
    """Figures of the population's device; conductances in S."""

    g_min: float
    g_max: float
    step_up: float
    """At the middle of the range."""
    step_down: float
    states: float
    """Range over the mean step at the middle."""
    effective_states: float
    """Levels that stand two standard deviations of one write and one read apart, at most `states`."""
    symmetry_point: float | None
    """Where an up and a down step cancel; None when one is larger everywhere."""
    symmetry_relative: float | None
    """The same, 0 at g_min and 1 at g_max."""


def figures(found: Estimate) -> Figures:
    """The figures of a fit."""
    theta, packed = found.point.theta, found.task.packed
    lower, upper = float(theta[kernels.LOWER]), float(theta[kernels.UPPER])
    middle = 0.5 * (lower + upper)
    up, down = (step(found, middle, way) for way in (True, False))
    mean = max(0.5 * (up + down), 1e-12)
    noise = noise_at(found, middle, mean)
    states = (upper - lower) / mean
    point = _symmetry(found, lower, upper)
    relative = None if point is None else (point - lower) / (upper - lower)
    bounds = [packed.offset + packed.scale * x for x in (lower, upper)]
    return Figures(
        bounds[0],
        bounds[1],
        up * packed.scale,
        down * packed.scale,
        states,
        min(states, 1 + (upper - lower) / (2 * noise)),
        None if point is None else packed.offset + packed.scale * point,
        relative,
    )


def noise_at(found: Estimate, z: float, size: float) -> float:
    """Standard deviation of one pulse and one read together, in units of z."""
    cycle, additive, read, relative = (
        0.0 if k in found.silent else math.exp(found.point.theta[entry])
        for k, entry in enumerate(noise_entries(found.task.law))
    )
    zero = found.task.packed.zero
    variance = (cycle * size + additive) ** 2 + read**2 + (relative * (z - zero)) ** 2 + found.task.packed.rounding
    return math.sqrt(variance)


def step(found: Estimate, z: float, up: bool) -> float:
    """Size of the population's step at a state, in units of z."""
    return float(kernels.step_at(found.task.law.code, found.point.theta, found.task.middle, z, up)[0])


def curve(found: Estimate, *, up: bool) -> tuple[np.ndarray, np.ndarray]:
    """(states, steps) between the bounds, S."""
    theta, packed = found.point.theta, found.task.packed
    z = np.linspace(theta[kernels.LOWER], theta[kernels.UPPER], _CURVE)
    steps = np.array([step(found, float(x), up) for x in z])
    return packed.offset + packed.scale * z, packed.scale * steps


def _symmetry(found: Estimate, lower: float, upper: float) -> float | None:
    places = np.linspace(lower, upper, _CURVE)
    gap = np.array([step(found, float(z), True) - step(found, float(z), False) for z in places])
    change = np.flatnonzero((gap[:-1] > 0) & (gap[1:] <= 0))
    if not change.size or np.abs(gap).max() < 1e-12:
        return None
    a, b = places[change[0]], places[change[0] + 1]
    root: Any = brentq(lambda z: step(found, z, True) - step(found, z, False), a, b, xtol=1e-10)
    return float(root)


class Residuals(NamedTuple):
    """Errors of prediction over their standard deviation: standard normal numbers if the model is right."""

    state: np.ndarray
    """S: predicted."""
    value: np.ndarray
    up: np.ndarray

    def summary(self) -> dict[str, float]:
        """Mean, spread, excess kurtosis, correlation of neighbours, share beyond 4."""
        z = self.value
        centred = z - z.mean()
        variance = max(float(centred @ centred) / z.size, 1e-300)
        return {
            "residual_mean": float(z.mean()),
            "residual_spread": math.sqrt(variance),
            "residual_excess_kurtosis": float(np.mean(centred**4)) / variance**2 - 3,
            "residual_neighbour_correlation": float(np.mean(centred[1:] * centred[:-1])) / variance,
            "residual_beyond_4": float(np.mean(np.abs(z) > 4)),
        }


def residuals(found: Estimate) -> Residuals:
    """Standardised errors of prediction of all readings, each device with its own parameters."""
    packed, parts = found.task.packed, []
    for i in range(packed.devices):
        for trace, out in zip(packed.of_device[i], filtered(found.task, found.point, i), strict=True):
            a, b = packed.starts[trace], packed.starts[trace + 1]
            predicted = packed.y[a + 1 : b] - out[1, 1:]
            parts.append((predicted, out[1, 1:] / np.sqrt(out[2, 1:]), packed.up[a + 1 : b]))
    state, value, up = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Residuals(packed.offset + packed.scale * state, value, up)
