"""Counts of pulses, a chunk of cells at a time: listed where few are pulsed, swept as a whole where many are.

Pulse number 0 of all cells of a chunk comes first, then number 1, and so on: their noise has one key, and is drawn for
many cells at once. A sweep visits cells that get no pulse and keeps them as they are; it holds nothing but loops that
fill the vector units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from ..guard import tagged
from ..random.cpu import fold, normal, subkey
from . import reference
from .draws import normals_of_list, normals_of_run
from .law import Law

u32, i32 = np.uint32, np.int32
stamp: Any = register_jitable(reference.stamp)
# Cells of a chunk: what a sweep works on stays in the first cache.
CHUNK = 2048
# A chunk is swept while at least one cell in so many is pulsed: a listed cell costs some eight times a swept one.
_SPARSE = 8
# Cells looked at in one go when the pulsed ones are listed.
_GLANCE = 64
# Below this many cells, they are taken one by one.
_FEW = 8


@shared
def survey(plan: Any) -> tuple[Any, Any, Any]:
    """Cells with any pulse, pulses in all, most pulses of a cell."""
    cells, pulses, most = i32(0), 0, i32(0)
    for k in range(plan.shape[0]):
        n = i32(abs(plan[k]))
        cells += i32(n != 0)
        pulses += n
        most = max(most, n)
    return cells, pulses, most


@shared
def more_than(plan: Any, ordinal: Any) -> Any:
    """Cells with more than `ordinal` pulses."""
    cells, limit = i32(0), i32(ordinal)
    for k in range(plan.shape[0]):
        cells += i32(i32(abs(plan[k])) > limit)
    return cells


@shared
def list_more_than(out: Any, plan: Any, first: Any, last: Any, ordinal: Any) -> Any:
    """Write down the cells among first .. last - 1 with more than `ordinal` pulses; how many."""
    found, limit = 0, i32(ordinal)
    for start in range(first, last, _GLANCE):
        part = plan[start : min(start + _GLANCE, last)]
        if more_than(part, ordinal) == 0:
            continue
        for k in range(part.shape[0]):
            out[found] = u32(start + k)
            found += i32(abs(part[k])) > limit
    return found


@shared
def count(counters: Any, plan: Any, event: Any) -> None:
    """Into the counters of the cells: their pulses, and the event's mark on those that have any."""
    # Both numbers of a cell at once, and stored whether they change or not: what depends on nothing is vectorised.
    pairs, low = counters.reshape(-1).view(np.int64), np.int64(0xFFFFFFFF)
    mark, high = np.int64(stamp(event)) << 32, ~low
    for k in range(plan.shape[0]):
        n, pair = np.int64(abs(plan[k])), pairs[k]
        pairs[k] = (pair + n & low) | (mark if n != 0 else pair & high)


@register_jitable
def _unzip(out: Any, j: int, k: int, pair: Any) -> None:
    """Two single precision numbers that were loaded as one word."""
    out[j, k] = u32(pair).view(np.float32)
    out[j + 1, k] = u32(pair >> np.uint64(32)).view(np.float32)


@shared
def columns_of(out: Any, parameters: Any) -> None:
    """Parameters of cells, (cells, K), as K rows; steps between cells known to the compiler for the usual K."""
    cells, columns = parameters.shape
    words = parameters.reshape(-1).view(np.uint64)
    if parameters.itemsize == 4 and columns == 4:
        for k in range(cells):
            _unzip(out, 0, k, words[2 * k])
            _unzip(out, 2, k, words[2 * k + 1])
    elif parameters.itemsize == 4 and columns == 6:
        for k in range(cells):
            _unzip(out, 0, k, words[3 * k])
            _unzip(out, 2, k, words[3 * k + 1])
            _unzip(out, 4, k, words[3 * k + 2])
    else:
        for k in range(cells):
            for j in range(columns):
                out[j, k] = parameters[k, j]


def _row(columns: int) -> Callable[..., Any]:
    """row(table, k): what stands at place k in the first rows of a table, as a tuple.

    A view of an array would do, were it not that Numba counts references to it, which keeps loops out of the vector
    units.
    """
    if columns == 0:
        return register_jitable(lambda table, k: ())
    others, last = _row(columns - 1), columns - 1
    return register_jitable(lambda table, k: (*others(table, k), table[last, k]))


