"""One read, one burst: as many pulses as the nominal curve says lie between what was read and the target."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import torch

from ...core.component import quantity, setting
from ...core.types import Counts, Drive
from ...devices import AbstractDevice, Backend, DeviceState
from . import nominal
from .base import AbstractScheme, Order, Programmed
from .voltages import need_voltage, own_drive

_curve = lru_cache(maxsize=64)(nominal.curve)


class ReadWrite(AbstractScheme):
    """Reads a cell once and inverts the device's nominal LTP or LTD curve; nobody looks at the result.

    The curve is that of a cell without spreads: a cell that differs from it ends elsewhere. In a law with a voltage and
    a time axis, one pulse of chosen width can stand for the burst (`by = "width"`): it is as long as the burst would
    be, fractions of a pulse included, so that nothing is rounded.
    """

    kind: Literal["read_write"] = "read_write"
    sources: ClassVar[tuple[str, ...]] = ("Wang, Li and Wang, Neuromorph. Comput. Eng. 4:032002 (2024), read-write",)

    max_pulses: int = quantity(1000, unit="1", ge=1, le=100_000, doc="longest burst")
    by: Literal["count", "width"] = setting("count", doc="what is chosen: the number of pulses, or the width of one")

    @property
    def events(self) -> int:
        """One read and one burst."""
        return 1

    def check(self, device: AbstractDevice) -> None:
        """A width can be chosen where the law has one."""
        if self.by == "width":
            need_voltage(device, self.kind)

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Read, look up how far it is, write."""
        self.check(device)
        read = device.conductance(state, order.stream.child("verify"), order.event)
        seen = read.where(order.chosen, state.conductance)
        start, end = seen.double().cpu().numpy(), order.targets.double().cpu().numpy()
        up, down = (
            nominal.pulses_between(_curve(device, way, self.max_pulses), start, end)  # type: ignore[arg-type]
            for way in (True, False)
        )
        wanted = (torch.from_numpy(up - down).to(seen.device) * order.chosen).clamp(-self.max_pulses, self.max_pulses)
        if self.by == "width":
            own, size = own_drive(device), wanted.abs().to(seen)
            drive = own._replace(up_width=own.up_width * size, down_width=own.down_width * size)
            plan = Counts(wanted.sign().int(), Drive(*drive))
        else:
            plan = Counts(wanted.round().int())
        order.pulse(device, state, plan, order.event, backend)
        return Programmed(plan.pulses.abs(), order.chosen.int(), seen, torch.zeros_like(order.chosen))
