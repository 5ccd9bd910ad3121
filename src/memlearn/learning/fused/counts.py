"""Rules with a number per weight and counted pulses, fused: the sign family, rounded counts, mixed precision."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np

from ...ops import fused_counts
from ...programming import BlindPulses, RoundedCounts, Sign, Threshold
from ...programming.heat import Amounts, Sums, count_amounts
from ...tile import Tile
from ..accumulate import BatchCounter, DigitalValue, PersistentCounter
from ..rule import Rule
from .base import AbstractFused, unsettled_of
from .heat import Meter, surveys

_compiled = lru_cache(maxsize=None)(fused_counts.compile_counting)


class FusedCounts(AbstractFused):
    """A number per weight (of the batch, or kept) x pulses counted from it."""

    kernel: ClassVar[str] = "fused_counts"
    unsettled: ClassVar[bool] = True

    def run(
        self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray, meter: Meter
    ) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, keys = self.layer_settings(), tuple(self._keys(tile) for tile in self.tiles)
        nothing = np.zeros((1, 1), np.float32)
        memory = tuple(nothing if kept is None else kept.numpy() for kept in self.rule.memory.values())
        scratch = fused_counts.scratch_for(layers, min(batch, len(inputs)))
        kernel = _compiled(self.tiles[0].array.device.kernels)
        images, step = self.images(inputs, labels, batch, layers), self.rule.steps
        self.found = surveys(self.tiles, self.sums, meter[1])
        both = meter, self.found
        return kernel(*images, keys, *self.kernel_loss(), step, self.unsettled_cells(), memory, scratch, tally, both)

    def pulse_amounts(self, number: int, sums: Sums, slots: int) -> Amounts:
        """See `AbstractFused.pulse_amounts`."""
        return count_amounts([self.found[number]], sums)

    @classmethod
    def fits(cls, rule: Rule) -> bool:
        """Whether the kernel does all that these parts do."""
        accumulator, writer = type(rule.accumulator), type(rule.writer)
        if accumulator not in (BatchCounter, PersistentCounter, DigitalValue):
            return False
        if writer is RoundedCounts:  # by lot, numbers that are kept may fire on any line, at rest or not
            return accumulator is BatchCounter
        if isinstance(rule.writer, Threshold) and rule.writer.relative:  # of a maximum that the kernel takes of changes
            return writer is Threshold and accumulator is BatchCounter
        return writer in (Sign, Threshold, BlindPulses)

    def update(self, number: int) -> fused_counts.Counting:
        """See `AbstractFused.update`."""
        rule, writer, accumulator = self.rule, self.rule.writer, self.rule.accumulator
        step, rate = self.tiles[number].weight_step, self.rule.rates[number]
        quantum, how, burst = writer.quantum(rate, step), fused_counts.SIGN, 1
        if isinstance(writer, RoundedCounts):
            how, unit = fused_counts.ROUND, writer.learning_rate * rate / step
        elif isinstance(writer, BlindPulses):
            how, burst = fused_counts.TRUNCATE, writer.burst
            unit = burst * quantum
        elif isinstance(writer, Threshold):
            unit = writer.threshold if writer.relative else quantum
        else:
            unit = fused_counts.LEAST
        return fused_counts.Counting(
            kept=next(iter(rule.memory.values())) is not None,
            gain=accumulator.learning_rate if isinstance(accumulator, DigitalValue) else 1.0,
            end=float(accumulator.end) if isinstance(accumulator, PersistentCounter) else np.inf,
            how=how,
            unit=float(unit),
            relative=isinstance(writer, Threshold) and writer.relative,
            burst=burst,
            taken=float(quantum),
            lottery=isinstance(writer, RoundedCounts) and writer.rounding == "stochastic",
            written=unsettled_of(self.tiles[number]),
        )

    @staticmethod
    def _keys(tile: Tile) -> fused_counts.Keys:
        rounding, cycle = tile.stream.child("writer", "rounding"), tile.stream.child("update", "cycle")
        return fused_counts.Keys(*rounding, *cycle, int(tile.events[2]))
