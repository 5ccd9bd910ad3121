"""1T1R cells written by a rising gate voltage, each step judged by a read."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch

from ...core.component import quantity
from ...core.errors import InputError
from ...devices import AbstractDevice, Backend, DeviceState
from ...ops import random
from ...ops.pulse_update import stamp
from .base import AbstractScheme, Order, Programmed


class GateRamp(AbstractScheme):
    """RESET, then SET pulses under a gate that opens by `gate_step` each, until a read reaches the window.

    A SET pulse takes the cell to what the transistor's compliance allows, G = g_min + range x (Vg - first) / (last -
    first) + spread x range x normal, and never lowers it. A cell that is found above its window is reset and begins
    anew. As in `gate_compliance`, the device's step law plays no part.
    """

    kind: Literal["gate_ramp"] = "gate_ramp"
    lawful: ClassVar[bool] = False
    sources: ClassVar[tuple[str, ...]] = (
        "Milo et al. (2021), incremental gate voltage with verify algorithm (IGVVA)",
        "Li et al., Nat. Commun. 9:2385 (2018): gate 0.6 to 1.7 V, conductance linear in it",
    )

    tolerance: float = quantity(0.01, unit="1", gt=0, le=1, doc="half-width of the window, relative to the range")
    max_pulses: int = quantity(1000, unit="1", ge=2, le=100_000, doc="of both kinds, after which a cell is given up")
    first: float = quantity(0.6, unit="V", gt=0, doc="gate voltage that allows g_min")
    last: float = quantity(1.7, unit="V", gt=0, doc="gate voltage that allows g_max")
    gate_step: float = quantity(0.01, unit="V", gt=0, doc="from one SET pulse to the next")
    spread: float = quantity(0.005, unit="1", ge=0, doc="standard deviation of what is reached, relative to the range")

    def model_post_init(self, _: Any) -> None:
        """The gate must open."""
        if self.last <= self.first:
            raise InputError("last", self.last, f"must lie above first = {self.first:g} V", "Exchange them?")

    @property
    def events(self) -> int:
        """One per pulse, and the last read."""
        return self.max_pulses + 1

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Reset where a cell is too high, open the gate where it is too low, until it is within its window."""
        g, p, counters = state.conductance, state.parameters, state.counters
        window, rise = self.tolerance * device.range, self.gate_step / (self.last - self.first) * device.range
        seen, active = g.clone(), order.chosen.clone()
        pulses, reads = torch.zeros_like(counters[..., 0]), torch.zeros_like(counters[..., 0])
        opened, fresh = torch.zeros_like(g), torch.zeros_like(active)  # steps of the gate; whether it is a ramp's cell
        for number in range(self.events):
            if not bool(active.any()):
                break
            event = order.event + number
            seen = device.conductance(state, order.stream.child("verify"), event).where(active, seen)
            reads += active
            away = order.targets - seen
            active = active & (away.abs() > window)
            if number == self.max_pulses:
                break
            reset = active & ((away < 0) | ~fresh)
            raised = active & ~reset
            opened = torch.where(reset, 0.0, opened + raised)
            draw = random.normal(order.stream.child("compliance"), event, g.shape, g)
            allowed = device.g_min + rise * (opened - 1) + self.spread * device.range * draw
            moved = torch.where(reset, p[..., 0], torch.maximum(g, allowed))
            moved = torch.minimum(torch.maximum(moved, p[..., 0]), p[..., 1])
            g.copy_(moved.where(active, g))
            fresh = fresh | reset
            pulses += active
            counters[..., 0] += active
            counters[..., 1].masked_fill_(active, stamp(event))
        return Programmed(pulses.int(), reads.int(), seen, active)
