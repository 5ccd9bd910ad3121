"""The truth of a pulse: one at a time, in NumPy, on whole arrays.

Arrays, shared by every function of this folder (N cells in C order over (tile rows, tile columns, rows, columns)):

    conductance   float (N,), S, changed in place
    parameters    float (N, K): the cell's lower and upper bound in S, then what the law's `step` reads
    counters      int32 (N, 2): pulses ever received, and 1 + the last event that pulsed the cell, 0 before any (modulo
                  2^31 - 1); or (0, 2): do not count
    c2c           float32: spread of one step, relative to that step
    key, event    address of the noise: pulse number k of a cell (its ordinal in a count, its slot in a train) takes
                  normal number k of (stream key, event, sample, cell); see ops/random

A law is a function `step(g, p, up)`: the mean change, positive, in S, of a cell at conductance g with parameters p[k].
Write it in operators that NumPy arrays and Numba scalars share, branch only on `up`, and write a literal as
`np.float32(0.5)`: a bare 0.5 is a float64 to Numba and would round differently from the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..random import reference as random

Step = Callable[[Any, Any, bool], Any]


class Tally(NamedTuple):
    """What a write did."""

    pulses: int
    """Pulses applied."""
    cells: int
    """Distinct cells pulsed; 0 for trains without counters, which nobody follows from slot to slot."""


def stamp(event: int) -> int:
    """What marks a cell as pulsed in this event; never 0, the mark of a new cell."""
    return event % 0x7FFFFFFF + 1


def _pulse(step: Step, g: np.ndarray, p: np.ndarray, chosen: np.ndarray, up: np.ndarray, factor: Any) -> None:
    """One pulse to each chosen cell, up or down, its step multiplied by `factor`; then the cell's own bounds."""
    columns = [p[:, k] for k in range(p.shape[1])]
    change = np.where(up, step(g, columns, True), -step(g, columns, False)) * factor
    moved = np.minimum(np.maximum(g + change, columns[0]), columns[1])
    g[chosen] = moved[chosen]


def _factor(c2c: np.float32, key: tuple[np.ndarray, np.ndarray], cells: int, ordinal: int) -> Any:
    if c2c == 0:
        return np.float32(1)
    index = np.arange(cells, dtype=np.uint32)
    return np.float32(1) + c2c * random.normal(*key, index, np.full(cells, ordinal, np.uint32))


def _subkey(key: tuple[int, int], event: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.array([word], np.uint32) for word in key)
    return random.subkey(low, high, event, np.array([sample], np.uint32))


def _count(counters: np.ndarray, chosen: np.ndarray, event: int) -> int:
    if not len(counters):
        return 0
    fresh = int(np.count_nonzero(counters[chosen, 1] != stamp(event)))
    counters[chosen, 0] += 1
    counters[chosen, 1] = stamp(event)
    return fresh


def counts(
    step: Step,
    conductance: np.ndarray,
    parameters: np.ndarray,
    counters: np.ndarray,
    plan: np.ndarray,
    c2c: np.float32,
    key: tuple[int, int],
    event: int,
) -> Tally:
    """Apply signed pulse counts, int (N,): plan[n] pulses up, or -plan[n] pulses down, one after another."""
    folded = _subkey(key, event, 0)
    pulses = 0
    for ordinal in range(int(np.abs(plan).max(initial=0))):
        chosen = np.abs(plan) > ordinal
        _pulse(step, conductance, parameters, chosen, plan > 0, _factor(c2c, folded, len(plan), ordinal))
        pulses += int(chosen.sum())
        _count(counters, chosen, event)
    return Tally(pulses, int(np.count_nonzero(plan)))


def trains(  # noqa: PLR0913  (grouped as the kernel: law, cells, lines, noise)
    step: Step,
    conductance: np.ndarray,
    parameters: np.ndarray,
    counters: np.ndarray,
    shape: tuple[int, int, int, int],
    rows: np.ndarray,
    columns: np.ndarray,
    c2c: np.float32,
    key: tuple[int, int],
    event: int,
) -> Tally:
    """Apply pulse trains, sample after sample, slot after slot: a cell is pulsed where its row and column both fire.

    Arguments beyond those of the module:
        shape: (tile rows, tile columns, rows, columns), whose product is N.
        rows: int64 (samples, tile rows * rows): bits 0..30 are the slots in which the line fires, bit 31 its sign.
        columns: int64 (samples, tile columns * columns), likewise. Equal signs pulse up, unequal signs down.
    """
    tile_rows, tile_columns, height, width = shape
    pulses = cells = 0
    for sample in range(len(rows)):
        folded = _subkey(key, event, sample)
        row = rows[sample].reshape(tile_rows, 1, height, 1)
        column = columns[sample].reshape(1, tile_columns, 1, width)
        up = np.broadcast_to((row >> 31 & 1) == (column >> 31 & 1), shape).reshape(-1)
        for slot in range(31):
            chosen = ((row & column) >> slot & 1).astype(bool).reshape(-1)
            if chosen.any():
                _pulse(step, conductance, parameters, chosen, up, _factor(c2c, folded, len(chosen), slot))
                pulses += int(chosen.sum())
                cells += _count(counters, chosen, event)
    return Tally(pulses, cells)
