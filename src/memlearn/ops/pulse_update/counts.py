"""Counts of pulses, a chunk of cells at a time: listed where few are pulsed, swept as a whole where many are.

Pulse number 0 of all cells of a chunk comes first, then number 1, and so on: their noise has one key, and is drawn for
many cells at once. A sweep visits cells that get no pulse and keeps them as they are; it holds nothing but loops that
fill the vector units. Places in arrays are unsigned, since Numba would ask of every other number whether it counts from
the end.
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
from .draws import normals_of_list, normals_of_run, room_for
from .lanes import EIGHT, MANY, columns_of_four, columns_of_six, count_eight, lowest, over
from .law import Law

u32, u64, i32 = np.uint32, np.uint64, np.int32
stamp: Any = register_jitable(reference.stamp)
# Cells of a chunk: what a sweep works on stays in the first cache.
CHUNK = 512
# A chunk is swept while at least one cell in so many is pulsed: a listed cell costs some eight times a swept one.
_SPARSE = 8
# Pulses of a cell up to which those of a chunk may be added up in 32 bits.
_SAFE = 1 << 20
# Below this many cells, they are taken one by one.
_FEW = 8


@shared
def survey(plan: Any, first: Any, last: Any) -> tuple[Any, Any, Any]:
    """Among cells first .. last - 1: those with any pulse, pulses in all, most pulses of a cell."""
    cells, total, most, start = i32(0), i32(0), i32(0), u64(first)
    for k in range(last - first):
        n = i32(abs(plan[start + u64(k)]))
        cells = i32(cells + i32(n != 0))
        total = i32(total + n)
        most = max(most, n)
    pulses = np.int64(total)
    if most > _SAFE:
        pulses = np.int64(0)
        for k in range(last - first):
            pulses += abs(np.int64(plan[start + u64(k)]))
    return cells, pulses, most


@shared
def more_than(plan: Any, first: Any, last: Any, ordinal: Any) -> Any:
    """Cells among first .. last - 1 with more than `ordinal` pulses."""
    cells, limit, start = i32(0), i32(ordinal), u64(first)
    for k in range(last - first):
        cells = i32(cells + i32(i32(abs(plan[start + u64(k)])) > limit))
    return cells


@shared
def list_more_than(out: Any, plan: Any, first: Any, last: Any, ordinal: Any) -> Any:
    """Write down the cells among first .. last - 1 with more than `ordinal` pulses; how many."""
    found, limit, start = 0, i32(ordinal), first
    while start + MANY <= last:
        bits = over(plan, start, limit)
        while bits != u64(0):
            out[found] = u32(u64(start) + lowest(bits))
            found += 1
            bits &= bits - u64(1)
        start += MANY
    for k in range(start, last):
        if abs(plan[k]) > limit:
            out[found] = u32(k)
            found += 1
    return found


@shared
def keep_more_than(cells: Any, listed: Any, plan: Any, ordinal: Any) -> Any:
    """Of the first cells listed, those with more than `ordinal` pulses move to the front; how many."""
    found, limit = 0, i32(ordinal)
    for k in range(listed):
        cell = cells[k]
        cells[found] = cell
        found += i32(abs(plan[cell])) > limit
    return found


@shared
def count(counters: Any, plan: Any, first: Any, last: Any, event: Any) -> None:
    """Into the counters of cells first .. last - 1: their pulses, and the event's mark on those that have any."""
    mark, start = i32(stamp(event)), first
    while start + EIGHT <= last:
        count_eight(counters, plan, start, mark)
        start += EIGHT
    for k in range(start, last):
        if plan[k] != 0:
            counters[k, 0] += i32(abs(plan[k]))
            counters[k, 1] = mark


@shared
def count_listed(counters: Any, plan: Any, cells: Any, listed: Any, event: Any) -> None:
    """The same for the first cells listed, all of which have pulses."""
    mark = i32(stamp(event))
    for k in range(listed):
        cell = cells[k]
        counters[cell, 0] += i32(abs(plan[cell]))
        counters[cell, 1] = mark


@shared
def columns_of(out: Any, parameters: Any, first: Any, last: Any) -> None:
    """Parameters, (cells, K), of cells first .. last - 1 as K rows."""
    start, width = first, parameters.shape[1]
    if width == 4:
        while start + EIGHT <= last:
            columns_of_four(out, start - first, parameters, start)
            start += EIGHT
    elif width == 6:
        while start + EIGHT <= last:
            columns_of_six(out, start - first, parameters, start)
            start += EIGHT
    for k in range(start, last):
        for j in range(width):
            out[j, k - first] = parameters[k, j]


