"""Measured pulse traces: conductance after every pulse, its direction, and which device it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.errors import DataError, InputError

SHORTEST = 2
"""Readings of a trace; fewer show no step."""
_PLAUSIBLE = (1e-13, 1.0)
"""S: where the highest conductance of a memristor can lie; elsewhere a unit is wrong."""
_NOMINAL = (2e-6, 20e-6)
"""S: where a dimensionless curve is put when nobody says where."""


@dataclass(frozen=True)
class Traces:
    """Readings of one or many devices, one entry of each tuple per trace.

    Arguments:
        conductance: S, (readings,) each: after the pulses of the same position.
        up: (readings,) bool each: direction of the pulses before that reading; the first entry of a trace is not used.
        pulses: (readings,) int each: how many pulses before that reading; the first entry is not used.
        devices: name of the device of each trace; equal names are repeats on one device.
        source: where the data came from, in words.
        assumptions: what was taken for granted in reading them, one sentence each.
        affine: (zero, size) when the data were dimensionless: conductance = zero + size x value; else None.
    """

    conductance: tuple[np.ndarray, ...]
    up: tuple[np.ndarray, ...]
    pulses: tuple[np.ndarray, ...]
    devices: tuple[str, ...]
    source: str = "arrays"
    assumptions: tuple[str, ...] = ()
    affine: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        conductance: Sequence[np.ndarray],
        up: Sequence[np.ndarray],
        *,
        pulses: Sequence[np.ndarray] | None = None,
        devices: Sequence[str] | None = None,
        source: str = "arrays",
        assumptions: Sequence[str] = (),
        affine: tuple[float, float] | None = None,
    ) -> Traces:
        """Checked traces; see the class for the arguments.

        Raises:
            InputError: lengths that do not match, values that are no conductances.
            DataError: nothing in the data that a pulse law could be fitted to.
        """
        if not len(conductance):
            raise DataError(f"{source}: no trace in it.")
        g = tuple(np.ascontiguousarray(trace, np.float64) for trace in conductance)
        ups = tuple(np.ascontiguousarray(trace, np.bool_) for trace in up)
        counts = tuple(np.ascontiguousarray(n, np.int64) for n in pulses or [np.ones(len(trace)) for trace in g])
        names = tuple(str(name) for name in devices or [str(i) for i in range(len(g))])
        if not len(g) == len(ups) == len(counts) == len(names):
            allowed = f"must have one entry per trace, {len(g)}"
            raise InputError("traces", (len(g), len(ups), len(counts), len(names)), allowed)
        for name, trace, direction, count in zip(names, g, ups, counts, strict=True):
            _check(name, trace, direction, count)
        traces = cls(g, ups, counts, names, source, tuple(assumptions), affine)
        traces._check_whole()
        return traces

    @property
    def device_names(self) -> tuple[str, ...]:
        """Each device once, in order of appearance."""
        return tuple(dict.fromkeys(self.devices))

    @property
    def readings(self) -> int:
        """All readings together."""
        return sum(len(trace) for trace in self.conductance)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest reading, S."""
        return min(float(g.min()) for g in self.conductance), max(float(g.max()) for g in self.conductance)

    def steps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(state before, change, up) of every reading that single pulses led to, S, all traces together."""
        before = np.concatenate([g[:-1] for g in self.conductance])
        change = np.concatenate([np.diff(g) for g in self.conductance])
        up = np.concatenate([u[1:] for u in self.up])
        single = np.concatenate([n[1:] for n in self.pulses]) == 1
        return before[single], change[single], up[single]

    def _check_whole(self) -> None:
        low, high = self.span
        if self.affine is None:
            if low < 0:
                text = "A conductance is positive: give a read voltage with its sign, or unit 1 for weights"
                raise DataError(f"{self.source}: lowest value {low:.3g} S. {text}.")
            if not _PLAUSIBLE[0] < high < _PLAUSIBLE[1]:
                text = "no memristor has that; check the unit and the read voltage"
                raise DataError(f"{self.source}: conductances up to {high:.3g} S: {text}.")
        if all(np.ptp(trace) == 0 for trace in self.conductance):
            raise DataError(f"{self.source}: every trace is constant; there is no step to fit.")
        pulsed = [u[1:][n[1:] > 0] for u, n in zip(self.up, self.pulses, strict=True)]
        directions = np.unique(np.concatenate(pulsed))
        if directions.size < 2:
            missing = "down" if directions.size and directions[0] else "up"
            text = "A device needs both; say where they are (direction, up and down, up_column)."
            raise DataError(f"{self.source}: no {missing} pulse in the data. {text}")
        _, change, up = self.steps()
        if up.any() and not up.all() and change[up].mean() < 0 < change[~up].mean():
            text = "the conductance falls with up pulses and rises with down pulses"
            remedy = "Is a negative voltage up (negative_is_up), or is the direction the other way round?"
            raise InputError("direction", self.source, text, remedy)


def in_siemens(values: Sequence[np.ndarray], window: tuple[float, float] | None) -> tuple[float, float]:
    """(zero, size) that puts dimensionless values into a window of conductances, S; `window` None for 2 to 20 uS."""
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    g_min, g_max = window or _NOMINAL
    if not 0 <= g_min < g_max:
        raise InputError("window", window, "must be (lowest, highest) conductance in S, 0 <= lowest < highest")
    size = (g_max - g_min) / (high - low) if high > low else 1.0
    return g_min - size * low, size


def _check(name: str, g: np.ndarray, up: np.ndarray, pulses: np.ndarray) -> None:
    if g.ndim != 1 or g.shape != up.shape or g.shape != pulses.shape:
        raise InputError(f"trace {name}", (g.shape, up.shape, pulses.shape), "must be vectors of one length")
    if g.size < SHORTEST:
        raise DataError(f"trace {name} has {g.size} reading(s); at least {SHORTEST} show a step.")
    if not np.isfinite(g).all():
        row = int(np.flatnonzero(~np.isfinite(g))[0])
        raise DataError(f"trace {name}, reading {row + 1}: {g[row]} is no number. Take the reading out of the file.")
    if (pulses < 0).any():
        raise InputError(f"trace {name}, pulses", int(pulses.min()), "must not be negative")
