"""Port elimination: a whole array becomes one small matrix of admittances between the ends of its lines.

Exact, O(n^3), no iteration, both read directions at once. Rounding is lost where a segment's resistance is very small
against a cell's: the error grows as 1 / (segment x cell), 1e-12 at 1 ohm and 50 uS, 5e-9 at 1e-4 ohm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..lapack import addresses, scratch
from .lanes import LANES
from .leaves import fill_leaves
from .merges import close, merge_all
from .network import Network
from .tree import LEAVES, Block, Leaves, tree


class Failed(ArithmeticError):
    """A block was not positive definite in the arithmetic used: its conductances span too much."""


class Ports(NamedTuple):
    """The array between the ends of its lines, whatever is attached to them."""

    matrix: np.ndarray
    """(ports, ports): element (j, i), i >= j, is the admittance, S; the rest means nothing."""
    groups: tuple[int, int, int, int]
    """Left, right, top and bottom ends, in this order. Left and top ends are the lines' own first nodes; right and
    bottom ones lie behind half of the smaller of the last segment and the end's own resistance."""


def eliminate(conductance: np.ndarray, network: Network) -> Ports:
    """The admittances of an array between the ends that something is attached to.

    Arguments:
        conductance: S, (rows, columns), float64.
        network: its lines; segments and ends > 0. Of the ends, only which are open matters, and the size of those on
            the right and at the bottom that are smaller than a segment.

    Raises:
        Failed: rounding has eaten the conductances.
    """
    right, top = bool(np.isfinite(network.right).any()), bool(np.isfinite(network.top).any())
    plan = tree(*conductance.shape, right, top)
    word = 1 / np.stack([network.word, _last(network.word, network.right)])
    bit = 1 / np.stack([network.bit, _last(network.bit, network.bottom)])
    store = np.empty(plan.stored)
    for leaves in plan.leaves:
        _fill(leaves, conductance, word, bit, store)
    work = np.empty(plan.top.work[0]), np.empty(plan.top.work[1])
    failed = merge_all(plan.top.steps, work[0], work[1], store, addresses(), scratch())
    if failed:
        raise Failed(f"step {failed} of the elimination is not positive definite")
    result = plan.top.result
    return Ports(_dense(store if result.store == LEAVES else work[result.store], result), result.groups)


def transfer(ports: Ports, network: Network) -> np.ndarray:
    """Currents into the bit lines' terminals per V on the word lines' terminals, S, (rows, columns).

    Both ends of a line, where both are attached, are driven or sensed together. The transposed read of the same
    network is the transposed matrix.

    Raises:
        Failed: rounding has eaten the conductances.
    """
    left, right, top, bottom = (1 / end for end in (network.left, network.right, network.top, network.bottom))
    n_left, n_right, n_top, n_bottom = ports.groups
    right = 1 / (network.right - _last(network.word, network.right))[:n_right]
    bottom = 1 / (network.bottom - _last(network.bit, network.bottom))[:n_bottom]
    attached = np.concatenate([left, right, top[:n_top], bottom])
    words = n_left + n_right
    matrix = ports.matrix.copy()
    failed = close(matrix, words, attached, addresses(), scratch())
    if failed:
        raise Failed("the array with its ends attached is not positive definite")
    found = attached[:words, None] * matrix[:words, words:] * attached[words:]
    if n_right:
        found = found[:n_left] + found[n_left:]
    if n_top:
        found = found[:, :n_top] + found[:, n_top:]
    return found


def _last(segment: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Resistance between the last node and its port: some of what leads to the terminal, so that the rest is > 0."""
    return np.minimum(segment, end) / 2


def _fill(leaves: Leaves, conductance: np.ndarray, word: np.ndarray, bit: np.ndarray, store: np.ndarray) -> None:
    """Put the matrices of equal leaves into the store."""
    elimination, block = leaves.elimination, leaves.elimination.result
    work = [np.empty(max(size, 1) * LANES) for size in elimination.work]
    rows = np.empty(8 * LANES * int(elimination.steps[:, 1].max()))
    result = block.store, block.start, block.lead, block.ports
    fill_leaves(
        elimination.steps, result, leaves.corners, leaves.start, conductance, word, bit, work[0], work[1], rows, store
    )


def _dense(work: np.ndarray, block: Block) -> np.ndarray:
    """A block's matrix, out of its work space."""
    strides = 8 * block.lead, 8
    shape = block.ports, block.ports
    return np.lib.stride_tricks.as_strided(work[block.start :], shape, strides, writeable=False).copy()
