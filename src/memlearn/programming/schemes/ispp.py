"""Closed loop with rising amplitude: incremental step pulses, each judged by a read."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import Component, quantity, setting
from ...core.types import Counts, Drive
from ...devices import AbstractDevice, Backend, DeviceState
from .base import AbstractScheme, Order, Programmed
from .voltages import need_voltage, own_drive


class Ramp(Component):
    """Amplitudes of consecutive pulses in one direction."""

    start: float | None = quantity(None, unit="V", gt=0, doc="first amplitude, no sign; none: the device's own")
    step: float = quantity(0.05, unit="V", gt=0, doc="from one pulse to the next")
    maximum: float | None = quantity(None, unit="V", gt=0, doc="last amplitude, which is repeated; none: no end")

    def voltages(self, own: float, pulses: Tensor) -> Tensor:
        """Amplitude after `pulses` pulses of a ramp, signed as the device's own pulse `own` (V)."""
        size = (abs(own) if self.start is None else self.start) + self.step * pulses
        if self.maximum is not None:
            size = size.clamp_max(self.maximum)
        return size if own > 0 else -size


class IncrementalStepPulses(AbstractScheme):
    """Each pulse is higher than the one before by a step; where the direction turns, its ramp begins anew.

    A slow cell is not given up, and a fast one is not thrown far beyond its target, which identical pulses can do only
    one of. It needs a law with a voltage axis. The widths are those of the device's own pulses.
    """

    kind: Literal["ispp"] = "ispp"
    sources: ClassVar[tuple[str, ...]] = (
        "Wang, Li and Wang, Neuromorph. Comput. Eng. 4:032002 (2024), read-write-verify with rising amplitude",
        "Milo et al. (2021), incremental step pulse with verify algorithm (ISPVA)",
    )

    tolerance: float = quantity(0.01, unit="1", gt=0, le=1, doc="half-width of the window, relative to the range")
    max_pulses: int = quantity(500, unit="1", ge=1, le=100_000, doc="after which a cell is given up")
    up: Ramp = setting(Ramp(), doc="amplitudes of pulses that raise the conductance")
    down: Ramp = setting(Ramp(), doc="amplitudes of pulses that lower it")

    @property
    def events(self) -> int:
        """One per pulse, and the last read."""
        return self.max_pulses + 1

    def check(self, device: AbstractDevice) -> None:
        """The law must know what a voltage is."""
        need_voltage(device, self.kind)

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Read and pulse until every chosen cell is within its window or given up."""
        self.check(device)
        own, window = own_drive(device), self.tolerance * device.range
        seen, active = state.conductance.clone(), order.chosen.clone()
        pulses, reads = torch.zeros_like(active, dtype=torch.int32), torch.zeros_like(active, dtype=torch.int32)
        climb, last = torch.zeros_like(pulses), torch.zeros_like(pulses)
        for number in range(self.events):
            if not bool(active.any()):
                break
            event = order.event + number
            seen = device.conductance(state, order.stream.child("verify"), event).where(active, seen)
            reads += active
            away = order.targets - seen
            active = active & (away.abs() > window)
            if number < self.max_pulses and bool(active.any()):
                way = (away.sign() * active).int()
                climb = torch.where(way == last, climb + 1, 0)  # the first pulse of a ramp is its start
                last = way
                drive = Drive(
                    self.up.voltages(own.up_voltage, climb.to(seen)), own.up_width,
                    self.down.voltages(own.down_voltage, climb.to(seen)), own.down_width,
                )  # fmt: skip
                pulses += active
                order.pulse(device, state, Counts(way, drive), event, backend)
        return Programmed(pulses, reads, seen, active)
