"""Pulse trains of many samples, a band of word lines at a time: its cells stay near while every sample visits them.

Cells do not know of each other: what counts is the order of the pulses of each. So all samples may go over one band
before the next is looked at, and a caller who wants to see a line in between asks for the samples up to there. Pulses,
their order in a cell and their random numbers are those of `trains.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from ..guard import tagged
from ..random.cpu import fold, normal, subkey
from .counts import stamp
from .law import Law
from .trains import SLOTS, compile_visit, enter, fetch_listed, lowest_of

u32, u64 = np.uint32, np.uint64
_LINES, _MOST, _AHEAD = 8, 512, 32
_ROOM, _PARTS = 2048, 256
"""Crossings gathered before their noise is drawn in one go, and parts of them."""


@register_jitable
def lines_together(samples: int) -> int:
    """Word lines of a band: cells that many samples share stay in the first caches, those of few are asked for."""
    return max(_LINES, _MOST // max(samples, 1))


@shared
def lay_out(laid: Any, b: Any, columns: Any, k0: Any, k1: Any, event: Any, sample: Any) -> None:
    """Write down which bit lines sample b crosses, and where its random numbers come from.

    Arguments:
        laid: from `laid_for`.
        columns: int64 (lines): its trains on the bit lines.
        k0, k1, event, sample: address of its pulses.
    """
    crossing, crosses, fires, keys, folded, marks = laid
    lines = columns.shape[0]
    enter(crossing[b], crosses[b], columns, 0, lines, (lines, 0), 1)
    key = subkey(k0, k1, event, u32(sample))
    keys[b, 0], keys[b, 1], marks[b], fires[b] = key[0], key[1], stamp(event), 0
    for slot in range(SLOTS):
        if crosses[b, slot] > 0:
            fires[b] |= np.int64(1) << slot
            here = fold(key[0], key[1], u32(slot))
            folded[b, slot, 0], folded[b, slot, 1] = here[0], here[1]


def laid_for(samples: int, width: int) -> tuple[Any, ...]:
    """Memory for what samples cross, on arrays of width bit lines, and for the crossings of a band of them."""
    room = max(_ROOM, 2 * width)
    laid = (
        np.empty((samples, SLOTS, width), np.uint32),
        np.zeros((samples, SLOTS), np.int64),
        np.zeros(samples, np.int64),
        np.zeros((samples, 2), np.uint32),
        np.zeros((samples, SLOTS, 2), np.uint32),
        np.zeros(samples, np.int32),
    )
    lists = np.empty(room, np.uint32), np.empty(room, np.bool_), np.zeros(room, np.float32)
    return laid, (*lists, np.zeros((_PARTS, 4), np.int64), np.zeros((_PARTS, 4), np.uint32))


@shared
def list_band(cells: Any, rises: Any, parts: Any, words: Any, rows: Any, laid: Any, lines: Any, at: Any) -> Any:
    """Write down the cells where word lines cross the bit lines of samples, sample by sample and slot by slot.

    Arguments:
        cells, rises: written, and `parts` and `words` as `trains.compile_visit` wants them, the numbers of the noise's
            key last.
        rows: int64 (samples, lines); `laid` of `laid_for`.
        lines: first and one past the last word line.
        at: the sample, its slots that are left (0: all) and the line to begin with, and one past the last sample.

    Returns:
        How many parts; and the sample, its slots that are left and the line to go on with.
    """
    crossing, crosses, fires, keys, folded, marks = laid
    (first, last), (b, slots, line, end) = lines, at
    width, room = crossing.shape[2], cells.shape[0] - crossing.shape[2]
    found, n = 0, 0
    while b < end:
        if slots == 0:
            for k in range(first, last):
                slots |= rows[b, k]
            slots &= fires[b]
            line = first
        while slots != 0:
            if n == parts.shape[0] or found > room:
                return n, b, slots, line
            slot = lowest_of(slots)
            across, start = crosses[b, slot], found
            while line < last and found <= room:
                train = rows[b, line]
                if train >> slot & 1:
                    base, sign, at_ = u32(line * width), u32(train >> 31 & 1), u64(found)
                    for k in range(across):
                        entry = crossing[u64(b), u64(slot), u64(k)]
                        cells[at_ + u64(k)] = base + (entry >> u32(1))
                        rises[at_ + u64(k)] = (entry & u32(1)) == sign
                    found += across
                line += 1
            parts[n, 0], parts[n, 1], parts[n, 2], parts[n, 3] = start, found, slot, marks[b]
            words[n, 0], words[n, 1] = keys[b, 0], keys[b, 1]
            words[n, 2], words[n, 3] = folded[b, slot, 0], folded[b, slot, 1]
            n += 1
            if line == last:
                slots, line = slots & (slots - 1), first
        b += 1
    return n, b, slots, line


@shared
def normals_of_parts(out: Any, cells: Any, parts: Any, words: Any, n: Any) -> None:
    """The normal numbers of the cells listed, part by part."""
    for part in range(n):
        k0, k1 = words[part, 2], words[part, 3]
        start = u64(parts[part, 0])
        for n_ in range(parts[part, 1] - parts[part, 0]):
            k = start + u64(n_)
            out[k] = normal(k0, k1, cells[k])


def compile_bands(law: Law) -> Callable[..., Any]:
    """The kernel of trains in bands of a law, as a function that other kernels compile in.

    bands(g, parameters, counters, rows, laid, lists, noise, first, last, begin, end, looks): the pulses of samples
    begin .. end - 1 on word lines first .. last - 1 of one tile; `rows` int64 (samples, lines), the rest from
    `laid_for`. Returns pulses, cells, and as `trains` pulses up and what pulses found, where it `looks`.

    Many pulses are listed before their noise is drawn, and drawn before they are sent: every call counts references to
    its arrays, with the price of as many pulses.
    """
    visit, loud, fingerprint = compile_visit(law), law.loud, law.fingerprint

    @register_jitable
    @tagged(fingerprint)
    def bands(g, parameters, counters, rows, laid, lists, noise, first, last, begin, end, looks):  # noqa: ANN001, ANN202, PLR0913
        cells, rises, z, parts, words = lists
        ahead, noisy = last - first > _AHEAD, loud(noise)
        pulses, touched, ups, rise, fall = 0, 0, 0, np.int64(0), np.int64(0)
        b, slots, line = begin, np.int64(0), first
        while b < end:
            n, b, slots, line = list_band(cells, rises, parts, words, rows, laid, (first, last), (b, slots, line, end))
            if n == 0:
                continue
            found = parts[n - 1, 1]
            if ahead:
                fetch_listed(g, parameters, counters, cells, found)
            if noisy:
                normals_of_parts(z, cells, parts, words, n)
            done = visit(g, parameters, counters, cells, rises, z, parts, words, n, noise, looks)
            touched, ups, rise, fall = touched + done[0], ups + done[1], rise + done[2], fall + done[3]
            pulses += found
        return pulses, touched, ups, rise, fall

    return bands
