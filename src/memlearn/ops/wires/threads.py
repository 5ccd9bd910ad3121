"""Dense operations shared by two threads: the last merge of an elimination, and the ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np

from ..lapack import addresses, scratch
from .merges import FACTOR, LEFT, LEFT_TRANSPOSED, RIGHT, RIGHT_TRANSPOSED, UPDATE, slab

_SMALL = 200
"""Rows or columns below which one thread does it all: handing over takes as long."""


class NotPositiveDefinite(ArithmeticError):
    """A Cholesky factor does not exist in the arithmetic used."""


class Crew:
    """One or two threads that share operations on parts of one matrix, column-major in LAPACK's words.

    Arguments:
        matrix: (ports, ports), one triangle of it, row by row.
        threads: 1, or more.
    """

    def __init__(self, matrix: np.ndarray, threads: int) -> None:
        self.first, self.lead = matrix.ctypes.data, matrix.strides[0] // 8
        self._pool = ThreadPoolExecutor(2) if threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

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

    def invert(self, words: int, ports: int) -> None:
        """The part (bits, words) of the inverse, with the sign turned, of the matrix, words first.

        Raises:
            NotPositiveDefinite: it is not.
        """
        bits, first, across, other = ports - words, self.at(0, 0), self.at(words, 0), self.at(words, words)
        self.eliminate(words, ports)
        self._do(FACTOR, other, 0, bits, 0, bits)
        self._do(LEFT, other, across, bits, words, words)
        self._do(LEFT_TRANSPOSED, other, across, bits, words, words)
        self._do(RIGHT, first, across, bits, words, bits)

    def _do(self, what: int, a: int, b: int, rows: int, columns: int, size: int) -> None:
        """An operation, in two slabs where that pays."""
        if self._pool is None or size < _SMALL or what == FACTOR:
            if slab(what, a, b, self.lead, rows, columns, 0, size, addresses(), scratch()):
                raise NotPositiveDefinite("a block is not positive definite")
            return
        # Of a triangle, the first columns are the long ones.
        middle = round(size * (1 - 0.5**0.5)) if what == UPDATE else size // 2
        parts = [
            self._pool.submit(slab, what, a, b, self.lead, rows, columns, low, high, addresses(), scratch())
            for low, high in ((0, middle), (middle, size))
        ]
        for part in parts:
            part.result()
