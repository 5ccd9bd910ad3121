"""Siamese learning, fused: a float twin, whose changes of level are programmed by write-verify."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np

from ...core.ledger import Event, Pass
from ...ops import fused_counts, write_verify
from ...programming import Program
from ...programming.heat import Amounts, Sums
from ...programming.schemes import WriteVerify
from ...tile import Tile
from ..accumulate import FloatTwin
from ..credit import TwinBackprop
from ..rule import Rule
from .base import AbstractFused
from .heat import Meter

_compiled = lru_cache(maxsize=None)(fused_counts.compile_twin)


class FusedTwin(AbstractFused):
    """Back through a twin x its levels x write-verify of what changes."""

    kernel: ClassVar[str] = "fused_twin"
    tallied = 11

    def run(
        self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray, meter: Meter
    ) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, scheme = self.layer_settings(), self._scheme
        keys = tuple(write_verify.keys(tile.stream.child("update"), int(tile.events[2])) for tile in self.tiles)
        twins, levels = self._memory(0), self._memory(1)
        scratch = fused_counts.twin_scratch_for(layers, min(batch, len(inputs)), scheme.max_pulses)
        kernel = _compiled(self.tiles[0].array.device.kernels)
        images, most = self.images(inputs, labels, batch, layers), (scheme.events, scheme.max_pulses)
        memory = twins, levels, self.backs()
        return kernel(*images, keys, *self.kernel_loss(), most, self.cells(), memory, scratch, tally, meter)

    def pulse_amounts(self, number: int, sums: Sums, slots: int) -> Amounts:
        """See `AbstractFused.pulse_amounts`: closed loops count the doses of their pulses themselves."""
        return {}

    @classmethod
    def fits(cls, rule: Rule) -> bool:
        """Whether the kernel does all that these parts do."""
        accumulator, writer = rule.accumulator, rule.writer
        return (
            type(rule.credit) is TwinBackprop
            and type(accumulator) is FloatTwin
            and accumulator.feedback == 0
            and accumulator.grid == "uniform"
            and accumulator.bits is None
            and type(writer) is Program
            and type(writer.scheme) is WriteVerify
            and not writer.scheme.patience
            and writer.scheme.tolerance_low is None
            and not writer.scheme.erase
            and writer.cells == "changed"
            and writer.parallel != "column"
        )

    def update(self, number: int) -> fused_counts.Twin:
        """See `AbstractFused.update`."""
        device, accumulator = self.tiles[number].array.device, self.rule.accumulator
        assert isinstance(accumulator, FloatTwin)
        w_max = np.float32(self.tiles[number].array.crossbar.mapping.w_max)
        return fused_counts.Twin(
            rate=accumulator.learning_rate * self.rule.rates[number],
            step=float(w_max / np.float32(accumulator.levels - 1)),
            held=(0.5 + accumulator.hysteresis) * float(w_max) / (accumulator.levels - 1)
            if accumulator.hysteresis
            else -1.0,
            residual=accumulator.residual,
            w_max=float(w_max),
            middle=0.5 * (device.g_min + device.g_max),
            half=0.5 * (device.g_max - device.g_min),
            window=self._scheme.tolerance * device.range,
        )

    def events(self, steps: int, first: bool) -> list[int]:
        """See `AbstractFused.events`: errors go back in digital, and a write takes an event for every pulse."""
        return [steps, 0, steps * self._scheme.events, 0, 0]

    def enter(self, tile: Tile, images: int, first: bool, tally: np.ndarray) -> None:
        """See `AbstractFused.enter`."""
        assert tile.ledger is not None and isinstance(self.rule.writer, Program)
        tile.count_read(Pass.FORWARD, images)
        slots = {"cell": (0, 4), "row": (5, 6), "array": (7, 8)}[self.rule.writer.parallel]
        for event, during, place in (
            (Event.PULSE, Pass.UPDATE, 0),
            (Event.PULSED_CELL, Pass.UPDATE, 1),
            (Event.CELL_WRITE, Pass.UPDATE, 2),
            (Event.GIVEN_UP, Pass.UPDATE, 3),
            (Event.TRAIN_SLOT, Pass.UPDATE, slots[0]),
            (Event.SINGLE_READ, Pass.VERIFY, 4),
            (Event.READ_SLOT, Pass.VERIFY, slots[1]),
            (Event.DOSE_UP, Pass.UPDATE, 9),
            (Event.DOSE_DOWN, Pass.UPDATE, 10),
        ):
            tile.ledger.count(tile.name, during, event, int(tally[place]))

    def backs(self) -> tuple[np.ndarray, ...]:
        """See `AbstractFused.backs`: the levels, or the twins."""
        assert isinstance(self.rule.accumulator, FloatTwin)
        which = 1 if self.rule.accumulator.gradient == "levels" else 0
        return tuple(weights.reshape(-1) for weights in self._memory(which))

    def _memory(self, part: int) -> tuple[np.ndarray, ...]:
        """The twins (0) or the levels (1) of all layers, (R, C), in place."""
        return tuple(kept[part].numpy() for kept in self.rule.memory.values() if kept is not None)

    @property
    def _scheme(self) -> WriteVerify:
        writer = self.rule.writer
        assert isinstance(writer, Program) and isinstance(writer.scheme, WriteVerify)
        return writer.scheme
