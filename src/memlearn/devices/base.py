"""The device contract: what a cell is, how a pulse moves it, how a read sees it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.component import Component, quantity, setting
from ..core.errors import InputError
from ..core.random import Stream
from ..core.types import Counts, PulsePlan
from ..ops.pulse_update import Kernels, Tally, reference
from .effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells

Backend = Literal["reference", "cpu"]


class DeviceState(NamedTuple):
    """Everything that a tile must keep about its cells; leading axes are tiles."""

    conductance: Tensor
    """(tile rows, tile columns, rows, columns), S."""
    parameters: Tensor
    """(tile rows, tile columns, rows, columns, K): lower and upper bound, S, then what the law's step reads."""
    counters: Tensor
    """(tile rows, tile columns, rows, columns, 2), int32: pulses received, 1 + last event that pulsed the cell."""


class AbstractDevice(Component):
    """A law of how identical pulses move a conductance, with the imperfections that it carries.

    A law is a step function per polarity (compiled into `kernels`) and the columns of per-cell parameters that
    the step reads (`columns`). Everything else is shared. To add one, copy `constant.py`.

    Up = potentiation = SET = conductance rises. A step is positive; the direction carries the sign.
    """

    kernels: ClassVar[Kernels]

    g_min: float = quantity(2e-6, unit="S", ge=0, doc="lowest conductance of the nominal range")
    g_max: float = quantity(20e-6, unit="S", gt=0, doc="highest conductance of the nominal range")
    states: int = quantity(64, unit="1", ge=2, doc="range / mean step at mid-range")
    asymmetry: float = quantity(
        0.0, unit="1", gt=-1, lt=1, doc="up steps x (1 + asymmetry), down steps x (1 - asymmetry)"
    )
    cycle_to_cycle: CycleToCycle = setting(CycleToCycle(), doc="variation from pulse to pulse")
    device_to_device: DeviceToDevice = setting(DeviceToDevice(), doc="variation from cell to cell")
    faults: StuckCells = setting(StuckCells(), doc="cells that never move")
    read_noise: ReadNoise = setting(ReadNoise(), doc="noise of a read")

    def model_post_init(self, _: Any) -> None:
        """A range must be one."""
        if self.g_min >= self.g_max:
            raise InputError("g_min", self.g_min, f"must lie below g_max = {self.g_max:g} S", "Exchange them?")

    @property
    def range(self) -> float:
        """g_max - g_min, S."""
        return self.g_max - self.g_min

    @property
    def middle(self) -> float:
        """Middle of the nominal range, S."""
        return 0.5 * (self.g_min + self.g_max)

    @property
    def mean_step(self) -> float:
        """Mean change of one pulse at mid-range, S; times `middle_factor` in the few laws that have one."""
        return self.range / self.states

    def middle_factor(self, up: bool) -> float:
        """Step at mid-range over `mean_step`: 1, but in laws whose published step size is not the step at mid-range."""
        return 1.0

    @abstractmethod
    def columns(self, up: Tensor, down: Tensor, lower: Tensor, upper: Tensor) -> list[Tensor]:
        """The per-cell parameters that `step` reads as p[2], p[3], ...

        Arguments:
            up, down: S, (shape): each cell's step at mid-range; zero in a stuck cell.
            lower, upper: S, (shape): each cell's bounds.
        """

    def init(self, shape: tuple[int, ...], stream: Stream, dtype: torch.dtype = torch.float32) -> DeviceState:
        """New cells at mid-range (or at their nearest bound, or where they are stuck).

        Arguments:
            shape: (tile rows, tile columns, rows, columns).
            stream: whose random numbers; equal streams make equal cells.
            dtype: of the conductances.
        """
        size, like, spread = torch.Size(shape), torch.empty(0, dtype=dtype), self.device_to_device
        half = 0.5 * self.range
        upper = self.middle + half * spread.half_range_factor("upper", size, stream, like)
        lower = (self.middle - half * spread.half_range_factor("lower", size, stream, like)).clamp_min(0)
        lower, upper, free = self.faults.pin(lower, upper, stream, self.g_min, self.g_max)
        step = self.mean_step * spread.step_factor(size, stream, like) * free
        shift = self.asymmetry + spread.balance_shift(size, stream, like)
        up, down = step * (1 + shift).clamp_min(0), step * (1 - shift).clamp_min(0)
        parameters = torch.stack([lower, upper, *self.columns(up, down, lower, upper)], dim=-1)
        conductance = torch.full(size, self.middle, dtype=dtype).clamp(lower, upper)
        return DeviceState(conductance, parameters.contiguous(), torch.zeros((*size, 2), dtype=torch.int32))

    def conductance(self, state: DeviceState, stream: Stream, event: int) -> Tensor:
        """What a read number `event` sees, S, shape of the cells."""
        return self.read_noise.sample(state.conductance, stream, event)

    def pulse(
        self,
        state: DeviceState,
        plan: PulsePlan,
        stream: Stream,
        event: int,
        *,
        backend: Backend = "cpu",
        threads: int = 1,
    ) -> tuple[DeviceState, Tally]:
        """Apply a plan of identical pulses, exactly as many and in the order that it says.

        The state is consumed: its tensors are changed in place and returned, as the tile's buffers are.

        Arguments:
            state: the cells.
            plan: `Counts` with the shape of the cells, or `Trains` over their lines.
            stream, event: address of the cycle-to-cycle noise.
            backend: "cpu" for the compiled kernel, "reference" for plain NumPy; they agree bit for bit, laws with
                powers or exponentials to rounding.
            threads: for the compiled kernel; the result does not depend on it.

        Raises:
            InputError: the plan does not fit the cells.
        """
        _fits(plan, tuple(state.conductance.shape))
        if state.conductance.device.type != "cpu":
            return self._pulse_on_host(state, plan, stream, event, backend, threads)
        g, p, counters = state.conductance, state.parameters, state.counters
        cells = g.numel()
        args = (_flat(g, cells), _flat(p, cells, -1), _flat(counters, cells, -1))
        noise = (np.float32(self.cycle_to_cycle.spread), stream.child("cycle"), event)
        kernels = self.kernels
        if isinstance(plan, Counts):
            pulses = np.ascontiguousarray(plan.pulses.cpu().to(torch.int32).numpy()).reshape(-1)
            if backend == "reference":
                return state, reference.counts(kernels.step, *args, pulses, *noise)
            return state, kernels.counts(*args, pulses, *noise, threads=threads)
        tall, wide, height, width = g.shape
        rows, columns = (trains.cpu().contiguous().numpy() for trains in (plan.rows, plan.columns))
        lines = ((tall, wide, height, width), rows, columns)
        if backend == "reference":
            return state, reference.trains(kernels.step, *args, *lines, *noise)
        return state, kernels.trains(*args, *lines, *noise, threads=threads)

    def _pulse_on_host(
        self, state: DeviceState, plan: PulsePlan, stream: Stream, event: int, backend: Backend, threads: int
    ) -> tuple[DeviceState, Tally]:
        """Cells on an accelerator: there is no kernel there yet, so they travel. Right, and slow."""
        host = DeviceState(*(tensor.cpu().contiguous() for tensor in state))
        _, tally = self.pulse(host, plan, stream, event, backend=backend, threads=threads)
        for kept, moved in zip(state, host, strict=True):
            kept.copy_(moved)
        return state, tally


def _fits(plan: PulsePlan, cells: tuple[int, ...]) -> None:
    """A compiled kernel does not look where it reads, so nothing may be left to it."""
    if isinstance(plan, Counts):
        if tuple(plan.pulses.shape) != cells:
            raise InputError("plan.pulses", tuple(plan.pulses.shape), f"must have the shape of the cells, {cells}")
        return
    tall, wide, rows, columns = cells
    for name, given, lines in (("rows", plan.rows, tall * rows), ("columns", plan.columns, wide * columns)):
        if tuple(given.shape) != (len(plan.rows), lines):
            allowed = f"must have shape (samples, lines) = ({len(plan.rows)}, {lines})"
            raise InputError(f"plan.{name}", tuple(given.shape), allowed)


def _flat(tensor: Tensor, *shape: int) -> np.ndarray:
    """A NumPy view, so that the kernel writes into the tensor itself; a copy would lose the pulses."""
    if not tensor.is_contiguous():
        raise InputError(
            "state", tuple(tensor.shape), "must be contiguous", "Call .contiguous() on the state's tensors."
        )
    return tensor.numpy().reshape(shape)
