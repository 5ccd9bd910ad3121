"""The accumulator contract: where the gradient waits between the backward pass and the write."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import Component
from ...core.types import Counts, Factors
from ...programming import Wanted, WriteAddress


class AbstractAccumulator(Component):
    """Takes outer-product factors, gives what the writer shall write; its memory is one tensor per layer, or none."""

    gives: ClassVar[Literal["factors", "dense", "targets"]] = "dense"
    """What it hands to the writer; see `AbstractWriter.accepts`."""

    def init(self, weight: Tensor, w_max: float) -> Tensor | None:
        """The memory of a layer, or None.

        Arguments:
            weight: (inputs, outputs): what the layer starts with; most accumulators need no more than its shape.
            w_max: the largest weight that its cells can hold.
        """
        return None

    def twin(self, memory: Tensor | None) -> Tensor | None:
        """A view of the weights (inputs, outputs) through which the error goes back in digital, where there are any."""
        return None

    def programmed(self, memory: Tensor | None) -> Tensor | None:
        """The weights (inputs, outputs) that the cells should now hold, where this is known."""
        return None

    @abstractmethod
    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Wanted:
        """What to write after these factors; `memory` is changed in place."""

    def reached(self, memory: Tensor | None, weight: Tensor) -> None:
        """Hear what a closed loop read last: weights (inputs, outputs), as wanted where nothing was programmed."""
        return None

    def settle(self, memory: Tensor | None, plan: Counts, quantum: float) -> None:
        """Take what has been fired out of the memory, where there is one: `quantum` per pulse."""
        if memory is not None:
            memory.sub_(plan.pulses, alpha=quantum)

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

    def bits_per_line(self) -> int:
        """Digital memory that the hardware needs per input line, and per output line."""
        return 0
