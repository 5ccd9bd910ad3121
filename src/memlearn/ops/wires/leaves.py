"""Leaves of an elimination: blocks of a few cells, as many at once as a vector register has lanes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np

from ..guard import Guarded
from .lanes import BYTES, LANES, copy, divide, gather, spread, update1, update2, update3, update4
from .tree import CELL, OPERAND, Leaves, eliminated


class Program(NamedTuple):
    """How leaves of one shape are built, in elements of one work space whose element 0 is zero."""

    steps: np.ndarray
    """(steps, 5): ports shared (of a cell 0), ports, first element, first move, moves."""
    moves: np.ndarray
    """(moves, 3): bytes from element 0 to a target, and to the two elements whose sum it is."""
    size: int
    """Elements of the work space."""
    most: int
    """Largest number of ports."""
    result: tuple[int, int, int]
    """Of the leaf's matrix: first element, ports, elements from row to row."""


def fill(leaves: Leaves, conductance: np.ndarray, word: np.ndarray, bit: np.ndarray, store: np.ndarray) -> None:
    """Put the matrices of equal leaves into the store, one after another.

    Arguments:
        leaves: their shape and places.
        conductance: S, (rows, columns).
        word, bit: S, (2, lines): of a segment, and of what leads from the last node to its port.
        store: for the matrices of all leaves.
    """
    program = _program(*leaves.shape, *leaves.open)
    work, rows = np.empty((program.size, LANES)), np.empty((8 * program.most, LANES))
    work[0] = 0
    fill_leaves(program, leaves, conductance, word, bit, work, rows, store)


@lru_cache(maxsize=64)
def _program(rows: int, columns: int, right: bool, top: bool) -> Program:
    """Of leaves of one shape."""
    elimination = eliminated(rows, columns, right, top)
    pool = 1 + _pool(rows, columns)
    offsets = pool, pool + elimination.work[0]
    steps, moves = [], []
    for s in elimination.steps.tolist():
        first = offsets[s[2]] + s[3]
        if s[0] == CELL:
            own = _cell(first, s, rows, columns)
            steps.append([0, s[1], first, len(moves), len(own)])
            moves += own
            continue
        found: dict[int, list[int]] = {}
        for o in (s[4 : 4 + OPERAND], s[4 + OPERAND : 4 + 2 * OPERAND]):
            for target, source in _placed(o, s[1]):
                found.setdefault(first + target, []).append(offsets[o[0]] + source)
        own = []
        for j in range(s[1]):
            for i in range(j, s[1]):
                target = first + j * s[1] + i
                own.append([target, *(*found.get(target, []), 0, 0)[:2]])
        steps.append([s[0], s[1], first, len(moves), len(own)])
        moves += own
    block = elimination.result
    whole = np.array(steps, np.int64)
    return Program(
        whole, BYTES * np.array(moves, np.int64).reshape(-1, 3), pool + sum(elimination.work), int(whole[:, 1].max()),
        (offsets[block.store] + block.start, block.ports, block.lead),
    )  # fmt: skip


def _pool(rows: int, columns: int) -> int:
    """Elements, from 1 on, that are no sums: cells and segments, each with its negative."""
    return 2 * (rows * columns + 2 * rows + 2 * columns)


def _cell(first: int, s: list[int], rows: int, columns: int) -> list[list[int]]:
    """Moves that make a cell's matrix: ports L (the word node), R behind a segment, T (the bit node), B behind another.

    Without T the segment is in series with the cell.
    """
    ports, (i, j, right, top) = s[1], s[4:8]
    along = rows * columns + i + rows * (j == columns - 1)
    down = rows * columns + 2 * rows + j + columns * (i == rows - 1)
    cell, word, bit = 1 + 2 * (i * columns + j), 1 + 2 * along, 1 + 2 * down
    b = ports - 1
    entries = {(0, 0): (cell, word if right else 0)}
    if right:
        entries |= {(0, 1): (word + 1, 0), (1, 1): (word, 0)}
    if top:
        entries |= {(0, b - 1): (cell + 1, 0), (b - 1, b - 1): (cell, bit), (b - 1, b): (bit + 1, 0), (b, b): (bit, 0)}
    else:
        entries |= {(0, b): (cell + 1, 0), (b, b): (cell, 0)}
    triangle = ((y, x) for y in range(ports) for x in range(y, ports))
    return [[first + y * ports + x, *entries.get((y, x), (0, 0))] for y, x in triangle]


