"""No accumulator: every sample's outer product goes to the array at once."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.types import Factors
from ...programming import WriteAddress
from .base import AbstractAccumulator


class PerSample(AbstractAccumulator):
    """Nothing waits; the drivers multiply in the array, sample after sample."""

    kind: Literal["per_sample"] = "per_sample"
    gives: ClassVar[Literal["factors", "dense"]] = "factors"

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Factors | Tensor:
        """The factors themselves."""
        return factors

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """None."""
        return 0
