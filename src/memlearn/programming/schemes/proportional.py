"""The ideal write: a cell moves by exactly what is wanted."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from ...devices import AbstractDevice, Backend, DeviceState
from ...ops import random
from ...ops.pulse_update import stamp
from .base import AbstractScheme, Order, Programmed


class Proportional(AbstractScheme):
    """An idealisation, named as one: pulses whose effect does not depend on the state, without a read.

        G = target + size x (spread of a step) x normal,      within the cell's own bounds

    `size` is the root of the sum of the squares of the single changes, the spread that of `cycle_to_cycle` (relative to
    the step, and relative to the range). Law, asymmetry and spread of the step from cell to cell play no part: this is
    the device that parallel updates ask for, and that does not exist.
    """

    kind: Literal["proportional"] = "proportional"
    lawful: ClassVar[bool] = False
    unseen: ClassVar[bool] = True
    sources: ClassVar[tuple[str, ...]] = (
        "Wang, Li and Wang, Neuromorph. Comput. Eng. 4:032002 (2024), ideal parallel update",
    )

    @property
    def events(self) -> int:
        """One."""
        return 1

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Move every chosen cell that is not stuck."""
        g, p, counters = state.conductance, state.parameters, state.counters
        pulses = order.chosen.int() if order.sent is None else order.sent.pulses.int() * order.chosen
        size = (order.targets - g).abs() if order.sent is None else order.sent.size.to(g)
        noise = device.cycle_to_cycle
        if noise.spread or noise.range_spread:
            variance = (noise.spread * size).square() + pulses * (noise.range_spread * device.range) ** 2
            draw = random.normal(order.stream.child("cycle"), order.event, g.shape, g)
            moved = order.targets.to(g) + variance.sqrt() * draw
        else:
            moved = order.targets.to(g)
        moved = torch.minimum(torch.maximum(moved, p[..., 0]), p[..., 1])
        g.copy_(moved.where(order.chosen, g))
        counters[..., 0] += pulses
        counters[..., 1].masked_fill_(pulses > 0, stamp(order.event))
        nothing = torch.zeros_like(pulses)
        return Programmed(pulses, nothing, g.clone(), torch.zeros_like(order.chosen))
