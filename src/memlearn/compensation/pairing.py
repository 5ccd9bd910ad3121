"""Another way to make a weight of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ..arrays.mapping import AnyMapping, OneSidedPair
from ..core.component import setting
from .base import AbstractCorrection, Acts, Mapped

if TYPE_CHECKING:
    from ..tile import Array


class Pairing(AbstractCorrection):
    """Another mapping: fewer siemens for the same weights make smaller drops.

    In a one-sided pair one cell of each weight lies at the lower end of the range; small weights then hardly conduct. A
    symmetrical pair conducts half the range whatever its weight.
    """

    acts: ClassVar[Acts] = "array"
    kind: Literal["pairing"] = "pairing"

    mapping: AnyMapping = setting(OneSidedPair(refresh_every=0), doc="which cells make a weight; keeps the w_max")

    def built(self, array: Array) -> Array:
        """With this mapping."""
        mapping = self.mapping.replace(w_max=array.crossbar.mapping.w_max)
        return array.replace(crossbar=array.crossbar.replace(mapping=mapping))

    def correct(self, mapped: Mapped) -> Mapped:
        """Nothing: the arrays are built so."""
        return mapped
