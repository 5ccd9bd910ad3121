"""Rules of a second array, fused: trains on the fast array, transfers to the slow one, whatever stands between them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ... import lines
from ...core.ledger import Event, Pass
from ...nn import Linear
from ...ops import fused_reads, fused_transfer
from ...ops.heat import Survey
from ...programming import StochasticTrains
from ...programming.heat import Amounts, Sums, count_amounts, train_amounts
from ...tile import Tile
from ..accumulate import PerSample, ScaledSample
from ..credit import TwinBackprop
from ..rule import Rule
from .base import AbstractFused, seen_of, unsettled_of
from .chain import cells_of, chain_of
from .heat import Meter, enter_reads, line_sums

_compiled = lru_cache(maxsize=None)(fused_transfer.compile_transfer)
_BUFFERS = {"none": fused_transfer.NONE, "digital": fused_transfer.DIGITAL, "average": fused_transfer.AVERAGE}
_CHOPPERS = {"none": fused_transfer.NONE, "random": fused_transfer.RANDOM, "regular": fused_transfer.REGULAR}
_REFERENCES = {"own": 0, "array": 1, "dynamic": fused_transfer.DYNAMIC, "tracked": fused_transfer.TRACKED}


class FusedTransfer(AbstractFused):
    """Per sample x stochastic trains on the fast array x transfers line by line."""

    kernel: ClassVar[str] = "fused_transfer"

    def __init__(self, rule: Rule, layers: list[Linear], neurons: list[nn.Module], loss: object) -> None:
        super().__init__(rule, layers, neurons, loss)
        self.chains = [chain for layer in layers if (chain := chain_of(layer.tile)) is not None]
        self.tiles = [chain.slow for chain in self.chains]
        self.tallied = fused_transfer.FAST + fused_transfer.EACH * (len(self.chains[0].parts) - 1)

    def run(
        self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray, meter: Meter
    ) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, keys = self.layer_settings(), tuple(chain.keys() for chain in self.chains)
        scratch = fused_transfer.scratch_for(layers, min(batch, len(inputs)))
        first, more = self.chains[0], len(self.chains[0].parts) - 1
        kernel = _compiled(first.fast.array.device.kernels, first.slow.array.device.kernels, more > 1)
        images, step = self.images(inputs, labels, batch, layers), self.rule.steps
        self.found = np.zeros((len(layers), 3), np.int64)
        rows = tuple(np.zeros(layer.height, np.int32) for layer in layers)
        columns = tuple(np.zeros(layer.width, np.int32) for layer in layers)
        self.fires = list(zip(rows, columns, strict=True))
        before, nothing = self._sums() if self.sums else [], tuple(np.zeros(0) for _ in layers)
        sharing = first.slow.array.crossbar.write_sharing
        ends = [[(own.rows[0], own.columns[0]) for own in each] for each in before]
        ends = ends or [[(np.zeros(layer.height), np.zeros(layer.width))] * more for layer in layers]
        self.surveys = tuple(tuple(Survey.empty(*own, sharing) for own in each[:more]) for each in ends)
        self.read_off, self.tally = np.zeros((len(layers), more)), tally
        everything = (meter[0], nothing, nothing), self.found, rows, columns, self.surveys, self.read_off
        outcome = kernel(*images, keys, *self.kernel_loss(), step, self._arrays(), scratch, tally, everything)
        after = self._sums() if before else []
        self.part_sums = [[a.mean(b) for a, b in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]
        return outcome

    def pulse_amounts(self, number: int, sums: Sums, slots: int) -> Amounts:
        """See `AbstractFused.pulse_amounts`: those of the slow array."""
        return count_amounts([self.surveys[number][0]], sums)

    def enter_heat(self, number: int, tile: Tile, sums: Sums, reads: np.ndarray, slots: int) -> None:
        """See `AbstractFused.enter_heat`; of arrays that are read together, each by its share of the lines' sums."""
        chain, own, shares = self.chains[number], self.part_sums[number], [reads]
        if chain.cell.gamma:
            parts = [float(one.rows.sum()) for one in own]
            whole = float(np.dot((1.0, *chain.gains), parts))
            shares = [reads * np.array([1, 1, part / whole]) for part in parts]
        for one, share in zip(chain.parts, shares, strict=False):
            enter_reads(one, share)
        for one, survey, seen in zip(chain.parts, self.surveys[number], own, strict=False):
            assert one.ledger is not None
            one.ledger.enter(one.name, Pass.TRANSFER, count_amounts([survey], seen))
        heat, sent = self.found[number] * np.array([1, 1e-15, 1e-15]), float(self.tally[number, 0])
        rows, columns = (fires[None] for fires in self.fires[number])
        fast, voltage = chain.fast, chain.reader().voltage
        assert fast.ledger is not None
        fast.ledger.enter(fast.name, Pass.UPDATE, train_amounts(heat, sent, rows, columns, own[-1], slots))
        for one, done, shown in zip(chain.parts[1:], self._passed(number), self.read_off[number], strict=True):
            lines.measure_reads(one, int(done[4]), voltage, float(shown))

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
        chain, writer, accumulator = self.chains[number], self.rule.writer, self.rule.accumulator
        assert isinstance(writer, StochasticTrains)
        cell, step = chain.cell, chain.compound.weight_step
        scaled = accumulator if isinstance(accumulator, ScaledSample) else None
        return fused_transfer.Transfer(
            rate=writer.learning_rate * self.rule.rates[number] / step,
            max_slots=writer.max_length,
            managed=writer.update_management,
            scaled=0.0 if scaled is None else scaled.worth(step),
            share=0.0 if scaled is None else scaled.share,
            every=cell.transfer_every or 1,
            whole=cell.unit == "batch",
            slower=cell.slower or 1,
            gains=chain.gains,
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
            noise=chain.slow.array.device.noise.words(),
            reader=chain.reader(),
            written=tuple(map(unsettled_of, chain.parts)),
        )

    def backs(self) -> tuple[np.ndarray, ...]:
        """See `AbstractFused.backs`: what reads see."""
        return self._arrays()[1]

    def events(self, steps: int, first: bool) -> list[int]:
        """See `AbstractFused.events`: the writes of the slow array come on top."""
        return [steps, 0 if first else steps, 0, 0, 0]

    def enter(self, tile: Tile, images: int, first: bool, tally: np.ndarray) -> None:
        """See `AbstractFused.enter`."""
        number = self.tiles.index(tile)
        chain, passed = self.chains[number], self._passed(number)
        tile.count_read(Pass.FORWARD, images)
        if not first:
            tile.count_read(Pass.BACKWARD, images)
        for one in chain.parts[1:] if chain.cell.gamma else ():
            one.count_cells_read(Pass.FORWARD, images)
            if not first:
                one.count_cells_read(Pass.BACKWARD, images)
        written = [(chain.fast, Pass.UPDATE, tally[:3])]
        written += [(one, Pass.TRANSFER, done[:3]) for one, done in zip(chain.parts, passed, strict=False)]
        for one, during, counted in written:
            assert one.ledger is not None
            for event, n in zip((Event.PULSE, Event.PULSED_CELL, Event.TRAIN_SLOT), counted, strict=True):
                one.ledger.count(one.name, during, event, int(n))
        for one, done in zip(chain.parts[1:], passed, strict=True):
            lines.count_reads(one, int(done[4]))

    def _account(self, images: int, steps: int, tally: np.ndarray) -> None:
        self.tally = tally
        super()._account(images, steps, tally)
        for number, chain in enumerate(self.chains):
            passed = self._passed(number)
            writes = [*(int(done[3]) for done in passed), int(tally[number, 3])]
            reads = [0, *(int(done[4]) for done in passed)]
            for part, (one, written, read) in enumerate(zip(chain.parts, writes, reads, strict=True)):
                seen = steps if part and chain.cell.gamma else 0
                one.events += torch.tensor([read + seen, seen if number else 0, written, 0, written])
            chain.compound.writes += steps if chain.cell.unit == "batch" else images

    def _layer(self, number: int) -> fused_reads.Layer:
        return super()._layer(number)._replace(noise=self.chains[number].fast.array.device.noise.words())

    def _passed(self, number: int) -> np.ndarray:
        """What each array of a layer but the fast one got: pulses, cells pulsed, slots, writes; reads it came from."""
        return self.tally[number, fused_transfer.FAST :].reshape(-1, fused_transfer.EACH)

    def _sums(self) -> list[list[Sums]]:
        return [line_sums(list(chain.parts)) for chain in self.chains]

    def _arrays(self) -> tuple[tuple[Any, ...], ...]:
        """The kernel's arrays, layer by layer; see `fused_transfer.compile_transfer`."""
        parts = tuple(tuple(map(cells_of, chain.parts)) for chain in self.chains)
        shown = tuple(tuple(seen_of(one).numpy().reshape(-1) for one in chain.parts) for chain in self.chains)
        seen = []
        for chain, own in zip(self.chains, shown, strict=True):
            more = zip(chain.gains, own[1:], strict=True)
            seen.append(own[0] + sum(np.float32(gain) * one for gain, one in more) if chain.cell.gamma else own[0])
        kept = zip(self.chains, self.rule.memory.values(), strict=True)
        memory, others = zip(*(chain.memory(means) for chain, means in kept), strict=True)
        return parts, tuple(seen), shown, memory, others
