"""The conductor: a layer's stack of physical tiles, with three verbs: read, read_transposed, write."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor, nn

from .arrays.gains import LineGains
from .arrays.mapping import Access, AnyMapping, DifferentialPair
from .arrays.wires import AnyWires, IdealWires, Matrices, ResistiveWires
from .arrays.wires.base import product
from .cells import AnyCell, Single
from .core.component import Component, kind_of, quantity, setting
from .core.errors import InputError, nearest
from .core.ledger import Event, Ledger, Pass
from .core.random import Stream
from .core.types import Counts, PulsePlan
from .devices import AnyDevice, Backend, ConstantStep, DeviceState
from .ops import random
from .ops.pulse_update import Tally
from .periphery import ADC, DAC, Address, AnyDriver, AnySense, Driven
from .programming import Sent, Targets
from .programming.base import Parallelism, turns
from .programming.delivery import Delivery
from .programming.heat import Kept, PulseMeter, Sums, read_amounts
from .programming.schemes import AbstractScheme, Known, Order, Programmed


class Port(Component):
    """One direction's converters: what drives the lines, and what senses the others."""

    drive: AnyDriver = setting(DAC(), doc="circuit on each driven line")
    sense: AnySense = setting(ADC(), doc="circuit on each sensed line")


class Periphery(Component):
    """The two directions of a tile; by default each vector is scaled to its maximum before it is converted."""

    forward: Port = setting(Port(drive=DAC(scaling="max")), doc="word lines driven, bit lines sensed")
    backward: Port = setting(Port(drive=DAC(scaling="max")), doc="bit lines driven, word lines sensed")


class Crossbar(Component):
    """Shape and wiring of the physical tiles."""

    mapping: AnyMapping = setting(DifferentialPair(), doc="which cells make a weight")
    wires: AnyWires = setting(IdealWires(), doc="resistance of the lines")
    rows: int = quantity(1024, unit="1", ge=1, doc="most word lines of a tile")
    columns: int = quantity(1024, unit="1", ge=1, doc="most bit lines of a tile")
    write_sharing: int = quantity(1, unit="1", ge=1, doc="bit lines that take turns at a driver in writes by counts")
    read_voltage: float = quantity(0.2, unit="V", gt=0, doc="voltage of a fully driven line while reading")

    @property
    def capacity(self) -> tuple[int, int]:
        """Weights (inputs, outputs) that a tile holds.

        Raises:
            InputError: it holds none.
        """
        most = self.mapping.capacity(self.rows, self.columns)
        if min(most) < 1:
            size, allowed = f"{self.rows} x {self.columns} cells", f"holds no weight of {self.mapping.kind}"
            raise InputError("crossbar", size, allowed, "Enlarge it.")
        return most


class Array(Component):
    """Everything that a layer's arrays are made of."""

    device: AnyDevice = setting(ConstantStep(), doc="law of the cells")
    crossbar: Crossbar = setting(Crossbar(), doc="shape and wiring of the tiles")
    periphery: Periphery = setting(Periphery(), doc="converters of both directions")
    cell: AnyCell = setting(Single(), doc="parts of a weight, each with cells of its own, and what passes between them")


