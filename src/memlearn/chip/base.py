"""The contract of chips: cells that somebody else holds, behind five verbs in volts, amperes and siemens."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from ..core.errors import DataError


class ChipError(DataError):
    """A chip that did not answer, or not as it should.

    Arguments:
        chip: its name.
        request: what it was asked, in words.
        found: what happened instead of an answer.
        remedy: what is kept, and how to go on.
    """

    def __init__(self, chip: str, request: str, found: str, remedy: str) -> None:
        self.chip, self.request, self.found, self.remedy = chip, request, found, remedy
        super().__init__(f"{chip}, {request}: {found.rstrip('.')}. {remedy}")

    def __reduce__(self) -> tuple[type[ChipError], tuple[str, str, str, str]]:
        return type(self), (self.chip, self.request, self.found, self.remedy)


class Reached(NamedTuple):
    """What programming did, cell by cell; all (rows, columns)."""

    conductances: np.ndarray
    """S: the last read of each chosen cell; NaN, or anything, elsewhere."""
    pulses: np.ndarray
    """Pulses sent, never negative."""
    reads: np.ndarray
    """Reads of the single cell."""
    failed: np.ndarray
    """Cells that were given up, bool."""


class Chip(ABC):
    """An array of cells, (rows, columns): a simulator, or the driver of a real instrument.

    Arrays are NumPy's, in SI units. Who implements a chip need not check what comes in, nor what goes out: `ChipTile`
    does, and so do the chips of this package.

    Attributes:
        name: in messages.
        rows, columns: word lines and bit lines.
        g_min, g_max: S, the range that cells can be programmed to.
        tell: hears, in a sentence, what the user should know: that a driver died and was started again.
    """

    name: str = "chip"
    rows: int
    columns: int
    g_min: float
    g_max: float
    tell: Callable[[str], object] = staticmethod(warnings.warn)

    @abstractmethod
    def read(self, voltages: np.ndarray) -> np.ndarray:
        """Drive the word lines, sense the bit lines at ground.

        Arguments:
            voltages: V, (samples, rows).

        Returns:
            A, (samples, columns).
        """

    @abstractmethod
    def read_transposed(self, voltages: np.ndarray) -> np.ndarray:
        """Drive the bit lines, sense the word lines at ground.

        Arguments:
            voltages: V, (samples, columns).

        Returns:
            A, (samples, rows).
        """

    @abstractmethod
    def conductances(self, cells: np.ndarray) -> np.ndarray:
        """Read cells one by one.

        Arguments:
            cells: bool, (rows, columns).

        Returns:
            S, (rows, columns); NaN, or anything, where no cell was asked for.
        """

    @abstractmethod
    def program(self, cells: np.ndarray, targets: np.ndarray, *, tolerance: float, max_pulses: int) -> Reached:
        """Read and pulse each chosen cell until a read lies within the tolerance of its target.

        Arguments:
            cells: bool, (rows, columns).
            targets: S, (rows, columns).
            tolerance: S, half-width of the window.
            max_pulses: after which a cell is given up.
        """

    @abstractmethod
    def pulse(self, counts: np.ndarray) -> None:
        """Send identical pulses, without a read.

        Arguments:
            counts: whole numbers, (rows, columns): n > 0 pulses up, n < 0 pulses down.
        """

    # What a chip that keeps a record of its requests does with it; others have none.

    @property
    def position(self) -> int:
        """Number of the last request that was answered, counted since the record began."""
        return 0

    def rewind(self, position: int) -> None:
        """Ask again from after this request: what the record holds is answered from it, and not done twice."""
        return None

    def forget(self, position: int) -> None:
        """Up to this request the record is not needed any more."""
        return None

    def close(self) -> None:
        """Let the instrument go; nothing is asked afterwards."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
