"""1T1R cells written in one shot: RESET, then SET to the conductance that the gate voltage allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from ...core.component import quantity
from ...devices import AbstractDevice, Backend, DeviceState
from ...ops import random
from ...ops.pulse_update import stamp
from .base import AbstractScheme, Order, Programmed


class GateCompliance(AbstractScheme):
    """The transistor's compliance decides: G = target + spread x range x normal, within the cell's own bounds.

    Two pulses a cell, no read. The device's step law plays no part: conductance is nearly linear in the gate voltage.
    """

    kind: Literal["gate_compliance"] = "gate_compliance"
    lawful: ClassVar[bool] = False
    sources: ClassVar[tuple[str, ...]] = (
        "Li et al., Nat. Commun. 9:2385 (2018): gate 0.6 to 1.7 V, 2 % update variation",
    )

    spread: float = quantity(0.02, unit="1", ge=0, doc="standard deviation of what is reached, relative to the range")

    @property
    def events(self) -> int:
        """One."""
        return 1

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """RESET and SET every chosen cell."""
        g, p, counters = state.conductance, state.parameters, state.counters
        draw = random.normal(order.stream.child("compliance"), order.event, g.shape, g)
        reached = (order.targets + self.spread * device.range * draw).clamp(p[..., 0], p[..., 1])
        g.copy_(reached.where(order.chosen, g))
        counters[..., 0] += 2 * order.chosen
        counters[..., 1].masked_fill_(order.chosen, stamp(order.event))
        nothing = torch.zeros_like(counters[..., 0])
        return Programmed(2 * order.chosen.int(), nothing, g.clone(), torch.zeros_like(order.chosen))
