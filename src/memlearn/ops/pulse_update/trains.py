"""Pulse trains: a cell is pulsed where its row and its column fire in the same slot.

Every line is entered into the lists of the slots in which it fires, so that a slot costs what fires in it: a visit per
coincidence, and one per firing row. Coincidences are listed first, so that their noise is drawn in one go, and cells
that lie apart are asked for meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from ..guard import tagged
from ..random.cpu import fold, subkey
from .counts import stamp
from .draws import normals_of_list
from .lanes import fetch
from .law import Law

u32, u64 = np.uint32, np.uint64
SLOTS = 31
# Coincidences gathered before their noise is drawn in one go.
_BUFFER = 2048
_HALF_FEMTO = 0.5e15
# Where less than one column in so many fires, no cell brings its neighbour along, and a pulse waits for its memory.
_APART = 4


@register_jitable
def lowest_of(word: Any) -> Any:
    """Number of the lowest bit set: the exponent of what is left when all others are cleared."""
    return (np.float32(word & -word).view(np.int32) >> np.int32(23)) - np.int32(127)


@shared
def enter(lists: Any, sizes: Any, trains: Any, first: Any, last: Any, tile: tuple[Any, Any], stride: Any) -> None:
    """Enter lines first .. last - 1 into the lists of the slots in which they fire, as place x 2 + sign.

    The cell where a row and a column cross is the sum of their places.

    Arguments:
        lists: int64 (slots, lines), and `sizes` (slots) how much of each is used, both written.
        trains: int64 (lines).
        tile: lines of a tile, cells between equal lines of neighbouring tiles.
        stride: cells between neighbouring lines.
    """
    sizes[:] = 0
    lines, apart = tile
    for start in range(first // lines * lines, last, lines):
        base = start // lines * apart
        for line in range(max(start, first), min(start + lines, last)):
            train = trains[line]
            slots = train & 0x7FFFFFFF
            if slots == 0:
                continue
            entry = (base + (line - start) * stride) << 1 | (train >> 31 & 1)
            while slots:
                slot = lowest_of(slots)
                lists[slot, sizes[slot]] = entry
                sizes[slot] += 1
                slots &= slots - 1


@shared
def list_crossings(cells: Any, rises: Any, found: Any, row: Any, columns: Any, crosses: Any, only_up: bool) -> Any:
    """Write down the cells where a row crosses columns, behind `found` others; how many there are now."""
    base, sign = row >> 1, row & 1
    for n in range(crosses):
        up = (columns[n] & 1) == sign
        cells[found] = u32(base + (columns[n] >> 1))
        rises[found] = up
        found += up or not only_up
    return found


@shared
def fetch_listed(g: Any, parameters: Any, counters: Any, cells: Any, found: Any) -> None:
    """Ask for the memory of the first cells listed."""
    last, counting = parameters.shape[1] - 1, counters.shape[0] > 0
    flat = parameters.reshape(-1)
    for k in range(found):
        cell = np.int64(cells[k])
        fetch(g, cell)
        fetch(parameters, cell)
        if last > 3:  # may lie across two lines
            fetch(flat, cell * (last + 1) + last)
        if counting:
            fetch(counters, cell)


@shared
def add_moves(moves: Any, rows: Any, columns: Any, crosses: Any, width: Any, word_sums: Any, bit_sums: Any) -> None:
    """Add what cells have moved by to the sums of their lines, of one tile.

    Arguments:
        moves: of the cells where rows cross columns, S, row by row.
        rows, columns: entries as of `enter`; `crosses` of the columns count.
        width: bit lines.
        word_sums, bit_sums: float64 (lines), S.
    """
    k = 0
    for n in range(rows.shape[0]):
        total = 0.0
        for c in range(crosses):
            move = np.float64(moves[k])
            bit_sums[columns[c] >> 1] += move
            total += move
            k += 1
        word_sums[(rows[n] >> 1) // width] += total


def _row_of(columns: int) -> Callable[..., Any]:
    """row(parameters, cell): the first parameters of a cell, as a tuple, all of them loaded."""
    if columns == 0:
        return register_jitable(lambda parameters, cell: ())
    others, last = _row_of(columns - 1), columns - 1
    return register_jitable(lambda parameters, cell: (*others(parameters, cell), parameters[cell, last]))


def compile_visit(law: Law) -> Callable[..., Any]:
    """A pulse to each of the cells listed, of a law; see `visit` below."""
    mean, _, pulse, reads, fingerprint = law
    row = _row_of(reads)

    if reads > 0:
        # Plain arithmetic: both ways and a choice cost less than a branch that nobody can foresee.
        def size(x: Any, parameters: Any, cell: Any, up: bool, noise: Any, key: Any, slot: Any) -> Any:
            p = row(parameters, cell)
            rise = mean(x, p, True, noise, cell, key[0], key[1], slot)
            fall = mean(x, p, False, noise, cell, key[0], key[1], slot)
            return rise if up else fall
    else:

        def size(x: Any, parameters: Any, cell: Any, up: bool, noise: Any, key: Any, slot: Any) -> Any:
            return mean(x, parameters[cell], up, noise, cell, key[0], key[1], slot)

    size = register_jitable(tagged(fingerprint)(size))

    @register_jitable
    @tagged(fingerprint)
    def visit(g, parameters, counters, cells, rises, z, parts, words, n, noise, looks):  # noqa: ANN001, ANN202, PLR0913
        """A pulse to each of the cells listed, in n parts of samples and slots: parts (n, 4) holds where one begins and
        ends, its slot and the mark of its event, words (n, 4) the key of its sample.

        Returns:
            How many had none before in this event; and, where it `looks`, pulses up, and conductance of the cells, mean
            of before and after each pulse, up, and down, fS.
        """
        fresh, counting, ups, rise, fall = 0, counters.shape[0] > 0, 0, np.int64(0), np.int64(0)
        for part in range(n):
            slot, mark, key = parts[part, 2], np.int32(parts[part, 3]), (words[part, 0], words[part, 1])
            start = u64(parts[part, 0])
            for n_ in range(parts[part, 1] - parts[part, 0]):
                k = start + u64(n_)
                cell, up = cells[k], rises[k]
                x, z_ = g[cell], z[k]
                moved = pulse(x, parameters[cell], up, size(x, parameters, cell, up, noise, key, slot), z_, noise)
                g[cell] = moved
                if looks:
                    # Whole numbers: their sum does not depend on the order.
                    middle = np.int64((np.float64(x) + np.float64(moved)) * _HALF_FEMTO + 0.5)
                    ups += up
                    rise += middle if up else np.int64(0)
                    fall += np.int64(0) if up else middle
                if counting:
                    counters[cell, 0] += 1
                    fresh += counters[cell, 1] != mark
                    counters[cell, 1] = mark
        return fresh, ups, rise, fall

    return visit


def compile_trains(law: Law) -> Callable[..., Any]:
    """The kernel of trains of a law, as a function that other kernels compile in.

    trains(g, parameters, counters, shape, rows, columns, only_up, noise, k0, k1, event, first, last, sums):
    (pulses, cells, and what `reference.trains` adds to `heat`); arguments as in `reference.trains`, the key as two
    words, on word lines first .. last - 1. `sums` of conductances of word lines and of bit lines, S, float64, are kept
    up to date, for one tile and pulses of either direction; of no length where nobody has them.
    """
    visit, loud, fingerprint = compile_visit(law), law.loud, law.fingerprint

    @register_jitable
    @tagged(fingerprint)
    def trains(g, parameters, counters, shape, rows, columns, only_up, noise, k0, k1, event, first, last, sums):  # noqa: ANN001, ANN202, PLR0913
        height, width, (word_sums, bit_sums) = shape[2], shape[3], sums
        row_tile, column_tile = (height, shape[1] * height * width), (width, height * width)
        noisy = loud(noise)
        lines, parts, words = columns.shape[1], np.zeros((1, 4), np.int64), np.zeros((1, 4), np.uint32)
        parts[0, 3] = stamp(event)
        firing, fires = np.empty((SLOTS, last - first), np.int64), np.empty(SLOTS, np.int64)
        crossing, crosses = np.empty((SLOTS, lines), np.int64), np.empty(SLOTS, np.int64)
        room = max(_BUFFER, lines)
        cells, rises = np.empty(room + 1, np.uint32), np.empty(room + 1, np.bool_)
        z, before, keeps = np.zeros(room, np.float32), np.empty(room, g.dtype), word_sums.shape[0] > 0
        pulses, touched, ups, rise, fall = 0, 0, 0, np.int64(0), np.int64(0)
        for sample in range(rows.shape[0]):
            key = subkey(k0, k1, event, u32(sample))
            words[0, 0], words[0, 1] = key
            enter(crossing, crosses, columns[sample], 0, lines, column_tile, 1)
            enter(firing, fires, rows[sample], first, last, row_tile, width)
            for slot in range(SLOTS):
                if crosses[slot] == 0 or fires[slot] == 0:
                    continue
                across, apart = crossing[slot], crosses[slot] * _APART < lines
                n0, n1 = fold(key[0], key[1], u32(slot))
                n = 0
                while n < fires[slot]:
                    # The crossings of as many firing rows as the buffer holds; no cell comes twice in a slot.
                    found, begin = 0, n
                    while n < fires[slot] and found + crosses[slot] <= room:
                        found = list_crossings(cells, rises, found, firing[slot, n], across, crosses[slot], only_up)
                        n += 1
                    if apart:
                        fetch_listed(g, parameters, counters, cells, found)
                    if noisy:
                        normals_of_list(z, cells, found, n0, n1)
                    parts[0, 1], parts[0, 2] = found, slot
                    if keeps:
                        for k in range(found):
                            before[k] = g[cells[k]]
                    done = visit(g, parameters, counters, cells, rises, z, parts, words, 1, noise, True)
                    touched, ups, rise, fall = touched + done[0], ups + done[1], rise + done[2], fall + done[3]
                    pulses += found
                    if keeps:
                        for k in range(found):
                            before[k] = g[cells[k]] - before[k]
                        add_moves(before, firing[slot, begin:n], across, crosses[slot], width, word_sums, bit_sums)
        return pulses, touched, ups, rise, fall

    return trains
