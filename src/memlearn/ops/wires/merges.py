"""Merges of blocks by LAPACK, and what is attached to the whole array's ends."""

from __future__ import annotations

import numba

from ..guard import Guarded
from ..lapack import potrf, syrk, trsm
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


@numba.njit(error_model="numpy", nogil=True)
def _store(o, work0, work1, leaves):  # noqa: ANN001, ANN202
    """Where an operand lies."""
    if o[0] == LEAVES:
        return leaves
    return work0 if o[0] == 0 else work1


@numba.njit(error_model="numpy", nogil=True)
def _place(o, source, target, start, ports, shared, second):  # noqa: ANN001, ANN202
    """Put an operand into the merged matrix; the second one is added where both have a say, at the shared ports."""
    lead = o[2]
    for a in range(4):
        for b in range(a, 4):
            rows, columns = o[4 + 3 * a], o[4 + 3 * b]
            y, x = o[5 + 3 * a], o[5 + 3 * b]
            read = o[1] + o[3 + 3 * a] * lead + o[3 + 3 * b]
            if y > x:
                _turned(source, read, lead, target, start + x * ports + y, ports, rows, columns)
                continue
            added = second and y < shared and x < shared
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


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def close(matrix, words, attached, addresses, scratch):  # noqa: ANN001, ANN201
    """The part (words, bits) of the inverse of `matrix` + diag(`attached`), in place; 0 where it went well.

    `matrix` (ports, ports) holds the word lines' ports first, one triangle; its block [:words, words:] becomes the
    inverse's.
    """
    ports = len(matrix)
    bits = ports - words
    for k in range(ports):
        matrix[k, k] += attached[k]
    first = matrix.ctypes.data
    across = first + 8 * words
    other = first + 8 * (words * ports + words)
    if potrf(addresses, scratch, words, first, ports):
        return 1
    trsm(addresses, scratch, True, True, bits, words, first, across, ports)
    syrk(addresses, scratch, bits, words, across, other, ports)
    if potrf(addresses, scratch, bits, other, ports):
        return 2
    trsm(addresses, scratch, False, False, bits, words, other, across, ports)
    trsm(addresses, scratch, False, True, bits, words, other, across, ports)
    trsm(addresses, scratch, True, False, bits, words, first, across, ports)
    for i in range(words):
        row = matrix[i, words:]
        for j in range(bits):
            row[j] = -row[j]
    return 0
