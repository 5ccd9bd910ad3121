"""A small signed counter per weight that outlives the batch; what a write fires is taken out, the remainder stays."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from ...core.errors import InputError
from ...core.types import Factors
from ...programming import WriteAddress
from .base import AbstractAccumulator


class PersistentCounter(AbstractAccumulator):
    """Integer counts of `bits` bits with sign; they saturate at the ends. Keep `threshold` within them.

    Meant for factors that are signs: every batch adds whole numbers.
    """

    kind: Literal["persistent_counter"] = "persistent_counter"
    sources: ClassVar[tuple[str, ...]] = (
        "Li et al., Adv. Intell. Syst. 6:2300399 (2024), counters with blind pulses on overflow",
    )

    bits: int = quantity(8, unit="bit", ge=2, le=16, doc="size of one counter, with sign")

    @property
    def end(self) -> int:
        """Largest count."""
        return 2 ** (self.bits - 1) - 1

    def init(self, weight: Tensor, w_max: float) -> Tensor | None:
        """All zero."""
        return torch.zeros(weight.shape)

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Factors | Tensor:
        """The counters after this batch."""
        assert memory is not None
        return memory.add_(factors.sum()).clamp_(-self.end, self.end)

    def check(self, quantum: float) -> None:
        """The threshold must be a count that the counter reaches."""
        if quantum > self.end:
            raise InputError(
                "accumulator.bits",
                self.bits,
                f"such a counter ends at {self.end}, below the threshold of {quantum:g}: nothing would fire",
                "Give it more bits, lower the threshold, or let a schedule decay less.",
            )

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """The counter."""
        return self.bits
