"""Estimates with 95 % intervals, in the package's parameters and units."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, t

from . import kernels
from .estimate import ENOUGH, NOISE_NAMES, Estimate, dropped
from .hierarchy import Opinions, Slope, arrow, climb, opinions, scatter_root, slope
from .laws import noise_entries

_DEVICES_LEVEL = 0.97
"""Level of intervals that rest on the scatter between devices: the theory takes the devices' estimates for normal and
their errors for known, and what it leaves out makes intervals of 0.95 a little too narrow on synthetic data."""
_ONE_SIDED = 1.353
"""Loss of log-likelihood at a one-sided 95 % limit."""
_DOUBTFUL = 0.35
"""Standard error above which the likelihood is walked instead of taken for a parabola."""
_FARTHEST = 12.0
_FIRST_LIMIT, _CLOSE = -5.0, 0.15
"""Where the limit of an unseen noise is sought first (logarithm), and how near to its loss is near enough."""


class Parameter(NamedTuple):
    """An estimate; `low` or `high` is None where the data give no limit."""

    name: str
    value: float
    low: float | None
    high: float | None
    unit: str
    note: str = ""


class Errors(NamedTuple):
    """Standard errors of the free entries of the population, and the quantiles that make intervals of them."""

    covariance: np.ndarray
    quantile: np.ndarray
    seen: Opinions | None
    here: Slope


def errors(found: Estimate) -> Errors:
    """Covariance of the population's entries, deviations integrated out.

    An entry with a spread over n devices has Student's quantile: its error is taken from the scatter of the devices'
    own estimates, n - 1 degrees of freedom, as far as that scatter makes the error (Hartung and Knapp).
    """
    task, point = found.task, found.point
    here = slope(task, point)
    covariance = np.linalg.pinv(arrow(task, point.tau, here.information).schur)
    quantile = np.full(len(task.free), 1.96)
    devices, seen = task.packed.devices, None
    if len(task.random):
        seen = opinions(task, point, here)
        for k, position in enumerate(task.random):
            scattered = 1 / float((1 / (seen.variance[:, k] + point.tau[k] ** 2)).sum())
            share = min(1.0, scattered / max(covariance[position, position], 1e-300))
            if share > 0.05:
                quantile[position] = t.ppf(0.5 + _DEVICES_LEVEL / 2, (devices - 1) / share**2)
    return Errors(covariance, quantile, seen, here)


def parameters(found: Estimate, known: Errors, *, thorough: bool = True) -> tuple[Parameter, ...]:
    """Every parameter of the fit with its interval.

    Arguments:
        thorough: walk the likelihood where its curvature is not to be trusted; slower.
    """
    return (*_means(found, known, thorough), *_noises(found, known, thorough), *_spreads(found, known))


def _means(found: Estimate, known: Errors, thorough: bool) -> list[Parameter]:
    task, theta, scale = found.task, found.point.theta, found.task.packed.scale
    rows: list[Parameter] = []
    for name, sign in (("step_up", 1.0), ("step_down", -1.0)):
        value = math.exp(theta[kernels.STEP] + sign * theta[kernels.BALANCE]) * scale
        weights = {kernels.STEP: 1.0, kernels.BALANCE: sign}
        if not math.isnan(task.middle):
            # The step is that at the middle of bounds which are themselves uncertain.
            size, change = kernels.step_at(task.law.code, theta, task.middle, task.middle, sign > 0)
            weights |= dict.fromkeys((kernels.LOWER, kernels.UPPER), 0.5 * change / max(size, 1e-12))
        width = _width(found, known, weights)
        rows.append(Parameter(name, value, value * math.exp(-width), value * math.exp(width), "S"))
    for name, entry in (("g_min", kernels.LOWER), ("g_max", kernels.UPPER)):
        rows.append(_bound(found, known, name, entry))
    first = noise_entries(task.law)[0]
    if task.law.fixed is None:
        for k, label in enumerate(task.law.shapes):
            entry = kernels.SHAPES + k
            low, high = _limits(found, known, entry, thorough)
            rows.append(_shape(label, float(theta[entry]), low, high))
            assert entry < first
    return rows


def _shape(label: str, value: float, low: float, high: float) -> Parameter:
    """A shape under the name it has in the package."""
    if label.startswith("log plateau"):
        numbers = [1 - math.exp(-x) for x in (value, low, high)]
        return Parameter(label.replace("log plateau", "A"), numbers[0], numbers[1], numbers[2], "1")
    if label.startswith("rate"):
        return Parameter(label.replace("rate", "gamma"), value, low, high, "1")
    if label.startswith("log "):
        exps = [math.exp(min(x, 50.0)) for x in (value, low, high)]
        return Parameter(label.removeprefix("log "), exps[0], exps[1], exps[2], "1")
    return Parameter(label, value, low, high, "1")


def _bound(found: Estimate, known: Errors, name: str, entry: int) -> Parameter:
    packed = found.task.packed
    value = packed.offset + packed.scale * float(found.point.theta[entry])
    if entry in found.pinned:
        note = "not approached in the data: set where the traces end"
        low, high = (0.0, value) if entry == kernels.LOWER else (value, None)
        return Parameter(name, value, low, high, "S", note)
    width = packed.scale * _width(found, known, {entry: 1.0})
    return Parameter(name, value, max(value - width, min(value, 0.0)), value + width, "S")


def _noises(found: Estimate, known: Errors, thorough: bool) -> list[Parameter]:
    task, theta, scale = found.task, found.point.theta, found.task.packed.scale
    rows = []
    for k, entry in enumerate(noise_entries(task.law)):
        unit = scale if k in (1, 2) else 1.0
        name, dimension = NOISE_NAMES[k], "S" if k in (1, 2) else "1"
        if k not in found.silent:
            low, high = _limits(found, known, entry, thorough)
            value, low, high = (unit * math.exp(x) for x in (theta[entry], low, high))
            rows.append(Parameter(name, value, low, high, dimension))
            continue
        limit = _noise_limit(found, entry) if thorough and _offered(found, k) else None
        note = "not needed by the data" if _offered(found, k) else "not offered: see the warnings"
        rows.append(Parameter(name, 0.0, 0.0, None if limit is None else unit * limit, dimension, note))
    return rows


def _offered(found: Estimate, noise: int) -> bool:
    return not (noise == 1 and found.task.law.kind == "constant_step") and noise != 3


def _noise_limit(found: Estimate, entry: int) -> float | None:
    """Upper limit of a noise that is estimated as none: where it costs too much, everything else refitted."""
    task, point = found.task, found.point
    low, high = math.log(1e-6), math.log(1e3)
    # A noise that is small against what is there costs as the square of its variance: from there the secant.
    x, rise, before = _FIRST_LIMIT, 3.0, None
    for _ in range(10):
        theta = point.theta.copy()
        theta[entry] = x
        point = climb(task, point._replace(theta=theta), rounds=5, gain=0.05)
        loss = math.log(max(found.point.value - point.value, 1e-6) / _ONE_SIDED)
        low, high = (x, high) if loss < 0 else (low, x)
        if abs(loss) < _CLOSE or high - low < 0.1:
            break
        if before is not None and abs(x - before[0]) > 1e-9:
            rise = min(max((loss - before[1]) / (x - before[0]), 1.0), 8.0)
        before = x, loss
        x = min(max(x - loss / rise, low + 0.1 * (high - low)), high - 0.1 * (high - low))
    return math.exp(x)


def _spreads(found: Estimate, known: Errors) -> list[Parameter]:
    """Spreads between devices, with the exact interval of the random-effects model (Q profile)."""
    task, point, rows = found.task, found.point, []
    if known.seen is None:
        return rows
    devices, scale = task.packed.devices, task.packed.scale
    names = {kernels.STEP: "step", kernels.BALANCE: "balance", kernels.LOWER: "g_min", kernels.UPPER: "g_max"}
    for k, position in enumerate(task.random):
        entry = int(task.free[position])
        name = names.get(entry) or task.law.shapes[entry - kernels.SHAPES]
        unit, size = ("S", scale) if entry in (kernels.LOWER, kernels.UPPER) else ("1", 1.0)
        value, variance = known.seen.value[:, k], known.seen.variance[:, k]
        quantiles = chi2.ppf((0.5 + _DEVICES_LEVEL / 2, 0.5 - _DEVICES_LEVEL / 2), devices - 1)
        low, high = (scatter_root(value, variance, float(q), 100.0) for q in quantiles)
        tau = float(point.tau[k]) if point.tau[k] > 2e-4 else 0.0
        note = "" if low > 0 else "may be none"
        rows.append(Parameter(f"spread of {name}", size * tau, size * low, size * high, unit, note))
    return rows


def _width(found: Estimate, known: Errors, weights: dict[int, float]) -> float:
    """Half the interval of a sum of entries; those that are held add nothing."""
    free, direction = found.task.free, np.zeros(len(found.task.free))
    for entry, weight in weights.items():
        direction[free == entry] = weight
    quantile = max((known.quantile[k] for k in np.flatnonzero(direction)), default=1.96)
    return float(quantile * math.sqrt(max(direction @ known.covariance @ direction, 0.0)))


def _limits(found: Estimate, known: Errors, entry: int, thorough: bool) -> tuple[float, float]:
    """Both ends of the interval of one entry, by curvature, or along the likelihood where that is doubtful."""
    value = float(found.point.theta[entry])
    position = np.flatnonzero(found.task.free == entry)
    if not len(position):
        return value, value
    width = _width(found, known, {entry: 1.0})
    if not thorough or width < 1.96 * _DOUBTFUL:
        return value - width, value + width
    return _walk(found, entry, -1, width), _walk(found, entry, 1, width)


def _walk(found: Estimate, entry: int, side: int, width: float) -> float:
    """Where the profile of the likelihood has fallen by 1.92, to a tenth of the guess; far away it is not sought."""
    value, level = float(found.point.theta[entry]), found.point.value
    task, start = dropped(found.task, found.point, entry, value)
    near, far, step = 0.0, None, min(width, _FARTHEST)
    for _ in range(8):
        theta = start.theta.copy()
        theta[entry] = value + side * step
        point = climb(task, start._replace(theta=theta), rounds=6, gain=0.02)
        if level - point.value > ENOUGH:
            far = step
        else:
            near = step
        if near >= _FARTHEST or (far is not None and far - near < 0.1 * far):
            break
        step = min(2 * step, _FARTHEST) if far is None else 0.5 * (near + far)
    return value + side * (far if far is not None else near)
