"""Nothing below a threshold, a power of the overdrive above."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import quantity
from .base import AbstractResponse


class ThresholdResponse(AbstractResponse):
    """((share - threshold) / (1 - threshold)) ** exponent above the threshold, nothing below.

    From a threshold of 0.5 on no half-selected cell is disturbed.
    """

    kind: Literal["threshold"] = "threshold"
    sources: ClassVar[tuple[str, ...]] = (
        "Kvatinsky et al., IEEE Trans. Circuits Syst. II 62:786 (2015), VTEAM: power of the voltage beyond a threshold",
    )

    threshold: float = quantity(0.5, unit="1", ge=0, lt=1, doc="of the voltage, relative to the nominal one")
    exponent: float = quantity(1.0, unit="1", gt=0, le=40, doc="of the overdrive")

    def factor(self, share: Tensor) -> Tensor:
        """As above."""
        return ((share - self.threshold) / (1 - self.threshold)).clamp_min(0) ** self.exponent
