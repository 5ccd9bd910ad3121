"""Port elimination: a whole array becomes one small matrix of admittances between the ends of its lines.

Exact, O(n^3), no iteration, both read directions at once. Rounding is lost where a segment's resistance is very small
against a cell's: the error grows as 1 / (segment x cell), 1e-12 at 1 ohm and 50 uS, 5e-9 at 1e-4 ohm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..lapack import addresses, blas_threads, scratch
from .leaves import fill
from .merges import join, merge_all
from .network import Network
from .threads import Crew, NotPositiveDefinite, Pair
from .tree import LEAVES, Block, Elimination, Tree, tree

_WORTH_TWO = 48
"""Lines below which a second thread costs more than it saves."""


class Failed(ArithmeticError):
    """A block was not positive definite in the arithmetic used: its conductances span too much."""


class Ports(NamedTuple):
    """The array between the ends of its lines, whatever is attached to them."""

    matrix: np.ndarray
    """(ports, ports): element (j, i), i >= j, is the admittance, S; the rest means nothing. In the room of
    the pair of threads that made it, and not to be changed."""
    groups: tuple[int, int, int, int]
    """Left, right, top and bottom ends, in this order. Left and top ends are the lines' own first nodes; right and
    bottom ones lie behind half of the smaller of the last segment and the end's own resistance."""


def eliminate(conductance: np.ndarray, network: Network, pair: Pair | None = None) -> Ports:
    """The admittances of an array between the ends that something is attached to.

    Arguments:
        conductance: S, (rows, columns), float64.
        network: its lines; segments and ends > 0. Of the ends, only which are open matters, and the size of those on
            the right and at the bottom that are smaller than a segment.
        pair: with two threads both halves are eliminated at the same time, and the last merge is shared.

    Raises:
        Failed: rounding has eaten the conductances.
    """
    pair = pair or Pair()
    right, top = bool(np.isfinite(network.right).any()), bool(np.isfinite(network.top).any())
    halved = pair.two and min(conductance.shape) >= _WORTH_TWO
    plan = tree(*conductance.shape, right, top, halved=halved)
    word = 1 / np.stack([network.word, _last(network.word, network.right)])
    bit = 1 / np.stack([network.bit, _last(network.bit, network.bottom)])
    store = pair.room(plan.stored)
    parts = [leaves.halves() if halved else (leaves, None) for leaves in plan.leaves]

    def fill_half(half: int) -> None:
        for leaves in parts:
            if (own := leaves[half]) is not None:
                fill(own, conductance, word, bit, store)

    with blas_threads(1):
        if halved:
            pair.both(fill_half)
            return _joined(plan, store, pair)
        fill_half(0)
        return Ports(_view(_merged(plan.top, store, _room(plan.top, pair)), plan.top.result), plan.top.result.groups)


def _joined(plan: Tree, store: np.ndarray, pair: Pair) -> Ports:
    """The halves, each by one thread, and the last merge by both."""
    last = plan.top.steps[-1]
    shared, ports = last[:2].tolist()
    target, works = pair.room(ports, ports), [_room(half, pair) for half in plan.halves]

    def merge(half: int) -> np.ndarray:
        found = _merged(plan.halves[half], store, works[half])
        if half == 1:  # the smaller one, which would wait for the other
            join(last, False, found, target.reshape(-1))
        return found

    join(last, True, pair.both(merge)[0], target.reshape(-1))
    _definite(lambda: Crew(target, pair).eliminate(shared, ports))
    return Ports(target[shared:, shared:], plan.top.result.groups)


def _room(part: Elimination, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    return pair.room(part.work[0]), pair.room(part.work[1])


def _merged(part: Elimination, store: np.ndarray, work: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Where a block's matrix lies after all steps."""
    if failed := merge_all(part.steps, *work, store, addresses(), scratch()):
        raise Failed(f"step {failed} of the elimination is not positive definite")
    return store if part.result.store == LEAVES else work[part.result.store]


def transfer(ports: Ports, network: Network, pair: Pair | None = None) -> np.ndarray:
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
    pair, size = pair or Pair(), len(attached)
    matrix = pair.room(size, size)
    matrix[:] = ports.matrix
    matrix[np.arange(size), np.arange(size)] += attached
    with blas_threads(1):
        _definite(lambda: Crew(matrix, pair).invert(words, size))
    found = -attached[:words, None] * matrix[:words, words:] * attached[words:]
    if n_right:
        found = found[:n_left] + found[n_left:]
    if n_top:
        found = found[:, :n_top] + found[:, n_top:]
    return found


def admittances(ports: Ports, network: Network, *, words: bool) -> np.ndarray:
    """Currents into the terminals of word lines (or of bit lines) per V on them, all others at 0 V, S, (lines, lines).

    With V on the driven terminals, the sources deliver V Y V: what all resistances together turn into heat.

    Arguments:
        ports: from `eliminate`.
        network: its lines.
        words: of the word lines' terminals; else of the bit lines'.

    Raises:
        numpy.linalg.LinAlgError: rounding has eaten the conductances.
    """
    n_left, n_right, n_top, n_bottom = ports.groups
    right = 1 / (network.right - _last(network.word, network.right))[:n_right]
    bottom = 1 / (network.bottom - _last(network.bit, network.bottom))[:n_bottom]
    attached = np.concatenate([1 / network.left, right, 1 / network.top[:n_top], bottom])
    upper = np.triu(ports.matrix)
    matrix = upper + np.triu(upper, 1).T + np.diag(attached)
    begin, near, far = (0, n_left, n_right) if words else (n_left + n_right, n_top, n_bottom)
    driven = slice(begin, begin + near + far)
    own = attached[driven]
    whole = np.diag(own) - own[:, None] * np.linalg.inv(matrix)[driven, driven] * own
    if near and far:
        return whole[:near, :near] + whole[near:, near:] + whole[:near, near:] + whole[near:, :near]
    return whole


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
