"""A digital number per weight: the gradient waits until it is worth a device step."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from ...core.types import Factors
from ...programming import WriteAddress
from .base import AbstractAccumulator


class DigitalValue(AbstractAccumulator):
    """chi += learning_rate x sum over the batch of the outer products; what a write fires is taken out of chi.

    The sum of what is in chi and of what has been fired is conserved exactly, whatever the device makes of the pulses.
    """

    kind: Literal["digital_value"] = "digital_value"
    sources: ClassVar[tuple[str, ...]] = (
        "Nandakumar et al., Front. Neurosci. 14:406 (2020), mixed-precision training: accumulator chi",
    )

    learning_rate: float = quantity(0.01, unit="1", gt=0, doc="wanted weight change / sum of outer products")
    bits: int = quantity(32, unit="bit", ge=8, le=32, doc="of one number, for the bill; 32-bit arithmetic is simulated")

    def init(self, weight: Tensor, w_max: float) -> Tensor | None:
        """All zero."""
        return torch.zeros(weight.shape)

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Tensor:
        """chi after this batch."""
        assert memory is not None
        return memory.add_(factors.sum().to(memory), alpha=self.learning_rate)

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """As set."""
        return self.bits
