"""Correction circuits at the ends of lines: what a driver or a sense input loses is given back, line by line."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..arrays.wires import ResistiveWires
from ..core.component import quantity, setting
from .base import AbstractCorrection, Acts, Cost, Mapped, node_voltages
from .fitted import apart, balanced, stored


class LineRestore(AbstractCorrection):
    """A gain at each source that restores its word line's voltage, then one at each neuron that restores its current.

    "sums": from the conductances that were written, without a measurement; each gain undoes the divider of its line,

        row 1 + r_source sum_j G_ij,        column 1 + r_sense sum_i G_ij,

    exact where segments have no resistance and only one side has a terminal. "reads": measured with typical inputs, row
    by row at the first crossing, then column by column, segments included, so that the mean magnitude is right. Each
    round measures the rows again, as they load each other. "differences": the same, but for the columns, whose gains
    make what is sensed of several of them, as the difference of a pair, right in least squares.
    """

    acts: ClassVar[Acts] = "read"
    kind: Literal["line_restore"] = "line_restore"
    sources: ClassVar[tuple[str, ...]] = (
        "Nguyen, An, Min, Micromachines 12:791 (2021): memristor-CMOS neurons that restore source and output voltages; "
        "the form of the gains is inferred",
    )

    lines: Literal["rows", "columns", "both"] = setting("both", doc="sources, neurons, or both")
    fit: Literal["sums", "reads", "differences"] = setting(
        "reads", doc="gains from written conductances, measured line by line, or for the differences of lines"
    )
    rounds: int = quantity(2, unit="1", ge=1, doc="measurements of the rows")
    bits: int | None = quantity(None, unit="1", ge=2, le=24, doc="of a gain's register; none is exact")
    largest: float = quantity(64.0, unit="1", gt=1, doc="gain that a circuit can give")

    def correct(self, mapped: Mapped) -> Mapped:
        """Set the gains."""
        used, reads = mapped.target > 0, 0
        if self.lines != "columns":
            for _ in range(self.rounds if self.fit != "sums" else 1):
                gain = self._rows(mapped) * mapped.row_gain
                mapped = mapped._replace(row_gain=stored(gain, self.bits, self.largest))
                reads += mapped.inputs.shape[-2]
        if self.lines != "rows":
            gain = self._columns(mapped) * mapped.column_gain
            mapped = mapped._replace(column_gain=stored(gain, self.bits, self.largest))
            reads += mapped.inputs.shape[-2]
        rows, columns = (int(torch.count_nonzero(used.any(axis))) for axis in (-1, -2))
        rows, columns = rows * (self.lines != "columns"), columns * (self.lines != "rows")
        cost = Cost(
            row_gains=rows,
            column_gains=columns,
            gain_bits=(rows + columns) * (self.bits or 0),
            calibration_reads=reads * mapped.arrays * (self.fit != "sums"),
        )
        return mapped._replace(cost=mapped.cost.plus(cost))

    def _rows(self, mapped: Mapped) -> Tensor:
        """(..., rows), by which the sources' gains must still grow."""
        if self.fit == "sums":
            return 1 + _terminal(mapped, "r_source") * mapped.conductance.sum(-1)
        first = node_voltages(mapped, mapped.inputs)[0][..., 0]
        wanted = mapped.inputs.expand(first.shape)
        gain, known = balanced(first, wanted, (-2,))[..., 0, :], (wanted != 0).any(-2) & (mapped.target > 0).any(-1)
        # A line that no typical input drives gets what the others need on average.
        mean = (gain * known).sum(-1, keepdim=True) / known.sum(-1, keepdim=True).clamp_min(1)
        return gain.where(known, mean).where((mapped.target > 0).any(-1), 1)

    def _columns(self, mapped: Mapped) -> Tensor:
        """(..., columns), the same of the neurons."""
        if self.fit == "sums":
            return 1 + _terminal(mapped, "r_sense") * mapped.conductance.sum(-2)
        currents = mapped.read(mapped.inputs), mapped.ideal(mapped.inputs)
        if self.fit == "differences":
            return apart(*currents, mapped.signal)
        return balanced(*currents, (-2,))[..., 0, :]


def _terminal(mapped: Mapped, name: str) -> float:
    """Ohm; nothing without resistive wires."""
    return getattr(mapped.wires, name) if isinstance(mapped.wires, ResistiveWires) else 0.0
