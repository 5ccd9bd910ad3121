"""Leaves of an elimination: blocks of a few cells, as many at once as a vector register has lanes."""

from __future__ import annotations

import numba

from ..guard import Guarded
from .lanes import BYTES, LANES, add, copy, divide, update1, update2, update3, update4
from .tree import CELL, OPERAND


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def fill_leaves(steps, result, corners, start, conductance, word, bit, work0, work1, rows, store):  # noqa: ANN001, ANN201, PLR0913
    """Eliminate equal leaves, `LANES` at a time, and put their matrices into `store`, one after another."""
    size = result[3] * result[3]
    for first in range(0, len(corners), LANES):
        number = min(LANES, len(corners) - first)
        for step in range(len(steps)):
            s = steps[step]
            target = work0 if s[2] == 0 else work1
            if s[0] == CELL:
                _cells(s, corners, first, number, conductance, word, bit, target)
                continue
            ports = s[1]
            target[s[3] * LANES : (s[3] + ports * ports) * LANES] = 0.0
            at = target.ctypes.data + s[3] * BYTES
            for operand in range(2):
                o = s[4 + OPERAND * operand : 4 + OPERAND * (operand + 1)]
                source = work0 if o[0] == 0 else work1
                _place_lanes(o, source.ctypes.data + o[1] * BYTES, at, ports)
            _eliminate_lanes(at, ports, s[0], rows.ctypes.data, rows.size * 4)
        source = work0 if result[0] == 0 else work1
        for j in range(result[3]):
            for i in range(j, result[3]):
                at = (result[1] + j * result[2] + i) * LANES
                to = start + first * size + j * result[3] + i
                for lane in range(number):
                    store[to + lane * size] = source[at + lane]


@numba.njit(error_model="numpy", nogil=True)
def _cells(s, corners, first, number, conductance, word, bit, target):  # noqa: ANN001, ANN202
    """Ports L (the word node), R behind a segment, T (the bit node), B behind a segment; what is open is left out."""
    lanes, ports, right, top = LANES, s[1], s[6], s[7]
    for lane in range(lanes):
        corner = corners[first + min(lane, number - 1)]
        i, j = corner[0] + s[4], corner[1] + s[5]
        g = conductance[i, j]
        gw, gb = word[int(j == len(bit[0]) - 1), i], bit[int(i == len(word[0]) - 1), j]
        at = s[3] * lanes + lane
        if top:
            k, lt, tt = g, -g, gb + g
        else:
            k, lt, tt = g * gb / (gb + g), 0.0, 0.0
        target[at] = k + (gw if right else 0.0)
        if right:
            target[at + lanes] = -gw
            target[at + (ports + 1) * lanes] = gw
        d = 1 + right
        if top:
            target[at + d * lanes] = lt
            target[at + (d + 1) * lanes] = 0.0
            target[at + (d * ports + d) * lanes] = tt
            target[at + (d * ports + d + 1) * lanes] = -gb
            target[at + ((d + 1) * ports + d + 1) * lanes] = gb
            if right:
                target[at + (ports + d) * lanes] = 0.0
                target[at + (ports + d + 1) * lanes] = 0.0
        else:
            target[at + d * lanes] = -k
            target[at + (d * ports + d) * lanes] = k
            if right:
                target[at + (ports + d) * lanes] = 0.0


@numba.njit(error_model="numpy", nogil=True)
def _place_lanes(o, source, target, ports):  # noqa: ANN001, ANN202
    """Add an operand at pointer `source` to the merged matrix at `target`."""
    lead = o[2]
    for a in range(4):
        for b in range(a, 4):
            swap = o[5 + 3 * a] > o[5 + 3 * b]
            step = ports * BYTES if swap else BYTES
            for p in range(o[4 + 3 * a]):
                skipped = p if a == b else 0
                y, x = o[5 + 3 * a] + p, o[5 + 3 * b] + skipped
                read = source + ((o[3 + 3 * a] + p) * lead + o[3 + 3 * b] + skipped) * BYTES
                write = target + (x * ports + y if swap else y * ports + x) * BYTES
                add(write, step, read, BYTES, o[4 + 3 * b] - skipped)  # pyright: ignore[reportCallIssue]


@numba.njit(error_model="numpy", nogil=True)
def _eliminate_lanes(m, ports, shared, rows, half):  # noqa: ANN001, ANN202
    """Eliminate the first `shared` ports of the matrix at `m`; `rows` has room for 2 x 4 of its rows."""
    apart = ports * BYTES
    scaled = rows + half
    s = 0
    while s < shared:
        width = min(4, shared - s)
        for a in range(width):
            mine, long = s + a, ports - s - a
            row = m + (mine * ports + mine) * BYTES
            for b in range(a):
                update1(row, scaled + b * apart + mine * BYTES, rows + b * apart + mine * BYTES, apart, long)  # pyright: ignore[reportCallIssue]
            copy(rows + a * apart + mine * BYTES, row, long)  # pyright: ignore[reportCallIssue]
            divide(scaled + a * apart + mine * BYTES, row, row, long)  # pyright: ignore[reportCallIssue]
        for j in range(s + width, ports):
            row, long = m + (j * ports + j) * BYTES, ports - j
            f, r = scaled + j * BYTES, rows + j * BYTES
            if width == 4:
                update4(row, f, r, apart, long)  # pyright: ignore[reportCallIssue]
            elif width == 2:
                update2(row, f, r, apart, long)  # pyright: ignore[reportCallIssue]
            elif width == 1:
                update1(row, f, r, apart, long)  # pyright: ignore[reportCallIssue]
            else:
                update3(row, f, r, apart, long)  # pyright: ignore[reportCallIssue]
        s += width
