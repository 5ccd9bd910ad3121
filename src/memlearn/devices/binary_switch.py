"""Binary switch: two levels, and a probability that a pulse switches."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..core.component import quantity
from ..core.errors import InputError
from ..core.types import Drive
from ..ops.pulse_update import Kernels, compile_step
from .base import AbstractDevice
from .state import Cells


def step(g: Any, p: Any, up: bool, u: Any) -> Any:
    """S: all the way to the upper bound up where u < p[2], to the lower bound down where u < p[3], else nothing."""
    if up:
        return np.float32(u < p[2]) * (p[1] - g)
    return np.float32(u < p[3]) * (g - p[0])


class BinarySwitch(AbstractDevice):
    """A pulse switches the cell to the level ahead, its own bound, or does nothing; the probability may depend on V.

        up     G becomes upper with probability p, down it becomes lower
        p      1 - exp(-f t / tau),  tau = time_constant exp(-|V| / voltage_scale)

    t and V are width and voltage of `up_pulse` and `down_pulse`, or those of a plan's `drive`; where one of them or
    `time_constant` is not stated, p is the stated probability of an f of 1, and 1 is the deterministic switch. f is the
    speed of a cell: 1, times `asymmetry` and the spreads of the step. Levels differ from cell to cell with the spreads
    of the bounds; a cycle-to-cycle `spread` makes switches incomplete. Probabilities are resolved to 6e-8.

    A new cell stands between its levels until it switches for the first time, and so does one that was set to a weight.
    The mean step that writers count with is p range / 2, what a pulse moves on average at mid-range, or range /
    `states` where that is given.
    """

    kind: Literal["binary_switch"] = "binary_switch"
    kernels: ClassVar[Kernels] = compile_step(step, drawn=True)
    step_columns: ClassVar[tuple[int, ...]] = (2, 3)
    sources: ClassVar[tuple[str, ...]] = (
        "Gaba et al., Nanoscale 5:5872 (2013): random switching, waits that fall exponentially with V",
        "Vincent et al., IEEE Trans. Biomed. Circuits Syst. 9:166 (2015): learning with stochastic binary cells",
    )

    states: float = quantity(0, unit="1", ge=0, doc="range / mean step that writers count with; 0: 2 / probability")
    probability_up: float = quantity(1.0, unit="1", gt=0, le=1, doc="that a pulse up switches")
    probability_down: float = quantity(1.0, unit="1", gt=0, le=1, doc="that a pulse down switches")
    time_constant: float | None = quantity(None, unit="s", gt=0, doc="mean waiting time at 0 V, extrapolated")
    voltage_scale: float | None = quantity(None, unit="V", gt=0, doc="voltage that shortens the waiting time by e")

    def model_post_init(self, context: Any) -> None:
        """A waiting time needs both of its constants."""
        super().model_post_init(context)
        if (self.time_constant is None) != (self.voltage_scale is None):
            missing = "time_constant" if self.time_constant is None else "voltage_scale"
            raise InputError(missing, None, "is required beside the other one", "State both, or neither.")

    @property
    def mean_step(self) -> float:
        """p range / 2, mean of both polarities, S; or range / states."""
        if self.states:
            return self.range / self.states
        return 0.25 * self.range * (self.probability(True) + self.probability(False))

    def middle_factor(self, up: bool) -> float:
        """p range / 2 over `mean_step`."""
        return 0.5 * self.range * self.probability(up) / self.mean_step

    def probability(self, up: bool) -> float:
        """That a pulse of the device's own switches a nominal cell."""
        return -math.expm1(-self._rate(up))

    def columns(self, cells: Cells) -> list[Tensor]:
        """Probabilities up and down, and the cell's speed up and down."""
        speeds = cells.up / self.mean_step, cells.down / self.mean_step
        rates = torch.tensor(self._rate(True)), torch.tensor(self._rate(False))
        return [*(_chance(rate, speed) for rate, speed in zip(rates, speeds, strict=True)), *speeds]

    @property
    def rated(self) -> bool:
        """Whether waiting times say what any voltage does."""
        pulses = self.up_pulse, self.down_pulse
        return self.time_constant is not None and all(p.voltage is not None and p.width is not None for p in pulses)

    def check_partial(self) -> None:
        """By waiting times where they are known; else by the response, of the probability."""
        if not self.rated:
            super().check_partial()

    def strength(self, share: Tensor, up: bool) -> Tensor:
        """Probability, relative to that of the full pulse."""
        if not self.rated:
            return super().strength(share, up)
        pulse = self.up_pulse if up else self.down_pulse
        assert pulse.voltage is not None and pulse.width is not None
        return (-torch.expm1(-self._waits(pulse.voltage * share, pulse.width)) / self.probability(up)).to(share)

    def partly(self, parameters: Tensor, share: Tensor, drive: Drive | None) -> Tensor:
        """Probabilities under the voltages that arrive."""
        if not self.rated:
            return super().partly(parameters, share, drive)
        up, down = self.up_pulse, self.down_pulse
        given = drive or Drive(up.voltage or 0.0, up.width or 0.0, down.voltage or 0.0, down.width or 0.0)
        return self._driven(
            parameters, given._replace(up_voltage=given.up_voltage * share, down_voltage=given.down_voltage * share)
        )

    def _rate(self, up: bool) -> float:
        """f = 1: waiting times in a pulse of the device's own."""
        pulse, stated = (self.up_pulse, self.probability_up) if up else (self.down_pulse, self.probability_down)
        if self.time_constant is None or pulse.voltage is None or pulse.width is None:
            return -math.log1p(-stated) if stated < 1 else math.inf
        return float(self._waits(pulse.voltage, pulse.width))

    def _waits(self, voltage: Tensor | float, width: Tensor | float) -> Tensor:
        """Waiting times in a pulse."""
        assert self.time_constant is not None and self.voltage_scale is not None
        height = torch.as_tensor(voltage, dtype=torch.float64).abs() / self.voltage_scale
        return torch.as_tensor(width, dtype=torch.float64) / self.time_constant * height.exp()

    def _driven(self, parameters: Tensor, drive: Drive) -> Tensor:
        """The probabilities under other pulses than the device's own."""
        if self.time_constant is None:
            allowed = "must be None without a time_constant: the probability is then a stated one"
            raise InputError("plan.drive", drive, allowed, "State time_constant and voltage_scale.")
        parameters = parameters.clone()
        ways = (drive.up_voltage, drive.up_width), (drive.down_voltage, drive.down_width)
        for column, (voltage, width) in enumerate(ways):
            parameters[..., 2 + column] = _chance(self._waits(voltage, width), parameters[..., 4 + column])
        return parameters


def _chance(rate: Tensor, speed: Tensor) -> Tensor:
    """1 - exp(-rate x speed), also of an infinite rate; zero for a cell that does not move, shape of `speed`."""
    moving = speed.where(speed > 0, 1.0).double()
    return (-torch.expm1(-rate.double() * moving)).where(speed > 0, 0.0).to(speed.dtype)
