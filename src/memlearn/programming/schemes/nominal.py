"""The nominal curve of a device: what a controller knows of its cells without measuring each of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from ...core.random import Stream
from ...core.types import Counts
from ...devices import AbstractDevice
from ...devices.effects import CycleToCycle, DeviceToDevice, StuckCells


def curve(device: AbstractDevice, up: bool, longest: int) -> np.ndarray:
    """Conductance (S, float64) after 0, 1, 2, ... pulses from the far end of the range, until it no longer moves.

    Arguments:
        device: its spreads and faults are left out.
        up: from g_min upwards; else from g_max downwards.
        longest: pulses at most.
    """
    ideal = _ideal(device)
    state, stream = ideal.init((1, 1, 1, 1), Stream.root(0), torch.float64), Stream.root(1)
    state.conductance.fill_(device.g_min if up else device.g_max)
    pulse = Counts(torch.full((1, 1, 1, 1), 1 if up else -1, dtype=torch.int32))
    places = [float(state.conductance)]
    while len(places) <= longest:
        ideal.pulse(state, pulse, stream, len(places))
        if abs(float(state.conductance) - places[-1]) <= 1e-9 * device.range:
            break
        places.append(float(state.conductance))
    return np.array(places)


class Steps(NamedTuple):
    """What one pulse does."""

    up: float
    """S."""
    down: float
    """S, positive."""


def steps(device: AbstractDevice, place: float) -> Steps:
    """The steps of a nominal cell at a conductance (S)."""
    ideal, moved = _ideal(device), []
    for sign in (1, -1):
        state = ideal.init((1, 1, 1, 1), Stream.root(0), torch.float64)
        state.conductance.fill_(place)
        pulse = Counts(torch.full((1, 1, 1, 1), sign, dtype=torch.int32))
        ideal.pulse(state, pulse, Stream.root(1), 0, backend="reference")  # nothing to compile for two pulses
        moved.append(abs(float(state.conductance) - place))
    return Steps(*moved)


def pull(device: AbstractDevice) -> float:
    """How much a pair of pulses, one up and one down, pulls a nominal cell towards its symmetric point.

    (step down - step up) / mean step rises by this between a quarter and three quarters of the range, halved: 0 for
    constant steps, 1 for soft bounds, `mix` for a mix of both; cut to 0 .. 1.
    """
    low, high = (steps(device, device.g_min + part * device.range) for part in (0.25, 0.75))
    slope = 0.5 * ((high.down - high.up) - (low.down - low.up)) / device.mean_step
    return min(1.0, max(0.0, slope))


def wandering(device: AbstractDevice) -> float:
    """Standard deviation, over half the range, at which a nominal cell settles under pulses of both signs.

    Every pulse moves a cell by 2 / states of half the range, with a spread of s steps, and takes 2 pull / states of
    what it holds: the variance settles at (1 + s^2) / (pull states). Infinite where nothing pulls.
    """
    spread = device.cycle_to_cycle
    states = device.range / device.mean_step
    noise = spread.spread**2 + (spread.range_spread**2 + (0.5 * spread.slope) ** 2) * states**2
    pulled = pull(device)
    return math.sqrt((1 + noise) / (pulled * states)) if pulled else math.inf


def _ideal(device: AbstractDevice) -> AbstractDevice:
    return device.replace(
        cycle_to_cycle=CycleToCycle(), device_to_device=DeviceToDevice(), faults=StuckCells(), series_resistance=0.0
    )


def pulses_between(places: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Pulses along a monotone curve from conductances `start` to `end` (S), with fractions, never negative, float64."""
    order = places if places[-1] >= places[0] else -places
    sign = 1 if places[-1] >= places[0] else -1
    number = np.arange(len(places))
    along = (np.interp(sign * where, order, number) for where in (start, end))
    first, last = next(along), next(along)
    return np.maximum(last - first, 0)
