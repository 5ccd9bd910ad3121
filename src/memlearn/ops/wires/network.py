"""The circuit of an array: lines, their segments, what is attached to their ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Network(NamedTuple):
    """Resistances, ohm. Word line i has nodes v[i, 0..columns-1], bit line j has u[0..rows-1, j]; cells join v and u.

    An end is a terminal of given voltage behind a resistance that counts everything up to the line's first node, the
    segment there included; infinity: nothing is attached.
    """

    word: np.ndarray
    """(rows,): of a segment between neighbours on a word line."""
    bit: np.ndarray
    """(columns,): of a segment between neighbours on a bit line."""
    left: np.ndarray
    """(rows,): ends at v[:, 0]."""
    right: np.ndarray
    """(rows,): ends at v[:, columns - 1]."""
    top: np.ndarray
    """(columns,): ends at u[0]."""
    bottom: np.ndarray
    """(columns,): ends at u[rows - 1]."""

    @property
    def rows(self) -> int:
        """Word lines."""
        return len(self.word)

    @property
    def columns(self) -> int:
        """Bit lines."""
        return len(self.bit)


class Ends(NamedTuple):
    """One number for every end, (..., rows) or (..., columns): voltages, V, or currents out of the array, A."""

    left: np.ndarray
    right: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


class Solved(NamedTuple):
    """What a solver found, for each sample."""

    currents: Ends
    """A, out of the array into the terminals."""
    word: np.ndarray
    """V, (samples, rows, columns): nodes v."""
    bit: np.ndarray
    """V, (samples, rows, columns): nodes u."""
