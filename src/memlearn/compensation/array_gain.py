"""One gain for the whole array."""

from __future__ import annotations

from typing import ClassVar, Literal

from .base import AbstractCorrection, Acts, Cost, Mapped
from .fitted import fitted


class ArrayGain(AbstractCorrection):
    """One factor for all outputs of an array, fitted by least squares to typical inputs.

    It costs nothing where the next stage has a factor of its own, and makes good what all outputs lose alike.
    """

    acts: ClassVar[Acts] = "read"
    kind: Literal["array_gain"] = "array_gain"

    def correct(self, mapped: Mapped) -> Mapped:
        """Fit it."""
        gain = fitted(mapped.read(mapped.inputs), mapped.ideal(mapped.inputs), (-2, -1))[..., 0]
        cost = Cost(shared_gains=mapped.arrays, calibration_reads=mapped.arrays * mapped.inputs.shape[-2])
        return mapped._replace(column_gain=mapped.column_gain * gain, cost=mapped.cost.plus(cost))
