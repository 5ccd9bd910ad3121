"""Single lines solved as ladders: exact, without iteration, and with any resistance from 0 on.

A word line whose cells each end in a known source behind a known conductance; a bit line whose cells each end in a
known voltage. All from the far end inwards, by what lies at a node or behind it: nothing ever cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .network import Network

_LEAST = 1e-9
"""Ohm, of an end: less is no different among sums of positive numbers."""


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
    cell, segment, last = cells * weaker, network.word[place], cells.shape[1] - 1
    load, source = np.ascontiguousarray(cell.T), np.ascontiguousarray((cell * behind.voltage).T)
    if np.isfinite(network.right).any():
        end = 1 / np.maximum(network.right[place], _LEAST)
        load[last] += end
        source[last] += drive * end
    passed = np.empty_like(load)
    for j in range(last - 1, -1, -1):
        passed[j + 1] = 1 / (1 + segment * load[j + 1])
        load[j] += load[j + 1] * passed[j + 1]
        source[j] += source[j + 1] * passed[j + 1]
    first = network.left[place]
    node = source  # line by line from the driver: a node needs the source there, and no longer afterwards
    node[0] = (drive + first * source[0]) / (1 + first * load[0])
    for j in range(last):
        node[j + 1] = (node[j] + segment * source[j + 1]) * passed[j + 1]
    return (node.T - behind.voltage) * weaker


def pieces(network: Network, place: np.ndarray, drive: np.ndarray) -> Behind:
    """What cells see of bit lines on which no other cell conducts: drivers (n, columns) through a piece of the line."""
    below = np.maximum(network.bottom + network.bit * (network.rows - 1 - place[:, None]), _LEAST)
    conductance = 1 / below
    if np.isfinite(network.top).any():
        conductance = conductance + 1 / np.maximum(network.top + network.bit * place[:, None], _LEAST)
    return Behind(conductance, drive)
