"""Rules of a second array, fused: trains on the fast array, transfers to the slow one, whatever stands between them."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ... import lines
from ...cells import SecondArray
from ...compound import AnyTile, Compound
from ...core.ledger import Event, Pass
from ...nn import Linear
from ...ops import fused_reads, fused_transfer
from ...ops.heat import Survey
from ...periphery import Address, steps_per_side
from ...programming import StochasticTrains
from ...programming.heat import Amounts, Sums, count_amounts, train_amounts
from ...tile import Tile
from ..accumulate import PerSample, ScaledSample
from ..credit import TwinBackprop
from ..rule import Rule
from .base import AbstractFused, memory_of, plain_cells, seen_of, unsettled_of
from .heat import enter_reads, line_sums

_compiled = lru_cache(maxsize=None)(fused_transfer.compile_transfer)
_BUFFERS = {"none": fused_transfer.NONE, "digital": fused_transfer.DIGITAL, "average": fused_transfer.AVERAGE}
_CHOPPERS = {"none": fused_transfer.NONE, "random": fused_transfer.RANDOM, "regular": fused_transfer.REGULAR}
_REFERENCES = {"own": 0, "array": 1, "dynamic": fused_transfer.DYNAMIC, "tracked": fused_transfer.TRACKED}
_KEPT = ("buffer1", "signs", "output_signs", "mean", "frozen", "reference1")
_EVENTS = (1 << 31) - 2
"""Writes of an array that its cells' marks tell apart."""


class Pair(NamedTuple):
    """The arrays of a layer, and the cell between them."""

    cell: SecondArray
    slow: Tile
    fast: Tile
    compound: Compound


def pair_of(tile: AnyTile) -> Pair | None:
    """The two arrays of a weight, where the kernel does all that they, and the cell between them, do."""
    if not isinstance(tile, Compound) or not isinstance(tile.cell, SecondArray) or tile.cell.arrays > 1:
        return None
    slow, fast = tile.tiles_of.values()
    pair = Pair(tile.cell, slow, fast, tile)
    cell, sense = pair.cell, pair.fast.array.periphery.forward.sense
    fine = [plain_cells(one, unsettled=not cell.gamma) for one in (pair.slow, pair.fast)]
    errors = (cell.drive.noise, cell.drive.gain_spread, cell.drive.offset_spread, cell.drive.stochastic_rounding)
    errors += sense.noise, sense.gain_spread, sense.offset_spread, sense.stochastic_rounding  # type: ignore[attr-defined]
    alike = type(pair.slow.array.crossbar.mapping) is type(pair.fast.array.crossbar.mapping)
    silent = not any(errors) and cell.drive.scaling == "none" and not cell.reference_drift
    late = max(int(one.events[2]) for one in (pair.slow, pair.fast)) > _EVENTS // 2
    return pair if all(fine) and alike and silent and not late else None


