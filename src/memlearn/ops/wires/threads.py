"""Work for two threads: a pair of them, and dense operations that they share."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..lapack import addresses, scratch
from .merges import FACTOR, LEFT, LEFT_TRANSPOSED, RIGHT, RIGHT_TRANSPOSED, UPDATE, slab
from .rooms import shelf

_SMALL = 200
"""Rows or columns below which one thread does it all: handing over takes as long."""


class NotPositiveDefinite(ArithmeticError):
    """A Cholesky factor does not exist in the arithmetic used."""


class Pair:
    """This thread and, where there are to be more than one, a second that takes one half of what is to be done.

    And the room in which they do it, which is theirs until they part.

    Arguments:
        threads: 1, or more.
    """

    def __init__(self, threads: int = 1) -> None:
        self._pool = ThreadPoolExecutor(1) if threads > 1 else None
        self._rooms: list[np.ndarray] = []

    @property
    def two(self) -> bool:
        """Whether there is a second thread."""
        return self._pool is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        shelf().put_back(self._rooms)
        self._rooms = []

    def room(self, *shape: int) -> np.ndarray:
        """float64, of this shape, whatever it holds."""
        elements = math.prod(shape)
        self._rooms.append(shelf().take(elements))
        return self._rooms[-1][:elements].reshape(shape)

    def both(self, work: Callable[[int], Any]) -> list[Any]:
        """work(0) here, and work(1) at the same time."""
        if self._pool is None:
            return [work(0), work(1)]
        other = self._pool.submit(work, 1)
        try:
            mine = work(0)
        finally:
            theirs = other.result()
        return [mine, theirs]


class Crew:
    """One or two threads that share operations on parts of one matrix, column-major in LAPACK's words.

    Arguments:
        matrix: (ports, ports), one triangle of it, row by row.
        pair: the threads.
    """

    def __init__(self, matrix: np.ndarray, pair: Pair) -> None:
        self.first, self.lead, self.pair, self.matrix = matrix.ctypes.data, matrix.strides[0] // 8, pair, matrix
        self._routines, self._scratch = addresses(), (scratch(), scratch())

    def at(self, row: int, column: int) -> int:
        """Where an element lies, LAPACK's row and column."""
        return self.first + 8 * (column * self.lead + row)

    def eliminate(self, shared: int, ports: int) -> None:
        """The first `shared` ports, of so many.

        Raises:
            NotPositiveDefinite: it is not.
        """
        kept = ports - shared
        self._do(FACTOR, self.at(0, 0), 0, shared, 0, shared)
        self._do(RIGHT_TRANSPOSED, self.at(0, 0), self.at(shared, 0), kept, shared, kept)
        self._do(UPDATE, self.at(shared, 0), self.at(shared, shared), kept, shared, kept)

    def invert(self, words: int, ports: int, halfway: np.ndarray | None = None) -> None:
        """The part (bits, words) of the inverse, with the sign turned, of the matrix, words first.

        Arguments:
            halfway: (words, bits), to be given what lies between the two factors on the way.

        Raises:
            NotPositiveDefinite: it is not.
        """
        bits, first, across, other = ports - words, self.at(0, 0), self.at(words, 0), self.at(words, words)
        self.eliminate(words, ports)
        self._do(FACTOR, other, 0, bits, 0, bits)
        self._do(LEFT, other, across, bits, words, words)
        if halfway is not None:
            halfway[:] = self.matrix[:words, words:]
        self._do(LEFT_TRANSPOSED, other, across, bits, words, words)
        self._do(RIGHT, first, across, bits, words, bits)

    def _do(self, what: int, a: int, b: int, rows: int, columns: int, size: int) -> None:
        """An operation, in two slabs where that pays."""
        if not self.pair.two or size < _SMALL or what == FACTOR:
            if slab(what, a, b, self.lead, rows, columns, 0, size, self._routines, self._scratch[0]):
                raise NotPositiveDefinite("a block is not positive definite")
            return
        # Of a triangle, the first columns are the long ones.
        middle = round(size * (1 - 0.5**0.5)) if what == UPDATE else size // 2
        edges = 0, middle, size
        self.pair.both(
            lambda k: slab(
                what, a, b, self.lead, rows, columns, edges[k], edges[k + 1], self._routines, self._scratch[k]
            )
        )
