"""A device as figures: what its settings amount to, and what simulated cells of it do."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.component import Component
from ..core.random import Stream
from ..core.types import Counts
from ..devices import AbstractDevice, DeviceState
from ..devices.effects import AbstractEffect, CycleToCycle, DeviceToDevice, ReadNoise, StuckCells

_LEVELS = 256
"""Equally likely values at which a law that is random in itself is looked at."""
_GRID = 101
_MOST_PULSES = 20_000
_NEAR = 0.97
"""Share of the range after which a curve may end."""
_RECORDS = 120
_SIDE = 16
_SCATTER = 400
_OWN_SPREADS = ("reference_error", "reset_device_spread", "reset_cycle_spread")
"""Spreads that are settings of single laws."""


class Derived(NamedTuple):
    """What the settings of a device amount to; of a nominal cell, without spread and noise."""

    range: float
    """S."""
    on_off: float | None
    """As reads see it, series resistance included; None for a lowest conductance of zero."""
    step_up: float
    """S, at mid-range."""
    step_down: float
    """S, at mid-range."""
    states: float | None
    """Range over the mean of the two steps, in one-sided cells over the step up."""
    pulses_up: int | None
    """Pulses from the lower bound over 97 % of the range; None where more than 20,000 are needed."""
    pulses_down: int | None
    """The same from the upper bound."""
    symmetric_point: float | None
    """S, where an up and a down step cancel; None where none do, or all."""
    symmetric_place: float | None
    """The same, as a part of the range."""
    attracts: bool | None
    """Whether alternating pulses end at the symmetric point."""
    spread_of_step: float | None
    """Standard deviation of one up step from pulse to pulse at mid-range, relative to that step."""
    spread_of_range: float
    """The same, relative to the range."""


class Course(NamedTuple):
    """Cells that are driven up from their lower bounds, then down."""

    pulses: np.ndarray
    """(records,): pulses so far."""
    turn: int
    """Record at which the way down begins."""
    seen: np.ndarray
    """(records, cells), S: what noiseless reads see."""


class Steps(NamedTuple):
    """Steps of a polarity against the state."""

    state: np.ndarray
    """(points,), S: states of the mean, over the range."""
    mean: np.ndarray
    """(points,), S, signed: of a nominal cell."""
    spread: np.ndarray
    """(points,), S: its standard deviation from pulse to pulse."""
    cells: np.ndarray
    """(cells, 2), S: state and signed step of single pulses to unlike cells."""


def nominal(device: AbstractDevice) -> AbstractDevice:
    """The device without spread, noise, faults and slow effects; its series resistance stays."""
    calm: dict[str, Any] = {}
    for name in type(device).model_fields:
        if name in _OWN_SPREADS:
            calm[name] = 0.0
        part = getattr(device, name)
        if isinstance(part, CycleToCycle | DeviceToDevice | ReadNoise | StuckCells | AbstractEffect):
            calm[name] = type(part)()
    return device.replace(**calm)


def derived(device: AbstractDevice) -> Derived:
    """What the settings amount to."""
    law = nominal(device)
    cell = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    low, high = float(cell.parameters[..., 0]), float(cell.parameters[..., 1])
    middle = float(cell.conductance)
    at = np.array([middle])
    (up, own_up), (down, _) = (_moments(law, cell, at, way) for way in (True, False))
    # A reset is no step.
    step = float(up[0]) if device.one_sided else 0.5 * (float(up[0]) + float(down[0]))
    point, attracts = symmetric_point(law)
    ends = (law.visible(cell._replace(conductance=torch.full_like(cell.conductance, g))) for g in (low, high))
    bottom, top = (float(seen) for seen in ends)
    spread = math.hypot(float(own_up[0]), float(_noise(device, up, at, low, up=True)[0]))
    return Derived(
        range=high - low,
        on_off=top / bottom if bottom > 0 else None,
        step_up=float(up[0]),
        step_down=float(down[0]),
        states=(high - low) / step if step else None,
        pulses_up=_pulses(law, True),
        pulses_down=_pulses(law, False),
        symmetric_point=point,
        symmetric_place=None if point is None else (point - low) / (high - low),
        attracts=attracts,
        spread_of_step=spread / float(up[0]) if up[0] else None,
        spread_of_range=spread / (high - low),
    )


def symmetric_point(device: AbstractDevice) -> tuple[float | None, bool | None]:
    """Where an up and a down step of a nominal cell cancel, S, and whether alternating pulses end there.

    Found by bisection; of several, the one nearest to mid-range. None where steps up and down are equal everywhere, or
    nowhere.
    """
    law = nominal(device)
    cell = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    low, high = float(cell.parameters[..., 0]), float(cell.parameters[..., 1])

    def pull(g: np.ndarray) -> np.ndarray:
        up, down = (_moments(law, cell, g, way)[0] for way in (True, False))
        return up - down

    grid = np.linspace(low, high, _GRID)
    pulls = pull(grid)
    if np.abs(pulls).max() <= 1e-9 * max(abs(law.mean_step), 1e-30):
        return None, None
    exact = [float(g) for g, p in zip(grid, pulls, strict=True) if p == 0]
    for k in np.flatnonzero(pulls[:-1] * pulls[1:] < 0):
        a, b, sign = grid[k], grid[k + 1], np.sign(pulls[k])
        for _ in range(50):
            half = 0.5 * (a + b)
            a, b = (half, b) if np.sign(pull(np.array([half]))[0]) == sign else (a, half)
        exact.append(float(0.5 * (a + b)))
    if not exact:
        return None, None
    point = min(exact, key=lambda g: abs(g - 0.5 * (low + high)))
    near = np.clip(np.array([point - 1e-3 * (high - low), point + 1e-3 * (high - low)]), low, high)
    below, above = pull(near)
    return point, bool(below > above)


def course(device: AbstractDevice, seed: int, *, side: int = _SIDE) -> Course:
    """Simulate side x side cells from their lower bounds up, and down again.

    Arguments:
        device: with its spread, noise and faults.
        seed: of the cells and of their noise.
        side: cells along a side.
    """
    stream, law = Stream.root(seed), nominal(device)
    state = device.init((1, 1, side, side), stream)
    state.conductance.copy_(state.parameters[..., 0])
    pulses, seen, turn, event = [0], [_seen(device, state)], 0, 0
    for sign in (1, -1):
        total = _pulses(law, sign > 0) or _MOST_PULSES
        each = -(-total // _RECORDS)
        for _ in range(-(-total // each)):
            plan = Counts(torch.full(state.conductance.shape, sign * each, dtype=torch.int32))
            state, _ = device.pulse(state, plan, stream.child("course"), event)
            event += 1
            pulses.append(pulses[-1] + each)
            seen.append(_seen(device, state))
        turn = turn or len(pulses) - 1
    return Course(np.array(pulses), turn, np.stack(seen))


def walk(device: AbstractDevice) -> Course:
    """A nominal cell, each pulse its mean step: from its lower bound up, and down again. Nothing is drawn at random."""
    law = nominal(device)
    cell = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    p = _columns(cell)
    g, pulses, seen, turn = p[0].copy(), [0], [float(p[0][0])], 0
    for up in (True, False):
        total = _pulses(law, up) or _MOST_PULSES
        for n in range(1, total + 1):
            step = _evaluated(law, p, g, up)[0]
            g = np.clip(g + (step if up else -step), p[0], p[1])
            if n == total or n % -(-total // _RECORDS) == 0:
                pulses.append((turn and pulses[turn]) + n)
                seen.append(float(g[0]))
        turn = turn or len(pulses) - 1
    return Course(np.array(pulses), turn, np.array(seen)[:, None])


def steps(device: AbstractDevice, seed: int, *, up: bool) -> Steps:
    """Steps of a polarity against the state: the nominal cell's, and those of single cells at random states.

    Arguments:
        device: with its spread, noise and faults.
        seed: of the cells and of their noise.
        up: the polarity.
    """
    law, sign = nominal(device), 1 if up else -1
    cell = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    low, high = float(cell.parameters[..., 0]), float(cell.parameters[..., 1])
    grid = np.linspace(low, high, _GRID)
    mean, own = _moments(law, cell, grid, up)
    spread = np.hypot(own, _noise(device, mean, grid, low, up=up))
    stream, shape = Stream.root(seed).child("up" if up else "down"), (1, 1, 20, _SCATTER // 20)
    state = device.init(shape, stream)
    lower, upper = state.parameters[..., 0], state.parameters[..., 1]
    place = torch.linspace(0, 1, _SCATTER).reshape(shape)
    before = lower + place * (upper - lower)
    state.conductance.copy_(before)
    state, _ = device.pulse(state, Counts(torch.full(shape, sign, dtype=torch.int32)), stream, 0)
    cells = torch.stack([before.flatten(), (state.conductance - before).flatten()], dim=1).double().numpy()
    return Steps(grid, sign * mean, spread, cells)


def settings(device: AbstractDevice) -> list[dict[str, Any]]:
    """One row per setting (name, value, unit, meaning, usual): those of parts under dotted names."""
    return list(_rows(device, ""))


def _rows(part: Component, prefix: str) -> Any:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if name == "kind":
            continue
        if isinstance(value, Component):
            yield from _rows(value, f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        usual = value == field.default
        yield {"name": prefix + name, "value": value, "unit": unit, "meaning": field.description, "usual": usual}


def _moments(law: AbstractDevice, cell: DeviceState, g: np.ndarray, up: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean step, >= 0, bounds aside, and its standard deviation in laws that are random; S, shape of g."""
    return _evaluated(law, _columns(cell), g, up)


