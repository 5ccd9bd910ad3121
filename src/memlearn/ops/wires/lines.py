"""Conjugate gradients in which every line is solved exactly: for few inputs, very large arrays, and node voltages.

Bit lines are eliminated, word lines precondition:

    S v = [M - D (T_b + D)^-1 D] v = right side,     M = T_w + D,     D = diag(conductance)

Every application of M^-1 or (T_b + D)^-1 is a tridiagonal sweep along each line. An iteration is two passes: down the
bit lines, at whose end the step is known, since p . (M - S) p is a sum over the way down; then up again, with each
block of word lines solved as soon as its residual is there. Memory: six arrays of the cells' shape for one sample at a
time, seven where node voltages are wanted.

Inside, arrays are padded with zeros to whole vectors and at least one column: a line that is not there has pivots of
zero, and stays at zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..guard import Guarded
from .network import Ends, Network, Solved
from .sweeps import ROWS, WIDTH, along, down, up, up_with_fields

_PAGE, _STAGGER = 512, 72


class Lines(NamedTuple):
    """An array made ready for sweeps; conductances in S, padded to (tall, wide)."""

    rows: int
    columns: int
    cells: np.ndarray
    word: np.ndarray
    """(tall,)"""
    bit: np.ndarray
    """(wide,)"""
    left: np.ndarray
    """(tall,): of the ends."""
    right: np.ndarray
    row_pivots: np.ndarray
    """(tall / ROWS, wide, ROWS): reciprocal pivots of M, along the rows."""
    column_pivots: np.ndarray
    """Reciprocal pivots of T_b + D, down the columns."""


class Sources(NamedTuple):
    """Currents pushed into the nodes, A."""

    ends: Ends
    """Into the first and last node of each line."""
    word: np.ndarray
    """(rows, columns), or empty."""
    bit: np.ndarray


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
    rows, columns = conductance.shape
    tall, wide = -(-rows // ROWS) * ROWS, (columns // WIDTH + 1) * WIDTH
    wide += 2 * WIDTH * (wide % 32 == 0)  # rows a power of two apart would share places in the cache
    ends = terminals(network)
    cells, columns_down = grids((tall, wide), 0, 2)
    cells[:], columns_down[:] = 0, 0
    cells[:rows, :columns] = conductance
    along_rows = np.zeros((tall // ROWS, wide, ROWS))
    word, bit = _padded(1 / network.word, tall), _padded(1 / network.bit, wide)
    left, right = _padded(ends.left, tall), _padded(ends.right, tall)
    _pivots(rows, columns, cells, word, bit, left, right, ends.top, ends.bottom, along_rows, columns_down)
    return Lines(rows, columns, cells, word, bit, left, right, along_rows, columns_down)


def terminals(network: Network) -> Ends:
    """Conductances of the ends, S; 0 where nothing is attached."""
    return Ends(*(1 / end for end in (network.left, network.right, network.top, network.bottom)))


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
    ends, shape = terminals(network), (len(voltages.left), lines.rows, lines.columns)
    word, bit = np.zeros(shape), np.empty(shape)
    if start is not None:
        word[:] = start
    outcomes, none = [], np.empty((0, 0))
    for k in range(len(word)):
        pushed = Ends(*(g * v[k] for g, v in zip(ends, voltages, strict=True)))
        outcomes.append(_with_fields(lines, Sources(pushed, none, none), word[k], bit[k], tolerance, limit))
    nodes = Ends(word[:, :, 0], word[:, :, -1], bit[:, 0], bit[:, -1])
    return Solved(_into(ends, nodes, voltages), word, bit), outcomes


def currents(
    lines: Lines, network: Network, voltages: Ends, tolerance: float, limit: int
) -> tuple[Ends, list[Outcome]]:
    """Currents out of the array into its terminals, A, without the node voltages; arguments as in `solve`."""
    ends, none = terminals(network), np.empty((0, 0))
    found = Ends(*(np.zeros(v.shape) for v in voltages))
    outcomes = []
    room = grids(lines.cells.shape, 2, 3)
    for k in range(len(voltages.left)):
        pushed = Ends(*(g * v[k] for g, v in zip(ends, voltages, strict=True)))
        nodes = Ends(*(v[k] for v in found))
        outcomes.append(Outcome(*_solve(lines, Sources(pushed, none, none), nodes, none, *room, tolerance, limit)))
    return _into(ends, found, voltages), outcomes


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
    no_row, no_column = np.zeros(lines.rows), np.zeros(lines.columns)
    sources = Sources(Ends(no_row, no_row, no_column, no_column), into_word, into_bit)
    return _with_fields(lines, sources, word, bit, tolerance, limit)


def _with_fields(
    lines: Lines, sources: Sources, word: np.ndarray, bit: np.ndarray, tolerance: float, limit: int
) -> Outcome:
    rows, columns = lines.rows, lines.columns
    nodes = Ends(np.zeros(rows), np.zeros(rows), np.zeros(columns), np.zeros(columns))
    *room, padded = grids(lines.cells.shape, 2, 4)
    padded[:] = 0
    padded[:rows, :columns] = word
    outcome = Outcome(*_solve(lines, sources, nodes, padded, *room, tolerance, limit))
    word[:], bit[:] = padded[:rows, :columns], room[1][:rows, :columns]
    return outcome


def _into(ends: Ends, nodes: Ends, voltages: Ends) -> Ends:
    return Ends(*(g * (node - v) for g, node, v in zip(ends, nodes, voltages, strict=True)))


def grids(shape: tuple[int, ...], first: int, number: int) -> list[np.ndarray]:
    """Arrays of a shape (tall, wide) and no particular content, whose starts differ in a page; `first` lie elsewhere.

    The same place of every array is wanted at the same time; at equal distances from a page's start they would be kept
    in the same few lines of the cache, and a load would wait for a store to another array.
    """
    size = shape[0] * shape[1]
    apart = size + (_STAGGER - size) % _PAGE
    buffer = np.empty(_PAGE + apart * number)
    starts = [first * _STAGGER % _PAGE + k * apart + _STAGGER for k in range(number)]
    for start in starts:
        buffer[start - 1] = 0  # the left neighbour of the first node
    return [buffer[start : start + size].reshape(shape) for start in starts]


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    found = np.zeros(size)
    found[: len(values)] = values
    return found


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _pivots(rows, columns, cells, word, bit, left, right, top, bottom, along_rows, columns_down):  # noqa: ANN001, ANN202, PLR0913
    for block in range(len(along_rows)):
        here = along_rows[block]
        for j in range(columns):
            for k in range(ROWS):
                i = block * ROWS + k
                if i < rows:
                    diagonal = cells[i, j] + (word[i] if j > 0 else left[i])
                    diagonal += word[i] if j < columns - 1 else right[i]
                    if j > 0:
                        diagonal -= word[i] * word[i] * here[j - 1, k]
                    here[j, k] = 1 / diagonal
    for i in range(rows):
        g, p = cells[i], columns_down[i]
        before = columns_down[i - 1] if i > 0 else p
        for j in range(columns):
            above = bit[j] if i > 0 else top[j]
            below = bit[j] if i < rows - 1 else bottom[j]
            p[j] = 1 / (g[j] + above + below - bit[j] * bit[j] * before[j])


@numba.njit(error_model="numpy", nogil=True)
def _bits(lines, sources, given, out):  # noqa: ANN001, ANN202
    """out = (T_b + D)^-1 (sources of the bit lines + D given); `given` may be empty."""
    rows, columns = lines.rows, lines.columns
    for i in range(rows):
        o, p = out[i], lines.column_pivots[i]
        o[:] = 0.0
        if sources.bit.size:
            o[:columns] += sources.bit[i]
        if i == 0:
            o[:columns] += sources.ends.top
        if i == rows - 1:
            o[:columns] += sources.ends.bottom
        if given.size:
            g, x = lines.cells[i], given[i]
            for j in range(len(o)):
                o[j] += g[j] * x[j]
        if i > 0:
            above, b = out[i - 1], lines.bit
            for j in range(len(o)):
                o[j] += b[j] * above[j]
        for j in range(len(o)):
            o[j] *= p[j]
    for i in range(rows - 2, -1, -1):
        o, below, p, b = out[i], out[i + 1], lines.column_pivots[i], lines.bit
        for j in range(len(o)):
            o[j] += b[j] * p[j] * below[j]


@numba.njit(error_model="numpy", nogil=True)
def _add_sources(lines, sources, r):  # noqa: ANN001, ANN202
    """r <- r + sources of the word lines."""
    rows, columns = lines.rows, lines.columns
    for i in range(rows):
        if sources.word.size:
            r[i, :columns] += sources.word[i]
        r[i, 0] += sources.ends.left[i]
        r[i, columns - 1] += sources.ends.right[i]


@numba.njit(error_model="numpy", nogil=True)
def _take(lines, x, u, r):  # noqa: ANN001, ANN202
    """r <- r - T_w x - D (x - u): Kirchhoff's law at the word nodes."""
    columns = lines.columns
    for i in range(lines.rows):
        a, v, b, g, word = r[i], x[i], u[i], lines.cells[i], lines.word[i]
        for j in range(columns):
            here = g[j] * (v[j] - b[j])
            here += word * (v[j] - v[j - 1]) if j > 0 else lines.left[i] * v[j]
            here += word * (v[j] - v[j + 1]) if j < columns - 1 else lines.right[i] * v[j]
            a[j] -= here


