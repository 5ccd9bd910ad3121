"""One number per weight, summed over a batch and cleared after the write."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from ...core.types import Factors
from ...programming import WriteAddress
from .base import AbstractAccumulator


class BatchCounter(AbstractAccumulator):
    """Sum of the outer products of a batch: a small signed counter where factors are signs, else a 32-bit number."""

    kind: Literal["batch_counter"] = "batch_counter"

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Factors | Tensor:
        """rows^T columns, (inputs, outputs)."""
        return factors.sum()

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """Enough for -batch .. batch."""
        return math.ceil(math.log2(2 * batch + 1)) if ternary else 32
