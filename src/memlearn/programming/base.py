"""The writer contract: a wanted weight change becomes a plan of pulses."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor

from ..core.component import Component
from ..core.random import Stream
from ..core.types import Factors, PulsePlan


class WriteAddress(NamedTuple):
    """What the drivers know when they plan: the size of a pulse, and where random numbers come from."""

    weight_step: float
    """Mean weight change of one pulse at mid-range."""
    rate: float
    """What a schedule multiplies the learning rate by; a threshold is divided by it."""
    stream: Stream
    event: int


class AbstractWriter(Component):
    """What the array's drivers do with a wanted change; it sees no weight and no conductance."""

    accepts: ClassVar[Literal["factors", "dense"]] = "dense"
    """"factors": outer-product factors, sample by sample; "dense": one number per weight (inputs, outputs)."""

    @abstractmethod
    def plan(self, wanted: Factors | Tensor, at: WriteAddress) -> PulsePlan:
        """The pulses for a wanted change, in weights, as `accepts` says."""

    def quantum(self, rate: float, weight_step: float) -> float:
        """How much of the wanted change one pulse stands for, which an accumulator that persists gives up for it.

        Arguments:
            rate, weight_step: as in `WriteAddress`.
        """
        return 1.0