class Tile(nn.Module):
    """A weight matrix (inputs, outputs) on a stack of equal physical tiles (tile rows x tile columns).

    A layer larger than a tile is cut into equal parts; a tile that is not full has unused cells, which conduct nothing
    and count nothing. The cells are buffers, so `state_dict` and `.to` see them.

    Arguments:
        inputs, outputs: shape of the weight matrix.
        array: devices, mapping, wires and converters.
        stream: whose random numbers; equal streams make equal tiles.
        name: the layer's name in the ledger.
        backend: "cpu" for compiled kernels and merged noise, "reference" for stage by stage.
        dtype: of the conductances; float64 to compare with exact arithmetic.
        threads: of the pulse kernels; no result depends on it.
        most: fewer weights (inputs, outputs) than would fit on a physical tile, so that several stacks match.
    """

    conductance: Tensor
    parameters_: Tensor
    counters: Tensor
    memory: Tensor
    failures: Tensor
    events: Tensor
    mask: Tensor

    def __init__(  # noqa: PLR0913 - one number a line
        self,
        inputs: int,
        outputs: int,
        *,
        array: Array,
        stream: Stream,
        name: str = "layer",
        backend: Backend = "cpu",
        dtype: torch.dtype = torch.float32,
        threads: int = 1,
        most: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        for argument, value in (("inputs", inputs), ("outputs", outputs)):
            if value < 1:
                raise InputError(argument, value, "must be at least 1", "A layer needs a line on each side.")
        if backend not in get_args(Backend):
            raise InputError("backend", backend, "unknown backend", nearest(str(backend), get_args(Backend)))
        self.inputs, self.outputs, self.array, self.stream = inputs, outputs, array, stream
        self.name, self.threads, self.ledger = name, threads, None
        self.backend: Backend = backend
        self.writing = Pass.UPDATE  # the pass that pulses work for
        self.serves = Pass.FORWARD  # the pass that a forward read works for; an array of its own may serve the way back
        crossbar, device, mapping = array.crossbar, array.device, array.crossbar.mapping
        if not isinstance(array.cell, Single):
            raise InputError("array.cell", array.cell.kind, "has several parts", "Use memlearn.compound.make_tile.")
        most = most or crossbar.capacity
        self.tiles = math.ceil(inputs / most[0]), math.ceil(outputs / most[1])
        self.part = math.ceil(inputs / self.tiles[0]), math.ceil(outputs / self.tiles[1])
        volts = crossbar.read_voltage
        # A selector's law is undone at full drive.
        self.unit_current = crossbar.wires.carried(volts) * mapping.unit_current(volts, device.range)
        state = device.init((*self.tiles, *mapping.physical(*self.part)), stream.child("device"), dtype)
        used = self._cells_in_use()
        self.cells = int(used.sum())
        self.register_buffer("conductance", state.conductance * used)
        self.register_buffer("parameters_", state.parameters * used[..., None])
        self.register_buffer("counters", state.counters)
        self.register_buffer("memory", state.memory)
        # How often programming has failed in a row, cell by cell.
        self.register_buffer("failures", torch.zeros(state.conductance.shape, dtype=torch.uint8))
        self.register_buffer("events", torch.zeros(5, dtype=torch.int64))
        self.register_buffer("mask", used.bool(), persistent=False)
        self.ledger: Ledger | None
        self.matrices = Matrices(crossbar.wires, self.conductance)
        wires = crossbar.wires
        seen = isinstance(wires, ResistiveWires) and wires.weakens_writes
        self.delivery = Delivery(wires, device, self.mask) if seen else None
        self.gains: LineGains | None = None  # correction circuits on the lines of a forward read
        self._sums = Kept()

    @property
    def state(self) -> DeviceState:
        """The cells, as the device sees them; the tensors are the tile's own buffers."""
        return DeviceState(self.conductance, self.parameters_, self.counters, self.memory)

    # The three verbs, and what the input registers hold.

    def encode(self, values: Tensor) -> Tensor:
        """What the word lines' drivers make of values (samples, inputs) in the next read; an update multiplies this."""
        at = Address(self.stream.child("forward", "drive"), int(self.events[0]), self.training)
        return self.array.periphery.forward.drive.encode(self.cut(values, 0), at).flatten(1)[:, : self.inputs]

    def read(self, values: Tensor) -> Tensor:
        """Forward read: drive the word lines, sense the bit lines.

        Arguments:
            values: (samples, inputs).

        Returns:
            (samples, outputs): about values @ weight.
        """
        driven, at = self.drive(values, Pass.FORWARD)
        return self.sense(self.signal(driven.voltage, Pass.FORWARD, at), driven, Pass.FORWARD, at)

    def read_transposed(self, errors: Tensor) -> Tensor:
        """Transposed read: drive the bit lines, sense the word lines.

        Arguments:
            errors: (samples, outputs).

        Returns:
            (samples, inputs): about errors @ weight^T.
        """
        driven, at = self.drive(errors, Pass.BACKWARD)
        return self.sense(self.signal(driven.voltage, Pass.BACKWARD, at), driven, Pass.BACKWARD, at)

    # The stages of a read, which arrays that are read together share.

    def drive(self, values: Tensor, way: Pass) -> tuple[Driven, Address]:
        """What the lines of a read carry: the drivers' voltages (samples, tiles, lines), and the address of its event.

        Arguments:
            values: (samples, inputs), or backward (samples, outputs).
            way: forward or backward.
        """
        forward = way is Pass.FORWARD
        port, at = self._port(way), self.next_read(way)
        lines = self.cut(values, 0 if forward else 1)
        return port.drive.drive(lines, self.array.crossbar.read_voltage, at.child("drive")), at

    def next_read(self, way: Pass) -> Address:
        """The address of the next read."""
        return self._address("forward", 0) if way is Pass.FORWARD else self._address("backward", 1)

    def signal(self, voltage: Tensor, way: Pass, at: Address) -> Tensor:
        """What is sensed of voltages (samples, tiles, lines): (tiles along a sum, tiles across, samples, lines), A."""
        mapping = self.array.crossbar.mapping
        if way is Pass.FORWARD:
            lines = mapping.row_lines(voltage).transpose(0, 1)[:, None]
            driven = lines if self.gains is None else self.gains.drive(lines)
            current = self._currents(driven, False, at)
            self._measure(driven, self.serves, False)
            return mapping.column_signal(current if self.gains is None else self.gains.restore(current))
        lines = mapping.column_lines(voltage).transpose(0, 1)[None]
        current = self._currents(lines, True, at)
        self._measure(lines, Pass.BACKWARD, True)
        return mapping.row_signal(current).transpose(0, 1)

    def sense(self, signal: Tensor, driven: Driven, way: Pass, at: Address) -> Tensor:
        """The sensed values of a signal, (samples, outputs), or backward (samples, inputs)."""
        sense = self._port(way).sense
        if sense.joins_tiles and len(signal) > 1:
            signal = signal.sum(0, keepdim=True)
        each = sense.sense(signal, self.unit_current, at.child("sense"))
        outcome = each.sum(0) if len(each) > 1 else each[0]
        if self.ledger is not None:
            self.count_read(way, len(driven.voltage))
        size = self.outputs if way is Pass.FORWARD else self.inputs
        return self._join(outcome, size, 1.0 if sense.decides else driven.scale)

    def _port(self, way: Pass) -> Port:
        return self.array.periphery.forward if way is Pass.FORWARD else self.array.periphery.backward

    def write(self, plan: PulsePlan) -> Tally:
        """Send a pulse plan of weights (`Counts` (inputs, outputs), `Trains` over inputs and outputs) to the cells.

        Returns:
            Pulses of the plan that were sent to cells, and distinct cells that received any; those of a refresh, where
            the mapping has one, are in the ledger and in the cells' own counters.
        """
        mapping, turn = self.array.crossbar.mapping, int(self.events[4])
        if isinstance(plan, Counts):
            slots = int(plan.pulses.abs().amax()) if plan.pulses.numel() else 0
            physical: PulsePlan = mapping.counts(plan._replace(pulses=self.cut_weights(plan.pulses)), turn)
        else:
            slots = plan.slots * len(plan.rows)
            cut = plan._replace(rows=self.cut(plan.rows, 0), columns=self.cut(plan.columns, 1))
            lines = mapping.trains(cut, turn)
            physical = lines._replace(rows=lines.rows.flatten(1), columns=lines.columns.flatten(1))
        tally = self.pulse(physical, slots)
        self.events[4] += 1
        device = self.array.device
        cells = Access(self.mask, self.look, self.pulse, device.g_min, device.g_max, device.mean_step)
        mapping.refresh(cells, int(self.events[4]))
        return tally

    def pulse(self, plan: PulsePlan, slots: int = 1) -> Tally:
        """Send a pulse plan to the cells as they stand on the tiles: the last stage of `write`.

        Arguments:
            plan: `Counts` with the shape of the cells, or `Trains` over their lines.
            slots: the time that it takes.
        """
        shown, sharing = self.array.device.visible(self.state), self.array.crossbar.write_sharing
        seen = self.measures and (self.delivery is None or isinstance(plan, Counts))
        meter = PulseMeter(plan, shown, self.sums(), sharing) if seen else None
        at = self._address("update", 2)
        if self.delivery is None:
            tally = self._send(plan, at, meter)
        else:
            tally, slots = self._deliver(plan, at, self.delivery.wires.write_order)
        if self.ledger is not None:
            after = self.array.device.visible(self.state)
            self.ledger.enter(self.name, self.writing, meter.amounts(after, tally.pulses, slots) if meter else {})
            self.ledger.count(self.name, self.writing, Event.PULSE, tally.pulses)
            self.ledger.count(self.name, self.writing, Event.PULSED_CELL, tally.cells)
            self.ledger.count(self.name, self.writing, Event.TRAIN_SLOT, slots)
        return tally

    def look(self, chosen: Tensor) -> Tensor:
        """Read the cells of a mask one by one, with their read noise, by a circuit that is exact, as an update may.

        Arguments:
            chosen: bool, shape of the cells.

        Returns:
            S, shape of the cells; what the others show is of no use.
        """
        if self.ledger is not None:
            number, port = int(chosen.sum()), self.array.periphery.forward
            self.ledger.count(self.name, Pass.UPDATE, Event.CELL_READ, number)
            for event, n in port.sense.uses(number).items():
                self.ledger.count(self.name, Pass.UPDATE, event, n)
            if port.drive.event is not None:
                self.ledger.count(self.name, Pass.UPDATE, port.drive.event, int(chosen.any(-1).sum()))
        at = self._address("update", 2)
        return self._seen(chosen, at.child("look"))

    def look_at_weights(self, chosen: Tensor) -> Tensor:
        """Read the cells of chosen weights one by one, as `look`.

        Arguments:
            chosen: bool, (inputs, outputs).

        Returns:
            The weights (inputs, outputs) that the reads show; what the others show is of no use.
        """
        device, mapping = self.array.device, self.array.crossbar.mapping
        seen = self.look(mapping.cells(self.cut_weights(chosen)) & self.used())
        return self.whole(mapping.weight(seen, device.g_min, device.g_max))

    def program(self, plan: Targets) -> tuple[Tally, Tensor | None]:
        """Bring cells to chosen weights, with reads in between, by the plan's own scheme.

        Returns:
            Pulses and distinct cells as of `write`; and, if the plan is `heard`, the weights (inputs, outputs) as they
            were last read, as wanted where nothing was programmed.
        """
        # A finite sum has finite terms, and costs a fifth.
        if not bool(torch.isfinite(plan.weight.sum())) and not bool(torch.isfinite(plan.weight).all()):
            raise InputError("plan.weight", "a tensor with NaN or infinity", "must be finite", "Look at the loss.")
        device, mapping = self.array.device, self.array.crossbar.mapping
        weight = plan.weight.to(self.conductance)
        stream, event = self.stream.child("update"), int(self.events[2])
        if plan.relative:
            shift = self._targets(weight) - self._targets(torch.zeros_like(weight))
            if plan.scheme.unseen:
                chosen, target = shift != 0, self.conductance + shift
            else:
                chosen = shift != 0
                seen = self._seen(chosen, Address(stream.child("before"), event))
                target = (seen + shift).clamp(device.g_min, device.g_max)
        elif plan.previous is None:
            chosen, target = self.used(), self._targets(weight)
        else:
            chosen, target = self._changed(weight, plan.previous.to(self.conductance))
        known = None if plan.sent is None else self._known(plan.sent)
        if known is not None:
            chosen = known.pulses > 0
        chosen = chosen & self.used()
        if plan.scheme.patience:
            chosen = chosen & (self.failures < plan.scheme.patience)
        order = Order(target, chosen, stream, event, known)
        if self.delivery is not None:
            order = order._replace(send=self._carrier(plan))
        done = self._bring(plan.scheme, order)
        if plan.scheme.patience:
            self.failures[chosen] = ((self.failures + 1) * done.failed)[chosen]
        self.events[2] += plan.scheme.events
        pulses = done.pulses[order.chosen]  # few, as a rule: sums over whole arrays would cost more than the writing
        tally = Tally(int(pulses.sum()), int(torch.count_nonzero(pulses)))
        if self.ledger is not None:
            self._count_programming(done, order.chosen, tally, plan)
        if not plan.heard:
            return tally, None
        return tally, self.whole(mapping.weight(done.seen.where(order.chosen, target), device.g_min, device.g_max))

    def _known(self, sent: Sent) -> Known:
        """What a plan knows weight by weight, cell by cell."""
        size = sent.size.to(self.conductance)
        moved = self._targets(size) - self._targets(torch.zeros_like(size))
        pulses = self.array.crossbar.mapping.counts(Counts(self.cut_weights(sent.pulses))).pulses
        return Known(pulses.abs(), moved.abs())

    def _targets(self, weight: Tensor) -> Tensor:
        """Conductances (shape of the cells), S, of weights (inputs, outputs)."""
        device = self.array.device
        return self.array.crossbar.mapping.conductances(self.cut_weights(weight), device.g_min, device.g_max)

    def _changed(self, weight: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Which cells have another target for these weights than for the previous ones, and the targets of these."""
        if self.tiles != (1, 1):
            target = self._targets(weight)
            return target != self._targets(previous), target
        # Word line by word line: most have no change where updates are sparse.
        device, mapping = self.array.device, self.array.crossbar.mapping
        rows = (weight != previous).any(1).nonzero()[:, 0]
        new, old = (
            mapping.conductances(part[rows], device.g_min, device.g_max)[: len(rows)] for part in (weight, previous)
        )
        chosen, target = torch.zeros_like(self.conductance, dtype=torch.bool), self.conductance.clone()
        chosen[0, 0, rows], target[0, 0, rows] = new != old, new
        return chosen, target

    def _count_programming(self, done: Programmed, chosen: Tensor, tally: Tally, plan: Targets) -> None:
        """Enter pulses and reads, and how long they take where `plan.parallel` cells are served at once."""
        assert self.ledger is not None
        reads = done.reads + chosen if plan.relative and not plan.scheme.unseen else done.reads
        looked, single = reads[chosen].sum(), plan.parallel == "cell" and self.tiles == (1, 1)
        for event, during, n in (
            (Event.PULSE, Pass.UPDATE, tally.pulses),
            (Event.PULSED_CELL, Pass.UPDATE, tally.cells),
            (Event.CELL_WRITE, Pass.UPDATE, torch.count_nonzero(chosen)),
            (Event.GIVEN_UP, Pass.UPDATE, done.failed[chosen].sum()),
            (Event.TRAIN_SLOT, Pass.UPDATE, tally.pulses if single else turns(done.pulses, plan.parallel)),
            (Event.SINGLE_READ, Pass.VERIFY, looked),
            (Event.READ_SLOT, Pass.VERIFY, looked if single else turns(reads, plan.parallel)),
        ):
            self.ledger.count(self.name, during, event, int(n))
        if done.dose is not None:
            up, down = (done.dose[chosen] * _FEMTO).round().sum(0).tolist()
            self.ledger.count(self.name, Pass.UPDATE, Event.DOSE_UP, int(up))
            self.ledger.count(self.name, Pass.UPDATE, Event.DOSE_DOWN, int(down))

    def relax(self, seconds: float, *, temperature: float = 300.0) -> None:
        """Let time pass between reads and writes.

        Arguments:
            seconds: s, how long.
            temperature: K.
        """
        at = self._address("wait", 3)
        self.array.device.relax(self.state, seconds, at.stream, at.event, temperature=temperature)

    def count_read(self, during: Pass, samples: int) -> None:
        """Enter the events of reading `samples` samples; each tile on a driven line has its own driver there."""
        assert self.ledger is not None
        port, lines, tiles = self.array.periphery.forward, (self.inputs, self.outputs), self.tiles
        if during is Pass.BACKWARD:
            port, lines, tiles = self.array.periphery.backward, lines[::-1], tiles[::-1]
        else:
            during = self.serves
            if self.gains is not None:
                self.ledger.count(self.name, during, Event.LINE_GAIN, samples * sum(self.gains.multipliers))
        if port.drive.event is not None:
            self.ledger.count(self.name, during, port.drive.event, samples * lines[0] * tiles[1])
        along = 1 if port.sense.joins_tiles else tiles[0]
        for event, n in port.sense.uses(samples * lines[1] * along).items():
            self.ledger.count(self.name, during, event, n)
        self.ledger.count(self.name, during, Event.DIGITAL_ADD, samples * lines[1] * (along - 1))
        self.count_cells_read(during, samples)

    def count_cells_read(self, during: Pass, samples: int) -> None:
        """Enter the cells that a read of `samples` samples goes through, without its converters."""
        assert self.ledger is not None
        during = self.serves if during is Pass.FORWARD else during
        self.ledger.count(self.name, during, Event.CELL_READ, samples * self.cells)

    # What reads and pulses find in the cells, where the ledger measures.

    @property
    def measures(self) -> bool:
        """Whether the heat of reads and pulses is added up."""
        return self.ledger is not None and self.ledger.measures

    def sums(self) -> Sums:
        """Conductances of the lines, as reads see them; kept until pulses or time change the cells."""
        return self._sums.of(self.events[2:].tolist(), lambda: self.array.device.visible(self.state))

    def _measure(self, lines: Tensor, during: Pass, transposed: bool) -> None:
        """Enter what the driven lines of a read find in the cells."""
        if self.measures and self.ledger is not None:
            cells = self.array.device.visible(self.state)
            self.ledger.enter(self.name, during, read_amounts(lines, cells, self.matrices, self.sums(), transposed))

    # Set-up and debugging handles; no learning rule touches them.

    def initialise(self, weight: Tensor) -> None:
        """Set the cells as near to the weights (inputs, outputs) as their bounds let them; costs and counts nothing."""
        self.place(self._targets(weight.detach()))

    def place(self, conductance: Tensor) -> None:
        """Set the cells (tile rows, tile columns, rows, columns), S, as near as their bounds let them, uncounted."""
        bounded = conductance.to(self.conductance).clamp(self.parameters_[..., 0], self.parameters_[..., 1])
        self.conductance.copy_(bounded * self.used())
        self._sums = Kept()

    def weight(self) -> Tensor:
        """The weights (inputs, outputs) that the cells stand for."""
        device = self.array.device
        return self.whole(self.array.crossbar.mapping.weight(self.conductance, device.g_min, device.g_max))

    def used(self) -> Tensor:
        """Mask of the cells that belong to the layer (reference cells too), shape of the cells."""
        return self.mask

    @property
    def weight_step(self) -> float:
        """Mean weight change of one pulse at mid-range, as the drivers that plan an update must know it."""
        device = self.array.device
        return self.array.crossbar.mapping.step(device.mean_step, device.range)

    def cut_weights(self, weight: Tensor) -> Tensor:
        """(inputs, outputs) cut into tiles (tile rows, tile columns, rows, columns), zero where there is nothing."""
        if tuple(weight.shape) != (self.inputs, self.outputs):
            raise InputError(
                "weight",
                tuple(weight.shape),
                f"must have shape (inputs, outputs) = ({self.inputs}, {self.outputs})",
                "A torch weight is (outputs, inputs): transpose it.",
            )
        (tall, wide), (rows, columns) = self.tiles, self.part
        padded = nn.functional.pad(weight, (0, wide * columns - self.outputs, 0, tall * rows - self.inputs))
        return padded.reshape(tall, rows, wide, columns).transpose(1, 2)

    def whole(self, parts: Tensor) -> Tensor:
        """(tile rows, tile columns, rows, columns) of weights joined to (inputs, outputs)."""
        return parts.transpose(1, 2).flatten(2).flatten(0, 1)[: self.inputs, : self.outputs]

    # Where the cells themselves come in: what a real chip does in its own way.

    def _send(self, plan: PulsePlan, at: Address, meter: PulseMeter | None) -> Tally:
        """Pulses reach the cells."""
        settings = {"backend": self.backend, "threads": self.threads, "heat": None if meter is None else meter.found}
        return self.array.device.pulse(self.state, plan, at.stream, at.event, **settings)[1]

    def _deliver(self, plan: PulsePlan, at: Address, order: Parallelism) -> tuple[Tally, int]:
        """Pulses reach the cells through the lines; the steps that it takes, one after the other."""
        assert self.delivery is not None
        settings = {"order": order, "backend": self.backend, "threads": self.threads}
        done = self.delivery.send(self.state, plan, at.stream, at.event, **settings)
        if self.ledger is not None:
            self.ledger.count(self.name, Pass.UPDATE, Event.HALF_SELECTED, done.exposures.half)
            self.ledger.count(self.name, Pass.UPDATE, Event.UNSELECTED, done.exposures.rest)
        return done.tally, done.slots

    def _carrier(self, plan: Targets) -> Callable[[Counts, Stream, int], object]:
        """What takes the pulses of a closed loop through the lines.

        Raises:
            InputError: the scheme's pulses go by no law, so that nothing says what a weaker one does.
        """
        if not plan.scheme.lawful:
            kind, allowed = kind_of(type(plan.scheme)), "does not pulse by the device's law, as lines need it"
            raise InputError("scheme", kind, allowed, 'Set crossbar.wires.writes = "none", or take "write_verify".')
        return lambda pulses, stream, event: self._deliver(pulses, Address(stream, event), plan.parallel)

    def _seen(self, chosen: Tensor, at: Address) -> Tensor:
        """S, shape of the cells: reads of single cells; what others than the chosen ones show is of no use."""
        return self.array.device.conductance(self.state, at.stream, at.event)

    def _bring(self, scheme: AbstractScheme, order: Order) -> Programmed:
        """Cells are brought to their targets."""
        return scheme.program(self.array.device, self.state, order, self.backend)

    # The stages between drivers and senses.

    def _currents(self, voltage: Tensor, transposed: bool, at: Address) -> Tensor:
        """Line currents of a read with the device's noise, (tile rows, tile columns, samples, lines), A."""
        device, wires = self.array.device, self.array.crossbar.wires
        seen = device.visible(self.state)
        if (self.backend == "reference" or not wires.linear) and not device.read_noise.silent and voltage.shape[2]:
            each = (device.conductance(self.state, at.stream.child(k), at.event) for k in range(voltage.shape[2]))
            return self.matrices.singly((cells * self.used() for cells in each), voltage, transposed)
        if not wires.linear:
            return self.matrices.singly(seen, voltage, transposed)
        matrix = self.matrices(seen, transposed)
        mean = product(voltage, matrix.mT if transposed else matrix)
        if device.read_noise.silent or not voltage.shape[2]:
            return mean
        # Independent normal noise of the cells of a line adds in variance: one draw a line is the same distribution.
        variance = device.read_noise.variance(seen) * self.used()
        if not wires.cheap:
            # A cell's noise reaches the sense weakened as its current does, sneak paths aside.
            variance = variance * (matrix / seen.clamp_min(torch.finfo(seen.dtype).tiny)) ** 2
        spread = (voltage * voltage @ (variance.mT if transposed else variance)).sqrt()
        return mean + spread * random.normal(at.stream.child("read"), at.event, mean.shape, mean)

    def _address(self, direction: str, which: int) -> Address:
        """The next event of a direction; the counters are saved with the cells, so that a resumed run draws on."""
        event = int(self.events[which])
        self.events[which] += 1
        return Address(self.stream.child(direction), event, self.training)

    def cut(self, values: Tensor, axis: int) -> Tensor:
        """(samples, lines) to (samples, tiles, lines of a tile) on the input (0) or output (1) side."""
        size = (self.inputs, self.outputs)[axis]
        if values.dim() != 2 or values.shape[1] != size:
            side = ("inputs", "outputs")[axis]
            raise InputError(
                side, tuple(values.shape), f"must have shape (samples, {size})", f"Layer {self.name} has {size} {side}."
            )
        unused = self.tiles[axis] * self.part[axis] - size
        values = nn.functional.pad(values, (0, unused)) if unused else values
        return values.reshape(len(values), self.tiles[axis], self.part[axis])

    def _join(self, outcome: Tensor, size: int, scale: Tensor | float) -> Tensor:
        """(tiles, samples, lines) to (samples, size), back in the units of the values that were driven."""
        joined = outcome.transpose(0, 1).flatten(1)[:, :size]
        if isinstance(scale, Tensor):
            return joined.mul_(scale.flatten(1))  # what a sense returns is its own memory
        return joined if scale == 1 else joined.mul_(scale)

    def _cells_in_use(self) -> Tensor:
        """1 where a cell belongs to the layer, 0 in the unused corner of a tile that is not full."""
        rows = self.cut(torch.ones(1, self.inputs, dtype=torch.int64), 0)[0]
        columns = self.cut(torch.ones(1, self.outputs, dtype=torch.int64), 1)[0]
        row, column = self.array.crossbar.mapping.lines(rows, columns)
        return row[:, None, :, None] * column[None, :, None, :]


_FEMTO = 1e15
"""fS in a S: counts of the ledger are whole numbers."""
