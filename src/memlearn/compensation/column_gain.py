"""One gain for each bit line."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from ..core.component import quantity, setting
from .base import AbstractCorrection, Acts, Cost, Mapped
from .fitted import apart, balanced, fitted, stored


class ColumnGain(AbstractCorrection):
    """A factor at the sense input of each bit line, fitted to typical inputs.

    The multiplier sits before cells' currents are subtracted from each other, in the range of the converter or in
    front of it. Row by row differences along the bit line stay.
    """

    acts: ClassVar[Acts] = "read"
    kind: Literal["column_gain"] = "column_gain"

    fit: Literal["mean", "least_squares", "differences"] = setting(
        "mean", doc="what is left of a line's error: no mean, or least square; or least square of lines' differences"
    )
    bits: int | None = quantity(None, unit="1", ge=2, le=24, doc="of a gain's register; none is exact")
    largest: float = quantity(64.0, unit="1", gt=1, doc="gain that a circuit can give")

    def correct(self, mapped: Mapped) -> Mapped:
        """Fit them."""
        currents = mapped.read(mapped.inputs), mapped.ideal(mapped.inputs)
        if self.fit == "differences":
            gain = apart(*currents, mapped.signal)
        else:
            gain = (balanced if self.fit == "mean" else fitted)(*currents, (-2,))[..., 0, :]
        lines = int(torch.count_nonzero((mapped.target > 0).any(-2)))
        cost = Cost(
            column_gains=lines,
            gain_bits=lines * (self.bits or 0),
            calibration_reads=mapped.arrays * mapped.inputs.shape[-2],
        )
        found = stored(mapped.column_gain * gain, self.bits, self.largest)
        return mapped._replace(column_gain=found, cost=mapped.cost.plus(cost))
