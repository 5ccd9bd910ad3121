"""The fit itself: population and devices together, by Laplace's approximation, with spreads by Paule and Mandel.

Every device has its own deviation b from the population in the random entries of the parameter vector, normal with
spread tau. The most likely (population, b) is found by a damped scoring step on the arrow-shaped information matrix;
tau is the value at which the deviations, each with its own uncertainty, are as scattered as they should be, so that
uncertainty of estimation is not counted as variation between devices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import kernels
from .laws import Law, noise_entries
from .packed import Packed
from .scores import scores

_ROUGH, _LOOSE, _TIGHT = 0.1, 1e-2, 1e-5
"""Gain of log-likelihood below which a round ends, when laws are compared, spreads sought, and in the end."""
_ROUNDS = 8
_SETTLED, _SPREAD = 0.02, 0.03
"""Relative change of the spreads at which they have settled, and the smallest spread that it is relative to."""
_SMALLEST = 1e-3
"""Spread below this is none."""
_MOVE, _BOUND_MOVE = 0.02, 0.005
"""How far an entry is moved to see how the information changes."""
_LONGEST = 1.0
"""No entry moves further in one scoring step."""


class Task(NamedTuple):
    """What is fitted to what."""

    packed: Packed
    law: Law
    free: np.ndarray
    """Entries of the parameter vector that are fitted."""
    random: np.ndarray
    """Positions within `free` that vary from device to device; empty for one device."""
    anchor: np.ndarray
    """(free,): centre of a weak normal prior that keeps what the data do not say from running away."""
    reach: np.ndarray
    """(free,): its spread."""
    middle: float
    """Where up and down step are defined; NaN for half-way between the bounds."""

    @property
    def setup(self) -> tuple[float, float, float]:
        """What the compiled code wants beside parameters and data."""
        return self.middle, self.packed.zero, self.packed.rounding


class Point(NamedTuple):
    """A population and its devices."""

    theta: np.ndarray
    """The parameter vector of the population."""
    deviation: np.ndarray
    """(devices, random)"""
    tau: np.ndarray
    """(random,)"""
    value: float = -np.inf
    """Log-likelihood given the devices' parameters, with the priors' terms."""
    likelihood: float = -np.inf
    """Log-likelihood given the devices' parameters."""


def of_device(task: Task, point: Point, i: int) -> np.ndarray:
    """The parameter vector of one device."""
    theta = point.theta.copy()
    if len(task.random):
        theta[task.free[task.random]] += point.deviation[i]
    return theta


def of_devices(task: Task, point: Point) -> np.ndarray:
    """(devices, entries): the parameter vectors of all devices."""
    thetas = np.tile(point.theta, (task.packed.devices, 1))
    if len(task.random):
        thetas[:, task.free[task.random]] += point.deviation
    return thetas


def measure(task: Task, point: Point) -> Point:
    """The point with its log-likelihood."""
    packed = task.packed
    total = kernels.likelihood(
        task.law.code, of_devices(task, point), task.setup, packed.y, packed.up, packed.pulses, packed.weight,
        packed.starts, packed.owner,
    )  # fmt: skip
    return _valued(task, point, total)


def _valued(task: Task, point: Point, likelihood: float) -> Point:
    off = (point.theta[task.free] - task.anchor) / task.reach
    prior = -0.5 * float(off @ off)
    if len(task.random):
        prior -= 0.5 * float(((point.deviation / point.tau) ** 2).sum())
    return point._replace(value=likelihood + prior, likelihood=likelihood)


class Slope(NamedTuple):
    """First and expected second derivatives of the likelihood, per device, over the free entries."""

    gradient: np.ndarray
    """(devices, free)"""
    information: np.ndarray
    """(devices, free, free)"""


def slope(task: Task, point: Point) -> Slope:
    """Derivatives at a point."""
    return measured_slope(task, point, exact=True)[1]


def measured_slope(task: Task, point: Point, *, exact: bool) -> tuple[Point, Slope]:
    """The point with its log-likelihood, and the derivatives there.

    Arguments:
        exact: information next to the bounds for intervals; the other kind is for climbing.
    """
    packed = task.packed
    total, gradient, information = scores(
        task.law.code, of_devices(task, point), task.setup, task.free, exact, packed.y, packed.up, packed.pulses,
        packed.weight, packed.starts, packed.owner,
    )  # fmt: skip
    return _valued(task, point, total), Slope(gradient, information)


