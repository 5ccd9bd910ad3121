"""The contract of schemes: how a cell is brought to a conductance that somebody has chosen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from torch import Tensor

from ...core.component import Component
from ...core.random import Stream
from ...core.types import Counts
from ...devices import AbstractDevice, Backend, DeviceState


class Known(NamedTuple):
    """What a plan knows of the pulses of each cell, (shape of the cells) each."""

    pulses: Tensor
    """Pulses, int32, never negative."""
    size: Tensor
    """S: root of the sum of the squares of the single changes."""


class Order(NamedTuple):
    """What is to be programmed, and with whose random numbers."""

    targets: Tensor
    """S, (shape of the cells)."""
    chosen: Tensor
    """Which cells, bool, (shape of the cells); the others are left alone."""
    stream: Stream
    event: int
    """First of `AbstractScheme.events` consecutive event numbers."""
    sent: Known | None = None
    """For schemes that need no feedback, where the plan knows it."""
    send: Callable[[Counts, Stream, int], object] | None = None
    """What carries pulses to the cells where lines weaken them; None: they arrive in full."""

    def pulse(self, device: AbstractDevice, state: DeviceState, plan: Counts, event: int, backend: Backend) -> None:
        """Send pulses to the cells."""
        if self.send is None:
            device.pulse(state, plan, self.stream, event, backend=backend)
        else:
            self.send(plan, self.stream, event)


class Programmed(NamedTuple):
    """What programming did, cell by cell; all (shape of the cells)."""

    pulses: Tensor
    """Pulses sent, int32."""
    reads: Tensor
    """Reads of the single cell, int32."""
    seen: Tensor
    """S: the last read; the conductance itself where there was none."""
    failed: Tensor
    """Cells that were given up, bool."""
    dose: Tensor | None = None
    """S, float64, (shape of the cells, 2): conductances before pulses up, and down, added up; times V^2 t of the
    device's own pulse, the energy in the cell. None: not known."""


class AbstractScheme(Component):
    """Programs chosen cells to targets; sees what hardware sees: noisy reads, and the device's nominal curve."""

    unseen: ClassVar[bool] = False
    """Changes are made from where a cell is, without a read before."""

    lawful: ClassVar[bool] = True
    """Its pulses go through the device's law, and so through lines that weaken them."""

    def check(self, device: AbstractDevice) -> None:
        """Raise InputError where the scheme does not know how to write this device."""
        return None

    @property
    def patience(self) -> int:
        """Failures in a row after which a cell is marked, and not programmed again; 0: it is tried every time."""
        return 0

    @property
    @abstractmethod
    def events(self) -> int:
        """Event numbers that one call takes."""

    @abstractmethod
    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Bring the chosen cells to their targets; the state is changed in place.

        Arguments:
            device: law of the cells.
            state: the cells.
            order: which cells, to what.
            backend: "cpu" for a compiled kernel where one fits, "reference" for the stages; both do the same.
        """
