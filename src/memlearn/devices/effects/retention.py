"""Retention: a cell forgets exponentially, faster when it is hot."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect, arrhenius


class Retention(AbstractEffect):
    """Exponential approach to a level of rest; also the leak of volatile cells.

        G(t + dt) = rest + (G(t) - rest) exp(-dt / tau),    tau = time_constant exp(Ea/k (1/T - 1/T_reference))

    Deterministic given tau: waiting a and then b seconds is waiting a + b seconds. With `spread`, tau is log-normal
    from cell to cell (median time_constant, standard deviation of ln tau = spread), drawn once. The level of rest is a
    place within the cell's own bounds. A wait moves a float32 cell only if it is longer than about 1e-7 tau.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Li et al., VLSI Technology (2018): capacitor cells that leak",
        "Noh et al., Sci. Adv. (2024): retention convergence point of electrochemical cells",
    )

    kind: Literal["retention"] = "retention"
    time_constant: float | None = quantity(
        None, unit="s", gt=0, doc="time in which the distance to rest falls to 37 % at the reference; none: never"
    )
    rest: float = quantity(0.0, unit="1", ge=0, le=1, doc="level of rest: 0 the cell's lower bound, 1 its upper bound")
    spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of ln(time constant) from cell to cell")
    activation_energy: float = quantity(0.0, unit="eV", ge=0, doc="of the time constant; 0: no temperature")
    reference_temperature: float = quantity(300.0, unit="K", gt=0, doc="at which the time constant holds")

    @property
    def active(self) -> bool:
        """True when cells forget."""
        return self.time_constant is not None

    @property
    def width(self) -> int:
        """One column where the time constant differs from cell to cell: its factor."""
        return 1 if self.spread else 0

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """Draw each cell's time constant."""
        if self.spread:
            memory[..., 0] = (self.spread * random.normal(stream, 0, memory.shape[:-1], memory)).exp()

    def relax(
        self, memory: Tensor, state: DeviceState, seconds: float, temperature: float, stream: Stream, event: int
    ) -> None:
        """Move every cell towards its rest."""
        assert self.time_constant is not None
        g, lower, upper = state.conductance, state.parameters[..., 0], state.parameters[..., 1]
        speed = arrhenius(self.activation_energy, temperature, self.reference_temperature)
        lapse = seconds * speed / self.time_constant
        done = -torch.expm1(-lapse / memory[..., 0]) if self.spread else -math.expm1(-lapse)
        g += (lower + self.rest * (upper - lower) - g) * done
