"""By a regression through the best published converters: a lower bound of what silicon does."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...core.component import quantity
from ..technology import Node
from .base import AbstractConverter, regression_energy


class RegressionConverter(AbstractConverter):
    """The best-case regression of hwcomponents-adc over node, bits and rate."""

    kind: Literal["regression"] = "regression"
    sources: ClassVar[tuple[str, ...]] = (
        "Andrulis, Emer and Sze, CIMLoop (2024), and hwcomponents-adc (MIT): regression through published converters",
    )

    rate: float = quantity(1e8, unit="Hz", gt=0, doc="conversions a second")

    def energy(self, bits: int, node: Node) -> float:
        """J."""
        return regression_energy(bits, self.rate, node)

    def time(self, bits: int, node: Node) -> float:
        """1 / rate."""
        return 1 / self.rate
