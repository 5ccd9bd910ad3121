"""The writer contract: a wanted weight change becomes a plan of pulses."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from torch import Tensor

from ..core.component import Component
from ..core.random import Stream
from ..core.types import Factors, PulsePlan
from ..devices import AbstractDevice
from .schemes import AbstractScheme


class WriteAddress(NamedTuple):
    """What the drivers know when they plan: the size of a pulse, and where random numbers come from."""

    weight_step: float
    """Mean weight change of one pulse at mid-range."""
    rate: float
    """What a schedule multiplies the learning rate by; a threshold is divided by it."""
    stream: Stream
    event: int


Parallelism = Literal["cell", "row", "column", "array"]


class Sent(NamedTuple):
    """What is known of an open-loop write beside its outcome, weight by weight, (inputs, outputs) each."""

    pulses: Tensor
    """Pulses that each weight's cells get, never negative."""
    size: Tensor
    """Root of the sum of the squares of the single changes: what noise relative to the step is relative to."""


class Targets(NamedTuple):
    """A closed-loop plan by weight: where the weights shall be, however many pulses it takes."""

    weight: Tensor
    """(inputs, outputs): the weights wanted, or, if `relative`, the changes from where the cells are read to be."""
    previous: Tensor | None
    """(inputs, outputs): cells whose target is the same as for these weights are left alone; None programmes all."""
    relative: bool
    scheme: AbstractScheme
    parallel: Parallelism = "row"
    """Cells that are written at the same time."""
    heard: bool = False
    """Whether somebody wants the last reads."""
    sent: Sent | None = None
    """Where the plan itself knows the pulses."""


class Levels(NamedTuple):
    """What an accumulator that knows the weights themselves wants."""

    before: Tensor
    """(inputs, outputs): weights that are programmed now."""
    after: Tensor
    """(inputs, outputs): weights that shall be."""
    heard: bool
    """Whether it wants to hear what the last reads saw."""


Plan: TypeAlias = PulsePlan | Targets
Wanted: TypeAlias = Factors | Tensor | Levels
"""What an accumulator hands to a writer, see `AbstractWriter.accepts`."""


class AbstractWriter(Component):
    """What the array's drivers do with a wanted change; it sees no weight and no conductance."""

    accepts: ClassVar[Literal["factors", "dense", "targets"]] = "dense"
    """"factors": outer-product factors, sample by sample; "dense": one number per weight (inputs, outputs); "targets":
    `Levels`."""

    @abstractmethod
    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """The pulses for a wanted change, in weights, as `accepts` says."""

    def check(self, device: AbstractDevice) -> None:
        """Raise InputError where the device cannot be written like this."""
        return None

    def quantum(self, rate: float, weight_step: float) -> float:
        """How much of the wanted change one pulse stands for, which an accumulator that persists gives up for it.

        Arguments:
            rate, weight_step: as in `WriteAddress`.
        """
        return 1.0


def turns(events: Tensor, parallel: Parallelism) -> Tensor:
    """Turns that the events of each cell (tile rows, tile columns, rows, columns) take; tiles work at the same time."""
    cells = {"cell": (-2, -1), "row": (-2,), "column": (-1,), "array": ()}[parallel]
    together = {"cell": (), "row": (-1,), "column": (-2,), "array": (-2, -1)}[parallel]
    longest = events.amax(together, keepdim=True) if together else events
    return (longest.sum(cells) if cells else longest).max()
