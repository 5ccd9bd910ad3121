"""Drift: the conductance falls by a power of the time since the write."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity, setting
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect, arrhenius


class Drift(AbstractEffect):
    """Power law of the time t since the write that last pulsed the cell, in the *programmed* conductance.

        G(t) = G(t0) (t / t0)^(-nu)  for t > t0,      nu = | mean + cell_spread z_cell + write_spread z_write |

    z_cell is drawn once, z_write by the first wait after each write; nu then holds until the next write. `statistics =
    "pcm"` takes mean and write spread from the phase-change record instead, as functions of g = G / scale:

        mean = -0.0155 ln g + 0.0244 within 0.049 .. 0.1,     spread = -0.0125 ln g - 0.0059 within 0.008 .. 0.045

    ln G is normal where |..| does not matter: mean ln G(t0) - mean ln(t/t0), standard deviation spread ln(t/t0). Given
    nu it is deterministic, and waits add. Above the reference temperature time runs faster, by Arrhenius' factor.
    """

    kind: Literal["drift"] = "drift"
    sources: ClassVar[tuple[str, ...]] = (
        "Nandakumar et al., ICECS (2019), as in IBM aihwkit's PCMLikeNoiseModel: the pcm statistics",
        "Ielmini et al., IEEE Trans. Electron Devices 54:308 (2007): drift of phase-change cells",
    )

    statistics: Literal["own", "pcm"] = setting("own", doc="where mean and spread of the exponent come from")
    mean: float = quantity(0.0, unit="1", ge=0, doc="mean exponent nu")
    cell_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of nu from cell to cell")
    write_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of nu from write to write")
    start_time: float = quantity(20.0, unit="s", gt=0, doc="t0, before which nothing drifts")
    scale: float = quantity(25e-6, unit="S", gt=0, doc="conductance of g = 1 in the pcm statistics")
    activation_energy: float = quantity(0.0, unit="eV", ge=0, doc="by which heat makes time run faster; 0: not at all")
    reference_temperature: float = quantity(300.0, unit="K", gt=0, doc="at which the times hold")

    @property
    def active(self) -> bool:
        """True when anything drifts."""
        return bool(self.statistics == "pcm" or self.mean or self.cell_spread or self.write_spread)

    @property
    def width(self) -> int:
        """Seconds since the last write at the reference temperature, the cell's own z, nu."""
        return 3

    def start(self, memory: Tensor, state: DeviceState, stream: Stream) -> None:
        """Draw each cell's own z."""
        if self.cell_spread:
            memory[..., 1] = random.normal(stream.child("cell"), 0, memory.shape[:-1], memory)

    def pulsed(self, memory: Tensor, state: DeviceState, touched: Tensor, stream: Stream, event: int) -> None:
        """A write starts the clock anew."""
        memory[..., 0].masked_fill_(touched, 0)

    def relax(
        self, memory: Tensor, state: DeviceState, seconds: float, temperature: float, stream: Stream, event: int
    ) -> None:
        """Go on along each cell's power law."""
        age, own, nu = memory.unbind(-1)
        fresh = age == 0
        if fresh.any():
            mean, spread = self._exponent(state.conductance)
            drawn = random.normal(stream, event, age.shape, age) if self._writes_differ else torch.zeros_like(age)
            nu.copy_((mean + self.cell_spread * own + spread * drawn).abs().where(fresh, nu))
        later = age + seconds * arrhenius(self.activation_energy, temperature, self.reference_temperature)
        ratio = later.clamp_min(self.start_time) / age.clamp_min(self.start_time)
        state.conductance.mul_(ratio.pow(-nu))
        age.copy_(later)

    @property
    def _writes_differ(self) -> bool:
        return bool(self.statistics == "pcm" or self.write_spread)

    def _exponent(self, conductance: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """Mean and write spread of nu at the programmed conductance (S)."""
        if self.statistics == "own":
            return self.mean, self.write_spread
        logarithm = (conductance / self.scale).clamp_min(1e-12).log()
        return (-0.0155 * logarithm + 0.0244).clamp(0.049, 0.1), (-0.0125 * logarithm - 0.0059).clamp(0.008, 0.045)
