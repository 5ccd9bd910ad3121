"""Smaller arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ..core.component import quantity
from .base import AbstractCorrection, Acts, Cost, Mapped

if TYPE_CHECKING:
    from ..tile import Array


class Tiling(AbstractCorrection):
    """A layer cut into smaller arrays: shorter lines, more converters.

    Every array has drivers and senses of its own, so that partial sums are converted and added up digitally.
    """

    acts: ClassVar[Acts] = "array"
    kind: Literal["tiling"] = "tiling"

    rows: int = quantity(128, unit="1", ge=1, doc="most word lines of an array")
    columns: int = quantity(128, unit="1", ge=1, doc="most bit lines of an array")

    def built(self, array: Array) -> Array:
        """Of this size."""
        return array.replace(crossbar=array.crossbar.replace(rows=self.rows, columns=self.columns))

    def correct(self, mapped: Mapped) -> Mapped:
        """Count what the cut costs: mapped arrays (tile rows, tile columns, rows, columns) are cut already."""
        if mapped.target.dim() != 4:
            return mapped
        used = mapped.target > 0
        rows, columns = used.any(-1).any(1), used.any(-2).any(0)  # of the layer as one array
        senses, drivers = int(used.any(-2).sum()) - int(columns.sum()), int(used.any(-1).sum()) - int(rows.sum())
        cost = Cost(drivers=drivers, senses=senses, conversions=senses)
        return mapped._replace(cost=mapped.cost.plus(cost))
