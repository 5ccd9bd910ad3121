"""Single lines solved as ladders: exact, without iteration, and with any resistance from 0 on.

A word line whose cells each end in a known source behind a known conductance; a bit line whose cells each end in a
known voltage. All from the far end inwards, by what lies at a node or behind it: nothing ever cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..guard import Guarded
from .network import Network

_LEAST = 1e-9
"""Ohm, of an end: less is no different among sums of positive numbers."""
_TOGETHER = 16
"""Lines that are solved side by side."""


class Behind(NamedTuple):
    """What a cell sees of its bit line: a source behind a conductance, the cell itself left out."""

    conductance: np.ndarray
    """S."""
    voltage: np.ndarray
    """V."""


def bit_lines(cells: np.ndarray, network: Network, words: np.ndarray, drive: np.ndarray) -> tuple[Behind, np.ndarray]:
    """Every cell's bit line, with all other word nodes at given voltages; and what that leaves across the cells.

    Arguments:
        cells: S, (arrays, rows, columns).
        network: of each of them.
        words: V, (arrays, rows, columns): nodes of the word lines.
        drive: V, (kinds): drivers of the bit lines.

    Returns:
        Conductance (arrays, rows, columns), voltage (kinds, arrays, rows, columns); and V, (kinds, arrays, rows,
        columns), float32: word minus bit node, with every cell's own word node as given, too.
    """
    shape = (len(drive), *cells.shape)
    behind, across = Behind(np.empty(cells.shape), np.empty(shape)), np.empty(shape, np.float32)
    ends = (1 / np.maximum(end, _LEAST) for end in (network.bottom, network.top))  # 0 where nothing is attached
    _down_and_up(cells, words, network.bit, *ends, np.asarray(drive, np.float64), *behind, across)
    return behind, across


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _down_and_up(cells, words, segment, bottom, top, drive, load, source, across) -> None:  # noqa: ANN001, PLR0913
    """Array after array; `load`, `source` and `across` are written."""
    (arrays, rows, columns), kinds = cells.shape, len(drive)
    y, s, passed = np.empty(columns), np.empty((kinds, columns)), np.empty(columns)
    for array in range(arrays):
        load[array] = 0.0
        source[:, array] = 0.0
        for upwards in (True, False):
            end = bottom if upwards else top
            for j in range(columns):
                y[j] = end[j]
            for k in range(kinds):
                for j in range(columns):
                    s[k, j] = drive[k] * end[j]
            for n in range(rows):
                i = rows - 1 - n if upwards else n
                own, here, word = load[array, i], cells[array, i], words[array, i]
                for j in range(columns):
                    own[j] += y[j]
                    y[j] += here[j]
                    passed[j] = 1 / (1 + segment[j] * y[j])
                    y[j] *= passed[j]
                for k in range(kinds):
                    pushed, flow = source[k, array, i], s[k]
                    for j in range(columns):
                        pushed[j] += flow[j]
                        flow[j] = (flow[j] + here[j] * word[j]) * passed[j]
        for i in range(rows):
            own, here, word = load[array, i], cells[array, i], words[array, i]
            for k in range(kinds):
                volts, left = source[k, array, i], across[k, array, i]
                for j in range(columns):
                    volts[j] /= own[j]
                    left[j] = (word[j] - volts[j]) * (own[j] / (own[j] + here[j]))


def word_lines(cells: np.ndarray, behind: Behind, network: Network, place: np.ndarray, drive: float) -> np.ndarray:
    """Voltages across the cells of word lines, each driven by itself.

    Arguments:
        cells: S, (n, columns).
        behind: what the cells end in, (n, columns).
        network: of the whole array.
        place: int, (n,): where in the array each line lies.
        drive: V, of their drivers.

    Returns:
        V, (n, columns): word minus bit node.
    """
    weaker = behind.conductance / (behind.conductance + cells)
    (lines, columns), blocks = cells.shape, -(-len(cells) // _TOGETHER)
    cell, push, node = np.zeros((3, blocks, columns, _TOGETHER))
    for part, given in ((cell, cells * weaker), (push, cells * weaker * behind.voltage)):
        whole = np.zeros((blocks * _TOGETHER, columns))
        whole[:lines] = given
        part[:] = whole.reshape(blocks, _TOGETHER, columns).transpose(0, 2, 1)
    along = np.zeros((3, blocks * _TOGETHER))
    # The far end's conductance is 0 where nothing is attached.
    along[:, :lines] = network.word[place], network.left[place], 1 / np.maximum(network.right[place], _LEAST)
    _along(cell, push, node, *along.reshape(3, blocks, _TOGETHER), float(drive))
    return (node.transpose(0, 2, 1).reshape(-1, columns)[:lines] - behind.voltage) * weaker


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _along(cell, push, node, segment, first, last, drive) -> None:  # noqa: ANN001
    """As `_solve_along`."""
    _solve_along(cell, push, node, segment, first, last, drive)


@numba.njit(error_model="numpy", nogil=True)
def _solve_along(cell, push, node, segment, first, last, drive) -> None:  # noqa: ANN001
    """Blocks of lines side by side, (blocks, columns, _TOGETHER); `node` is written."""
    passed, load, flow = np.empty_like(cell[0]), np.empty(_TOGETHER), np.empty(_TOGETHER)
    for block in range(cell.shape[0]):
        c, s, v, r, f = cell[block], push[block], node[block], segment[block], first[block]
        for k in range(_TOGETHER):
            load[k], flow[k] = last[block, k], drive * last[block, k]
        for j in range(len(c) - 1, -1, -1):
            way = r if j > 0 else f
            a, b, o, p = c[j], s[j], v[j], passed[j]
            for k in range(_TOGETHER):
                y, x = load[k] + a[k], flow[k] + b[k]
                z = 1.0 / (1.0 + way[k] * y)
                o[k], p[k], load[k], flow[k] = way[k] * x * z, z, y * z, x * z
        for k in range(_TOGETHER):
            load[k] = drive
        for j in range(len(c)):
            o, p = v[j], passed[j]
            for k in range(_TOGETHER):
                o[k] += load[k] * p[k]
                load[k] = o[k]


def chosen_word_lines(
    cells: np.ndarray,
    behind: Behind,
    network: Network,
    place: tuple[np.ndarray, np.ndarray],
    which: np.ndarray,
    drive: float,
) -> np.ndarray:
    """`word_lines`, each with bit lines of several kinds.

    Arguments:
        cells: S, (arrays, rows, columns).
        behind: of `bit_lines`.
        network: of each array.
        place: int64, (n,): which array, and which of its word lines.
        which: int64, (n, columns): the kind of every bit line.
        drive: V, of the word lines' drivers.

    Returns:
        V, (n, columns), float32: word minus bit node.
    """
    found = np.empty(which.shape, np.float32)
    right = 1 / np.maximum(network.right, _LEAST)  # 0 where nothing is attached
    _chosen(cells, *behind, *place, which, network.word, network.left, right, float(drive), found)
    return found


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _chosen(cells, load, source, array, place, which, word, left, right, drive, found) -> None:  # noqa: ANN001, PLR0913
    """Blocks of lines side by side; `found` is written."""
    lines, columns = which.shape
    cell, push, node, volts, weaker = np.zeros((5, 1, columns, _TOGETHER))
    along = np.zeros((3, 1, _TOGETHER))
    for begin in range(0, lines, _TOGETHER):
        number = min(_TOGETHER, lines - begin)
        cell[:], push[:] = 0.0, 0.0
        for k in range(number):
            a, i = array[begin + k], place[begin + k]
            along[0, 0, k], along[1, 0, k], along[2, 0, k] = word[i], left[i], right[i]
            for j in range(columns):
                part = load[a, i, j] / (load[a, i, j] + cells[a, i, j])
                v = source[which[begin + k, j], a, i, j]
                weaker[0, j, k], volts[0, j, k] = part, v
                cell[0, j, k] = cells[a, i, j] * part
                push[0, j, k] = cells[a, i, j] * part * v
        _solve_along(cell, push, node, along[0], along[1], along[2], drive)
        for k in range(number):
            for j in range(columns):
                found[begin + k, j] = (node[0, j, k] - volts[0, j, k]) * weaker[0, j, k]


def pieces(network: Network, place: np.ndarray, drive: np.ndarray) -> Behind:
    """What cells see of bit lines on which no other cell conducts: drivers (n, columns) through a piece of the line."""
    below = np.maximum(network.bottom + network.bit * (network.rows - 1 - place[:, None]), _LEAST)
    conductance = 1 / below
    if np.isfinite(network.top).any():
        conductance = conductance + 1 / np.maximum(network.top + network.bit * place[:, None], _LEAST)
    return Behind(conductance, drive)
