"""All levels compared at once."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...core.component import quantity
from ..technology import Node, scaled
from .base import AbstractConverter


class FlashConverter(AbstractConverter):
    """2^bits - 1 comparators, one cycle."""

    kind: Literal["flash"] = "flash"
    sources: ClassVar[tuple[str, ...]] = ("Li et al., TIMELY, ISCA (2020): comparator, 42 fJ and 40 um^2 at 65 nm",)

    comparator: float = quantity(42e-15, unit="J", gt=0, doc="of one comparison, at 65 nm")
    comparator_area: float = quantity(40e-12, unit="m^2", gt=0, doc="of one comparator, at 65 nm")
    clock: float = quantity(1e9, unit="Hz", gt=0, doc="conversions a second")

    def energy(self, bits: int, node: Node) -> float:
        """J."""
        return (2.0**bits - 1) * scaled(self.comparator, 65, node)

    def time(self, bits: int, node: Node) -> float:
        """One cycle."""
        return 1 / self.clock

    def area(self, bits: int, node: Node) -> float:
        """m^2, of the comparators."""
        return (2.0**bits - 1) * scaled(self.comparator_area, 65, node, "area")