class Arrow(NamedTuple):
    """The information matrix of (population; deviations): `own` (devices, d, d), `cross` (devices, n, d), `schur`."""

    own: np.ndarray
    cross: np.ndarray
    whole: np.ndarray
    schur: np.ndarray
    """(n, n): information of the population with the deviations integrated out."""


def arrow(task: Task, tau: np.ndarray, information: np.ndarray, damping: float = 0.0) -> Arrow:
    """The information matrix, its diagonal raised by `damping`."""
    whole = information.sum(axis=0) + np.diag(1 / task.reach**2)
    schur = whole + damping * np.diag(np.diag(whole))
    r = task.random
    own = information[:, r][:, :, r] + np.diag(1 / tau**2)
    own = own + damping * own * np.eye(len(r))
    cross = information[:, :, r]
    if len(r):
        schur = schur - np.einsum("ijk,ikl->jl", cross, np.linalg.solve(own, cross.transpose(0, 2, 1)))
    return Arrow(own, cross, whole, schur)


def climb(
    task: Task, point: Point, *, rounds: int, gain: float, push: np.ndarray | None = None, until: float = np.inf
) -> Point:
    """Raise the value by damped scoring steps, the spreads held.

    Arguments:
        rounds: steps at most.
        gain: stop when a step gains less.
        push: (free,) constant gradient on the population, see `restriction`.
        until: a log-likelihood that is high enough.
    """
    push = np.zeros(len(task.free)) if push is None else push
    damping, start = 1e-3, point.theta[task.free]
    point, here = measured_slope(task, point, exact=False)
    level = point.value
    for _ in range(rounds):
        accepted = False
        for _ in range(8):
            trial, there = measured_slope(task, _moved(task, point, here, damping, push), exact=False)
            height = trial.value + float(push @ (trial.theta[task.free] - start))
            if height > level or (height == level and damping > 1):
                accepted = True
                break
            damping *= 8
        if not accepted:
            return point
        gained, damping = height - level, max(damping / 8, 1e-9)
        point, here, level = trial, there, height
        if gained < gain or point.likelihood > until:
            break
    return point


