"""The accumulator contract: where the gradient waits between the backward pass and the write."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import Component
from ...core.types import Counts, Factors


class AbstractAccumulator(Component):
    """Takes outer-product factors, gives what the writer shall write; its memory is one tensor per layer, or none."""

    gives: ClassVar[Literal["factors", "dense"]] = "dense"
    """What it hands to the writer; see `AbstractWriter.accepts`."""

    def init(self, inputs: int, outputs: int) -> Tensor | None:
        """The memory of a layer, (inputs, outputs), or None."""
        return None

    @abstractmethod
    def add(self, memory: Tensor | None, factors: Factors) -> Factors | Tensor:
        """What to write after these factors; `memory` is changed in place."""

    def settle(self, memory: Tensor | None, plan: Counts, quantum: float) -> None:
        """Take what has been fired out of the memory: `quantum` per pulse."""
        return None

    def check(self, quantum: float) -> None:
        """Raise InputError where what one pulse takes (`quantum`) can never gather here."""
        return None

    @abstractmethod
    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """Digital memory that the hardware needs per weight.

        Arguments:
            batch: samples between writes.
            ternary: every product of factors is -1, 0 or 1, so that a counter suffices.
        """