def _row_of(columns: int) -> Callable[..., Any]:
    """row(table, k): what stands at place k in the first rows of a table, as a tuple.

    A view of an array would do, were it not that Numba counts references to it, which keeps loops out of the vector
    units.
    """
    if columns == 0:
        return register_jitable(lambda table, k: ())
    others, last = _row_of(columns - 1), columns - 1
    return register_jitable(lambda table, k: (*others(table, k), table[last, k]))


def compile_counts(law: Law) -> Callable[..., Any]:
    """The kernel of counts of a law, as a function that other kernels compile in.

    counts(g, parameters, counters, plan, noise, k0, k1, event, first, last) -> (pulses, cells): arguments as in
    `reference.counts`, the key as two words, on cells first .. last - 1.
    """
    mean, loud, pulse, reads, fingerprint = law
    row = _row_of(reads)

    @register_jitable
    @tagged(fingerprint)
    def sweep(g, before, columns, plan, first, last, z, shift, noise, ordinal) -> None:  # noqa: ANN001, PLR0913
        """Pulse number `ordinal` of those of cells first .. last - 1 that have one; theirs is z[shift], ...."""
        limit, key, start = i32(ordinal), u32(0), u64(first)
        # From memory of their own, or cells without a pulse would become a store under a mask, which some processors
        # take ten times as long for.
        for k in range(last - first):
            before[k] = g[start + u64(k)]
        for k in range(last - first):
            here = u64(k)
            n, x, p = plan[start + here], before[here], row(columns, here)
            up = n > 0
            # Both ways and a choice: a branch would keep the loop out of the vector units.
            rise = mean(x, p, True, noise, key, key, key, ordinal)
            fall = mean(x, p, False, noise, key, key, key, ordinal)
            moved = pulse(x, p, up, rise if up else fall, z[here + shift], noise)
            g[start + here] = moved if i32(abs(n)) > limit else x

    @register_jitable
    @tagged(fingerprint)
    def visit(g, parameters, plan, cells, found, z, noise, key, ordinal) -> None:  # noqa: ANN001, PLR0913
        """Pulse number `ordinal` of the first cells listed."""
        for k in range(found):
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
            count(counters, plan, first, last, event)
        return pulses, touched

    @register_jitable
    @tagged(fingerprint)
    def counts(g, parameters, counters, plan, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        s0, s1 = subkey(k0, k1, event, u32(0))
        noisy, counting = loud(noise), counters.shape[0] > 0
        if last - first < _FEW:
            return alone(g, parameters, counters, plan, noise, s0, s1, event, first, last)
        room = min(CHUNK, last - first)
        drawn = room_for(room)
        words, squares = np.empty((2, drawn // 2), np.uint32), np.empty(drawn // 2, np.float32)
        z, listed = np.zeros(drawn, np.float32), np.empty(room + 1, np.uint32)
        before, columns = np.empty(room, g.dtype), np.empty((max(parameters.shape[1], 2), room), g.dtype)
        pulses, touched, start = 0, 0, first
        early = fold(s0, s1, u32(0)) if noisy else (u32(0), u32(0))
        while start < last:
            # Chunks end where groups of cells that share their draws do.
            begin, stop, ordinal = start, min((start // CHUNK + 1) * CHUNK, last), 0
            start = stop
            alive, sent, most = survey(plan, begin, stop)
            if alive == 0:
                continue
            pulses, touched = pulses + sent, touched + alive
            dense = alive * _SPARSE > stop - begin
            if counting and dense:
                count(counters, plan, begin, stop, event)
            if reads > 0 and dense:
                columns_of(columns, parameters, begin, stop)
                while alive * _SPARSE > stop - begin:
                    shift = u64(0)
                    if noisy:
                        key = early if ordinal == 0 else fold(s0, s1, u32(ordinal))
                        shift = normals_of_run(z, words, squares, begin, stop, key[0], key[1])
                    sweep(g, before, columns, plan, begin, stop, z, shift, noise, ordinal)
                    ordinal += 1
                    alive = more_than(plan, begin, stop, ordinal) if ordinal < most else 0
            if ordinal == most:
                continue
            found = list_more_than(listed, plan, begin, stop, ordinal)
            if counting and not dense:
                count_listed(counters, plan, listed, found, event)
            while ordinal < most:
                if noisy:
                    key = early if ordinal == 0 else fold(s0, s1, u32(ordinal))
                    normals_of_list(z, listed, found, key[0], key[1])
                visit(g, parameters, plan, listed, found, z, noise, (s0, s1), ordinal)
                ordinal += 1
                if ordinal < most:
                    found = keep_more_than(listed, found, plan, ordinal)
        return pulses, touched

    return counts
