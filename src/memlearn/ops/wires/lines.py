"""Conjugate gradients in which every line is solved exactly: for few inputs, very large arrays, and node voltages.

Bit lines are eliminated, word lines precondition:

    S v = [M - D (T_b + D)^-1 D] v = right side,     M = T_w + D,     D = diag(conductance)

Every application of M^-1 or (T_b + D)^-1 is a tridiagonal sweep along each line. Memory: eight arrays of the cells'
shape for one sample at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..guard import Guarded
from .network import Ends, Network, Solved

_U = np.uint64


class Lines(NamedTuple):
    """An array made ready for sweeps; conductances in S, (rows, columns) unless said otherwise."""

    cells: np.ndarray
    word: np.ndarray
    """(rows,)"""
    bit: np.ndarray
    """(columns,)"""
    left: np.ndarray
    """(rows,): of the ends."""
    right: np.ndarray
    row_pivots: np.ndarray
    """Reciprocal pivots of M, along the rows."""
    column_pivots: np.ndarray
    """Reciprocal pivots of T_b + D, down the columns."""


class Outcome(NamedTuple):
    """What the iteration of one sample came to."""

    iterations: int
    residual: float
    """Norm of the preconditioned residual / of the preconditioned right side."""


def prepare(conductance: np.ndarray, network: Network) -> Lines:
    """The pivots of all lines: once for an array, before any number of samples.

    Arguments:
        conductance: S, (rows, columns), float64.
        network: its lines; segments and ends > 0.
    """
    cells = np.ascontiguousarray(conductance)
    word, bit, ends = 1 / network.word, 1 / network.bit, terminals(network)
    rows = cells + np.where(np.arange(cells.shape[1]) > 0, word[:, None], 0)
    rows += np.where(np.arange(cells.shape[1]) < cells.shape[1] - 1, word[:, None], 0)
    rows[:, 0] += ends.left
    rows[:, -1] += ends.right
    columns = cells + np.where(np.arange(cells.shape[0])[:, None] > 0, bit, 0)
    columns += np.where(np.arange(cells.shape[0])[:, None] < cells.shape[0] - 1, bit, 0)
    columns[0] += ends.top
    columns[-1] += ends.bottom
    _pivots(rows.T, word)
    _pivots(columns, bit)
    return Lines(cells, word, bit, ends.left, ends.right, rows, columns)


def terminals(network: Network) -> Ends:
    """Conductances of the ends, S; 0 where nothing is attached."""
    return Ends(*(1 / end for end in (network.left, network.right, network.top, network.bottom)))


def _pivots(diagonal: np.ndarray, between: np.ndarray) -> None:
    """Turn diagonals (steps, lines) into reciprocal pivots, in place."""
    diagonal[0] = 1 / diagonal[0]
    for k in range(1, len(diagonal)):
        diagonal[k] = 1 / (diagonal[k] - between**2 * diagonal[k - 1])


def solve(
    lines: Lines, network: Network, voltages: Ends, tolerance: float, limit: int, start: np.ndarray | None = None
) -> tuple[Solved, list[Outcome]]:
    """Node voltages and currents, sample by sample.

    Arguments:
        lines: of `prepare`.
        network: of the same array.
        voltages: V, of the terminals, (samples, rows) and (samples, columns).
        tolerance: preconditioned residual / right side at which a sample is done.
        limit: most iterations.
        start: V, (samples, rows, columns): a guess of the word nodes.
    """
    ends = terminals(network)
    samples, (rows, columns) = len(voltages.left), lines.cells.shape
    word, bit = np.zeros((samples, rows, columns)), np.empty((samples, rows, columns))
    if start is not None:
        word[:] = start
    outcomes = []
    into_word, into_bit = np.zeros((rows, columns)), np.zeros((rows, columns))
    for k in range(samples):
        into_word[:], into_bit[:] = 0, 0
        into_word[:, 0] += ends.left * voltages.left[k]
        into_word[:, -1] += ends.right * voltages.right[k]
        into_bit[0] += ends.top * voltages.top[k]
        into_bit[-1] += ends.bottom * voltages.bottom[k]
        outcomes.append(solve_one(lines, into_word, into_bit, word[k], bit[k], tolerance, limit))
    currents = Ends(
        ends.left * (word[:, :, 0] - voltages.left),
        ends.right * (word[:, :, -1] - voltages.right),
        ends.top * (bit[:, 0] - voltages.top),
        ends.bottom * (bit[:, -1] - voltages.bottom),
    )
    return Solved(currents, word, bit), outcomes


def solve_one(
    lines: Lines,
    into_word: np.ndarray,
    into_bit: np.ndarray,
    word: np.ndarray,
    bit: np.ndarray,
    tolerance: float,
    limit: int,
) -> Outcome:
    """One sample: node voltages for currents (A, (rows, columns)) pushed into the nodes.

    Arguments:
        word: V, a guess of the word nodes, overwritten.
        bit: V, overwritten with the bit nodes.
    """
    return Outcome(*_solve(*lines, into_word, into_bit, word, bit, tolerance, limit))


@numba.njit(error_model="numpy", nogil=True)
def _down(cells, bit, pivots, given, source, out):  # noqa: ANN001, ANN202
    """out = (T_b + D)^-1 (source + D given), all columns; `source` may be empty."""
    rows = cells.shape[0]
    some = source.size > 0
    for i in range(rows):
        o, g, x, p = out[i], cells[i], given[i], pivots[i]
        if i == 0:
            for j in range(len(o)):
                o[j] = g[j] * x[j]
        else:
            above = out[i - 1]
            for j in range(len(o)):
                o[j] = g[j] * x[j] + bit[j] * above[j]
        if some:
            s = source[i]
            for j in range(len(o)):
                o[j] += s[j]
        for j in range(len(o)):
            o[j] *= p[j]
    for i in range(rows - 2, -1, -1):
        o, below, p = out[i], out[i + 1], pivots[i]
        for j in range(len(o)):
            o[j] += bit[j] * p[j] * below[j]


@numba.njit(error_model="numpy", nogil=True)
def _along(word, pivots, given, out):  # noqa: ANN001, ANN202
    """out = M^-1 given; eight rows at a time, whose recurrences hide each other's latency. Returns out . given."""
    rows, columns = _U(given.shape[0]), _U(given.shape[1])
    one, eight = _U(1), _U(8)
    first = _U(0)
    total = 0.0
    while first + eight <= rows:
        for k in range(eight):
            out[first + k, _U(0)] = given[first + k, _U(0)] * pivots[first + k, _U(0)]
        for j in range(one, columns):
            for k in range(eight):
                i = first + k
                out[i, j] = (given[i, j] + word[i] * out[i, j - one]) * pivots[i, j]
        for k in range(eight):
            total += out[first + k, columns - one] * given[first + k, columns - one]
        for back in range(one, columns):
            j = columns - one - back
            for k in range(eight):
                i = first + k
                out[i, j] += word[i] * pivots[i, j] * out[i, j + one]
                total += out[i, j] * given[i, j]
        first += eight
    for i in range(first, rows):
        out[i, _U(0)] = given[i, _U(0)] * pivots[i, _U(0)]
        for j in range(one, columns):
            out[i, j] = (given[i, j] + word[i] * out[i, j - one]) * pivots[i, j]
        total += out[i, columns - one] * given[i, columns - one]
        for back in range(one, columns):
            j = columns - one - back
            out[i, j] += word[i] * pivots[i, j] * out[i, j + one]
            total += out[i, j] * given[i, j]
    return total


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _solve(cells, word, bit, left, right, row_pivots, column_pivots, into_word, into_bit, v, u, tolerance, limit):  # noqa: ANN001, ANN202, PLR0913
    rows, columns = cells.shape
    none = np.empty((0, 0))
    r, z, p = np.empty_like(v), np.empty_like(v), np.zeros_like(v)
    q = np.zeros_like(v)
    # Residual of the guess; the right side's own norm first.
    _down(cells, bit, column_pivots, p, into_bit, u)
    for i in range(rows):
        a, b, g, f = r[i], u[i], cells[i], into_word[i]
        for j in range(columns):
            a[j] = f[j] + g[j] * b[j]
    scale = _along(word, row_pivots, r, z)
    if scale == 0.0:
        v[:] = 0.0
        _down(cells, bit, column_pivots, v, into_bit, u)
        return 0, 0.0
    rho = scale
    if np.any(v):
        _down(cells, bit, column_pivots, v, none, u)
        for i in range(rows):
            for j in range(columns):
                here = cells[i, j] * (v[i, j] - u[i, j])
                here += word[i] * (v[i, j] - v[i, j - 1]) if j > 0 else left[i] * v[i, j]
                here += word[i] * (v[i, j] - v[i, j + 1]) if j < columns - 1 else right[i] * v[i, j]
                r[i, j] -= here
        rho = _along(word, row_pivots, r, z)
    beta = 0.0
    iterations = 0
    while True:
        if not rho > tolerance * tolerance * scale or iterations >= limit:
            break
        for i in range(rows):
            a, b, c, d = p[i], z[i], q[i], r[i]
            for j in range(columns):
                a[j] = b[j] + beta * a[j]
                c[j] = d[j] + beta * c[j]
        _down(cells, bit, column_pivots, p, none, u)
        curvature = 0.0
        for i in range(rows):
            a, b, c, g = p[i], u[i], q[i], cells[i]
            for j in range(columns):
                curvature += a[j] * (c[j] - g[j] * b[j])
        alpha = rho / curvature
        for i in range(rows):
            a, b, c, g, x, y = p[i], u[i], q[i], cells[i], v[i], r[i]
            for j in range(columns):
                x[j] += alpha * a[j]
                y[j] -= alpha * (c[j] - g[j] * b[j])
        fresh = _along(word, row_pivots, r, z)
        beta = fresh / rho
        rho = fresh
        iterations += 1
    _down(cells, bit, column_pivots, v, into_bit, u)
    return iterations, np.sqrt(max(rho, 0.0) / scale)
