"""Closed loop: read, pulse towards the target, read again, until the cell is within its window."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from ...core.component import quantity
from ...core.types import Counts
from ...devices import AbstractDevice, Backend, DeviceState
from ...ops import write_verify
from ...ops.pulse_update import Kernels
from .base import AbstractScheme, Order, Programmed


class WriteVerify(AbstractScheme):
    """One identical pulse at a time, each judged by a read with the device's read noise.

    A cell that is not within the window after `max_pulses` is given up, and reported as failed. With `marked_after`,
    one that has failed so often in a row is marked: it is left where it is from then on, which saves pulses on stuck
    cells.
    """

    kind: Literal["write_verify"] = "write_verify"
    sources: ClassVar[tuple[str, ...]] = (
        "Yao et al., Nature 577:641 (2020), Methods: identical 50 ns pulses, window, at most 500 pulses",
    )

    tolerance: float = quantity(0.01, unit="1", gt=0, le=1, doc="half-width of the window, relative to the range")
    max_pulses: int = quantity(500, unit="1", ge=1, le=100_000, doc="after which a cell is given up")

    marked_after: int = quantity(
        0, unit="1", ge=0, le=255, doc="failures in a row after which a cell is not programmed again; 0: never marked"
    )

    @property
    def patience(self) -> int:
        """As set."""
        return self.marked_after

    @property
    def events(self) -> int:
        """One per pulse, and the last read."""
        return self.max_pulses + 1

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Read and pulse until every chosen cell is within its window or given up."""
        fits = device.plain and state.conductance.device.type == "cpu" and order.send is None
        return (self._compiled if backend == "cpu" and fits else self._staged)(device, state, order)

    def _staged(self, device: AbstractDevice, state: DeviceState, order: Order) -> Programmed:
        """The truth: whole arrays, read by read and pulse by pulse."""
        window = self.tolerance * device.range
        seen, active = state.conductance.clone(), order.chosen.clone()
        pulses, reads = torch.zeros_like(active, dtype=torch.int32), torch.zeros_like(active, dtype=torch.int32)
        for number in range(self.events):
            if not bool(active.any()):
                break
            event = order.event + number
            seen = device.conductance(state, order.stream.child("verify"), event).where(active, seen)
            reads += active
            away = order.targets - seen
            active = active & (away.abs() > window)
            if number < self.max_pulses:
                pulses += active
                plan = Counts((away.sign() * active).int())
                order.pulse(device, state, plan, event, "reference")
        return Programmed(pulses, reads, seen, active)

    def _compiled(self, device: AbstractDevice, state: DeviceState, order: Order) -> Programmed:
        """The same, cell after cell."""
        shape, dtype = state.conductance.shape, state.conductance.dtype
        cells = order.chosen.reshape(-1).nonzero()[:, 0].numpy()
        flat = (state.conductance.numpy().reshape(-1), state.parameters.numpy().reshape(state.conductance.numel(), -1))
        pulses, reads = np.zeros(len(flat[0]), np.int32), np.zeros(len(flat[0]), np.int32)
        seen, failed = flat[0].copy(), np.zeros(len(flat[0]), np.bool_)
        noise = device.read_noise
        kind = state.conductance.numpy().dtype.type
        _kernel(device.kernels)(
            (*flat, state.counters.numpy().reshape(-1, 2)),
            (cells, order.targets.to(dtype).numpy().reshape(-1), kind(self.tolerance * device.range), self.max_pulses),
            (kind(noise.relative), kind(noise.absolute**2), noise.silent, device.noise.words(kind)),
            write_verify.keys(order.stream, order.event),
            write_verify.turns_for(self.max_pulses),
            (pulses, reads, seen, failed),
        )
        return Programmed(*(torch.from_numpy(part).reshape(shape) for part in (pulses, reads, seen, failed)))


@cache
def _kernel(kernels: Kernels) -> Any:
    """One per law."""
    return write_verify.compile_verify(kernels)