def compile_counts(law: Law) -> Callable[..., Any]:
    """The kernel of counts of a law, as a function that other kernels compile in.

    counts(g, parameters, counters, plan, noise, k0, k1, event, first, last) -> (pulses, cells): arguments as in
    `reference.counts`, the key as two words, on cells first .. last - 1.
    """
    mean, loud, pulse, reads, fingerprint = law
    row = _row(reads)

    @register_jitable
    @tagged(fingerprint)
    def sweep(g, before, columns, plan, z, noise, ordinal) -> None:  # noqa: ANN001
        """Pulse number `ordinal` of every cell that has one; `before` holds g as it is, in memory of its own."""
        limit, key = i32(ordinal), u32(0)
        for k in range(g.shape[0]):
            n, x, p = plan[k], before[k], row(columns, k)
            up = n > 0
            # Both ways and a choice: a branch would keep the loop out of the vector units.
            rise = mean(x, p, True, noise, key, key, key, ordinal)
            fall = mean(x, p, False, noise, key, key, key, ordinal)
            moved = pulse(x, p, up, rise if up else fall, z[k], noise)
            g[k] = moved if n > limit or n < -limit else x

    @register_jitable
    @tagged(fingerprint)
    def visit(g, parameters, plan, cells, z, noise, key, ordinal) -> None:  # noqa: ANN001
        """Pulse number `ordinal` of the cells listed."""
        for k in range(cells.shape[0]):
            cell = cells[k]
            x, p, up = g[cell], parameters[cell], plan[cell] > 0
            g[cell] = pulse(x, p, up, mean(x, p, up, noise, cell, key[0], key[1], ordinal), z[k], noise)

    @register_jitable
    @tagged(fingerprint)
    def alone(g, parameters, counters, plan, noise, s0, s1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        """All pulses of one cell after another, for callers with a cell or two, whom preparations would cost more."""
        pulses, touched, noisy = 0, 0, loud(noise)
        for cell in range(first, last):
            x, p, up, n = g[cell], parameters[cell], plan[cell] > 0, abs(plan[cell])
            for ordinal in range(n):
                n0, n1 = fold(s0, s1, u32(ordinal))
                z = normal(n0, n1, u32(cell)) if noisy else np.float32(0)
                x = pulse(x, p, up, mean(x, p, up, noise, u32(cell), s0, s1, ordinal), z, noise)
            if n != 0:
                g[cell] = x
                pulses, touched = pulses + n, touched + 1
        if counters.shape[0] > 0:
            count(counters[first:last], plan[first:last], event)
        return pulses, touched

    @register_jitable
    @tagged(fingerprint)
    def counts(g, parameters, counters, plan, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        s0, s1 = subkey(k0, k1, event, u32(0))
        noisy = loud(noise)
        if last - first < _FEW:
            return alone(g, parameters, counters, plan, noise, s0, s1, event, first, last)
        room = min(CHUNK, last - first) + 2
        words, squares = np.empty((2, room // 2 + 1), np.uint32), np.empty(room // 2 + 1, np.float32)
        z, listed = np.zeros(room + 2, np.float32), np.empty(room, np.uint32)
        before, columns = np.empty(room, g.dtype), np.empty((max(parameters.shape[1], 2), room), g.dtype)
        pulses, touched = 0, 0
        for start in range(first, last, CHUNK):
            stop, ordinal = min(start + CHUNK, last), 0
            here, wanted = slice(start, stop), plan[start:stop]
            alive, sent, most = survey(wanted)
            if alive == 0:
                continue
            pulses, touched = pulses + sent, touched + alive
            if counters.shape[0] > 0:
                count(counters[here], wanted, event)
            if reads > 0 and alive * _SPARSE > stop - start:
                columns_of(columns, parameters[here])
                while alive * _SPARSE > stop - start:
                    before[: stop - start] = g[here]
                    own = z
                    if noisy:
                        own = normals_of_run(z, words, squares, start, stop, *fold(s0, s1, ordinal))
                    sweep(g[here], before, columns, wanted, own, noise, ordinal)
                    ordinal += 1
                    alive = more_than(wanted, ordinal) if ordinal < most else 0
            while ordinal < most:
                cells = listed[: list_more_than(listed, plan, start, stop, ordinal)]
                if noisy:
                    normals_of_list(z, cells, *fold(s0, s1, ordinal))
                visit(g, parameters, plan, cells, z, noise, (s0, s1), ordinal)
                ordinal += 1
        return pulses, touched

    return counts
