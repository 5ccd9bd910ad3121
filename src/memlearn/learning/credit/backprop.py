"""Back-propagation with numbers: the error is read through the transposed array as it is."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from .base import AbstractCredit


class Backprop(AbstractCredit):
    """The error itself, through the backward port's converters and an analogue transposed read."""

    kind: Literal["backprop"] = "backprop"
    method: ClassVar[str] = "analogue transposed read"

    def signal(self, wanted: Tensor) -> Tensor:
        """Unchanged."""
        return wanted
