"""A power of the voltage."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import quantity
from .base import AbstractResponse


class PowerResponse(AbstractResponse):
    """share ** exponent: 1 for cells that take charge in proportion to the voltage, as electrochemical ones may."""

    kind: Literal["power"] = "power"
    sources: ClassVar[tuple[str, ...]] = ("A general form; exponents are to be fitted to the device at hand",)

    exponent: float = quantity(1.0, unit="1", gt=0, le=40, doc="of the share of the voltage")

    def factor(self, share: Tensor) -> Tensor:
        """As above."""
        return share**self.exponent
