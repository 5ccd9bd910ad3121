"""One-sided cells: pulses up are gradual, a pulse down is a reset; phase-change memory and alike."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..core.component import quantity
from ..core.random import Stream
from ..ops import random
from ..ops.pulse_update import Kernels, Noise, compile_step
from .base import AbstractDevice
from .state import Cells, DeviceState

_LEVEL = 5  # the column of the level that a reset leads to


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] + p[3] exp(p[4] (g - lower)) up; g - p[5] down, which leads to p[5] from anywhere."""
    if up:
        return p[2] + p[3] * np.exp(p[4] * (g - p[0]))
    return g - p[5]


class OneSided(AbstractDevice):
    """Cells whose conductance can be raised step by step, but only lowered at once.

        x = (G - lower) / (upper - lower), of the cell's own bounds
        up     D (1 + boost exp(-decay x)),  with the three terms of `cycle_to_cycle`
        down   G becomes lower + (reset_level + reset_device_spread n + reset_cycle_spread z) range, within the bounds

    D = range / states as published; with the defaults the first pulse of a reset cell is 28.2 D and the last 1.18 D
    (`middle_factor` at mid-range), so that 200 "states" describe it badly. n is a normal number of the cell, z one of
    the pulse. A reset leads to its level from anywhere, also from below; it has no other noise, and neither `asymmetry`
    nor the spreads of the step act on it. Two cells make a weight, with `kind = "one_sided_pair"` as the mapping: there
    pulses down come from its refresh only. Any other mapping resets cells at every pulse down.
    """

    kind: Literal["one_sided"] = "one_sided"
    kernels: ClassVar[Kernels] = compile_step(step, uneven=True)
    step_columns: ClassVar[tuple[int, ...]] = (2, 3)
    one_sided: ClassVar[bool] = True
    sources: ClassVar[tuple[str, ...]] = (
        "Nandakumar et al., Front. Neurosci. 14:406 (2020): phase-change cells",
        "Rasch et al., IEEE AICAS (2021), arXiv 2104.02184: one-sided cells, the fit's values",
    )

    states: float = quantity(200, unit="1", ge=2, doc="range / D; writers count with it")
    boost: float = quantity(27.235, unit="1", ge=0, doc="first up step of a reset cell / D, less 1")
    decay: float = quantity(5.0, unit="1", ge=-20, le=20, doc="rate at which up steps shrink along the range")
    reset_level: float = quantity(0.005, unit="1", ge=0, le=1, doc="where a reset leads, over the lower bound / range")
    reset_device_spread: float = quantity(0.0, unit="1", ge=0, doc="spread of that level from cell to cell / range")
    reset_cycle_spread: float = quantity(0.0, unit="1", ge=0, doc="spread of that level from reset to reset / range")

    @property
    def noise(self) -> Noise:
        """With that of a reset."""
        return super().noise._replace(down=(0.0, self.reset_cycle_spread * self.range, 0.0))

    def middle_factor(self, up: bool) -> float:
        """Up the bracket, down the way to the level, over `mean_step`."""
        return 1 + self.boost * math.exp(-0.5 * self.decay) if up else (0.5 - self.reset_level) * self.states

    def init(self, shape: tuple[int, ...], stream: Stream, dtype: torch.dtype = torch.float32) -> DeviceState:
        """New cells, each with its own level of reset."""
        state = super().init(shape, stream, dtype)
        if self.reset_device_spread:
            level = state.parameters[..., _LEVEL]
            level += self.reset_device_spread * self.range * random.normal(stream.child("reset"), 0, level.shape, level)
        return state

    def strength(self, share: Tensor, up: bool) -> Tensor:
        """Up as the response says; a reset happens in full where that is at least a half, or not at all."""
        factor = super().strength(share, up)
        return factor if up else (factor >= 0.5).to(factor)

    def arriving(self, pulses: Tensor, share: Tensor) -> Tensor:
        """Without the resets that too little voltage arrives of."""
        arriving = super().arriving(pulses, share)
        return arriving * ((pulses > 0) | (self.strength(share.clamp_min(0), False) > 0))

    def columns(self, cells: Cells) -> list[Tensor]:
        """Step far up, what it grows by at the lower bound, rate in 1/S, level."""
        # A stuck cell has no width, and no step.
        width = (cells.upper - cells.lower).where(cells.upper > cells.lower, self.range)
        rate = -(self.decay + cells.shape_up) / width
        return [cells.up, self.boost * cells.up, rate, cells.lower + self.reset_level * self.range]
