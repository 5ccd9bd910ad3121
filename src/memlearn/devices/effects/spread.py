"""Variation of the step: from pulse to pulse in one cell, and from cell to cell."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import Component, quantity, setting
from ...core.random import Stream
from ...ops import random


class CycleToCycle(Component):
    """Spread of the change made by one pulse, drawn anew for every pulse; z is standard normal.

        step x (1 + spread z) + (range_spread x range + slope x (G - lower bound)) z

    A percentage says nothing before it is said of what: `spread` is relative to the *step*, so that a cell at a soft
    bound is silent; `range_spread` is relative to the *range*, does not shrink with the step, and is the same as a
    spread of range_spread x states at mid-range; n pulses add in variance in either case.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Gokmen and Vlasov, Front. Neurosci. 10:333 (2016): relative to the step",
        "Chen, Peng and Yu, IEEE TCAD 37:3067 (2018), NeuroSim: relative to the range",
        "Nandakumar et al., Front. Neurosci. 14:406 (2020): three terms, for phase-change cells",
    )

    spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of one step, relative to that step")
    range_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of one step, relative to the range")
    slope: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of one step, relative to G - lower bound")


class DeviceToDevice(Component):
    """Spread of the parameters from cell to cell, drawn once, when the cells are made."""

    step: float = quantity(0.0, unit="1", ge=0, doc="spread of the step size, relative")
    upper_bound: float = quantity(0.0, unit="1", ge=0, doc="spread of the upper bound, relative to half the range")
    lower_bound: float = quantity(0.0, unit="1", ge=0, doc="spread of the lower bound, relative to half the range")
    balance: float = quantity(0.0, unit="1", ge=0, doc="spread of the ratio of up step to down step")
    shape: float = quantity(0.0, unit="1", ge=0, doc="spread of the law's slope, exponent or label, absolute")
    distribution: Literal["normal", "log_normal"] = setting(
        "normal", doc="of the step size: 1 + spread x normal, cut at zero, or exp(spread x normal)"
    )

    def step_factor(self, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
        """What each cell's step is multiplied by, (shape), never negative."""
        if not self.step:
            return like.new_ones(shape)
        drawn = self.step * random.normal(stream.child("step"), 0, shape, like)
        return drawn.exp() if self.distribution == "log_normal" else (1 + drawn).clamp_min(0)

    def half_range_factor(
        self, which: Literal["upper", "lower"], shape: torch.Size, stream: Stream, like: Tensor
    ) -> Tensor:
        """What each cell's distance from mid-range to a bound is multiplied by, (shape), at least 0.01."""
        spread = self.upper_bound if which == "upper" else self.lower_bound
        if not spread:
            return like.new_ones(shape)
        return (1 + spread * random.normal(stream.child(which), 0, shape, like)).clamp_min(0.01)

    def balance_shift(self, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
        """Half the relative difference of up and down step of each cell, (shape): the ratio is about 1 + 2 shift."""
        if not self.balance:
            return like.new_zeros(shape)
        return 0.5 * self.balance * random.normal(stream.child("balance"), 0, shape, like)

    def shape_shifts(self, shape: torch.Size, stream: Stream, like: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to each cell's non-linearity up and down, (shape) each."""
        if not self.shape:
            return like.new_zeros(shape), like.new_zeros(shape)
        up, down = (self.shape * random.normal(stream.child(f"shape_{way}"), 0, shape, like) for way in ("up", "down"))
        return up, down
