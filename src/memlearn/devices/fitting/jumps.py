"""Jump tables: the distribution of the change given the state, taken from the measured pulses as it is."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ...ops.guard import Guarded
from .packed import Packed

BINS, LEVELS = 40, 21
_NARROW = 1e-3
"""Narrowest bin, in ranges."""
_FULL = 40
"""Pulses that a bin should hold; fewer make fewer bins."""


class Table(NamedTuple):
    """Quantiles of the change per bin of the state, in units of z."""

    lower: float
    upper: float
    edges: np.ndarray
    """(bins + 1,): relative states 0 to 1."""
    probabilities: np.ndarray
    """(levels,)"""
    up: np.ndarray
    """(bins, levels): change of up pulses, positive up."""
    down: np.ndarray
    """(bins, levels): change of down pulses, positive down."""
    rounding: float


def table_of(packed: Packed, *, bins: int = BINS, levels: int = LEVELS) -> Table | None:
    """The table of the readings with weight; None when single pulses of one direction are too few."""
    before, change, up = _single(packed)
    lower, upper = float(packed.y.min()), float(packed.y.max())
    fewest = min(int(up.sum()), int((~up).sum()))
    if fewest < 2 * _FULL:
        return None
    bins = int(np.clip(fewest // _FULL, 2, bins))
    probabilities = np.linspace(0, 1, levels)
    relative = (before - lower) / (upper - lower)
    edges = _edges(relative, bins)
    bins = len(edges) - 1
    rows = [
        np.array([_quantiles(relative[way], change[way] * sign, edges[k : k + 2], probabilities) for k in range(bins)])
        for way, sign in ((up, 1), (~up, -1))
    ]
    return Table(lower, upper, edges, probabilities, rows[0], rows[1], packed.rounding)


def _edges(relative: np.ndarray, bins: int) -> np.ndarray:
    """Bins that hold equally many states, none too narrow: two clusters of states get bins of their own."""
    edges = np.quantile(relative, np.linspace(0, 1, bins + 1))
    kept = [0.0]
    for edge in edges[1:-1]:
        if edge - kept[-1] > _NARROW and 1 - edge > _NARROW:
            kept.append(float(edge))
    return np.array([*kept, 1.0] if len(kept) > 1 else [0.0, 0.5, 1.0])


def _single(packed: Packed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(state before, change, up) of single pulses whose reading has weight."""
    inside = np.ones(packed.y.size, bool)
    inside[packed.starts[:-1]] = False
    chosen = np.flatnonzero(inside & (packed.pulses == 1) & (packed.weight > 0))
    return packed.y[chosen - 1], packed.y[chosen] - packed.y[chosen - 1], packed.up[chosen]


def _quantiles(state: np.ndarray, change: np.ndarray, edges: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Quantiles of a bin; one that is nearly empty takes the nearest pulses to it."""
    inside = (state >= edges[0]) & (state <= edges[1])
    if inside.sum() < _FULL // 2:
        distance = np.abs(state - edges.mean())
        inside = distance <= np.partition(distance, _FULL // 2)[_FULL // 2]
    return np.quantile(change[inside], probabilities)


def quantile_function(table: Table, state: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(states, levels): quantiles of the change at each state, interpolated between the middles of the bins."""
    middles = 0.5 * (table.edges[:-1] + table.edges[1:])
    relative = (state - table.lower) / (table.upper - table.lower)
    place = np.interp(relative, middles, np.arange(len(middles)))
    k = np.minimum(place.astype(int), len(middles) - 2)
    part = (place - k)[:, None]
    both = [(1 - part) * rows[k] + part * rows[k + 1] for rows in (table.up, table.down)]
    return np.where(up[:, None], both[0], both[1])


def log_density(table: Table, packed: Packed) -> np.ndarray:
    """(readings,): log-density of every reading given the one before; several pulses at once are not judged (0)."""
    out, inside = np.zeros(packed.y.size), np.ones(packed.y.size, bool)
    inside[packed.starts[:-1]] = False
    chosen = np.flatnonzero(inside & (packed.pulses == 1))
    before, up = packed.y[chosen - 1], packed.up[chosen]
    change = (packed.y[chosen] - before) * np.where(up, 1, -1)
    rows = quantile_function(table, before, up)
    finest = np.sqrt(12 * table.rounding)
    widths = np.diff(rows, axis=1)
    # Repeated values would make an infinite density: no piece is narrower than the readings are fine.
    weight = np.diff(table.probabilities) / np.maximum(widths, finest)
    middles = 0.5 * (rows[:, 1:] + rows[:, :-1])
    half = 0.5 * np.maximum(widths, finest)
    density = (weight * (np.abs(change[:, None] - middles) <= half)).sum(axis=1)
    out[chosen] = np.log(density + 1e-300)
    return out


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _walk(lower, upper, middles, rows, start, up, pulses, uniforms):  # noqa: ANN001, ANN202
    """States of one cell of a jump table, `rows` (2, bins, levels) down and up; `uniforms` has one number per pulse."""
    bins, levels = rows.shape[1], rows.shape[2]
    x, y, used = min(max(start, lower), upper), np.empty(up.size), 0
    for t in range(up.size):
        for _ in range(pulses[t] if t else 0):
            relative = (x - lower) / (upper - lower)
            k = min(max(np.searchsorted(middles, relative, side="right") - 1, 0), bins - 2)
            part = min(max((relative - middles[k]) / (middles[k + 1] - middles[k]), 0.0), 1.0)
            level = uniforms[used] * (levels - 1)
            j = int(min(level, levels - 1.5))
            rest, side = level - j, 1 if up[t] else 0
            a = rows[side, k, j] * (1 - rest) + rows[side, k, j + 1] * rest
            b = rows[side, k + 1, j] * (1 - rest) + rows[side, k + 1, j + 1] * rest
            jump = a + (b - a) * part
            used += 1
            x = min(max(x + jump if up[t] else x - jump, lower), upper)
        y[t] = x
    return y


walk = Guarded(_walk)
