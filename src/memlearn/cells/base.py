"""The contract of weight cells: parts that add up to a weight, who is pulsed, and what passes between the parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from torch import Tensor

from ..arrays.mapping import AbstractMapping
from ..core.component import Component
from ..core.types import Counts, PulsePlan
from ..devices import AbstractDevice
from ..programming.schemes import AbstractScheme


class Part(NamedTuple):
    """One part of every weight: an array of its own, whose currents are multiplied by `gain` before they are summed."""

    name: str
    """In the ledger and in the run folder, after the layer's own name."""
    gain: float
    """Share of the part's own weight (-w_max .. w_max) in the whole."""
    device: AbstractDevice | None = None
    """Law of its cells; None for the array's own."""
    mapping: AbstractMapping | None = None
    """Which cells make its weights, w_max aside; None for the array's own."""


class Access(NamedTuple):
    """What a cell may do with one of its parts after a write; every read and every pulse of it is counted."""

    gain: float
    """Of the part's own weight in the whole, without sign."""
    step: float
    """Mean change of the part's own weight by one pulse."""
    w_max: float
    look: Callable[[Tensor | None], Tensor]
    """Read the weights of a mask (inputs, outputs), None for all, cell by cell: the part's own weights."""
    send: Callable[[Counts], object]
    """Pulse: signed counts by weight, (inputs, outputs)."""
    program: Callable[[Tensor, Tensor | None, AbstractScheme], Tensor]
    """Bring the weights of a mask, None for all, to these (inputs, outputs) by a scheme; weights as they were last
    read, as wanted outside the mask."""


class AbstractCell(Component):
    """A weight is the sum of its parts, each times its gain and its sign: w = sum_k sign_k gain_k w_k.

    All parts are driven by the same drivers and sensed as one current. It holds no tensors: what a cell does between
    its parts follows from the number of the write and from counted reads.
    """

    def settled(self, device: AbstractDevice) -> Self:
        """The same with every number set that was left to the device.

        Arguments:
            device: law of the array's cells.

        Raises:
            InputError: the settings do not fit the device.
        """
        return self

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """At least one; the converters of the first serve all, and gains add up to 1 so that w_max stays what it is."""

    def signs(self, writes: int) -> tuple[int, ...]:
        """1 or -1 for each part: how it enters the sum after that many writes."""
        return (1,) * len(self.parts())

    @abstractmethod
    def route(self, plan: PulsePlan, writes: int) -> Sequence[PulsePlan | None]:
        """What each part gets of a plan by weight, as if its sign were 1; None for nothing."""

    @abstractmethod
    def step(self, steps: Sequence[float]) -> float:
        """Weight change of one planned pulse, from those that one pulse on each part makes."""

    def transfer(self, parts: Sequence[Access], writes: int) -> None:
        """What passes between the parts after write number `writes`, 1 for the first; many cells have nothing to do.

        Until it returns the signs are those before this write.
        """
        return None
