"""One read, one burst: as many pulses as the nominal curve says lie between what was read and the target."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import torch

from ...core.component import quantity
from ...core.types import Counts
from ...devices import AbstractDevice, Backend, DeviceState
from . import nominal
from .base import AbstractScheme, Order, Programmed

_curve = lru_cache(maxsize=64)(nominal.curve)


class ReadWrite(AbstractScheme):
    """Reads a cell once and inverts the device's nominal LTP or LTD curve; nobody looks at the result.

    The curve is that of a cell without spreads: a cell that differs from it ends elsewhere.
    """

    kind: Literal["read_write"] = "read_write"
    sources: ClassVar[tuple[str, ...]] = ("Wang, Li and Wang, Neuromorph. Comput. Eng. 4:032002 (2024), read-write",)

    max_pulses: int = quantity(1000, unit="1", ge=1, le=100_000, doc="longest burst")

    @property
    def events(self) -> int:
        """One read and one burst."""
        return 1

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Read, look the number of pulses up, send them."""
        read = device.conductance(state, order.stream.child("verify"), order.event)
        seen = read.where(order.chosen, state.conductance)
        start, end = seen.double().cpu().numpy(), order.targets.double().cpu().numpy()
        up, down = (
            nominal.pulses_between(_curve(device, way, self.max_pulses), start, end)  # type: ignore[arg-type]
            for way in (True, False)
        )
        wanted = torch.from_numpy(up - down).to(seen.device) * order.chosen
        pulses = wanted.clamp(-self.max_pulses, self.max_pulses).int()
        device.pulse(state, Counts(pulses), order.stream, order.event, backend=backend)
        return Programmed(pulses.abs(), order.chosen.int(), seen, torch.zeros_like(order.chosen))
