"""Flicker noise: slow fluctuations with a spectrum of 1/f, common to all reads of an instant."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from torch import Tensor

from ...core.component import quantity
from ...core.errors import InputError
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect


class FlickerNoise(AbstractEffect):
    """1/f noise as a sum of N equal Ornstein-Uhlenbeck modes whose time constants are spaced evenly in ln(time).

        seen = G + sigma (x_1 + ... + x_N) / sqrt(N),   sigma^2 = (relative G)^2 + absolute^2,   x_k standard normal
        a wait of t      x_k <- a x_k + sqrt(1 - a^2) z,   a = exp(-t / tau_k):   exact for waits of any length

    Mean 0 and variance sigma^2 at any time; the covariance of two reads t apart is sigma^2 mean(exp(-t / tau_k)). The
    one-sided spectrum is A / f between 1/(2 pi slowest) and 1/(2 pi fastest), with A = sigma^2 / ln(slowest / fastest)
    (one mode a decade ripples by 6 %); flat below, 1/f^2 above. Reads see it in G, but the state does not move.

    Nandakumar's growth sigma(t) = q G sqrt(ln((t + t_read) / (2 t_read))) is the share of such a spectrum, A = (q G)^2,
    that lies between the frequencies 1/t and 1/(2 t_read): relative = q sqrt(ln(slowest / fastest)) reproduces it.
    """

    kind: Literal["flicker_noise"] = "flicker_noise"
    sources: ClassVar[tuple[str, ...]] = (
        "van der Ziel, Physica 16:359 (1950): 1/f as a sum of relaxations",
        "Nandakumar et al., ICECS (2019): growth of read noise with time in phase-change cells",
    )

    relative: float = quantity(0.0, unit="1", ge=0, doc="standard deviation relative to the conductance")
    absolute: float = quantity(0.0, unit="S", ge=0, doc="standard deviation added to the conductance")
    fastest: float = quantity(1e-6, unit="s", gt=0, doc="time constant of the fastest mode")
    slowest: float = quantity(1e4, unit="s", gt=0, doc="time constant of the slowest mode")
    modes_per_decade: int = quantity(1, unit="1", ge=1, le=10, doc="modes for each factor of ten in time")

    def model_post_init(self, _: Any) -> None:
        """A band must be one."""
        if self.fastest >= self.slowest:
            raise InputError("fastest", self.fastest, f"must lie below slowest = {self.slowest:g} s", "Exchange them?")

    @property
    def active(self) -> bool:
        """True when anything fluctuates."""
        return bool(self.relative or self.absolute)

    @property
    def width(self) -> int:
        """One column a mode."""
        return max(1, round(math.log10(self.slowest / self.fastest) * self.modes_per_decade))

    @property
    def time_constants(self) -> list[float]:
        """s, of each mode: the middles of equal parts of the band, in ln(time)."""
        ratio = self.slowest / self.fastest
        return [self.fastest * ratio ** ((k + 0.5) / self.width) for k in range(self.width)]

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """Each mode somewhere in its stationary distribution."""
        memory.copy_(random.normal(stream.child("start"), 0, memory.shape, memory))

    def relax(
        self, memory: Tensor, state: DeviceState, seconds: float, temperature: float, stream: Stream, event: int
    ) -> None:
        """Forget some of each mode, and draw as much anew."""
        kept = [math.exp(-seconds / tau) for tau in self.time_constants]
        fresh = [math.sqrt(-math.expm1(-2 * seconds / tau)) for tau in self.time_constants]
        drawn = random.normal(stream, event, memory.shape, memory)
        memory.mul_(memory.new_tensor(kept)).add_(drawn.mul_(memory.new_tensor(fresh)))

    def seen(self, conductance: Tensor, memory: Tensor) -> Tensor:
        """The state with the sum of the modes."""
        sigma = ((self.relative * conductance) ** 2 + self.absolute**2).sqrt()
        return conductance + sigma * (memory.sum(-1) / math.sqrt(self.width))
