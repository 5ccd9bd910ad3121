"""Weights of several parts: tiles that are read as one, pulsed as their cell says, and settled among themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from . import lines
from .cells import Access, Memory, Part, Single
from .core.component import kind_of
from .core.errors import InputError
from .core.ledger import Ledger, Pass
from .core.random import Stream
from .core.types import SIGN_BIT, Counts, PulsePlan
from .ops.pulse_update import Tally
from .programming import Targets
from .programming.schemes import AbstractScheme
from .tile import Array, Port, Tile


class Compound(nn.Module):
    """A weight matrix (inputs, outputs) whose weights are sums of parts, each a `Tile` of its own.

    It has the verbs of a tile. A read drives the lines of all parts together; their currents, times gain and sign, are
    summed before the converters of the first part sense them. A write goes to the parts that the cell names; then the
    cell may carry or transfer, by counted reads and pulses.

    Arguments:
        inputs, outputs: shape of the weight matrix.
        array: devices, mapping, wires, converters and the weight cell.
        stream: whose random numbers; the first part takes those of a single tile.
        options: name, backend, dtype and threads, as of `Tile`.
    """

    writes: Tensor

    def __init__(self, inputs: int, outputs: int, *, array: Array, stream: Stream, **options: Any) -> None:
        super().__init__()
        self.cell = array.cell.settled(array.device)
        self.inputs, self.outputs, self.stream = inputs, outputs, stream
        self.plans: tuple[Part, ...] = self.cell.parts()
        laid_out = [_array_of(part, array) for part in self.plans]
        most = tuple(min(size) for size in zip(*(one.crossbar.capacity for one in laid_out), strict=True))
        tiles = {
            part.name: Tile(
                inputs, outputs, array=one, most=most, stream=stream.child("part", k) if k else stream, **options
            )
            for k, (part, one) in enumerate(zip(self.plans, laid_out, strict=True))
        }
        self.parts = nn.ModuleDict(tiles)
        self.register_buffer("writes", torch.zeros((), dtype=torch.int64))
        self.cell = self.cell.fitted(inputs, outputs, [tile.weight_step for tile in tiles.values()])
        self.array = array.replace(cell=self.cell)
        memory = self.cell.memory(inputs, outputs)
        self._kept = tuple(memory)
        for name, tensor in memory.items():
            self.register_buffer(f"kept_{name}", tensor.to(self.first.conductance))
        if memory:
            self.cell.start(self._accesses(), self.memory)

    @property
    def tiles_of(self) -> dict[str, Tile]:
        """The physical arrays, by the name of the part."""
        return {name: tile for name, tile in self.parts.items() if isinstance(tile, Tile)}

    @property
    def memory(self) -> Memory:
        """What the cell keeps in digital, by name."""
        return {name: getattr(self, f"kept_{name}") for name in self._kept}

    @property
    def first(self) -> Tile:
        """The part whose converters serve all, and by which others know precision, place and number of reads."""
        return next(iter(self.tiles_of.values()))

    # What a tile has, too.

    @property
    def conductance(self) -> Tensor:
        """Of the first part."""
        return self.first.conductance

    @property
    def events(self) -> Tensor:
        """Of the first part."""
        return self.first.events

    @property
    def tiles(self) -> tuple[int, int]:
        """Physical tiles of each part."""
        return self.first.tiles

    @property
    def part(self) -> tuple[int, int]:
        """Weights (inputs, outputs) of a tile, the same in all parts."""
        return self.first.part

    @property
    def cells(self) -> int:
        """Of all parts."""
        return sum(tile.cells for tile in self.tiles_of.values())

    @property
    def backend(self) -> str:
        """Of all parts."""
        return self.first.backend

    @property
    def name(self) -> str:
        """Of the first part, under which what all share is counted."""
        return self.first.name

    @property
    def ledger(self) -> Ledger | None:
        """Of all parts."""
        return self.first.ledger

    @property
    def threads(self) -> int:
        """Of the pulse kernels of all parts."""
        return self.first.threads

    @threads.setter
    def threads(self, threads: int) -> None:
        for tile in self.tiles_of.values():
            tile.threads = threads

    @property
    def serves(self) -> Pass:
        """The pass that a forward read works for."""
        return self.first.serves

    @serves.setter
    def serves(self, serves: Pass) -> None:
        for tile in self.tiles_of.values():
            tile.serves = serves

    def cut_weights(self, weight: Tensor) -> Tensor:
        """As `Tile.cut_weights`."""
        return self.first.cut_weights(weight)

    def encode(self, values: Tensor) -> Tensor:
        """As `Tile.encode`."""
        return self.first.encode(values)

    def read(self, values: Tensor) -> Tensor:
        """As `Tile.read`."""
        return self._read(values, Pass.FORWARD)

    def read_transposed(self, errors: Tensor) -> Tensor:
        """As `Tile.read_transposed`."""
        return self._read(errors, Pass.BACKWARD)

    def write(self, plan: PulsePlan) -> Tally:
        """As `Tile.write`, to the parts whose turn it is; then what passes between the parts.

        Returns:
            Pulses of the plan, and cells that received any, added up over the portions of the plan between which
            something may pass; pulses of a carry, transfer or refresh are in the ledger and in the cells' own counters.
        """
        writes, total = int(self.writes), Tally(0, 0)
        accesses, memory, tiles = self._accesses(), self.memory, list(self.tiles_of.values())
        for portion, worth in self.cell.portions(plan, writes):
            routed = self.cell.route(portion, writes, memory)
            for tile, sign, own in zip(tiles, self.cell.signs(writes), routed, strict=True):
                if own is not None:
                    done = tile.write(own if sign > 0 else _reversed(own))
                    total = Tally(total.pulses + done.pulses, total.cells + done.cells)
            writes += worth
            self.cell.transfer(accesses, writes, memory)
        self.writes.fill_(writes)
        return total

    def program(self, plan: Targets) -> tuple[Tally, Tensor | None]:
        """As `Tile.program`: the part with the largest gain first, the others in turn to what is still missing.

        A hidden part takes it all, and the others show it.

        Raises:
            InputError: a scheme that sees nothing, or a plan that knows its pulses: they belong to one cell.
        """
        if plan.scheme.unseen or plan.sent is not None:
            allowed = "writes without a look, which says nothing about parts"
            raise InputError("scheme", kind_of(type(plan.scheme)), allowed, 'Use a single cell, or "write_verify".')
        if self._hidden is not None:
            done, reached = self._hidden.program(plan)
            self.cell.transfer(self._accesses(), 0, self.memory)  # no write, and the turn of every interval
            return done, reached
        wanted = plan.weight.to(self.conductance)
        if plan.relative:
            chosen = wanted != 0
            seen = [share * tile.look_at_weights(chosen) for share, tile in self._shown()]
            wanted = wanted + torch.stack(seen).sum(0)
        else:
            chosen = torch.ones_like(wanted, dtype=torch.bool) if plan.previous is None else wanted != plan.previous
        rest, total = wanted, Tally(0, 0)
        for share, tile in sorted(self._shown(), key=lambda pair: -abs(pair[0])):
            w_max = tile.array.crossbar.mapping.w_max
            target = (rest / share).where(chosen, 0).clamp(-w_max, w_max)
            done, reached = tile.program(_chosen(plan, target, chosen))
            assert reached is not None
            rest, total = rest - share * reached, Tally(total.pulses + done.pulses, total.cells + done.cells)
        return total, (wanted - rest).where(chosen, wanted) if plan.heard else None

    def relax(self, seconds: float, *, temperature: float = 300.0) -> None:
        """As `Tile.relax`."""
        for tile in self.tiles_of.values():
            tile.relax(seconds, temperature=temperature)

    def initialise(self, weight: Tensor) -> None:
        """As `Tile.initialise`: into the part with the largest gain as far as it goes, then into the others."""
        rest = weight.detach().to(self.conductance)
        if self._hidden is not None:
            self._hidden.initialise(rest)
            rest = self.cell.shown(rest, self.array.crossbar.mapping.w_max)
        for share, tile in sorted(self._shares(), key=lambda pair: -abs(pair[0])):
            if share or tile is not self._hidden:
                tile.initialise(rest / share if share else torch.zeros_like(rest))
            rest = rest - share * tile.weight()

    def weight(self) -> Tensor:
        """The weights (inputs, outputs) that the cells of all parts stand for."""
        parts = [share * tile.weight() for share, tile in self._shown()]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    @property
    def weight_step(self) -> float:
        """Mean weight change of one planned pulse."""
        return self.cell.step([abs(share or 1) * tile.weight_step for share, tile in self._shares()])

    def _read(self, values: Tensor, way: Pass) -> Tensor:
        """Drive all parts, sum their signals, sense the sum."""
        first = self.first
        driven, at = first.drive(values, way)
        total: Tensor | None = None
        for share, tile in self._shown():
            here = at if tile is first else tile.next_read(way)
            signal = tile.signal(driven.voltage, way, here)
            factor = share * (first.unit_current / tile.unit_current)
            signal = signal if factor == 1 else signal * factor
            total = signal if total is None else total + signal
            if tile is not first and tile.ledger is not None:
                tile.count_cells_read(way, len(driven.voltage))
        assert total is not None
        return first.sense(total, driven, way, at)

    def _shares(self) -> list[tuple[float, Tile]]:
        """The parts, each with gain and sign."""
        signs = self.cell.signs(int(self.writes))
        return [
            (sign * part.gain, tile) for sign, part, tile in zip(signs, self.plans, self.tiles_of.values(), strict=True)
        ]

    def _shown(self) -> list[tuple[float, Tile]]:
        """Those of them that reads see."""
        return [pair for pair in self._shares() if pair[0]]

    @property
    def _hidden(self) -> Tile | None:
        """The part that holds what the others show."""
        parts = zip(self.plans, self.tiles_of.values(), strict=True)
        return next((tile for part, tile in parts if part.hidden), None)

    def _accesses(self) -> list[Access]:
        """What the cell may do with each part."""
        return [
            self._access(part, tile, self.stream)
            for part, tile in zip(self.plans, self.tiles_of.values(), strict=True)
        ]

    @staticmethod
    def _access(part: Part, tile: Tile, stream: Stream) -> Access:
        """What the cell may do with a part."""

        def look(chosen: Tensor | None) -> Tensor:
            everything = torch.ones(tile.inputs, tile.outputs, dtype=torch.bool, device=tile.conductance.device)
            return tile.look_at_weights(everything if chosen is None else chosen)

        def send(plan: Counts) -> object:
            return tile.write(plan) if bool(plan.pulses.any()) else None

        def program(weight: Tensor, chosen: Tensor | None, scheme: AbstractScheme) -> Tensor:
            plan = Targets(weight, None, False, scheme, heard=True)
            reached = tile.program(plan if chosen is None else _chosen(plan, weight, chosen))[1]
            assert reached is not None
            return reached

        def send_line(line: int, pulses: Tensor) -> object:
            return lines.write(tile, line, pulses) if bool(pulses.any()) else None

        w_max = tile.array.crossbar.mapping.w_max
        def read_line(line: int, share: float, reference: Tensor | None) -> Tensor:
            return lines.read(tile, line, share, reference)

        own = read_line, send_line, lambda: lines.symmetric_weights(tile), stream, tile.inputs
        return Access(part.gain, tile.weight_step, w_max, look, send, program, *own)


AnyTile = Tile | Compound


def weight_step(array: Array) -> float:
    """Mean weight change of one planned pulse, of arrays that are still to be made.

    Raises:
        InputError: the weight cell does not fit the device.
    """
    cell, steps = array.cell.settled(array.device), []
    for part in cell.parts():
        one = _array_of(part, array)
        steps.append((part.gain or 1) * one.crossbar.mapping.step(one.device.mean_step, one.device.range))
    return cell.step(steps)


def make_tile(inputs: int, outputs: int, *, array: Array, stream: Stream, **options: Any) -> AnyTile:
    """The arrays of a weight matrix: a tile, or several where the weight cell has parts; arguments as of `Tile`."""
    kind = Tile if isinstance(array.cell, Single) else Compound
    return kind(inputs, outputs, array=array, stream=stream, **options)


def physical(name: str, tile: AnyTile) -> dict[str, Tile]:
    """The physical arrays of a layer's tile by name: NAME itself, or "NAME.part" of each part."""
    if isinstance(tile, Tile):
        return {name: tile}
    return {f"{name}.{part}": one for part, one in tile.tiles_of.items()}


def _array_of(part: Part, array: Array) -> Array:
    """What a part is made of."""
    crossbar = array.crossbar
    if part.mapping is not None:
        crossbar = crossbar.replace(mapping=part.mapping.replace(w_max=crossbar.mapping.w_max))
    periphery = array.periphery
    if part.reader is not None:
        drive, sense = part.reader
        sense = sense.replace(output_range=sense.output_range * crossbar.mapping.w_max)
        periphery = periphery.replace(forward=Port(drive=drive, sense=sense))
    device = part.device or array.device
    return array.replace(device=device, crossbar=crossbar, periphery=periphery, cell=Single())


def _reversed(plan: PulsePlan) -> PulsePlan:
    """Every pulse the other way."""
    if isinstance(plan, Counts):
        return plan._replace(pulses=-plan.pulses)
    return plan._replace(rows=plan.rows ^ (1 << SIGN_BIT))


def _chosen(plan: Targets, target: Tensor, chosen: Tensor) -> Targets:
    """The plan for one part: these targets, where they are chosen."""
    # No number is like NaN: what is chosen differs from what was there before, all else does not.
    previous = target.masked_fill(chosen, torch.nan)
    return plan._replace(weight=target, previous=previous, relative=False, heard=True)
