"""Back-propagation in digital, through the floating-point twin of the weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from .base import AbstractCredit


class TwinBackprop(AbstractCredit):
    """The forward pass is the array's, with all its errors; the error goes back through the accumulator's twin."""

    kind: Literal["twin_backprop"] = "twin_backprop"
    method: ClassVar[str] = "digital, through the twin's weights"
    through_twin: ClassVar[bool] = True
    sources: ClassVar[tuple[str, ...]] = ("Tan et al. (2024), Siamese learning",)

    def signal(self, wanted: Tensor) -> Tensor:
        """Unchanged."""
        return wanted
