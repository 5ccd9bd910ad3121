"""Closed loop: read, pulse towards the target, read again, until the cell is within its window."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from ...core.component import quantity, setting
from ...core.types import Counts
from ...devices import AbstractDevice, Backend, DeviceState
from ...ops import write_verify
from ...ops.pulse_update import Kernels
from .base import AbstractScheme, Order, Programmed


class WriteVerify(AbstractScheme):
    """One identical pulse at a time, each judged by a read with the device's read noise.

    A cell that is not within the window after `max_pulses` is given up, and reported as failed. With `marked_after`,
    one that has failed so often in a row is marked: it is left where it is from then on, which saves pulses on stuck
    cells. `tolerance_low` widens or narrows the window of targets in the lower half of the range: coarse there and fine
    above costs little, because low cells carry little current. With `erase`, every cell is lowered to the bottom of the
    range first, by the same reads and pulses, as cells are programmed from scratch.
    """

    kind: Literal["write_verify"] = "write_verify"
    sources: ClassVar[tuple[str, ...]] = (
        "Yao et al., Nature 577:641 (2020), Methods: identical 50 ns pulses, window, at most 500 pulses",
        "Pham, Tran, Nguyen and Min (2019), asymmetric coarse and fine programming, from its abstract",
    )

    tolerance: float = quantity(0.01, unit="1", gt=0, le=1, doc="half-width of the window, relative to the range")
    tolerance_low: float | None = quantity(
        None, unit="1", gt=0, le=1, doc="window of targets in the lower half of the range; none: the same"
    )
    max_pulses: int = quantity(500, unit="1", ge=1, le=100_000, doc="after which a cell is given up")
    marked_after: int = quantity(
        0, unit="1", ge=0, le=255, doc="failures in a row after which a cell is not programmed again; 0: never marked"
    )

    erase: bool = setting(False, doc="lower a cell to the bottom of its range before it is raised to its target")

    @property
    def patience(self) -> int:
        """As set."""
        return self.marked_after

    @property
    def events(self) -> int:
        """One per pulse, and the last read; twice, if cells are erased."""
        return self._turns * (1 + self.erase)

    def program(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        """Read and pulse until every chosen cell is within its window or given up."""
        if not self.erase:
            return self._bring(device, state, order, backend)
        bottom = order._replace(targets=torch.full_like(order.targets, device.g_min))
        first = self._bring(device, state, bottom, backend)
        then = self._bring(device, state, order._replace(event=order.event + self._turns), backend)
        assert first.dose is not None and then.dose is not None
        return Programmed(
            first.pulses + then.pulses, first.reads + then.reads, then.seen, then.failed, first.dose + then.dose
        )

    @property
    def _turns(self) -> int:
        """Most reads of a cell on its way to one target."""
        return self.max_pulses + 1

    def _bring(self, device: AbstractDevice, state: DeviceState, order: Order, backend: Backend) -> Programmed:
        if backend != "cpu" or not device.plain or state.conductance.device.type != "cpu":
            return self._staged(device, state, order)
        return (self._compiled if order.send is None else self._listed)(device, state, order)

    def _staged(self, device: AbstractDevice, state: DeviceState, order: Order) -> Programmed:
        """The truth: whole arrays, read by read and pulse by pulse."""
        window = torch.where(self._low(device, order), self._coarse * device.range, self.tolerance * device.range)
        seen, active = state.conductance.clone(), order.chosen.clone()
        dose = torch.zeros(*active.shape, 2, dtype=torch.float64, device=seen.device)
        pulses, reads = torch.zeros_like(active, dtype=torch.int32), torch.zeros_like(active, dtype=torch.int32)
        for number in range(self._turns):
            if not bool(active.any()):
                break
            event = order.event + number
            seen = device.conductance(state, order.stream.child("verify"), event).where(active, seen)
            reads += active
            away = order.targets - seen
            active = active & (away.abs() > window)
            if number < self.max_pulses:
                pulses += active
                way = (away.sign() * active).int()
                dose += torch.stack([way > 0, way < 0], -1) * state.conductance[..., None]
                plan = Counts(way)
                order.pulse(device, state, plan, event, "reference")
        return Programmed(pulses, reads, seen, active, dose)

    def _listed(self, device: AbstractDevice, state: DeviceState, order: Order) -> Programmed:
        """The stages, on the cells that are still at work: few, after the first pulses."""
        shape, g = state.conductance.shape, state.conductance.view(-1)
        window = torch.where(self._low(device, order), self._coarse * device.range, self.tolerance * device.range)
        window, targets = window.reshape(-1), order.targets.reshape(-1)
        cells, seen = order.chosen.reshape(-1).nonzero()[:, 0], g.clone()
        pulses, reads = (torch.zeros(len(g), dtype=torch.int32) for _ in range(2))
        failed, dose = torch.zeros(len(g), dtype=torch.bool), torch.zeros(len(g), 2, dtype=torch.float64)
        noise, kind = device.read_noise, g.numpy().dtype.type
        keys, spread = write_verify.keys(order.stream, order.event), (kind(noise.relative), kind(noise.absolute**2))
        for number in range(self._turns):
            value = g[cells]
            if not noise.silent:
                drawn = write_verify.read_listed(value.numpy(), cells.numpy(), keys, number, spread)
                value = torch.from_numpy(drawn)
            seen[cells] = value
            reads[cells] += 1
            away = targets[cells] - value
            going = away.abs() > window[cells]
            cells, up = cells[going], away[going] > 0
            if not len(cells) or number == self.max_pulses:
                break
            pulses[cells] += 1
            dose[cells, (~up).long()] += g[cells].double()
            plan = torch.zeros(len(g), dtype=torch.int32)
            plan[cells] = torch.where(up, 1, -1).int()
            order.pulse(device, state, Counts(plan.reshape(shape)), order.event + number, "cpu")
        failed[cells] = True
        marks = failed.reshape(shape)
        return Programmed(
            pulses.reshape(shape), reads.reshape(shape), seen.reshape(shape), marks, dose.reshape(*shape, 2)
        )

    def _compiled(self, device: AbstractDevice, state: DeviceState, order: Order) -> Programmed:
        """The same, cell after cell."""
        shape, dtype = state.conductance.shape, state.conductance.dtype
        flat = (state.conductance.numpy().reshape(-1), state.parameters.numpy().reshape(state.conductance.numel(), -1))
        pulses, reads = np.zeros(len(flat[0]), np.int32), np.zeros(len(flat[0]), np.int32)
        seen, failed, dose = flat[0].copy(), np.zeros(len(flat[0]), np.bool_), np.zeros((len(flat[0]), 2))
        noise = device.read_noise
        kind = state.conductance.numpy().dtype.type
        targets, low = order.targets.to(dtype).numpy().reshape(-1), self._low(device, order)
        parts = ((order.chosen & ~low, self.tolerance), (order.chosen & low, self._coarse))
        for chosen, tolerance in parts if self.tolerance_low is not None else ((order.chosen, self.tolerance),):
            _kernel(device.kernels)(
                (*flat, state.counters.numpy().reshape(-1, 2)),
                (chosen.reshape(-1).nonzero()[:, 0].numpy(), targets, kind(tolerance * device.range), self.max_pulses),
                (kind(noise.relative), kind(noise.absolute**2), noise.silent, device.noise.words(kind)),
                write_verify.keys(order.stream, order.event),
                write_verify.turns_for(self.max_pulses),
                (pulses, reads, seen, failed, dose),
            )
        done = [torch.from_numpy(part).reshape(shape) for part in (pulses, reads, seen, failed)]
        return Programmed(*done, dose=torch.from_numpy(dose).reshape(*shape, 2))

    @property
    def _coarse(self) -> float:
        """Window of low targets, relative to the range."""
        return self.tolerance if self.tolerance_low is None else self.tolerance_low

    @staticmethod
    def _low(device: AbstractDevice, order: Order) -> torch.Tensor:
        """Cells whose targets lie in the lower half of the range."""
        return order.targets < 0.5 * (device.g_min + device.g_max)


@cache
def _kernel(kernels: Kernels) -> Any:
    """One per law."""
    return write_verify.compile_verify(kernels)
