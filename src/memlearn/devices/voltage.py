"""What laws with a voltage and a time axis share: their two pulses, and a mean step that follows from them."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.random import Stream
from ..core.types import Drive
from .base import AbstractDevice, Pulse
from .partial import push
from .state import Cells, DeviceState

DRIVE = (2, 3, 4, 5)


class VoltageDriven(AbstractDevice):
    """A law whose pulse has an amplitude and a width, and whose step is the integral of a rate over that pulse.

    The pulses are `up_pulse` and `down_pulse`, or those of a plan's `drive`. A voltage is required. A width may stay
    unknown: then it is the one that moves a cell at mid-range by (g_max - g_min) / `states`; where widths are given,
    the step follows from them, and `states` says nothing.

    Spread of the step from cell to cell, of its balance, and `asymmetry` scale the cell's *rate*: a cell that is twice
    as fast does in one pulse what another does in two. Bounds that differ from cell to cell cut the same axis.
    """

    drive_columns: ClassVar[tuple[int, int, int, int] | None] = DRIVE
    direction: ClassVar[int]
    """Sign of the voltage that raises the conductance."""

    def model_post_init(self, _: Any) -> None:
        """Both voltages must be known, of the right sign, and beyond the threshold."""
        super().model_post_init(_)
        if not self.g_min > 0:
            raise InputError("g_min", self.g_min, f"must be > 0 in {type(self).__name__}", "Its resistance is finite.")
        for name, pulse, up in (("up_pulse", self.up_pulse, True), ("down_pulse", self.down_pulse, False)):
            sign = self.direction if up else -self.direction
            word, example = ("positive", "0.5") if sign > 0 else ("negative", "-0.5")
            if pulse.voltage is None:
                remedy = f"This law needs the pulse's amplitude, {word} here: {name} = {{ voltage = {example} }}."
                raise InputError(f"{name}.voltage", None, "is required", remedy)
            if sign * pulse.voltage <= 0:
                verb = "raises" if up else "lowers"
                allowed = f"must be {word}: that {verb} the conductance of {type(self).__name__}"
                raise InputError(f"{name}.voltage", pulse.voltage, allowed, "Polarity is not direction; see the law.")
            if not self.moves(pulse.voltage):
                allowed = f"does not move a cell at mid-range: {self.threshold(up):.4g} V is where it begins to move"
                raise InputError(f"{name}.voltage", pulse.voltage, allowed, "Raise the amplitude.")

    @abstractmethod
    def threshold(self, up: bool) -> float:
        """Voltage, V, beyond which a nominal cell at mid-range moves."""

    @abstractmethod
    def width_for(self, voltage: float, conductance: float) -> float:
        """Width, s, of the pulse that takes a nominal cell from mid-range to `conductance` (S, within the range)."""

    @abstractmethod
    def constants(self, cells: Cells, up: Tensor, down: Tensor) -> list[Tensor | float]:
        """Columns after the pulses; `up` and `down` are the cells' rates relative to nominal ones, zero when stuck."""

    def moves(self, voltage: float) -> bool:
        """Whether a voltage moves a nominal cell at mid-range."""
        return abs(voltage) > abs(self.threshold(voltage * self.direction > 0))

    @cached_property
    def drive(self) -> Drive:
        """The device's own pulses, widths that nobody has stated included."""
        step = self.range / self.states
        return Drive(*self._own(self.up_pulse, step), *self._own(self.down_pulse, -step))

    @property
    def mean_step(self) -> float:
        """Mean of the up and the down step of a nominal cell at mid-range, S."""
        if self.up_pulse.width is None and self.down_pulse.width is None:
            return self.range / self.states
        return 0.5 * sum(self._nominal_steps)

    def middle_factor(self, up: bool) -> float:
        """Step at mid-range over `mean_step`, as pulses up and down are not matched to each other."""
        return self._nominal_steps[0 if up else 1] / self.mean_step

    def columns(self, cells: Cells) -> list[Tensor]:
        """The pulses, then what the law itself needs."""
        parts: list[Tensor | float] = [*self.drive]
        parts += self.constants(cells, cells.up / self.mean_step, cells.down / self.mean_step)
        return [part if isinstance(part, Tensor) else torch.full_like(cells.up, part) for part in parts]

    @cached_property
    def _nominal_steps(self) -> tuple[float, float]:
        """Steps up and down at mid-range of a cell without deviations, S."""
        one = torch.ones(1, dtype=torch.float64)
        cells = Cells(one, one, one * self.g_min, one * self.g_max, 0 * one, 0 * one)
        parts = [*self.drive, *self.constants(cells, one, one)]
        p = [cells.lower.numpy(), cells.upper.numpy(), *(np.asarray(part, np.float64) for part in parts)]
        g = np.full(1, self.middle)
        return float(self.kernels.step(g, p, True)[0]), float(self.kernels.step(g, p, False)[0])

    def check_partial(self) -> None:
        """Every voltage has its effect."""

    def arriving(self, pulses: Tensor, share: Tensor) -> Tensor:
        """All: the law itself knows what too little is."""
        return pulses

    def partly(self, parameters: Tensor, share: Tensor, drive: Drive | None) -> Tensor:
        """Under the voltages that arrive."""
        given = drive or self.drive
        return self._driven(
            parameters,
            given._replace(up_voltage=given.up_voltage * share, down_voltage=given.down_voltage * share),
        )

    def disturb(
        self, state: DeviceState, shares: Tensor, up: bool, stream: Stream, event: int, *, times: Tensor | None = None
    ) -> DeviceState:
        """One pulse after the other, as what one does depends on where the cell is."""
        for step, share in enumerate(shares):
            for way in (up, not up):
                part = (share if way == up else share * -self._ratio(up)).reshape(-1)
                voltage = self.drive.up_voltage if way else self.drive.down_voltage
                least = float(self.least_voltage(way)) / abs(float(voltage))
                index = (part > least).nonzero()[:, 0]
                if len(index):
                    p = state.parameters.view(-1, state.parameters.shape[-1])[index]
                    p = self.partly(p, part[index].to(p), None)
                    often = None if times is None else times[step].reshape(-1)[index]
                    push(self, state, index, p, way, stream.child(step), event, often)
        return state

    def least_voltage(self, up: bool) -> float:
        """V, no sign, below which no cell moves, wherever it is."""
        return 0.0

    def _own(self, pulse: Pulse, step: float) -> tuple[float, float]:
        """Voltage and width of a pulse that moves mid-range by `step` unless its width is given."""
        assert pulse.voltage is not None
        target = self.middle + min(abs(step), 0.45 * self.range) * math.copysign(1, step)
        return pulse.voltage, pulse.width or self.width_for(pulse.voltage, target)

    def _driven(self, parameters: Tensor, drive: Drive) -> Tensor:
        """The parameters under other pulses; a pulse against its own direction is refused, 0 V is none."""
        for name, value, sign in (
            ("up_voltage", drive.up_voltage, self.direction),
            ("down_voltage", drive.down_voltage, -self.direction),
        ):
            signed = sign * torch.as_tensor(value, dtype=torch.float64)
            if bool((signed < 0).any()) or not bool(signed.isfinite().all()):
                word = "positive" if sign > 0 else "negative"
                raise InputError(f"plan.drive.{name}", value, f"must be {word} or 0 in {type(self).__name__}")
        for name, value in (("up_width", drive.up_width), ("down_width", drive.down_width)):
            width = torch.as_tensor(value, dtype=torch.float64)
            if bool((width < 0).any()) or not bool(width.isfinite().all()):
                raise InputError(f"plan.drive.{name}", value, "must be a time, >= 0 s")
        return super()._driven(parameters, drive)
