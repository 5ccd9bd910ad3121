"""Merges of blocks by LAPACK, one after another or a slab at a time by several threads."""

from __future__ import annotations

import numba

from ..guard import Guarded
from ..lapack import gemm, potrf, syrk, trsm
from .tree import LEAVES, OPERAND

_SQUARE = 16
"""Side of the squares in which a block is transposed: as many lines of the first cache."""


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def merge_all(steps, work0, work1, leaves, addresses, scratch):  # noqa: ANN001, ANN201
    """Merge blocks step by step; the number of the step that failed, from 1, or 0."""
    for step in range(len(steps)):
        s = steps[step]
        target = work0 if s[2] == 0 else work1
        start, shared, ports = s[3], s[0], s[1]
        first, second = s[4 : 4 + OPERAND], s[4 + OPERAND : 4 + 2 * OPERAND]
        _place(first, _store(first, work0, work1, leaves), target, start, ports, shared, False)
        _place(second, _store(second, work0, work1, leaves), target, start, ports, shared, True)
        _clear(first, second, target, start, ports, shared)
        at = target.ctypes.data + 8 * start
        kept = ports - shared
        if potrf(addresses, scratch, shared, at, ports):
            return step + 1
        trsm(addresses, scratch, True, True, kept, shared, at, at + 8 * shared, ports)
        syrk(addresses, scratch, kept, shared, at + 8 * shared, at + 8 * (shared * ports + shared), ports)
    return 0


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def join(s, last, source, target):  # noqa: ANN001, ANN201
    """Put one operand of a merge into the merged matrix: the second one first, then the last one, the first.

    Arguments:
        s: the step.
        last: it is the first operand's turn.
        source: where the operand lies.
        target: for the merged matrix, at its start.
    """
    shared, ports = s[0], s[1]
    first, second = s[4 : 4 + OPERAND], s[4 + OPERAND : 4 + 2 * OPERAND]
    if last:
        _place(first, source, target, 0, ports, shared, True)
    else:
        _place(second, source, target, 0, ports, shared, False)
        _clear(first, second, target, 0, ports, shared)


@numba.njit(error_model="numpy", nogil=True)
def _store(o, work0, work1, leaves):  # noqa: ANN001, ANN202
    """Where an operand lies."""
    if o[0] == LEAVES:
        return leaves
    return work0 if o[0] == 0 else work1


@numba.njit(error_model="numpy", nogil=True)
def _place(o, source, target, start, ports, shared, other):  # noqa: ANN001, ANN202
    """Put an operand into the merged matrix; with the other one there, it is added where both have a say."""
    lead = o[2]
    for a in range(4):
        for b in range(a, 4):
            rows, columns = o[4 + 3 * a], o[4 + 3 * b]
            y, x = o[5 + 3 * a], o[5 + 3 * b]
            read = o[1] + o[3 + 3 * a] * lead + o[3 + 3 * b]
            if y > x:
                _turned(source, read, lead, target, start + x * ports + y, ports, rows, columns)
                continue
            added = other and y < shared and x < shared
            for p in range(rows):
                skipped = p if a == b else 0
                given = source[read + p * lead + skipped : read + p * lead + columns]
                to = start + (y + p) * ports + x
                taken = target[to + skipped : to + columns]
                if added:
                    for q in range(len(given)):
                        taken[q] += given[q]
                else:
                    for q in range(len(given)):
                        taken[q] = given[q]


@numba.njit(error_model="numpy", nogil=True)
def _turned(source, read, lead, target, write, ports, rows, columns):  # noqa: ANN001, ANN202
    """Put a block (rows, columns) of an operand into the merged matrix, transposed, square by square."""
    for top in range(0, rows, _SQUARE):
        end = min(top + _SQUARE, rows)
        for left in range(0, columns, _SQUARE):
            for q in range(left, min(left + _SQUARE, columns)):
                taken, at = target[write + q * ports + top : write + q * ports + end], read + top * lead + q
                for p in range(len(taken)):
                    taken[p] = source[at + p * lead]


@numba.njit(error_model="numpy", nogil=True)
def _clear(first, second, target, start, ports, shared):  # noqa: ANN001, ANN202
    """Nothing joins the kept ports of one operand with those of the other."""
    for a in range(4):
        for b in range(4):
            y, x, rows, columns = first[5 + 3 * a], second[5 + 3 * b], first[4 + 3 * a], second[4 + 3 * b]
            if y < shared or x < shared:
                continue
            if y > x:
                y, x, rows, columns = x, y, columns, rows
            for p in range(rows):
                to = start + (y + p) * ports + x
                target[to : to + columns] = 0.0


FACTOR, RIGHT_TRANSPOSED, RIGHT, LEFT, LEFT_TRANSPOSED, UPDATE = range(6)
"""What a slab of a matrix goes through."""


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def slab(what, a, b, lead, rows, columns, low, high, addresses, scratch):  # noqa: ANN001, ANN201, PLR0913
    """One thread's part of an operation on column-major matrices; whether it failed.

    FACTOR: A (rows, rows) <- its Cholesky factor L. RIGHT_TRANSPOSED, RIGHT: rows `low` to `high` of B (rows, columns)
    <- B L^-T, B L^-1. LEFT, LEFT_TRANSPOSED: columns of B <- L^-1 B, L^-T B. UPDATE: columns of the lower triangle of
    B (rows, rows) <- B - A A^T, with A (rows, columns).
    """
    number = high - low
    if what == FACTOR:
        return potrf(addresses, scratch, rows, a, lead) != 0
    if what == RIGHT_TRANSPOSED:
        trsm(addresses, scratch, True, True, number, columns, a, b + 8 * low, lead)
    elif what == RIGHT:
        trsm(addresses, scratch, True, False, number, columns, a, b + 8 * low, lead)
    elif what == LEFT:
        trsm(addresses, scratch, False, False, rows, number, a, b + 8 * low * lead, lead)
    elif what == LEFT_TRANSPOSED:
        trsm(addresses, scratch, False, True, rows, number, a, b + 8 * low * lead, lead)
    else:
        syrk(addresses, scratch, number, columns, a + 8 * low, b + 8 * (low * lead + low), lead)
        if high < rows:
            below = b + 8 * (low * lead + high)
            gemm(addresses, scratch, rows - high, number, columns, a + 8 * high, a + 8 * low, below, lead)
    return False
