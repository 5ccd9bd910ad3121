"""Merges of blocks by LAPACK, and what is attached to the whole array's ends."""

from __future__ import annotations

import numba

from ..guard import Guarded
from ..lapack import potrf, syrk, trsm
from .tree import LEAVES, OPERAND


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def merge_all(steps, work0, work1, leaves, addresses, scratch):  # noqa: ANN001, ANN201
    """Merge blocks step by step; the number of the step that failed, from 1, or 0."""
    for step in range(len(steps)):
        s = steps[step]
        target = work0 if s[2] == 0 else work1
        start, shared, ports = s[3], s[0], s[1]
        target[start : start + ports * ports] = 0.0
        for operand in range(2):
            o = s[4 + OPERAND * operand : 4 + OPERAND * (operand + 1)]
            source = leaves if o[0] == LEAVES else (work0 if o[0] == 0 else work1)
            _place(o, source, target, start, ports)
        at = target.ctypes.data + 8 * start
        kept = ports - shared
        if potrf(addresses, scratch, shared, at, ports):
            return step + 1
        trsm(addresses, scratch, True, True, kept, shared, at, at + 8 * shared, ports)
        syrk(addresses, scratch, kept, shared, at + 8 * shared, at + 8 * (shared * ports + shared), ports)
    return 0


@numba.njit(error_model="numpy", nogil=True)
def _place(o, source, target, start, ports):  # noqa: ANN001, ANN202
    """Add an operand to the merged matrix; slices, so that the loops are vectorised."""
    lead = o[2]
    for a in range(4):
        for b in range(a, 4):
            swap = o[5 + 3 * a] > o[5 + 3 * b]
            for p in range(o[4 + 3 * a]):
                skipped = p if a == b else 0
                count = o[4 + 3 * b] - skipped
                read = o[1] + (o[3 + 3 * a] + p) * lead + o[3 + 3 * b] + skipped
                y, x = o[5 + 3 * a] + p, o[5 + 3 * b] + skipped
                given = source[read : read + count]
                if swap:
                    write = start + x * ports + y
                    for q in range(count):
                        target[write + q * ports] += given[q]
                else:
                    taken = target[start + y * ports + x : start + y * ports + x + count]
                    for q in range(count):
                        taken[q] += given[q]


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