@numba.njit(error_model="numpy", nogil=True)
def _row_block(lines, block, r, z, room, total):  # noqa: ANN001, ANN202
    """z <- M^-1 r in one block of rows; `total` gains r . z."""
    wide = r.shape[1]
    at = 8 * ROWS * wide * block
    along(
        (
            r.ctypes.data + at, z.ctypes.data + at, lines.row_pivots.ctypes.data + at,
            lines.word.ctypes.data + 8 * ROWS * block, room.ctypes.data, total.ctypes.data,
        ),
        8 * wide,
        wide // WIDTH,
    )  # fmt: skip  # pyright: ignore[reportCallIssue]


@numba.njit(error_model="numpy", nogil=True)
def _rows(lines, r, z, room):  # noqa: ANN001, ANN202
    """z <- M^-1 r; returns r . z."""
    total = np.zeros(WIDTH)
    for block in range(len(r) // ROWS):
        _row_block(lines, block, r, z, room, total)
    return total.sum()


@numba.njit(error_model="numpy", nogil=True)
def _go_down(lines, p, z, beta, edge):  # noqa: ANN001, ANN202
    """p <- z + beta p; z <- what is known of the bit nodes on the way down; returns p . S p."""
    wide, last = z.shape[1], lines.columns - 1
    sums, correction = np.zeros(2 * WIDTH), 0.0
    edge[:] = 0.0
    for i in range(lines.rows):
        at = 8 * i * wide
        down(
            (
                z.ctypes.data + at, p.ctypes.data + at, lines.cells.ctypes.data + at,
                lines.column_pivots.ctypes.data + at, lines.bit.ctypes.data, edge.ctypes.data, sums.ctypes.data,
            ),
            beta,
            lines.word[i],
            wide // WIDTH,
        )  # fmt: skip  # pyright: ignore[reportCallIssue]
        word = lines.word[i]
        correction += (lines.left[i] - word) * p[i, 0] ** 2 + (lines.right[i] - word) * p[i, last] ** 2
    return sums[:WIDTH].sum() + correction - sums[WIDTH:].sum()


@numba.njit(error_model="numpy", nogil=True)
def _go_up(lines, p, r, z, x, alpha, nodes, edge, room):  # noqa: ANN001, ANN202, PLR0913
    """r <- r - alpha S p, z <- M^-1 r, nodes and word nodes x <- + alpha p; returns r . z."""
    rows, wide, last = lines.rows, r.shape[1], lines.columns - 1
    total = np.zeros(WIDTH)
    edge[:] = 0.0
    for block in range(len(r) // ROWS - 1, -1, -1):
        for i in range(min(block * ROWS + ROWS, rows) - 1, block * ROWS - 1, -1):
            at = 8 * i * wide
            seven = (
                z.ctypes.data + at, p.ctypes.data + at, r.ctypes.data + at, lines.cells.ctypes.data + at,
                lines.column_pivots.ctypes.data + at, lines.bit.ctypes.data, edge.ctypes.data,
            )  # fmt: skip
            if x.size:
                up_with_fields((*seven, x.ctypes.data + at), alpha, lines.word[i], wide // WIDTH)  # pyright: ignore[reportCallIssue]
            else:
                up((*seven, edge.ctypes.data), alpha, lines.word[i], wide // WIDTH)  # pyright: ignore[reportCallIssue]
            r[i, 0] -= alpha * (lines.left[i] - lines.word[i]) * p[i, 0]
            r[i, last] -= alpha * (lines.right[i] - lines.word[i]) * p[i, last]
            r[i, last + 1], r[i, wide - 1] = 0.0, 0.0
            nodes.left[i] += alpha * p[i, 0]
            nodes.right[i] += alpha * p[i, last]
            if i == rows - 1:
                nodes.bottom[:] += alpha * edge[: last + 1]
        _row_block(lines, block, r, z, room, total)
    nodes.top[:] += alpha * edge[: last + 1]
    return total.sum()


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _solve(lines, sources, nodes, x, r, z, p, tolerance, limit):  # noqa: ANN001, ANN202, PLR0913
    """Nodes at the ends of lines, added to `nodes`; with `x` (a guess, padded) all word nodes, and bit nodes in z."""
    rows, columns, wide = lines.rows, lines.columns, lines.cells.shape[1]
    none = np.empty((0, 0))
    room, edge = np.empty((wide, ROWS)), np.zeros(wide)
    z[:], r[:] = 0.0, 0.0
    if sources.bit.size or np.any(sources.ends.top) or np.any(sources.ends.bottom):
        _bits(lines, sources, none, z)
        nodes.top[:] += z[0, :columns]
        nodes.bottom[:] += z[rows - 1, :columns]
        for i in range(rows):
            for j in range(columns):
                r[i, j] = lines.cells[i, j] * z[i, j]
    _add_sources(lines, sources, r)
    rho = scale = _rows(lines, r, z, room)
    if np.any(x):
        # Bit nodes of the guess, without sources: those are in the right side already.
        still = Sources(Ends(0 * nodes.left, 0 * nodes.right, 0 * nodes.top, 0 * nodes.bottom), none, none)
        _bits(lines, still, x, p)
        _take(lines, x, p, r)
        rho = _rows(lines, r, z, room)
    p[:] = 0.0
    beta, iterations = 0.0, 0
    while rho > tolerance * tolerance * scale and iterations < limit:
        curvature = _go_down(lines, p, z, beta, edge)
        if not curvature > 0.0:
            break
        fresh = _go_up(lines, p, r, z, x, rho / curvature, nodes, edge, room)
        beta = fresh / rho
        rho = fresh
        iterations += 1
    if x.size:
        if scale == 0.0:
            x[:] = 0.0
        z[:] = 0.0
        _bits(lines, sources, x, z)
    # NaN, where a line floats, must not look like an answer.
    return iterations, 0.0 if scale == 0.0 else np.sqrt(abs(rho) / scale)
