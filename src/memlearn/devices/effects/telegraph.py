"""Random telegraph noise: some cells jump between two levels."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect


class TelegraphNoise(AbstractEffect):
    """A fraction of the cells, chosen once, jumps between two levels; its dwell times are exponential.

        seen = G + a (s - p),    s = 1 in the upper level, 0 in the lower,    p = time_high / (time_high + time_low)
        a = (relative G + absolute) exp(amplitude_spread z)
        a wait of t     P(s = 1) <- p + (s - p) exp(-t (1/time_high + 1/time_low)):    exact for waits of any length

    Of a cell that jumps: mean 0, variance a^2 p (1 - p), correlation exp(-t (1/time_high + 1/time_low)), no normal
    distribution. Both dwell times of a cell are multiplied by one exp(dwell_spread z), drawn once, as a is.
    """

    kind: Literal["telegraph_noise"] = "telegraph_noise"
    sources: ClassVar[tuple[str, ...]] = (
        "Machlup, J. Appl. Phys. 25:341 (1954): the two-level random process",
        "Puglisi et al., IEEE Trans. Electron Devices 62:2606 (2015): telegraph noise of HfOx cells",
    )

    fraction: float = quantity(0.0, unit="1", ge=0, le=1, doc="of the cells, that jump")
    relative: float = quantity(0.1, unit="1", ge=0, doc="distance of the levels relative to the conductance")
    absolute: float = quantity(0.0, unit="S", ge=0, doc="distance of the levels, added to the relative one")
    amplitude_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of ln(distance) from cell to cell")
    time_high: float = quantity(1.0, unit="s", gt=0, doc="mean dwell time in the upper level")
    time_low: float = quantity(1.0, unit="s", gt=0, doc="mean dwell time in the lower level")
    dwell_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of ln(dwell times) from cell to cell")

    @property
    def active(self) -> bool:
        """True when any cell jumps."""
        return bool(self.fraction and (self.relative or self.absolute))

    @property
    def width(self) -> int:
        """s - p, the cell's factor of a (0 in cells that do not jump), and its factor of the dwell times."""
        return 3

    @property
    def upper_share(self) -> float:
        """p: the share of time in the upper level."""
        return self.time_high / (self.time_high + self.time_low)

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """Choose the cells, their amplitudes and times, and the level that each is in."""
        shape = memory.shape[:-1]
        level, chosen = (random.uniform(stream.child(name), 0, shape, memory) for name in ("level", "chosen"))
        size, dwell = (random.normal(stream.child(name), 0, shape, memory) for name in ("amplitude", "dwell"))
        memory[..., 0] = (level < self.upper_share).to(memory) - self.upper_share
        memory[..., 1] = (self.amplitude_spread * size).exp() * (chosen < self.fraction)
        memory[..., 2] = (self.dwell_spread * dwell).exp()

    def relax(
        self, memory: Tensor, state: DeviceState, seconds: float, temperature: float, stream: Stream, event: int
    ) -> None:
        """The level after the wait, given the one before."""
        rate = 1 / self.time_high + 1 / self.time_low
        upper = self.upper_share + memory[..., 0] * torch.exp(-seconds * rate / memory[..., 2])
        drawn = random.uniform(stream, event, memory.shape[:-1], memory)
        memory[..., 0] = (drawn < upper).to(memory) - self.upper_share

    def seen(self, conductance: Tensor, memory: Tensor) -> Tensor:
        """The state with each cell's level."""
        return conductance + (self.relative * conductance + self.absolute) * (memory[..., 0] * memory[..., 1])
