"""The nominal curve of a device: what a controller knows of its cells without measuring each of them."""

from __future__ import annotations

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
