"""Compiled pulse kernels, one pair per device law, from the law's own `step`.

Cost: counts look at every cell of the plan and pay per pulse (counts.py); trains pay per coincidence and per firing
line (trains.py). The numbers drawn do not depend on how cells are split among threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np

from ..guard import Guarded, tagged
from .bands import compile_bands
from .counts import compile_counts
from .law import Law, compile_law
from .reference import Noise, Step, Tally
from .trains import SLOTS, compile_trains

u32 = np.uint32
# Below this many cells of a plan of counts, or pulses of trains, per thread, starting one costs more than it saves.
_CELLS, _PULSES = 1 << 16, 1 << 14


class Kernels(NamedTuple):
    """A law's step and its two kernels; arguments as in `reference.py`, without `step`, with a number of threads."""

    step: Step
    drawn: bool
    """The law's step takes a random number of its own."""
    counts: Callable[..., Tally]
    trains: Callable[..., Tally]
    counts_body: Callable[..., Any]
    trains_body: Callable[..., Any]
    bands_body: Callable[..., Any]
    """The kernels as functions that others compile in, trains of many samples also band by band; see ops/fused_*."""
    law: Law
    """One pulse, for kernels that go from cell to cell; see ops/write_verify."""
    fingerprint: str
    """Digest of the law's code, which every kernel that compiles it in must mention."""


def compile_step(step: Step, *, drawn: bool = False, table: bool = False, uneven: bool = False) -> Kernels:
    """The kernels of a law.

    Arguments:
        step: a module-level function `step(g, p, up)` in arithmetic that NumPy and Numba share. One of sums, products
            and `np.minimum` or `np.maximum` alone is swept over whole rows of cells where counts are dense.
        drawn: the function takes one more argument, a new uniform number u for every pulse.
        table: the function takes `Noise.table` after `up`: step(g, p, up, table) or step(g, p, up, table, u).
        uneven: down pulses have a noise of their own, `Noise.down`.
    """
    law = compile_law(step, drawn, table, uneven, (compile_law, compile_counts, compile_trains, compile_bands))
    counts_body, trains_body, fingerprint = compile_counts(law), compile_trains(law), law.fingerprint
    bands_body = compile_bands(law)

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def counts(g, parameters, counters, plan, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        return counts_body(g, parameters, counters, plan, noise, k0, k1, event, first, last)

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def trains(g, parameters, counters, shape, rows, columns, only_up, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        cells, none = (g, parameters, counters), np.empty(0)
        return trains_body(*cells, shape, rows, columns, only_up, noise, k0, k1, event, first, last, (none, none))

    def run_counts(g, parameters, counters, plan, noise, key, event, threads=1):  # noqa: ANN001, ANN202
        cells, address = (g, parameters, counters), (u32(key[0]), u32(key[1]), event)
        words = Noise(*noise).words(g.dtype)

        def part(first: int, last: int) -> tuple[int, int]:
            return counts(*cells, plan, words, *address, first, last)

        return _split(part, len(g), min(threads, len(g) // _CELLS))

    def run_trains(g, parameters, counters, shape, rows, columns, only_up, noise, key, event, threads=1, heat=None):  # noqa: ANN001, ANN202, PLR0913
        cells, address = (g, parameters, counters), (u32(key[0]), u32(key[1]), event)
        words = Noise(*noise).words(g.dtype)

        found: list[tuple[int, ...]] = []

        def part(first: int, last: int) -> tuple[int, int]:
            done = trains(*cells, shape, rows, columns, only_up, words, *address, first, last)
            found.append(done[2:])
            return done[:2]

        tally = _split(part, rows.shape[1], min(threads, _expected(rows, columns) // _PULSES) if threads > 1 else 1)
        if heat is not None:
            heat += np.sum(found, axis=0)
        return tally

    return Kernels(step, drawn, run_counts, run_trains, counts_body, trains_body, bands_body, law, fingerprint)


def _expected(rows: np.ndarray, columns: np.ndarray) -> int:
    """Pulses that trains amount to where lines fire in any slot alike."""
    fires, crosses = (np.unpackbits((trains & 0x7FFFFFFF).view(np.uint8), axis=1) for trains in (rows, columns))
    return int(fires.sum(1) @ crosses.sum(1)) // SLOTS


def _split(part: Callable[[int, int], tuple[int, int]], size: int, threads: int) -> Tally:
    """Run a kernel on `threads` equal ranges of 0..size at once, one of them here, and add up what they did."""
    if threads <= 1:
        return Tally(*part(0, size))
    edges = [size * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(part, *edges[k : k + 2]) for k in range(1, threads)]
        tallies = [part(*edges[:2]), *(other.result() for other in others)]
    return Tally(sum(t[0] for t in tallies), sum(t[1] for t in tallies))
