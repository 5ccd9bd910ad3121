"""The truth of a pulse: one at a time, in NumPy, on whole arrays.

Arrays, shared by every function of this folder (N cells in C order over (tile rows, tile columns, rows, columns)):

    conductance   float (N,), S, changed in place
    parameters    float (N, K): the cell's lower and upper bound in S, then what the law's `step` reads
    counters      int32 (N, 2): pulses ever received, and 1 + the last event that pulsed the cell, 0 before any (modulo
                  2^31 - 1); or (0, 2): do not count
    noise         `Noise`: standard deviations of one pulse
    key, event    address of the noise: pulse number k of a cell (its ordinal in a count, its slot in a train) takes the
                  normal number of (stream key, event, sample, k, cell); see ops/random

A law is a function `step(g, p, up)`: the mean change, positive, in S, of a cell at conductance g with parameters p[k].
Write it in operators that NumPy arrays and Numba scalars share, branch only on `up`, and write a literal as
`np.float32(0.5)`: a bare 0.5 is a float64 to Numba and would round differently from the reference. A law that is random
in itself is `step(g, p, up, u)`, with u uniform in [0, 1), a multiple of 2^-24, drawn anew for every pulse; it must say
so (`drawn`), and its u has the address of the pulse's noise, in blocks of their own. A law that all cells share a table
of is `step(g, p, up, table)` or `step(g, p, up, table, u)`; the table is part of the `Noise`, in the cells' precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..random import reference as random

Step = Callable[..., Any]
# Blocks of a cell from here on hold the uniform numbers of laws that are random in themselves.
DRAWS = 1 << 31


class Noise(NamedTuple):
    """Spread of one pulse: step x (1 + relative z) + (absolute + slope (g - lower bound)) z, z standard normal."""

    relative: float = 0.0
    absolute: float = 0.0
    """S."""
    slope: float = 0.0
    table: np.ndarray | None = None
    """(n,): numbers that all cells of a law share, for laws with a table only."""
    down: tuple[float, float, float] | None = None
    """The three terms of down pulses, for laws whose down pulses have a noise of their own (`uneven`) only."""

    def words(self, dtype: Any = np.float32) -> tuple[Any, ...]:
        """As the kernels take it, a table in the precision of the cells: 3 terms, table, 3 terms of down pulses."""
        terms = tuple(map(np.float32, (self.relative, self.absolute, self.slope)))
        table = np.zeros(0, dtype) if self.table is None else self.table.astype(dtype)
        if self.down is not None:
            return *terms, table, *map(np.float32, self.down)
        return terms if self.table is None else (*terms, table)


class Tally(NamedTuple):
    """What a write did."""

    pulses: int
    """Pulses applied."""
    cells: int
    """Distinct cells pulsed; 0 for trains without counters, which nobody follows from slot to slot."""


def stamp(event: int) -> int:
    """What marks a cell as pulsed in this event; never 0, the mark of a new cell."""
    return event % 0x7FFFFFFF + 1


class _Pulses:
    """One pulse to each chosen cell at a time."""

    def __init__(self, step: Step, drawn: bool, g: np.ndarray, p: np.ndarray, noise: Noise) -> None:
        self.step, self.drawn, self.g = step, drawn, g
        words = noise.words(g.dtype)
        self.table = None if noise.table is None else words[3]
        self.terms = words[:3], words[:3] if noise.down is None else words[4:]
        self.columns = [p[:, k] for k in range(p.shape[1])]
        self.cells = np.arange(len(g), dtype=np.uint32)

    def apply(self, chosen: np.ndarray, up: np.ndarray, key: tuple[np.ndarray, np.ndarray], ordinal: int) -> None:
        """Pulse number `ordinal` of a write up or down, with its noise; then the cell's own bounds."""
        p, more = self.columns, () if self.table is None else (self.table,)
        if self.drawn:
            words = random.threefry(self.cells, np.full_like(self.cells, DRAWS | ordinal >> 1), *key)
            more = *more, random.uniform(words[ordinal & 1])
        size = np.where(up, self.step(self.g, p, True, *more), self.step(self.g, p, False, *more))
        relative, absolute, slope = (np.where(up, *pair) for pair in zip(*self.terms, strict=True))
        if relative.any() or absolute.any() or slope.any():
            z = random.normal(*random.fold(*key, np.array([ordinal], np.uint32)), self.cells)
            size = size * (np.float32(1) + relative * z)
            if absolute.any() or slope.any():
                size = size + (absolute + slope * (self.g - p[0])) * z
        moved = np.minimum(np.maximum(np.where(up, self.g + size, self.g - size), p[0]), p[1])
        self.g[chosen] = moved[chosen]


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


def counts(  # noqa: PLR0913  (grouped as the kernel: law, cells, counts, noise)
    step: Step,
    conductance: np.ndarray,
    parameters: np.ndarray,
    counters: np.ndarray,
    plan: np.ndarray,
    noise: Noise,
    key: tuple[int, int],
    event: int,
    *,
    drawn: bool = False,
) -> Tally:
    """Apply signed pulse counts, int (N,): plan[n] pulses up, or -plan[n] pulses down, one after another."""
    folded, cells = _subkey(key, event, 0), _Pulses(step, drawn, conductance, parameters, noise)
    pulses = 0
    for ordinal in range(int(np.abs(plan).max(initial=0))):
        chosen = np.abs(plan) > ordinal
        cells.apply(chosen, plan > 0, folded, ordinal)
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
    only_up: bool,
    noise: Noise,
    key: tuple[int, int],
    event: int,
    *,
    drawn: bool = False,
    heat: np.ndarray | None = None,
) -> Tally:
    """Apply pulse trains, sample after sample, slot after slot: a cell is pulsed where its row and column both fire.

    Arguments beyond those of the module:
        shape: (tile rows, tile columns, rows, columns), whose product is N.
        rows: int64 (samples, tile rows * rows): bits 0..30 are the slots in which the line fires, bit 31 its sign.
        columns: int64 (samples, tile columns * columns), likewise. Equal signs pulse up, unequal signs down.
        only_up: cells that would be pulsed down are left alone.
        heat: int64 (3,), added to: pulses up, and the conductance of the cells, mean of before and after each pulse, up
            and down, fS.
    """
    tile_rows, tile_columns, height, width = shape
    every = _Pulses(step, drawn, conductance, parameters, noise)
    pulses = cells = 0
    for sample in range(len(rows)):
        folded = _subkey(key, event, sample)
        row = rows[sample].reshape(tile_rows, 1, height, 1)
        column = columns[sample].reshape(1, tile_columns, 1, width)
        up = np.broadcast_to((row >> 31 & 1) == (column >> 31 & 1), shape).reshape(-1)
        for slot in range(31):
            chosen = ((row & column) >> slot & 1).astype(bool).reshape(-1) & (up | (not only_up))
            if chosen.any():
                before = conductance[chosen].astype(np.float64)
                every.apply(chosen, up, folded, slot)
                if heat is not None:
                    middle = ((before + conductance[chosen]) * 0.5e15 + 0.5).astype(np.int64)
                    heat += np.array([up[chosen].sum(), middle[up[chosen]].sum(), middle[~up[chosen]].sum()])
                pulses += int(chosen.sum())
                cells += _count(counters, chosen, event)
    return Tally(pulses, cells)
