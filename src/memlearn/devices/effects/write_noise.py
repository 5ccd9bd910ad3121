"""Write noise: where a read finds a cell after a write, beside where the law has put it."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import quantity, setting
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect


class WriteNoise(AbstractEffect):
    """Every write that pulses a cell leaves what reads see beside the persistent state, which moves by the law alone.

        seen = G + sigma z,    sigma^2 = (relative G)^2 + absolute^2,    z standard normal, drawn anew by every write

    Mean 0, variance sigma^2; all reads between two writes see the same value. New cells have been written once,
    unless `new_cells` is off. Stuck cells are not written. In aihwkit's numbers, absolute =
    write_noise_std x dw_min, in siemens.
    """

    kind: Literal["write_noise"] = "write_noise"
    sources: ClassVar[tuple[str, ...]] = (
        "IBM aihwkit, write_noise_std of its pulsed devices",
        "Gong et al., IEDM (2022): arrays whose write noise exceeds their step",
    )

    relative: float = quantity(0.0, unit="1", ge=0, doc="standard deviation relative to the conductance")
    absolute: float = quantity(0.0, unit="S", ge=0, doc="standard deviation added to the conductance")
    new_cells: bool = setting(
        True, doc="whether new cells show the noise of a write; false: they were verified, reference cells among them"
    )

    @property
    def active(self) -> bool:
        """True when reads see anything beside the state."""
        return bool(self.relative or self.absolute)

    @property
    def width(self) -> int:
        """The normal number of the last write."""
        return 1

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """The write that made the cells."""
        drawn = random.normal(stream.child("start"), 0, memory.shape[:-1], memory) * ~state.stuck
        memory[..., 0] = drawn if self.new_cells else 0

    def pulsed(self, memory: Tensor, state: DeviceState, touched: Tensor, stream: Stream, event: int) -> None:
        """Draw anew for the cells that were written."""
        drawn = random.normal(stream, event, memory.shape[:-1], memory)
        memory[..., 0] = drawn.where(touched & ~state.stuck, memory[..., 0])

    def seen(self, conductance: Tensor, memory: Tensor) -> Tensor:
        """The state with the deviation of the last write."""
        return conductance + ((self.relative * conductance) ** 2 + self.absolute**2).sqrt() * memory[..., 0]
