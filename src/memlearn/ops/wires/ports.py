"""Port elimination: a whole array becomes one small matrix of admittances between the ends of its lines.

Exact, O(n^3), no iteration, both read directions at once. Rounding is lost where a segment's resistance is very small
against a cell's: the error grows as 1 / (segment x cell), 1e-12 at 1 ohm and 50 uS, 5e-9 at 1e-4 ohm.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..lapack import addresses, blas_threads, scratch
from .leaves import fill
from .merges import merge_all
from .network import Network
from .threads import Crew, NotPositiveDefinite
from .tree import LEAVES, Block, Elimination, tree

_WORTH_TWO = 48
"""Lines below which a second thread costs more than it saves."""


class Failed(ArithmeticError):
    """A block was not positive definite in the arithmetic used: its conductances span too much."""


class Ports(NamedTuple):
    """The array between the ends of its lines, whatever is attached to them."""

    matrix: np.ndarray
    """(ports, ports): element (j, i), i >= j, is the admittance, S; the rest means nothing."""
    groups: tuple[int, int, int, int]
    """Left, right, top and bottom ends, in this order. Left and top ends are the lines' own first nodes; right and
    bottom ones lie behind half of the smaller of the last segment and the end's own resistance."""


def eliminate(conductance: np.ndarray, network: Network, threads: int = 1) -> Ports:
    """The admittances of an array between the ends that something is attached to.

    Arguments:
        conductance: S, (rows, columns), float64.
        network: its lines; segments and ends > 0. Of the ends, only which are open matters, and the size of those on
            the right and at the bottom that are smaller than a segment.
        threads: 1, or more: then both halves are eliminated at the same time, and two threads share the last merge.

    Raises:
        Failed: rounding has eaten the conductances.
    """
    right, top = bool(np.isfinite(network.right).any()), bool(np.isfinite(network.top).any())
    halved = threads > 1 and min(conductance.shape) >= _WORTH_TWO
    plan = tree(*conductance.shape, right, top, halved=halved)
    word = 1 / np.stack([network.word, _last(network.word, network.right)])
    bit = 1 / np.stack([network.bit, _last(network.bit, network.bottom)])
    store = np.empty(plan.stored)
    if not halved:
        with blas_threads(1):
            for leaves in plan.leaves:
                fill(leaves, conductance, word, bit, store)
            return _matrix(plan.top, _merged(plan.top, store), store)
    with ThreadPoolExecutor(2) as pool, blas_threads(1):
        parts = [part for leaves in plan.leaves for part in leaves.halves()]
        for done in [pool.submit(fill, leaves, conductance, word, bit, store) for leaves in parts]:
            done.result()
        works = [done.result() for done in [pool.submit(_merged, half, store) for half in plan.halves]]
    work = np.empty(plan.top.work[0]), np.empty(plan.top.work[1])
    begin = 0
    for half, own in zip(plan.halves, works, strict=True):
        size = half.result.ports
        found = store if half.result.store == LEAVES else own[half.result.store]
        work[1][begin : begin + size * size].reshape(size, size)[:] = _view(found, half.result)
        begin += size * size
    shared, ports = plan.top.steps[-1, :2].tolist()
    with blas_threads(1):
        _merged(plan.top, store, work, by_hand=True)
        with Crew(work[0][: ports * ports].reshape(ports, ports), threads) as crew:
            _definite(lambda: crew.eliminate(shared, ports))
    return _matrix(plan.top, work, store)


def _merged(
    part: Elimination,
    store: np.ndarray,
    work: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    by_hand: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The work spaces after all steps, or but for the last one's arithmetic."""
    work = work or (np.empty(part.work[0]), np.empty(part.work[1]))
    failed = merge_all(part.steps, *work, store, addresses(), scratch(), by_hand)
    if failed:
        raise Failed(f"step {failed} of the elimination is not positive definite")
    return work


def _matrix(part: Elimination, work: tuple[np.ndarray, np.ndarray], store: np.ndarray) -> Ports:
    result = part.result
    return Ports(_view(store if result.store == LEAVES else work[result.store], result).copy(), result.groups)


def transfer(ports: Ports, network: Network, threads: int = 1) -> np.ndarray:
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
    size = len(attached)
    matrix[np.arange(size), np.arange(size)] += attached
    with blas_threads(1), Crew(matrix, threads) as crew:
        _definite(lambda: crew.invert(words, size))
    found = -attached[:words, None] * matrix[:words, words:] * attached[words:]
    if n_right:
        found = found[:n_left] + found[n_left:]
    if n_top:
        found = found[:, :n_top] + found[:, n_top:]
    return found


def _definite(work: Callable[[], None]) -> None:
    try:
        work()
    except NotPositiveDefinite as error:
        raise Failed(str(error)) from None


def alike(one: Network, other: Network) -> bool:
    """Whether what `eliminate` makes of the first holds for the second too: equal lines; the ends may differ."""
    return all(
        np.array_equal(*pair)
        for pair in (
            (one.word, other.word),
            (one.bit, other.bit),
            (np.isfinite(one.right), np.isfinite(other.right)),
            (np.isfinite(one.top), np.isfinite(other.top)),
            (_last(one.word, one.right), _last(other.word, other.right)),
            (_last(one.bit, one.bottom), _last(other.bit, other.bottom)),
        )
    )


def _last(segment: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Resistance between the last node and its port: some of what leads to the terminal, so that the rest is > 0."""
    return np.minimum(segment, end) / 2


def _view(work: np.ndarray, block: Block) -> np.ndarray:
    """A block's matrix in its work space."""
    shape, strides = (block.ports, block.ports), (8 * block.lead, 8)
    return np.lib.stride_tricks.as_strided(work[block.start :], shape, strides, writeable=False)
