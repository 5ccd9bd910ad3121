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


def bit_lines(cells: np.ndarray, network: Network, words: np.ndarray, drive: np.ndarray) -> Behind:
    """Every cell's bit line, with all other word nodes at given voltages.

    Arguments:
        cells: S, (arrays, rows, columns).
        network: of each of them.
        words: V, (arrays, rows, columns): nodes of the word lines.
        drive: V, (kinds): drivers of the bit lines.

    Returns:
        Conductance (arrays, rows, columns), voltage (kinds, arrays, rows, columns).
    """
    (arrays, rows, columns), kinds = cells.shape, len(drive)
    load, source = np.zeros((rows, arrays, columns)), np.zeros((rows, kinds, arrays, columns))
    for first, way, end in ((rows - 1, -1, network.bottom), (0, 1, network.top)):
        if np.isfinite(end).any():
            y = np.broadcast_to(1 / np.maximum(end, _LEAST), (arrays, columns))
        else:
            y = np.zeros((arrays, columns))
        s = drive[:, None, None] * y
        for k in range(first, first + way * rows, way):
            load[k] += y
            source[k] += s
            here = cells[:, k]
            y, s = y + here, s + here * words[:, k]
            passed = 1 / (1 + network.bit * y)
            y, s = y * passed, s * passed
    load = load.transpose(1, 0, 2)
    return Behind(load, source.transpose(1, 2, 0, 3) / load)


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


def pieces(network: Network, place: np.ndarray, drive: np.ndarray) -> Behind:
    """What cells see of bit lines on which no other cell conducts: drivers (n, columns) through a piece of the line."""
    below = np.maximum(network.bottom + network.bit * (network.rows - 1 - place[:, None]), _LEAST)
    conductance = 1 / below
    if np.isfinite(network.top).any():
        conductance = conductance + 1 / np.maximum(network.top + network.bit * place[:, None], _LEAST)
    return Behind(conductance, drive)
