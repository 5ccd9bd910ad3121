"""Two-sample test of step given state: are measured traces like those of the fitted device?

Readings of one trace depend on each other (read noise, the device's own parameters), so steps must not be shuffled.
Instead whole data sets are simulated, with the pulses and starts of the measured one. If the measured set came from the
fitted device it would be one more of them: the p-value is its rank among them, which needs no theory of the statistic
and is exact for any number of sets. (Parameters were fitted to the measured set, which makes it a little too good.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .packed import Packed

LEVEL = 0.01
SETS = 199
_BINS = 8
_FULL = 25
"""Steps that a bin of the state holds at least."""


class Bin(NamedTuple):
    """One bin of the state: measured against simulated steps, in S."""

    up: bool
    low: float
    high: float
    steps: int
    p_value: float
    mean: float
    mean_simulated: float
    spread: float
    spread_simulated: float


class TwoSampleTest(NamedTuple):
    """Rank of the measured set among simulated ones; small is unlike them."""

    p_value: float
    passed: bool
    sets: int
    bins: tuple[Bin, ...]

    def where(self) -> str:
        """In words: the bins that differ most, empty when none does."""
        bad = sorted((b for b in self.bins if b.p_value < LEVEL), key=lambda b: b.p_value)
        parts = []
        for b in bad[:4]:
            wide = "mean" if abs(b.mean - b.mean_simulated) > 0.3 * max(b.spread, b.spread_simulated) else "spread"
            measured, made = (b.mean, b.mean_simulated) if wide == "mean" else (b.spread, b.spread_simulated)
            place = f"{'up' if b.up else 'down'} steps between {b.low:.3g} and {b.high:.3g} S"
            parts.append(f"{place} ({wide} {measured:.2g} against {made:.2g} S)")
        return "; ".join(parts)


def two_sample(
    packed: Packed, draw: Callable[[np.random.Generator], np.ndarray], seed: int, sets: int = SETS
) -> TwoSampleTest:
    """Test the measured readings against those that `draw` simulates.

    Arguments:
        draw: makes (readings,) of one simulated set.
        sets: simulated sets.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    readings = np.stack([packed.y, *(draw(generator) for _ in range(sets))])
    inside = np.ones(packed.y.size, bool)
    inside[packed.starts[:-1]] = False
    chosen = np.flatnonzero(inside & (packed.pulses > 0))
    before = readings[:, chosen - 1]
    change = (readings[:, chosen] - before) / packed.pulses[chosen]
    up, bins, distances = packed.up[chosen], [], []
    for way in (True, False):
        state, step = before[:, up == way], change[:, up == way]
        if not state.shape[1]:
            continue
        count = int(np.clip(state.shape[1] // _FULL, 1, _BINS))
        edges = np.unique(np.quantile(state, np.linspace(0, 1, count + 1)))
        if len(edges) < 2:
            edges = np.array([edges[0], edges[0] + 1.0])
        count = len(edges) - 1
        place = np.clip(np.searchsorted(edges, state, side="right") - 1, 0, count - 1)
        for k in range(count):
            distance = _distances(step, place == k)
            distances.append(distance)
            bins.append(_bin(packed, way, edges[k : k + 2], step, place == k, distance))
    combined = np.mean(distances, axis=0)
    p = float(np.mean(combined >= combined[0]))
    return TwoSampleTest(p, p > LEVEL, sets, tuple(bins))


def _distances(step: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(sets,): Cramér and von Mises' distance of each set's steps from all sets' steps together, over its mean."""
    sets = len(step)
    owner, values = np.nonzero(inside)[0], step[inside]
    order = np.argsort(values, kind="stable")
    values, owner = values[order], owner[order]
    # Equal values share their mean rank.
    first, last = np.searchsorted(values, values, side="left"), np.searchsorted(values, values, side="right")
    rank = 0.5 * (first + last) / max(values.size, 1)
    by_set = np.argsort(owner, kind="stable")
    sizes = np.bincount(owner, minlength=sets)
    if not values.size:
        return np.ones(sets)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    position = np.arange(values.size) - starts[owner[by_set]]
    n = np.maximum(sizes[owner[by_set]], 1)
    square = (rank[by_set] - (2 * position + 1) / (2 * n)) ** 2
    total = np.bincount(owner[by_set], weights=square, minlength=sets) + 1 / (12 * np.maximum(sizes, 1))
    total[sizes == 0] = total[sizes > 0].mean()
    return total / total.mean()


def _bin(
    packed: Packed, up: bool, edges: np.ndarray, step: np.ndarray, inside: np.ndarray, distance: np.ndarray
) -> Bin:
    measured, made = step[0][inside[0]], step[1:][inside[1:]]
    figures = [f(x) * packed.scale if x.size else 0.0 for x in (measured, made) for f in (np.mean, np.std)]
    low, high = (packed.offset + packed.scale * edge for edge in edges)
    p = float(np.mean(distance >= distance[0]))
    return Bin(up, float(low), float(high), measured.size, p, *(float(figures[k]) for k in (0, 2, 1, 3)))
