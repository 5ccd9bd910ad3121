"""The device contract: what a cell is, how a pulse moves it, how a read sees it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..core.component import Component, quantity, setting
from ..core.errors import InputError
from ..core.random import Stream
from ..core.types import Counts, Drive, PulsePlan
from ..ops.pulse_update import Kernels, Noise, Tally, reference, stamp
from .effects import (
    AbstractEffect,
    CycleToCycle,
    DeviceToDevice,
    Drift,
    Endurance,
    FlickerNoise,
    ReadNoise,
    Relaxation,
    Retention,
    StuckCells,
    TelegraphNoise,
    WriteNoise,
)
from .partial import LEAST, disturbed, pulsed_partly
from .response import AnyResponse
from .state import Cells, DeviceState, check_plan, flat

Backend = Literal["reference", "cpu"]


class Pulse(Component):
    """Voltage and width of a pulse; unknown where nobody has stated them."""

    voltage: float | None = quantity(None, unit="V", doc="amplitude, with its sign")
    width: float | None = quantity(None, unit="s", gt=0, doc="duration")


class AbstractDevice(Component):
    """A law of how identical pulses move a conductance, with the imperfections that it carries.

    A law is a step function per polarity (compiled into `kernels`) and the columns of per-cell parameters that
    the step reads (`columns`). Everything else is shared. To add one, copy `constant.py`.

    Up = potentiation = SET = conductance rises. A step is positive; the direction carries the sign.
    """

    kernels: ClassVar[Kernels]
    drive_columns: ClassVar[tuple[int, int, int, int] | None] = None
    """Columns of the parameters with up voltage, up width, down voltage, down width, in laws with a voltage axis."""
    step_columns: ClassVar[tuple[int, ...]] = ()
    """Columns of the parameters, up and down alike, that the step is proportional to; none in laws with voltages."""
    one_sided: ClassVar[bool] = False
    """A pulse down is a reset, which has a law of its own."""

    g_min: float = quantity(2e-6, unit="S", ge=0, doc="lowest conductance of the nominal range")
    g_max: float = quantity(20e-6, unit="S", gt=0, doc="highest conductance of the nominal range")
    states: float = quantity(64, unit="1", ge=2, doc="range / mean step at mid-range")
    asymmetry: float = quantity(
        0.0, unit="1", gt=-1, lt=1, doc="up steps x (1 + asymmetry), down steps x (1 - asymmetry)"
    )
    cycle_to_cycle: CycleToCycle = setting(CycleToCycle(), doc="variation from pulse to pulse")
    device_to_device: DeviceToDevice = setting(DeviceToDevice(), doc="variation from cell to cell")
    faults: StuckCells = setting(StuckCells(), doc="cells that never move")
    read_noise: ReadNoise = setting(ReadNoise(), doc="white noise of a read")
    write_noise: WriteNoise = setting(WriteNoise(), doc="what reads see beside the state, drawn by every write")
    flicker: FlickerNoise = setting(FlickerNoise(), doc="1/f noise of the conductance that reads see")
    telegraph: TelegraphNoise = setting(TelegraphNoise(), doc="cells that jump between two levels")
    relaxation: Relaxation = setting(Relaxation(), doc="shift and spread with the logarithm of time since the write")
    drift: Drift = setting(Drift(), doc="power law of the time since the write")
    retention: Retention = setting(Retention(), doc="forgetting, or leak, towards a level of rest")
    endurance: Endurance = setting(Endurance(), doc="closing of the window and failure with the cell's own pulses")
    series_resistance: float = quantity(0.0, unit="ohm", ge=0, doc="access resistance in series, seen by every read")
    voltage_response: AnyResponse | None = setting(
        None, doc="step of a pulse of which only a part of the voltage arrives; none: unknown"
    )
    up_pulse: Pulse = setting(Pulse(), doc="pulse that raises the conductance")
    down_pulse: Pulse = setting(Pulse(), doc="pulse that lowers the conductance")

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

    @property
    def notes(self) -> list[str]:
        """What a reader should be told about these settings, in plain words."""
        share = self.series_resistance * self.g_max
        if share <= 0.25:
            return []
        ratio = self.g_max / self.g_min if self.g_min else math.inf
        seen = ratio * (1 + self.series_resistance * self.g_min) / (1 + share)
        return [
            f"device.series_resistance is {share:.2g} of the lowest cell resistance; above 0.25 it hides states: reads "
            f"see an on/off ratio of {seen:.3g} instead of {ratio:.3g}."
        ]

    @property
    def noise(self) -> Noise:
        """Spread of one pulse, as the kernels take it."""
        spread = self.cycle_to_cycle
        return Noise(spread.spread, spread.range_spread * self.range, spread.slope)

    @property
    def plain(self) -> bool:
        """True when a noise-free read sees the state as it is, and nothing but pulses changes it."""
        return not self.series_resistance and not self._effects

    def only(self, effect: str) -> bool:
        """Whether at most the effect of that name is at work."""
        own = getattr(self, effect)
        return not self.series_resistance and all(other is own or not other.active for other in self._every_effect())

    def check_partial(self) -> None:
        """Raise InputError where nothing says what a part of a pulse's voltage does."""
        if self.voltage_response is None:
            allowed = f"is required where lines weaken pulses: {type(self).__name__} has no voltage axis"
            remedy = 'For instance { kind = "sinh", steepness = 10 }.'
            raise InputError("device.voltage_response", None, allowed, remedy)

    def strength(self, share: Tensor, up: bool) -> Tensor:
        """Step of a pulse of which `share` (>= 0, any shape) of the voltage arrives, relative to the full step."""
        self.check_partial()
        assert self.voltage_response is not None
        return self.voltage_response.factor(share)

    def partly(self, parameters: Tensor, share: Tensor, drive: Drive | None) -> Tensor:
        """The parameters of cells (..., K) that only a part (...) of the voltage of their next pulses reaches."""
        scaled = parameters.clone() if drive is None else self._driven(parameters, drive)
        factor = self.strength(share, True)
        for column in self.step_columns:
            scaled[..., column] *= factor
        return scaled

    def arriving(self, pulses: Tensor, share: Tensor) -> Tensor:
        """Those of the pulses of some cells (n,) that do anything where so much of their voltage arrives."""
        return pulses * (self.strength(share.clamp_min(0), True) > LEAST)

    def disturb(
        self, state: DeviceState, shares: Tensor, up: bool, stream: Stream, event: int, *, times: Tensor | None = None
    ) -> DeviceState:
        """What pulses for others do to cells: mean steps, added up, without noise or count; the state is consumed.

        Arguments:
            state: the cells.
            shares: (steps, shape of the cells): part of the pulse's voltage across each cell; a negative one pushes
                the other way, 0 does nothing.
            up: direction of the pulses.
            stream, event: address of the random numbers of laws that draw.
            times: how often, (steps, shape of the cells), whole numbers; None: once.
        """
        for way, amount in zip((up, not up), self.exposure(shares, up, times), strict=True):
            if amount is not None:
                self.nudge(state, amount, way, stream, event)
        return state

    def nudge(self, state: DeviceState, amount: Tensor, up: bool, stream: Stream, event: int) -> None:
        """Move cells by so many mean steps (shape of the cells); in laws whose disturbs add up."""
        disturbed(self, state, amount, up, stream, event)

    def exposure(self, shares: Tensor, up: bool, times: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Mean steps that `disturb` amounts to, along the pulses and against them; None where there are none."""
        least, most = (float(bound) for bound in shares.aminmax()) if shares.numel() else (0.0, 0.0)
        found: list[Tensor | None] = [None, None]
        if least < 0 < most and self.answers_alike:
            steps = self.strength(shares.abs(), up)
            steps = steps if times is None else steps.mul_(times)
            return (steps * (shares > 0)).sum(0), (steps * (shares < 0)).sum(0)
        for which, way, reach in ((0, up, most), (1, not up, -least)):
            if reach > 0:
                part = (shares if way == up else shares * -self._ratio(up)).clamp_min(0)
                steps = self.strength(part, way).mul_(part > 0)
                found[which] = (steps if times is None else steps.mul_(times)).sum(0)
        return found[0], found[1]

    @property
    def answers_alike(self) -> bool:
        """Whether parts of pulses do the same in both polarities, so that one look at the response serves both."""
        return self._ratio(True) == 1 and type(self).strength is AbstractDevice.strength

    def adjusted(self, cells: Cells, stream: Stream) -> Cells:
        """New cells as the law wants them, where it has deviations of its own; `columns` is told about these."""
        return cells

    @abstractmethod
    def columns(self, cells: Cells) -> list[Tensor]:
        """The per-cell parameters that `step` reads as p[2], p[3], ..., each (shape)."""

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
        cells = self.adjusted(Cells(up, down, lower, upper, *spread.shape_shifts(size, stream, like)), stream)
        parameters = torch.stack([cells.lower, cells.upper, *self.columns(cells)], dim=-1)
        conductance = torch.full(size, self.middle, dtype=dtype).clamp(cells.lower, cells.upper)
        counters = torch.zeros((*size, 2), dtype=torch.int32)
        memory = torch.zeros((*size, sum(effect.width for effect in self._effects)), dtype=dtype)
        state = DeviceState(conductance, parameters.contiguous(), counters, memory)
        for effect, columns in self._memories(state):
            effect.start(columns, state, stream.child(type(effect).__name__))
        return state

    def visible(self, state: DeviceState) -> Tensor:
        """What a noise-free read sees now, S, shape of the cells."""
        seen = state.conductance
        for effect, columns in self._memories(state):
            seen = effect.seen(seen, columns)
        if seen is not state.conductance:  # no cell conducts backwards, and one that is not in use does not conduct
            lower, upper = state.parameters[..., 0], state.parameters[..., 1]
            seen = seen.maximum(lower.clamp_max(0)) * (upper > 0)
        return seen / (1 + self.series_resistance * seen) if self.series_resistance else seen

    def conductance(self, state: DeviceState, stream: Stream, event: int) -> Tensor:
        """What a read number `event` sees, S, shape of the cells."""
        return self.read_noise.sample(self.visible(state), stream, event)

    def relax(
        self, state: DeviceState, seconds: float, stream: Stream, event: int, *, temperature: float = 300.0
    ) -> DeviceState:
        """Let time pass: leaks, drift, relaxation and slow noise move on. The state is consumed, as by `pulse`.

        Arguments:
            state: the cells.
            seconds: s, how long.
            stream, event: address of the random numbers; `event` numbers the waits.
            temperature: K.

        Raises:
            InputError: a negative time, or a temperature that is not above zero.
        """
        for name, value, fits in (("seconds", seconds, seconds >= 0), ("temperature", temperature, temperature > 0)):
            if not (fits and math.isfinite(value)):
                raise InputError(name, value, "must be finite, and seconds >= 0, temperature > 0 K")
        if seconds:
            for effect, columns in self._memories(state):
                effect.relax(columns, state, seconds, temperature, stream.child(type(effect).__name__), event)
                self._bound(state)
        return state

    def pulse(
        self,
        state: DeviceState,
        plan: PulsePlan,
        stream: Stream,
        event: int,
        *,
        backend: Backend = "cpu",
        threads: int = 1,
        more: bool = False,
        heat: np.ndarray | None = None,
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
            more: further pulses of the same write follow; `settle` is to be called after the last.
            heat: int64 (3,), to which trains add their pulses up, and the conductance that pulses up, and down, find
                in their cells, fS; see `ops.pulse_update`.

        Raises:
            InputError: the plan does not fit the cells.
        """
        check_plan(plan, tuple(state.conductance.shape))
        if state.conductance.device.type != "cpu":
            return self._pulse_on_host(state, plan, stream, event, backend, threads, more)
        tally = self._pulse(state, plan, stream.child("cycle"), event, backend, threads, heat)
        return (state, tally) if more else (self.settle(state, stream, event), tally)

    def settle(self, state: DeviceState, stream: Stream, event: int) -> DeviceState:
        """What the pulses of an event leave behind beside the step: write noise, relaxation, wear."""
        if self._effects:
            touched = state.counters[..., 1] == stamp(event)
            for effect, columns in self._memories(state):
                effect.pulsed(columns, state, touched, stream.child(type(effect).__name__), event)
                self._bound(state)
        return state

    def _pulse(
        self,
        state: DeviceState,
        plan: PulsePlan,
        stream: Stream,
        event: int,
        backend: Backend,
        threads: int,
        heat: np.ndarray | None = None,
    ) -> Tally:
        """The law at work on the cells' own memory."""
        if isinstance(plan, Counts) and plan.share is not None:
            return pulsed_partly(
                self, state, plan, lambda full: self._pulse(state, full, stream, event, backend, threads)
            )
        g, counters = state.conductance, state.counters
        p = state.parameters if plan.drive is None else self._driven(state.parameters, plan.drive)
        cells, kernels = g.numel(), self.kernels
        args = (flat(g, cells), flat(p, cells, -1), flat(counters, cells, -1))
        noise = (self.noise, stream, event)
        if isinstance(plan, Counts):
            pulses = np.ascontiguousarray(plan.pulses.cpu().to(torch.int32).numpy()).reshape(-1)
            if backend == "reference":
                return reference.counts(kernels.step, *args, pulses, *noise, drawn=kernels.drawn)
            return kernels.counts(*args, pulses, *noise, threads=threads)
        tall, wide, height, width = g.shape
        rows, columns = (trains.cpu().contiguous().numpy() for trains in (plan.rows, plan.columns))
        lines = ((tall, wide, height, width), rows, columns, plan.only_up)
        if backend == "reference":
            return reference.trains(kernels.step, *args, *lines, *noise, drawn=kernels.drawn, heat=heat)
        return kernels.trains(*args, *lines, *noise, threads=threads, heat=heat)

    def _driven(self, parameters: Tensor, drive: Drive) -> Tensor:
        """The parameters under other pulses than the device's own."""
        if self.drive_columns is None:
            allowed = f"must be None: {type(self).__name__} has no voltage axis"
            raise InputError("plan.drive", drive, allowed, "Use a voltage-driven law.")
        parameters = parameters.clone()
        for column, value in zip(self.drive_columns, drive, strict=True):
            parameters[..., column] = value
        return parameters

    def _ratio(self, up: bool) -> float:
        """Voltage of the device's own pulse over that of the opposite one; 1 where they are not both known."""
        ways = self.up_pulse.voltage, self.down_pulse.voltage
        if not (ways[0] and ways[1]):
            return 1.0
        return abs(ways[0] / ways[1]) if up else abs(ways[1] / ways[0])

    def _every_effect(self) -> Iterator[AbstractEffect]:
        """The effects among the settings, in their order."""
        settings = (getattr(self, name) for name in type(self).model_fields)
        return (value for value in settings if isinstance(value, AbstractEffect))

    @cached_property
    def _effects(self) -> tuple[AbstractEffect, ...]:
        """Those that do anything; looked for once, as every read asks."""
        return tuple(effect for effect in self._every_effect() if effect.active)

    def _memories(self, state: DeviceState) -> Iterator[tuple[AbstractEffect, Tensor]]:
        """The active effects, each with its columns of the memory."""
        first = 0
        for effect in self._effects:
            yield effect, state.memory[..., first : first + effect.width]
            first += effect.width

    @staticmethod
    def _bound(state: DeviceState) -> None:
        """Put every cell back within its own bounds, so that a stuck cell stays where it is."""
        g, p = state.conductance, state.parameters
        g.copy_(torch.minimum(torch.maximum(g, p[..., 0]), p[..., 1]))

    def _pulse_on_host(
        self,
        state: DeviceState,
        plan: PulsePlan,
        stream: Stream,
        event: int,
        backend: Backend,
        threads: int,
        more: bool,
    ) -> tuple[DeviceState, Tally]:
        """Cells on an accelerator: there is no kernel there yet, so they travel. Right, and slow."""
        host = DeviceState(*(tensor.cpu().contiguous() for tensor in state))
        _, tally = self.pulse(host, plan, stream, event, backend=backend, threads=threads, more=more)
        for kept, moved in zip(state, host, strict=True):
            kept.copy_(moved)
        return state, tally
