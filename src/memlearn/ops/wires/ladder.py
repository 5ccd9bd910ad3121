"""One row of cells alone: a word line as a ladder, every cell in series with its own piece of bit line.

What an array is while the transistors of all other rows are off; each row by itself, exact, without iteration.
"""

from __future__ import annotations

import numpy as np

from .network import Network


def across(
    conductance: np.ndarray, network: Network, place: np.ndarray, word: np.ndarray, bit: np.ndarray
) -> np.ndarray:
    """Voltages across the cells of rows that conduct alone, one at a time.

    Arguments:
        conductance: S, (rows, columns), of the rows that are asked for.
        network: of the whole array.
        place: int, (rows,): where in the array each of them lies.
        word: V, (rows,): drivers of their word lines, at both ends where there are two.
        bit: V, (rows, columns): drivers of the bit lines meanwhile.

    Returns:
        V, (rows, columns): word minus bit node.
    """
    # Down to the cell's own crossing, from below and, where there is a driver, from above.
    behind = network.bottom + network.bit * (network.rows - 1 - place[:, None])
    if np.isfinite(network.top).any():
        above = network.top + network.bit * place[:, None]
        behind = np.where(above + behind > 0, behind / (1 + behind / np.where(above > 0, above, 1)), 0) * (above > 0)
    weaker = 1 / (1 + conductance * behind)
    cell, segment, last = conductance * weaker, network.word[place], conductance.shape[1] - 1
    # From the far end: conductance and short-circuit current of all that lies at a node or behind it.
    load, source = np.ascontiguousarray(cell.T), np.ascontiguousarray((cell * bit).T)
    if np.isfinite(network.right).any():
        load[last] += 1 / network.right[place]
        source[last] += word / network.right[place]
    for j in range(last - 1, -1, -1):
        passed = 1 / (1 + segment * load[j + 1])
        load[j] += load[j + 1] * passed
        source[j] += source[j + 1] * passed
    node = np.empty_like(load)
    node[0] = (word + network.left[place] * source[0]) / (1 + network.left[place] * load[0])
    for j in range(last):
        node[j + 1] = (node[j] + segment * source[j + 1]) / (1 + segment * load[j + 1])
    return (node.T - bit) * weaker