def _placed(o: list[int], ports: int) -> Iterator[tuple[int, int]]:
    """Elements of a merged matrix and those of an operand that go there, from the beginnings of both."""
    groups = [(o[3 + 3 * k], o[4 + 3 * k], o[5 + 3 * k]) for k in range(4)]
    where = [(begin + p, to + p) for begin, number, to in groups for p in range(number)]
    for k, (j, y) in enumerate(where):
        for i, x in where[k:]:
            yield min(x, y) * ports + max(x, y), o[1] + j * o[2] + i


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def fill_leaves(program, leaves, conductance, word, bit, work, rows, store):  # noqa: ANN001, ANN201
    """Eliminate equal leaves, `LANES` at a time, and put their matrices into `store`, one after another."""
    steps, moves, corners = program.steps, program.moves, leaves.corners
    flat, zero, scaled = work.reshape(-1), work.ctypes.data, rows.ctypes.data
    for first in range(0, len(corners), LANES):
        number = min(LANES, len(corners) - first)
        for lane in range(LANES):
            corner = corners[first + min(lane, number - 1)]
            _numbers(leaves, corner[0], corner[1], conductance, word, bit, work[:, lane])
        for k in range(len(steps)):
            gather(zero, moves.ctypes.data + 24 * steps[k, 3], steps[k, 4])  # pyright: ignore[reportCallIssue]
            _eliminate_lanes(zero + steps[k, 2] * BYTES, steps[k, 1], steps[k, 0], scaled, 4 * program.most * BYTES)
        _take_out(flat, program.result, number, store[leaves.start + first * program.result[1] ** 2 :])


@numba.njit(error_model="numpy", nogil=True)
def _take_out(flat, result, number, store):  # noqa: ANN001, ANN202
    """The finished matrices, lane by lane, to their places; below the diagonal they mean nothing."""
    begin, ports, lead = result
    size, whole = ports * ports, number == LANES
    for j in range(ports):
        begins = j + (ports - j) % 4 if whole else ports
        row = begin + j * lead
        if whole:
            spread(  # pyright: ignore[reportCallIssue]
                flat.ctypes.data + (row + begins) * BYTES, store.ctypes.data + 8 * (j * ports + begins),
                8 * size, (ports - begins) // 4,
            )  # fmt: skip
        for i in range(j, begins):
            for lane in range(number):
                store[lane * size + j * ports + i] = flat[(row + i) * LANES + lane]


@numba.njit(error_model="numpy", nogil=True)
def _numbers(leaves, i0, j0, conductance, word, bit, lane):  # noqa: ANN001, ANN202
    """The pool of one leaf: cells, segments of word lines, those behind its last column, bit lines alike."""
    (rows, columns), top = leaves.shape, leaves.open[1]
    last_row, last_column = len(word[0]), len(bit[0])
    at = 1
    for i in range(i0, i0 + rows):
        bare, behind = top or i > i0, bit[int(i == last_row - 1)]
        for j in range(j0, j0 + columns):
            g = conductance[i, j]
            if not bare:
                g *= behind[j] / (behind[j] + g)
            lane[at], lane[at + 1] = g, -g
            at += 2
    for own in (0, int(j0 + columns == last_column)):
        for i in range(i0, i0 + rows):
            lane[at], lane[at + 1] = word[own, i], -word[own, i]
            at += 2
    for own in (0, int(i0 + rows == last_row)):
        for j in range(j0, j0 + columns):
            lane[at], lane[at + 1] = bit[own, j], -bit[own, j]
            at += 2


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
