"""One law fitted to the traces: what is free, where it starts, which noises the data need, which bounds they show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from . import kernels
from .hierarchy import Point, Task, arrow, climb, fit_population, of_device, slope
from .laws import Law, noise_entries
from .packed import Packed
from .seeds import grown_shapes
from .start import Glance

NOISE_NAMES = ("cycle_to_cycle", "additive", "read", "read_relative")
ENOUGH = 1.92
"""Loss of log-likelihood at the edge of a 95 % interval: what costs less is not shown by the data."""
_OUT = 1.0
"""How far a bound is moved to see whether anything depends on it, in ranges of the data."""
_LARGEST = {kernels.STEP: 3.0, kernels.BALANCE: 1.5, kernels.LOWER: 1.0, kernels.UPPER: 1.0}
_LARGEST_SHAPE = 2.0
_REACH = {kernels.STEP: 10.0, kernels.BALANCE: 5.0, kernels.LOWER: 3.0, kernels.UPPER: 3.0}
_REACH_SHAPE, _REACH_NOISE = 3.0, 5.0
_INSIDE = 2.5
"""Read noises by which the extreme readings lie beyond the extreme states, roughly."""
_SURE_NOISE, _SURE_BOUND = 0.25, 0.04
"""Standard errors (of a noise's logarithm, of a bound in ranges) below which nobody needs to ask whether it is seen."""
_ROUGH = 0.01
"""Read noise to begin with, at least, in ranges."""
_LITTLE = -6.0
"""Logarithm of a noise to begin with that a simpler law did not need."""
_SKETCH = 4
"""Rounds of spreads that are enough to compare laws."""
_FIRST_STEPS, _LEADERS, _LAST_STEPS = 4, 3, 12
"""Scoring steps that every start takes, how many of each kind go on, and how far."""
_SAMPLE = 3
"""Devices on which starts are compared, when there are many."""
_OFF_CENTRE = 3e-3
"""Distance of the nominal middle from the middle of the mean bounds that is let be, in ranges."""
_FEW = 3
"""Devices below which shapes are not given a spread of their own."""


class Estimate(NamedTuple):
    """A law fitted."""

    task: Task
    point: Point
    pinned: tuple[int, ...]
    """Bounds that the data do not show: LOWER, UPPER."""
    silent: tuple[int, ...]
    """Noises (0 to 3) that the data do not need."""


class Start(NamedTuple):
    """A place to start from, and where it came from."""

    task: Task
    point: Point
    first: Glance
    seed: Estimate | None


def sketch(
    packed: Packed, law: Law, first: Glance, *, relative_read: bool, seeds: Sequence[Estimate] = ()
) -> Estimate:
    """Fit one law well enough to compare it with others; `refine` finishes it.

    Arguments:
        first: the look at the data that gives the starting values.
        relative_read: the zero of conductance is known, so that read noise may be relative to it.
        seeds: fits of simpler laws, to start from too.
    """
    entries = noise_entries(law)
    # In a constant step relative and additive noise are the same thing; it is called relative.
    off = {1} if law.kind == "constant_step" else set()
    off |= set() if relative_read else {3}
    task, point = _best_start(packed, law, first, off, seeds)
    point = fit_population(task, point, allowed=_allowed(task), restrict=False, rounds=_SKETCH)
    task, point = _centred(task, point)
    task, point, pinned = _without_unseen_bounds(task, point)
    for noise in (3, 1, 0, 2):
        if noise not in off:
            task, point, gone = _without(task, point, entries[noise])
            off |= {noise} if gone else set()
    return Estimate(task, point, pinned, tuple(sorted(off)))


def refine(found: Estimate) -> Estimate:
    """The same fit, finished: spreads settled, noises without bias, steps at the middle of the population's bounds."""
    task, point = _centred(found.task, found.point)
    point = fit_population(task, point, allowed=_allowed(task))
    for _ in range(2):
        moved = _centred(task, point)
        if moved[0] is task:
            break
        task, point = moved[0], fit_population(moved[0], moved[1], allowed=_allowed(moved[0]))
    return found._replace(task=task, point=point)


def _best_start(
    packed: Packed, law: Law, first: Glance, off: set[int], seeds: Sequence[Estimate]
) -> tuple[Task, Point]:
    """A task with everything free, and the best of several starts after a short climb: the likelihood has many tops.

    Starts differ in the law's shapes and in where the scatter of the readings is sought: in the reads (rough), or in
    the steps, with bounds where the readings end. Fits of simpler laws are starts as well.
    """
    sample = packed.few(_SAMPLE) if packed.devices > 2 * _SAMPLE else packed
    tried: list[Start] = []
    for seed in seeds:
        task, point = _task(sample, law, _theta(law, first, np.array(law.starts[0]), off, rough=True), first, off)
        tried.append(Start(task, grown(seed, task, point), first, seed))
    for shapes, rough in product(law.starts, (True, False)):
        theta, near = _theta(law, first, np.array(shapes, np.float64), off, rough=rough), first
        if not rough:
            near = first._replace(read=0.0)
        tried.append(Start(*_task(sample, law, theta, near, off), near, None))
    # All take a few steps; then those that lead go on. Grown from a simpler law they lead at first and may end lower.
    raced = _raced(tried, rounds=_FIRST_STEPS)
    leading = [[start for start in raced if (start.seed is None) == cold][:_LEADERS] for cold in (True, False)]
    best = _raced([*leading[0], *leading[1]], rounds=_LAST_STEPS)[0]
    if sample is packed:
        return best.task, best.point
    task, point = _task(packed, law, best.point.theta.copy(), best.first, off)
    if best.seed is not None:
        point = grown(best.seed, task, point)
    return task, point._replace(theta=best.point.theta, tau=best.point.tau)


def _raced(tried: Sequence[Start], *, rounds: int) -> list[Start]:
    """Starts after a short climb, the best first."""
    climbed = [start._replace(point=climb(start.task, start.point, rounds=rounds, gain=0.1)) for start in tried]
    return sorted(climbed, key=lambda start: -start.point.value)


def grown(seed: Estimate, task: Task, point: Point) -> Point:
    """Where a law starts that should begin as the fit of a simpler one: same steps, bounds, noises and devices."""
    theta = point.theta.copy()
    theta[: kernels.SHAPES] = seed.point.theta[: kernels.SHAPES]
    if task.law.fixed is None:
        own = grown_shapes(seed.task.law, seed.point.theta, seed.task.middle, task.law)
        theta[kernels.SHAPES : kernels.SHAPES + len(own)] = own
    old, new = noise_entries(seed.task.law), noise_entries(task.law)
    for k in range(4):
        if new[k] in task.free:
            # What the simpler law did not need may be needed now, but there is little of it.
            theta[new[k]] = max(seed.point.theta[old[k]], _LITTLE)
    deviation, tau = point.deviation.copy(), point.tau.copy()
    known = {int(seed.task.free[k]): j for j, k in enumerate(seed.task.random)}
    for j, k in enumerate(task.random):
        entry = int(task.free[k])
        shape = entry >= kernels.SHAPES
        if entry in known and not shape:
            tau[j] = seed.point.tau[known[entry]]
            if len(deviation) == len(seed.point.deviation):
                deviation[:, j] = seed.point.deviation[:, known[entry]]
        elif shape:
            tau[j] = 0.1
    return point._replace(theta=theta, deviation=deviation, tau=tau)


def _theta(law: Law, first: Glance, shapes: np.ndarray, off: set[int], *, rough: bool) -> np.ndarray:
    """The parameter vector to start from."""
    # A bound inside the data is pushed out by them; one that is too far out feels nothing.
    lower, upper = (_INSIDE * first.read, 1 - _INSIDE * first.read) if rough else (0.0, 1.0)
    if law.soft:
        lower = 0.5 - np.clip(1 / max(first.slope_down, 0.2), 0.5, 1.5)
        upper = 0.5 + np.clip(1 / max(first.slope_up, 0.2), 0.5, 1.5)
    if law.kind == "linear_step":
        shapes = np.clip([first.slope_up / 2, first.slope_down / 2], -0.9, 0.95)
    step = 0.5 * (np.log(first.up) + np.log(first.down))
    balance = 0.5 * (np.log(first.up) - np.log(first.down))
    mean = np.exp(step)
    # Readings far outside the bounds of a first guess must not rule everything: begin with more noise than there is.
    read = max(first.read, _ROUGH) if rough else 0.2 * first.read
    noises = np.log([first.spread / mean, first.spread if rough else 0.1 * first.spread, read, max(read, 0.03)])
    if 1 not in off:
        noises[:2] -= 0.35
    noises[list(off)] = kernels.OFF
    return np.concatenate([[step, balance, lower, upper], shapes, noises])


def _task(packed: Packed, law: Law, theta: np.ndarray, first: Glance, off: set[int]) -> tuple[Task, Point]:
    """Everything free that the law has; deviations from each device's own extremes and mean steps."""
    entries = noise_entries(law)
    shapes = [] if law.fixed is not None else list(range(kernels.SHAPES, entries[0]))
    noises = [entries[k] for k in range(4) if k not in off]
    free = np.array([kernels.STEP, kernels.BALANCE, kernels.LOWER, kernels.UPPER, *shapes, *noises], np.int64)
    random = list(range(4)) if packed.devices > 1 else []
    if law.spread and packed.devices >= _FEW:
        random += [4 + k for k in range(len(shapes))]
    reach = [_REACH.get(int(e), _REACH_NOISE if e >= entries[0] else _REACH_SHAPE) for e in free]
    middle = 0.5 if packed.devices > 1 else np.nan
    task = Task(packed, law, free, np.array(random, np.int64), theta[free], np.array(reach), middle)
    deviation, tau = np.zeros((packed.devices, len(random))), np.full(len(random), 0.3)
    if random:
        own = _extremes(packed) + _INSIDE * first.read * np.array([1, -1])
        deviation[:, 2], deviation[:, 3] = own[:, 0] - own[:, 0].mean(), own[:, 1] - own[:, 1].mean()
        tau[1] = 0.15
        tau[2:4] = np.maximum(own.std(axis=0), 0.02)
        theta[kernels.LOWER] = max(theta[kernels.LOWER], own[:, 0].mean()) if not law.soft else theta[kernels.LOWER]
        theta[kernels.UPPER] = min(theta[kernels.UPPER], own[:, 1].mean()) if not law.soft else theta[kernels.UPPER]
    return task, Point(theta, deviation, tau)


def _extremes(packed: Packed) -> np.ndarray:
    """(devices, 2): lowest and highest reading of each device."""
    parts = [[packed.y[packed.starts[i] : packed.starts[i + 1]] for i in traces] for traces in packed.of_device]
    return np.array([[min(y.min() for y in own), max(y.max() for y in own)] for own in parts])


def _allowed(task: Task) -> np.ndarray:
    return np.array([_LARGEST.get(int(entry), _LARGEST_SHAPE) for entry in task.free[task.random]])


def dropped(task: Task, point: Point, entry: int, value: float) -> tuple[Task, Point]:
    """The same task with an entry held at a value, for all devices."""
    keep = task.free != entry
    position = int(np.flatnonzero(~keep)[0])
    random = [k - (k > position) for k in task.random if k != position]
    held = np.array([k != position for k in task.random], bool)
    theta = point.theta.copy()
    theta[entry] = value
    narrower = task._replace(
        free=task.free[keep], random=np.array(random, np.int64), anchor=task.anchor[keep], reach=task.reach[keep]
    )
    return narrower, point._replace(theta=theta, deviation=point.deviation[:, held], tau=point.tau[held])


def _without(task: Task, point: Point, entry: int) -> tuple[Task, Point, bool]:
    """The task without a noise, when the data do not need it."""
    if _error(task, point, entry) < _SURE_NOISE:
        return task, point, False
    level = climb(task, point, rounds=3, gain=0.05)
    narrower, start = dropped(task, level, entry, kernels.OFF)
    silent = climb(narrower, start, rounds=12, gain=0.05, until=level.likelihood - ENOUGH)
    if level.likelihood - silent.likelihood < ENOUGH:
        return narrower, silent, True
    return task, level, False


def _without_unseen_bounds(task: Task, point: Point) -> tuple[Task, Point, tuple[int, ...]]:
    """Bounds that the steps do not know and that no trace reaches are put where the traces end."""
    if task.law.soft:
        return task, point, ()
    pinned: list[int] = []
    for entry, side in ((kernels.LOWER, -1), (kernels.UPPER, 1)):
        # One reading that happens to lie on a bound makes a peak in the likelihood, the sharper the better the reads.
        luck = task.packed.devices * _sharpness(task, point)
        if _error(task, point, entry) < _SURE_BOUND and luck < task.packed.devices:
            continue
        away = point.theta[entry] + side * _OUT
        narrower, start = dropped(task, point, entry, float(away))
        enough = point.likelihood - ENOUGH - luck
        far = climb(narrower, _same_steps(start, task, point), rounds=12, gain=0.05, until=enough)
        if point.likelihood - far.likelihood >= ENOUGH + luck:
            continue
        outermost = _outermost(narrower, far, side)
        ended, start = dropped(task, point, entry, outermost)
        task, point = ended, climb(ended, start, rounds=15, gain=0.05)
        pinned.append(entry)
    return task, point, tuple(pinned)


def _sharpness(task: Task, point: Point) -> float:
    """Logarithm of the noise of a step and a read over that of a read, at the middle of the data."""
    cycle, additive, read, relative = (float(np.exp(point.theta[entry])) for entry in noise_entries(task.law))
    step = float(np.exp(point.theta[kernels.STEP]))
    seen = read**2 + (relative * (0.5 - task.packed.zero)) ** 2 + task.packed.rounding
    return 0.5 * float(np.log1p((cycle * step + additive) ** 2 / seen))


def _error(task: Task, point: Point, entry: int) -> float:
    """Standard error of an entry of the population's parameter vector."""
    inverse = np.linalg.pinv(arrow(task, point.tau, slope(task, point).information).schur)
    position = int(np.flatnonzero(task.free == entry)[0])
    return float(np.sqrt(max(inverse[position, position], 0.0)))


def _same_steps(start: Point, task: Task, point: Point) -> Point:
    """Linear slopes refer to the bounds: keep the steps when a bound is moved."""
    if task.law.kind != "linear_step":
        return start
    theta, old = start.theta.copy(), point.theta
    middle = task.middle if not np.isnan(task.middle) else 0.5 * (old[kernels.LOWER] + old[kernels.UPPER])
    for k, entry, sign in ((0, kernels.UPPER, 1), (1, kernels.LOWER, -1)):
        ratio = (sign * (theta[entry] - middle)) / max(sign * (old[entry] - middle), 1e-3)
        theta[kernels.SHAPES + k] *= ratio
    return start._replace(theta=theta)


def _outermost(task: Task, point: Point, side: int) -> float:
    """The outermost state that any device was in, as the filter sees it."""
    found = [side * state for i in range(task.packed.devices) for state in states(task, point, i)]
    return side * float(np.concatenate(found).max())


def states(task: Task, point: Point, device: int) -> list[np.ndarray]:
    """Filtered states of each trace of a device, in units of z."""
    return [out[4] for out in filtered(task, point, device)]


def filtered(task: Task, point: Point, device: int) -> list[np.ndarray]:
    """(5, readings) of each trace of a device, as the filter writes it."""
    packed, theta, outs = task.packed, of_device(task, point, device), []
    for i in packed.of_device[device]:
        a, b = packed.starts[i], packed.starts[i + 1]
        out = np.empty((5, b - a))
        kernels.run_filter(
            task.law.code, theta, task.setup, packed.y[a:b], packed.up[a:b], packed.pulses[a:b], out
        )
        outs.append(out)
    return outs


def _centred(task: Task, point: Point) -> tuple[Task, Point]:
    """With several devices: up and down step refer to the middle of the population's bounds."""
    if np.isnan(task.middle):
        return task, point
    middle = 0.5 * float(point.theta[kernels.LOWER] + point.theta[kernels.UPPER])
    if abs(middle - task.middle) < _OFF_CENTRE:
        return task, point
    sizes = [kernels.step_at(task.law.code, point.theta, task.middle, middle, up)[0] for up in (True, False)]
    theta = point.theta.copy()
    if min(sizes) > 0:
        up, down = np.log(sizes)
        theta[kernels.STEP], theta[kernels.BALANCE] = 0.5 * (up + down), 0.5 * (up - down)
    return task._replace(middle=middle), point._replace(theta=theta)
