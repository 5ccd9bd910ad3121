"""The contract of effects: imperfections of a cell that outlive one pulse or one read."""

from __future__ import annotations

import math
from abc import abstractmethod

from torch import Tensor

from ...core.component import Component
from ...core.random import Stream
from ..state import DeviceState

BOLTZMANN = 8.617333262e-5
"""eV/K."""


def arrhenius(activation_energy: float, temperature: float, reference_temperature: float) -> float:
    """How many times faster a thermally activated process runs at `temperature` than at the reference, both in K."""
    return math.exp(min(activation_energy / BOLTZMANN * (1 / reference_temperature - 1 / temperature), 700.0))


class AbstractEffect(Component):
    """What happens to cells beside the pulses of their law; a device carries one of each kind, by default at rest.

    An effect keeps what it must remember in columns of its own of `DeviceState.memory`, and changes tensors in place.
    The device calls it only while it is `active`, and afterwards puts cells back within their own bounds.
    """

    @property
    @abstractmethod
    def active(self) -> bool:
        """False when it does nothing at all."""

    @property
    def width(self) -> int:
        """Columns of memory."""
        return 0

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """New cells: fill `memory` (shape, width), and change the state if the effect does so from the beginning."""

    def pulsed(self, memory: Tensor, state: DeviceState, touched: Tensor, stream: Stream, event: int) -> None:
        """After write number `event`, which pulsed the cells of the mask `touched` (shape)."""

    def relax(
        self, memory: Tensor, state: DeviceState, seconds: float, temperature: float, stream: Stream, event: int
    ) -> None:
        """Time passes: `seconds` at `temperature` (K); `event` numbers the waits."""

    def seen(self, conductance: Tensor, memory: Tensor) -> Tensor:
        """What a read sees of `conductance` (S, shape), before the white noise of the read itself."""
        return conductance
