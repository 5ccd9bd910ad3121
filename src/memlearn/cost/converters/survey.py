"""By the published survey's figure of merit, at a stated percentile."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...core.component import quantity, setting
from ..technology import Node
from .base import AbstractConverter


class SurveyConverter(AbstractConverter):
    """Successive approximation: E = max(figure of merit x 2^bits, floor), at a percentile of the published designs.

    Below 6 bits published converters lie above the line, since they are fast: hence the floor.
    """

    kind: Literal["survey"] = "survey"
    sources: ClassVar[tuple[str, ...]] = ("Murmann, ADC performance survey, revision 2025-06",)

    percentile: Literal["p10", "median"] = setting("median", doc="of the survey's SAR converters near the node")
    clock: float = quantity(1e9, unit="Hz", gt=0, doc="cycles: bits + 1 a conversion")
    floor: float = quantity(0.3e-12, unit="J", ge=0, doc="least energy of a conversion: the survey's best silicon")

    def energy(self, bits: int, node: Node) -> float:
        """J."""
        merit = node.adc_fom[0 if self.percentile == "p10" else 1]
        return max(merit * 2.0**bits, self.floor)

    def time(self, bits: int, node: Node) -> float:
        """(bits + 1) / clock."""
        return (bits + 1) / self.clock
