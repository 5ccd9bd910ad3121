"""Endurance: the window of a cell closes as it is pulsed, and one day the cell fails."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity, setting
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect


class Endurance(AbstractEffect):
    """What the cell's own count n of pulses does to it; nobody's number is assumed, so by default nothing.

        window     half-width about its own middle x (1 - closing (n / N)^exponent), from the window of the new cell
        failure    at n >= N the cell sticks: at its last conductance, or at its lower or upper bound when new

    N is the cell's lifetime, drawn once: log_normal has median `lifetime` and standard deviation `spread` of ln N;
    weibull has P(N < n) = 1 - exp(-(n / lifetime)^(1 / spread)), so that 63 % of the cells fail within `lifetime`. Both
    are judged after each write, so a cell may get the rest of that write's pulses beyond N. Spread 0: all alike.
    """

    kind: Literal["endurance"] = "endurance"
    sources: ClassVar[tuple[str, ...]] = (
        "Chen et al., IEDM (2011): window closing and failure of HfOx cells with cycles",
        "Luo et al., IEDM (2012): statistics of endurance, Weibull",
    )

    lifetime: float | None = quantity(None, unit="1", gt=0, doc="pulses that a cell survives; none: unknown, no limit")
    spread: float = quantity(0.0, unit="1", ge=0, doc="of ln(lifetime) from cell to cell; for weibull 1 / shape")
    distribution: Literal["log_normal", "weibull"] = setting("log_normal", doc="of the lifetimes")
    failure: Literal["last", "low", "high", "none"] = setting("last", doc="where a worn-out cell sticks, if it does")
    closing: float = quantity(0.0, unit="1", ge=0, le=1, doc="share of the window that is lost at the end of the life")
    exponent: float = quantity(1.0, unit="1", gt=0, doc="power of n / N by which the window closes")

    @property
    def active(self) -> bool:
        """True when pulses wear cells out."""
        return self.lifetime is not None and (self.failure != "none" or self.closing > 0)

    @property
    def width(self) -> int:
        """Lifetime, and lower and upper bound of the new cell."""
        return 3

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """Draw each cell's lifetime, and keep its window."""
        assert self.lifetime is not None
        shape = memory.shape[:-1]
        if self.distribution == "weibull":
            drawn = 1 - random.uniform(stream, 0, shape, memory)
            factor = (-drawn.log()).pow(self.spread)
        else:
            factor = (self.spread * random.normal(stream, 0, shape, memory)).exp()
        memory[..., 0] = (self.lifetime * factor).clamp_min(1)
        memory[..., 1:] = state.parameters[..., :2]

    def pulsed(self, memory: Tensor, state: DeviceState, touched: Tensor, stream: Stream, event: int) -> None:
        """Close windows, and pin what has failed; a stuck cell has no window to close."""
        lifetime, low, high = memory.unbind(-1)
        lower, upper = state.parameters[..., 0], state.parameters[..., 1]
        age = state.counters[..., 0] / lifetime
        alive = touched & (lower < upper)
        if self.closing:
            half = 0.5 * (high - low) * (1 - self.closing * age.clamp_max(1).pow(self.exponent))
            middle = 0.5 * (low + high)
            lower.copy_(torch.maximum(lower, middle - half).where(alive, lower))
            upper.copy_(torch.maximum(torch.minimum(upper, middle + half), lower).where(alive, upper))
        if self.failure != "none":
            last = torch.minimum(torch.maximum(state.conductance, lower), upper)
            place = {"last": last, "low": low, "high": high}[self.failure]
            dead = alive & (age >= 1)
            for tensor in (lower, upper, state.conductance):
                tensor.copy_(place.where(dead, tensor))

    def survivors(self, pulses: float) -> float:
        """The fraction of cells whose lifetime exceeds this number of pulses."""
        if self.lifetime is None:
            return 1.0
        ratio = pulses / self.lifetime
        if ratio <= 0 or not self.spread:
            return float(ratio < 1)
        if self.distribution == "weibull":
            return math.exp(-(ratio ** (1 / self.spread)))
        return 0.5 * math.erfc(math.log(ratio) / self.spread / math.sqrt(2))