def _columns(cell: DeviceState) -> list[np.ndarray]:
    """What the step of a law reads of a single cell; each broadcasts against states."""
    return [np.array([float(column)]) for column in cell.parameters.reshape(-1, cell.parameters.shape[-1])[0]]


def _evaluated(law: AbstractDevice, p: list[np.ndarray], g: np.ndarray, up: bool) -> tuple[np.ndarray, np.ndarray]:
    """As `_moments`, from columns."""
    table = law.noise.table
    more = () if table is None else (table.astype(np.float64),)
    with np.errstate(all="ignore"):
        if not law.kernels.drawn:
            found = np.broadcast_to(law.kernels.step(g, p, up, *more), g.shape)
            return found, np.zeros(g.shape)
        levels = ((k + 0.5) / _LEVELS for k in range(_LEVELS))
        lot = [np.broadcast_to(law.kernels.step(g, p, up, *more, np.full(g.shape, u)), g.shape) for u in levels]
    return np.mean(lot, axis=0), np.std(lot, axis=0)


def _noise(device: AbstractDevice, step: np.ndarray, g: np.ndarray, low: float, *, up: bool) -> np.ndarray:
    """Standard deviation of one pulse by cycle-to-cycle variation, S."""
    noise = device.noise
    own = (noise.relative, noise.absolute, noise.slope) if up or noise.down is None else noise.down
    return np.abs(own[0] * step + own[1] + own[2] * (g - low))


def _pulses(law: AbstractDevice, up: bool) -> int | None:
    """Pulses of a nominal cell, each its mean step, over most of the range."""
    cell = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    low, high = float(cell.parameters[..., 0]), float(cell.parameters[..., 1])
    g, sign, goal = np.array([low if up else high]), 1 if up else -1, _NEAR * (high - low)
    start, p = g.copy(), _columns(cell)
    for n in range(1, _MOST_PULSES + 1):
        step = _evaluated(law, p, g, up)[0]
        g = np.clip(g + sign * step, low, high)
        if abs(float(g[0] - start[0])) >= goal:
            return n
        if not step[0]:
            return None
    return None


def _seen(device: AbstractDevice, state: DeviceState) -> np.ndarray:
    return device.visible(state).flatten().double().numpy().copy()
