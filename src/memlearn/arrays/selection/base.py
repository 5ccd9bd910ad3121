"""The contract of selection: what all lines carry while some of them are written."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ...core.component import Component
from ...core.errors import InputError


class LineShares(NamedTuple):
    """Voltages of the lines' drivers in a step of a write, in units of the pulse's; NaN: nothing drives the line."""

    word: Tensor
    """(..., rows)"""
    bit: Tensor
    """(..., columns)"""


class Exposures(NamedTuple):
    """How many cells a step puts under voltage."""

    selected: int
    """Both lines selected: they get the pulse."""
    half: int
    """One line selected, and a voltage: disturbed."""
    rest: int
    """No line selected, and yet a voltage: disturbed, too."""


class AbstractSelection(Component):
    """A step of a write pulses the cells where selected word lines cross selected bit lines, all in one direction.

    Selected word lines carry the pulse's voltage and selected bit lines 0 V, so that a cell's voltage, word minus bit
    line, is the whole pulse; a pulse of the other polarity has a voltage of the other sign. A member says what the
    other lines carry. A voltage added to all lines moves nothing: only differences count.
    """

    word_share: ClassVar[float]
    """Of unselected word lines, in units of the pulse's voltage; NaN: not driven."""
    bit_share: ClassVar[float]
    """Of unselected bit lines; NaN: not driven."""
    gated: ClassVar[bool] = False
    """Cells of unselected word lines are switched off."""

    def lines(self, rows: Tensor, columns: Tensor) -> LineShares:
        """What the drivers of all lines give.

        Arguments:
            rows, columns: bool, (..., rows) and (..., columns): the selected lines.
        """
        one, word, bit = torch.tensor([1.0, self.word_share, self.bit_share], dtype=torch.float64)
        return LineShares(torch.where(rows, one, word), torch.where(columns, 0 * one, bit))

    def nominal(self, rows: Tensor, columns: Tensor) -> Tensor:
        """What each cell gets where wires have no resistance, in units of the pulse's voltage.

        Arguments:
            rows, columns: as in `lines`.

        Returns:
            (..., rows, columns), float64.
        """
        word, bit = self.levels(rows, columns)
        across = word[..., :, None] - bit[..., None, :]
        return across * rows[..., :, None] if self.gated else across

    def levels(self, rows: Tensor, columns: Tensor) -> LineShares:
        """`lines`, with the voltage that lines without a driver come to where all cells are equal."""
        return self.lines(rows, columns)

    def exposures(self, rows: Tensor, columns: Tensor, used: Tensor | None = None) -> Exposures:
        """How many cells these steps put under voltage, by the scheme's nominal voltages, added up over all of them.

        Arguments:
            rows, columns: as in `lines`, steps along the last leading axis.
            used: bool, broadcast against (..., rows, columns): cells that exist; None: all.
        """
        row, column, live = rows[..., :, None], columns[..., None, :], self.nominal(rows, columns) != 0
        # A step without a selected line of either kind is none.
        live = live & rows.any(-1)[..., None, None] & columns.any(-1)[..., None, None]
        if used is not None:
            live = live & used
        return Exposures(*(int((live & which).sum()) for which in (row & column, row ^ column, ~(row | column))))

    def energy(self, conductance: Tensor, rows: Tensor, columns: Tensor, *, voltage: float, width: float) -> Tensor:
        """Energy burnt in the cells of a step, wires without resistance, charging of lines left out.

            E = width voltage^2 sum of G share^2

        Arguments:
            conductance: S, (..., rows, columns), at the voltages of the write.
            rows, columns: as in `lines`.
            voltage: V, of the pulse.
            width: s, of the pulse.

        Returns:
            J, (...).
        """
        if not (math.isfinite(voltage) and math.isfinite(width) and width >= 0):
            raise InputError("width", width, "must be a time, >= 0 s, and the voltage a number")
        return width * voltage**2 * (conductance * self.nominal(rows, columns).to(conductance) ** 2).sum((-2, -1))
