"""Traces as the compiled code takes them: one after the other, in units of their own range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .traces import Traces

_FINEST = 1e-4
"""Readings are taken to be no better than this part of the range: keeps densities finite in data without noise."""
_REPEATED = 0.7
"""Below this share of distinct values the readings are taken to be rounded to their median distance."""
_MANY = 2000


class Packed(NamedTuple):
    """All traces end to end: z = (conductance - offset) / scale."""

    y: np.ndarray
    """(readings,)"""
    up: np.ndarray
    pulses: np.ndarray
    weight: np.ndarray
    """(readings,): how much each counts in the likelihood."""
    starts: np.ndarray
    """(traces + 1,)"""
    owner: np.ndarray
    """(traces,): the device of each trace."""
    of_device: tuple[np.ndarray, ...]
    """The traces of each device."""
    offset: float
    scale: float
    rounding: float
    """Variance of rounding, in units of z."""

    @property
    def devices(self) -> int:
        """How many devices."""
        return len(self.of_device)

    @property
    def many(self) -> bool:
        """So many readings that a part of them, or a rough climb, finds nearly the same law."""
        return self.y.size >= _MANY

    @property
    def zero(self) -> float:
        """Conductance 0 in units of z."""
        return -self.offset / self.scale

    def weighted(self, weight: np.ndarray) -> Packed:
        """The same traces with other weights."""
        return self._replace(weight=np.ascontiguousarray(weight, np.float64))

    def few(self, count: int) -> Packed:
        """The traces of some devices, evenly among all, in the same units."""
        chosen = np.unique(np.linspace(0, self.devices - 1, count).astype(int))
        traces = np.concatenate([self.of_device[i] for i in chosen])
        rows = np.concatenate([np.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in traces])
        lengths = self.starts[traces + 1] - self.starts[traces]
        sizes = [len(self.of_device[i]) for i in chosen]
        ends = np.cumsum(sizes).tolist()
        return self._replace(
            y=self.y[rows],
            up=self.up[rows],
            pulses=self.pulses[rows],
            weight=self.weight[rows],
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            owner=np.repeat(np.arange(len(chosen)), sizes),
            of_device=tuple(np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)),
        )


def pack(traces: Traces) -> Packed:
    """Traces for the compiled code."""
    low, high = traces.span
    y = (np.concatenate(traces.conductance) - low) / (high - low)
    names = traces.device_names
    number = {name: i for i, name in enumerate(names)}
    owner = np.array([number[d] for d in traces.devices], np.int64)
    of_device = tuple(np.flatnonzero(owner == i) for i in range(len(names)))
    starts = np.concatenate([[0], np.cumsum([len(g) for g in traces.conductance])]).astype(np.int64)
    values = np.unique(y)
    grid = float(np.median(np.diff(values))) if values.size < _REPEATED * y.size and values.size > 2 else 0.0
    rounding = max(grid**2 / 12, _FINEST**2)
    up, pulses = np.concatenate(traces.up), np.concatenate(traces.pulses)
    return Packed(y, up, pulses, np.ones(y.size), starts, owner, of_device, low, high - low, rounding)
