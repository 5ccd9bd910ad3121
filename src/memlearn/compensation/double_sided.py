"""Lines driven and sensed at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from ..arrays.wires import ResistiveWires
from ..core.component import setting
from ..core.errors import InputError
from .base import AbstractCorrection, Acts, Cost, Mapped

if TYPE_CHECKING:
    from ..tile import Array


class DoubleSided(AbstractCorrection):
    """Word lines driven, bit lines sensed, or both, at both ends: half the way for each current.

    A second driver a word line and a second sense input a bit line; the two currents of a bit line are added before
    they are converted.
    """

    acts: ClassVar[Acts] = "array"
    kind: Literal["double_sided"] = "double_sided"

    lines: Literal["drive", "sense", "both"] = setting("both", doc="which lines have two ends")

    def built(self, array: Array) -> Array:
        """The lines have two ends.

        Raises:
            InputError: wires without resistance.
        """
        crossbar = array.crossbar
        return array.replace(crossbar=crossbar.replace(wires=self._wires(crossbar.wires)))

    def correct(self, mapped: Mapped) -> Mapped:
        """The same of the wires of arrays that are no tiles yet."""
        used = mapped.target > 0
        rows, columns = (int(torch.count_nonzero(used.any(axis))) for axis in (-1, -2))
        cost = Cost(drivers=rows * (self.lines != "sense"), senses=columns * (self.lines != "drive"))
        return mapped._replace(wires=self._wires(mapped.wires), cost=mapped.cost.plus(cost))

    def _wires(self, wires: object) -> ResistiveWires:
        if not isinstance(wires, ResistiveWires):
            allowed = "has no resistance to be corrected"
            raise InputError("wires", getattr(wires, "kind", wires), allowed, 'Use "resistive" wires.')
        return wires.replace(double_sided=self.lines)