class FusedTransfer(AbstractFused):
    """Per sample x stochastic trains on the fast array x transfers line by line."""

    kernel: ClassVar[str] = "fused_transfer"
    tallied: ClassVar[int] = 9

    def __init__(self, rule: Rule, layers: list[Linear], neurons: list[nn.Module], loss: object) -> None:
        super().__init__(rule, layers, neurons, loss)
        self.pairs = [pair for layer in layers if (pair := pair_of(layer.tile)) is not None]
        self.tiles = [pair.slow for pair in self.pairs]

    def run(
        self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray, reads: np.ndarray
    ) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, keys = self.layer_settings(), tuple(self._keys(pair) for pair in self.pairs)
        scratch = fused_transfer.scratch_for(layers, min(batch, len(inputs)))
        first = self.pairs[0]
        kernel = _compiled(first.fast.array.device.kernels, first.slow.array.device.kernels)
        fasts, slows = (tuple(map(_cells, side)) for side in ((p.fast for p in self.pairs), self.tiles))
        images, step = self.images(inputs, labels, batch, layers), self.rule.steps
        arrays = fasts, slows, self._seen(), self._memory()
        fast = [pair.fast for pair in self.pairs]
        self.found = np.zeros((len(layers), 3), np.int64)
        rows = tuple(np.zeros(layer.height, np.int64) for layer in layers)
        columns = tuple(np.zeros(layer.width, np.int64) for layer in layers)
        self.fires = list(zip(rows, columns, strict=True))
        self.surveys = tuple(Survey.empty(layer.height, layer.width) for layer in layers)
        self.shown, self.tally = np.zeros((len(layers), 1)), tally
        before = line_sums(fast) if len(reads) else []
        meter = reads, self.found, rows, columns, self.surveys, self.shown
        outcome = kernel(*images, keys, *self.kernel_loss(), step, arrays, scratch, tally, meter)
        self.sums = [first.mean(last) for first, last in zip(before, line_sums(fast) if before else [], strict=True)]
        return outcome

    def pulse_amounts(self, number: int, sums: Sums, slots: int) -> Amounts:
        """See `AbstractFused.pulse_amounts`: those of the slow array."""
        return count_amounts([self.surveys[number]], sums)

    def enter_heat(self, number: int, tile: Tile, sums: Sums, reads: np.ndarray, slots: int) -> None:
        """See `AbstractFused.enter_heat`; of arrays that are read together, each by its share of the lines' sums."""
        pair, fast_sums, shares = self.pairs[number], self.sums[number], [reads]
        fast, gamma = pair.fast, pair.cell.gamma * tile.unit_current / pair.fast.unit_current
        if gamma:
            slow_heat, fast_heat = float(sums.rows.sum()), float(fast_sums.rows.sum())
            whole = slow_heat + gamma * fast_heat
            shares = [reads * np.array([1, 1, part / whole]) for part in (slow_heat, fast_heat)]
        for one, share in zip((tile, fast), shares, strict=False):
            enter_reads(one, share)
        assert tile.ledger is not None and fast.ledger is not None
        tile.ledger.enter(tile.name, Pass.TRANSFER, self.pulse_amounts(number, sums, slots))
        heat, sent = self.found[number] * np.array([1, 1e-15, 1e-15]), float(self.tally[number, 0])
        rows, columns = (fires[None] for fires in self.fires[number])
        fast.ledger.enter(fast.name, Pass.UPDATE, train_amounts(heat, sent, rows, columns, fast_sums, slots))
        lines.measure_reads(fast, int(self.tally[number, 7]), _reader(pair).voltage, float(self.shown[number, 0]))

    @classmethod
    def fits(cls, rule: Rule) -> bool:
        """Whether the kernel does all that these parts do."""
        parts = rule.parts
        return (
            type(parts.credit) is not TwinBackprop
            and type(parts.accumulator) in (PerSample, ScaledSample)
            and type(parts.writer) is StochasticTrains
        )

    def update(self, number: int) -> fused_transfer.Transfer:
        """See `AbstractFused.update`."""
        pair, writer, accumulator = self.pairs[number], self.rule.writer, self.rule.accumulator
        assert isinstance(writer, StochasticTrains)
        cell, step = pair.cell, pair.compound.weight_step
        scaled = accumulator if isinstance(accumulator, ScaledSample) else None
        units = pair.slow.unit_current / pair.fast.unit_current
        return fused_transfer.Transfer(
            rate=writer.learning_rate * self.rule.rates[number] / step,
            max_slots=writer.max_length,
            managed=writer.update_management,
            scaled=0.0 if scaled is None else scaled.worth(step),
            share=0.0 if scaled is None else scaled.share,
            every=cell.transfer_every or 1,
            whole=cell.unit == "batch",
            gamma=cell.gamma * units,
            buffer=_BUFFERS[cell.buffer],
            gain=cell.gain or 1.0,
            settle=cell.settle or 0.0,
            most=float(cell.most or 1),
            forget=-1.0 if cell.forget is None else cell.forget,
            average=cell.average,
            chopper=_CHOPPERS[cell.chopper],
            flip=cell.flip,
            period=cell.period or 1,
            output_flip=cell.output_flip,
            reference=_REFERENCES[cell.reference or "own"],
            reference_rate=cell.reference_rate or 1.0,
            noise=pair.slow.array.device.noise.words(),
            reader=_reader(pair),
            slow=unsettled_of(pair.slow),
            fast=unsettled_of(pair.fast),
        )

    def backs(self) -> tuple[np.ndarray, ...]:
        """See `AbstractFused.backs`: what reads see."""
        return self._seen()

    def events(self, steps: int, first: bool) -> list[int]:
        """See `AbstractFused.events`: the writes of the slow array come on top."""
        return [steps, 0 if first else steps, 0, 0, 0]

    def enter(self, tile: Tile, images: int, first: bool, tally: np.ndarray) -> None:
        """See `AbstractFused.enter`."""
        pair = self.pairs[self.tiles.index(tile)]
        tile.count_read(Pass.FORWARD, images)
        if not first:
            tile.count_read(Pass.BACKWARD, images)
        if pair.cell.gamma:
            pair.fast.count_cells_read(Pass.FORWARD, images)
            if not first:
                pair.fast.count_cells_read(Pass.BACKWARD, images)
        for one, during, counted in ((pair.fast, Pass.UPDATE, tally[:3]), (pair.slow, Pass.TRANSFER, tally[3:6])):
            assert one.ledger is not None
            for event, n in zip((Event.PULSE, Event.PULSED_CELL, Event.TRAIN_SLOT), counted, strict=True):
                one.ledger.count(one.name, during, event, int(n))
        lines.count_reads(pair.fast, int(tally[7]))

    def _account(self, images: int, steps: int, tally: np.ndarray) -> None:
        super()._account(images, steps, tally)
        for number, (pair, done) in enumerate(zip(self.pairs, tally.tolist(), strict=True)):
            portions, transfers, writes = done[6:]
            seen = steps if pair.cell.gamma else 0
            pair.slow.events += torch.tensor([0, 0, writes, 0, writes])
            pair.fast.events += torch.tensor([transfers + seen, seen if number else 0, portions, 0, portions])
            pair.compound.writes += steps if pair.cell.unit == "batch" else images

    def _layer(self, number: int) -> fused_reads.Layer:
        return super()._layer(number)._replace(noise=self.pairs[number].fast.array.device.noise.words())

    def _seen(self) -> tuple[np.ndarray, ...]:
        """What reads see of the cells: the slow array's own memory where nothing comes on top."""
        found = []
        for cell, slow, fast, _ in self.pairs:
            seen = seen_of(slow)
            if cell.gamma:
                seen = seen + fast.conductance * (cell.gamma * slow.unit_current / fast.unit_current)
            found.append(seen.numpy().reshape(-1))
        return tuple(found)

    def _memory(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """What the cells keep in digital, in place, and the running means of the factors."""
        found = []
        for pair, means in zip(self.pairs, self.rule.memory.values(), strict=True):
            nothing = {True: np.zeros(1, np.float32), False: np.zeros((pair.slow.inputs, 1), np.float32)}
            kept = pair.compound.memory
            arrays = [kept[n].numpy() if n in kept else nothing["signs" in n] for n in _KEPT]
            found.append((*arrays, np.zeros(2) if means is None else means.numpy()))
        return tuple(found)

    @staticmethod
    def _keys(pair: Pair) -> fused_transfer.Keys:
        slow, fast, stream = pair.slow, pair.fast, pair.compound.stream
        writer = stream.child("writer")
        return fused_transfer.Keys(
            *writer.child("rows"),
            *writer.child("columns"),
            *fast.stream.child("update", "cycle"),
            int(fast.events[2]),
            *slow.stream.child("update", "cycle"),
            int(slow.events[2]),
            *stream.child("chopper"),
            *stream.child("output chopper"),
            *stream.child("rest", 1),
            int(pair.compound.writes),
        )


def _cells(tile: Tile) -> tuple[np.ndarray, ...]:
    """Flat conductances, parameters, counters and memory of effects, in place."""
    state = tile.parameters_, tile.counters
    flat = (part.numpy().reshape(-1, part.shape[-1]) for part in state)
    return tile.conductance.numpy().reshape(-1), *flat, memory_of(tile)


def _reader(pair: Pair) -> fused_transfer.Reader:
    """Converters of transfer reads, as the stages would have them: constants in the precision of the cells."""
    cell, tile = pair.cell, pair.fast
    port, like = tile.array.periphery.forward, tile.conductance
    voltage, full = tile.array.crossbar.read_voltage, cell.read_share * cell.drive.input_range
    driven = port.drive.drive(torch.full((1, 1, 1), full).to(like), voltage, Address(tile.stream, 0, False)).voltage
    level: Tensor = driven[0, 0, 0] / voltage
    sense = pair.cell.sense
    span = port.sense.output_range  # type: ignore[attr-defined]
    return fused_transfer.Reader(
        voltage=float(driven),
        beside=float(level * tile.unit_current),
        full=tile.unit_current * span,
        levels=float(steps_per_side(sense.bits) if sense.bits else 0),
        range=span,
        share=cell.read_share,
    )