def _moved(task: Task, point: Point, here: Slope, damping: float, push: np.ndarray) -> Point:
    """The point after one damped scoring step."""
    matrix = arrow(task, point.tau, here.information, damping)
    total = here.gradient.sum(axis=0) - (point.theta[task.free] - task.anchor) / task.reach**2 + push
    own = here.gradient[:, task.random] - point.deviation / point.tau**2
    if len(task.random):
        half = np.linalg.solve(matrix.own, own[..., None])[..., 0]
        total = total - np.einsum("ijk,ik->j", matrix.cross, half)
    move = _solve(matrix.schur, total)
    longest = np.abs(move).max(initial=0.0)
    shrink = min(1.0, _LONGEST / longest) if longest else 1.0
    move = move * shrink
    theta = point.theta.copy()
    theta[task.free] += move
    deviation = point.deviation
    if len(task.random):
        rest = own - np.einsum("ijk,j->ik", matrix.cross, move)
        change = np.linalg.solve(matrix.own, rest[..., None])[..., 0]
        deviation = deviation + np.clip(change, -_LONGEST, _LONGEST)
        # What all deviations share belongs to the population: the prior would move it there, slowly.
        shared = deviation.mean(axis=0)
        deviation = deviation - shared
        theta[task.free[task.random]] += shared
    return point._replace(theta=theta, deviation=deviation)


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The solution, also where the matrix is nearly singular, each entry in its own unit."""
    size = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-12))
    scaled = matrix / np.outer(size, size)
    return np.linalg.lstsq(scaled, vector / size, rcond=1e-12)[0] / size


class Opinions(NamedTuple):
    """What each device alone says about each of its random entries: value and variance, (devices, random)."""

    value: np.ndarray
    variance: np.ndarray


def opinions(task: Task, point: Point, here: Slope) -> Opinions:
    """Estimates of the random entries without their own prior, the other entries of the device with theirs."""
    r, devices = task.random, task.packed.devices
    value, variance = np.empty((devices, len(r))), np.empty((devices, len(r)))
    centre = point.theta[task.free[r]]
    for k in range(len(r)):
        precision = 1 / point.tau**2
        precision[k] = 1e-10
        matrix = here.information[:, r][:, :, r] + np.diag(precision)
        inverse = np.linalg.inv(matrix)
        gradient = here.gradient[:, r] - point.deviation * precision
        variance[:, k] = np.maximum(inverse[:, k, k], 1e-12)
        value[:, k] = centre[k] + point.deviation[:, k] + np.einsum("ij,ij->i", inverse[:, k], gradient)
    return Opinions(value, variance)


def spreads(task: Task, seen: Opinions, allowed: np.ndarray) -> np.ndarray:
    """Spread of each random entry after Paule and Mandel: scatter = degrees of freedom.

    Arguments:
        allowed: (random,) largest spread.
    """
    found = np.empty(len(task.random))
    for k in range(len(found)):
        found[k] = scatter_root(seen.value[:, k], seen.variance[:, k], len(seen.value) - 1, float(allowed[k]))
    return np.maximum(found, _SMALLEST)


def scatter_root(value: np.ndarray, variance: np.ndarray, target: float, largest: float) -> float:
    """The spread at which the weighted scatter of the values equals `target`; 0 when it is below even without."""
    if scatter(value, variance, 0.0) <= target:
        return 0.0
    if scatter(value, variance, largest) >= target:
        return largest
    low, high = 0.0, largest
    for _ in range(60):
        tau = 0.5 * (low + high)
        low, high = (tau, high) if scatter(value, variance, tau) > target else (low, tau)
    return 0.5 * (low + high)


def scatter(value: np.ndarray, variance: np.ndarray, tau: float) -> float:
    """Weighted sum of squares around the weighted mean: chi-squared with one less degree than values."""
    weight = 1 / (variance + tau**2)
    return float((weight * (value - (weight * value).sum() / weight.sum()) ** 2).sum())


def restriction(task: Task, point: Point) -> np.ndarray:
    """(free,): gradient that the uncertainty of what is integrated out adds to the population's entries.

    For the noises that is everything else: without it they come out small, the more so the more parameters each device
    has of its own. For the others it is the devices' deviations (Laplace's approximation): without it a bound that is
    extrapolated, and the exponent that goes with it, come out low.
    """
    push = np.zeros(len(task.free))
    noises = set(noise_entries(task.law))
    others = np.array([k for k, entry in enumerate(task.free) if entry not in noises], np.int64)
    for k, entry in enumerate(task.free):
        noise = entry not in task.free[others]
        if not noise and not len(task.random):
            continue
        sizes, h = [], _BOUND_MOVE if entry in (kernels.LOWER, kernels.UPPER) else _MOVE
        for sign in (1, -1):
            theta = point.theta.copy()
            theta[entry] += sign * h
            moved = point._replace(theta=theta)
            matrix = arrow(task, point.tau, measured_slope(task, moved, exact=noise)[1].information)
            size = np.linalg.slogdet(matrix.schur[np.ix_(others, others)])[1] if noise else 0.0
            sizes.append(size + (np.linalg.slogdet(matrix.own)[1].sum() if len(task.random) else 0.0))
        push[k] = -0.5 * (sizes[0] - sizes[1]) / (2 * h)
    return push


def _with_spreads(point: Point, tau: np.ndarray, attempt: int) -> Point:
    """New spreads, the more carefully the later: they depend on each other, and may chase each other in a circle."""
    pace = 1.0 if attempt < 2 else 0.5
    tau = np.maximum(point.tau * (tau / point.tau) ** pace, point.tau / 3)
    tau = np.maximum(tau, _SMALLEST)
    return point._replace(tau=tau, deviation=point.deviation * np.minimum(tau / point.tau, 1.0))


def fit_population(
    task: Task, point: Point, *, allowed: np.ndarray, restrict: bool = True, rounds: int = _ROUNDS
) -> Point:
    """The most likely population, devices and spreads.

    Arguments:
        point: where to start.
        allowed: (random,) largest spread of each random entry.
        restrict: remove the bias of the noises (`restriction`).
        rounds: how often the spreads are renewed, at most.
    """
    push, gain = None, _LOOSE if restrict or not task.packed.many else _ROUGH
    for attempt in range(rounds):
        point = climb(task, point, rounds=30 if attempt == 0 else 8, gain=gain, push=push)
        settled = True
        if len(task.random):
            tau = spreads(task, opinions(task, point, slope(task, point)), allowed)
            settled = bool((np.abs(tau - point.tau) < _SETTLED * np.maximum(tau, _SPREAD)).all())
            point = _with_spreads(point, tau, attempt)
        if restrict and (attempt in (1, 3) or (settled and push is None)):
            push = restriction(task, point)
            settled = False
        if settled:
            break
    return climb(task, point, rounds=10, gain=_TIGHT if restrict else gain, push=push)
