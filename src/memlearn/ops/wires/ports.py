"""Port elimination: a whole array becomes one small matrix of admittances between the ends of its lines.

Exact, O(n^3), no iteration, both read directions at once. Rounding is lost where a segment's resistance is very small
against a cell's: the error grows as 1 / (segment x cell), 1e-12 at 1 ohm and 50 uS, 5e-9 at 1e-4 ohm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from ..guard import Guarded
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


class Terminals(NamedTuple):
    """An array between its terminals, the two ends of a line taken together where both are attached."""

    transfer: np.ndarray
    """S, (rows, columns): currents into the bit lines' terminals per V on the word lines'."""
    words: np.ndarray | None = None
    """S, (rows, rows): currents out of the word lines' terminals per V on them, all others at 0 V; None: not asked for.
    With V there, the sources deliver V Y V: what all resistances together turn into heat."""
    bits: np.ndarray | None = None
    """S, (columns, columns): the same of the bit lines."""


def transfer(ports: Ports, network: Network, pair: Pair | None = None) -> np.ndarray:
    """Currents into the bit lines' terminals per V on the word lines' terminals, S, (rows, columns).

    Both ends of a line, where both are attached, are driven or sensed together. The transposed read of the same
    network is the transposed matrix.

    Raises:
        Failed: rounding has eaten the conductances.
    """
    return between(ports, network, pair).transfer


def between(ports: Ports, network: Network, pair: Pair | None = None, *, heat: bool = False) -> Terminals:
    """`transfer`, and with `heat` the admittances of either side's terminals, for a tenth more.

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
    halfway = np.empty((words, size - words)) if heat else None
    with blas_threads(1):
        _definite(lambda: Crew(matrix, pair).invert(words, size, halfway))
        found = -attached[:words, None] * matrix[:words, words:] * attached[words:]
        if halfway is None:
            return Terminals(_together(found, n_left, n_top))
        on_words, on_bits = _inverses(matrix, words, halfway)
    own, other = attached[:words], attached[words:]
    on_words, on_bits = (np.diag(g) - g[:, None] * x * g for g, x in ((own, on_words), (other, on_bits)))
    return Terminals(
        _together(found, n_left, n_top),
        _together(on_words, n_left, n_left),
        _together(on_bits, n_top, n_top),
    )


def _together(found: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Both ends of a line in one."""
    if 0 < rows < len(found):
        found = found[:rows] + found[rows:]
    if 0 < columns < found.shape[1]:
        found = found[:, :columns] + found[:, columns:]
    return found


def _inverses(matrix: np.ndarray, words: int, halfway: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of the inverse among words and among bits, from what `Crew.invert` leaves.

    With A = U^T U among the words, S = V^T V what is left of the bits, and H = U^-T B V^-1 halfway, they are
    U^-1 (1 + H H^T) U^-T and (V^T V)^-1.
    """
    (trsm, syrk), (potri,) = get_blas_funcs(("trsm", "syrk"), (matrix,)), get_lapack_funcs(("potri",), (matrix,))
    # LAPACK's words are column-major: its lower triangle of the transposed matrix is this one's upper triangle.
    upper, other = matrix[:words, :words].T, matrix[words:, words:].T
    through = trsm(1.0, upper, halfway, lower=1, trans_a=1)
    inverse = potri(upper, lower=1)[0]
    return _whole(syrk(1.0, through, beta=1.0, c=inverse, lower=1)), _whole(potri(other, lower=1)[0])


def _whole(lower: np.ndarray) -> np.ndarray:
    """A symmetric matrix from its lower triangle, column by column as LAPACK has it; in place."""
    _mirror(lower.T)
    return lower


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _mirror(upper) -> None:  # noqa: ANN001
    """Row by row: what lies above the diagonal is put below it."""
    for i in range(len(upper)):
        for j in range(i + 1, len(upper)):
            upper[j, i] = upper[i, j]


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
