"""A charge is counted in spikes."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...core.component import quantity
from ..technology import Node, scaled
from .base import AbstractConverter


class IntegrateAndFire(AbstractConverter):
    """A column's current is integrated, and the spikes of a neuron are counted meanwhile."""

    kind: Literal["integrate_and_fire"] = "integrate_and_fire"
    sources: ClassVar[tuple[str, ...]] = (
        "Chen, Peng and Yu, NeuroSim MLP+ V3.0: read circuit, 1.346 pJ per conversion at 65 nm",
        "hwcomponents-library, NeuRRAM column at 130 nm: 350 + 350 + 400 + 170 um^2",
    )

    per_conversion: float = quantity(1.346e-12, unit="J", gt=0, doc="of one conversion, at 65 nm")
    size: float = quantity(1270e-12, unit="m^2", gt=0, doc="of one circuit, at 130 nm")
    clock: float = quantity(1e9, unit="Hz", gt=0, doc="spikes a second at full scale: 2^bits of them a conversion")

    def energy(self, bits: int, node: Node) -> float:
        """J."""
        return scaled(self.per_conversion, 65, node)

    def time(self, bits: int, node: Node) -> float:
        """(2^bits + 1) / clock."""
        return (2.0**bits + 1) / self.clock

    def area(self, bits: int, node: Node) -> float:
        """m^2."""
        return scaled(self.size, 130, node, "area")
