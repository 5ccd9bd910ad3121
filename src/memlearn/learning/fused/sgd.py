"""SGD by stochastic trains, fused."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np

from ...ops import fused_sgd
from ...programming import StochasticTrains
from ...programming.heat import Amounts, Sums, train_amounts
from ...tile import Tile
from ..accumulate import PerSample
from ..credit import TwinBackprop
from ..rule import Rule
from .base import AbstractFused, unsettled_of
from .heat import Meter

_compiled = lru_cache(maxsize=None)(fused_sgd.compile_sgd)


class FusedSGD(AbstractFused):
    """Per sample x stochastic trains."""

    kernel: ClassVar[str] = "fused_sgd"
    unsettled: ClassVar[bool] = True

    def run(
        self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray, meter: Meter
    ) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, keys = self.layer_settings(), self.stream_keys()
        scratch = fused_sgd.scratch_for(layers, min(batch, len(inputs)))
        kernel = _compiled(self.tiles[0].array.device.kernels)
        images, step = self.images(inputs, labels, batch, layers), self.rule.steps
        self.found = (
            np.zeros((len(self.tiles), 3), np.int64),
            tuple(np.zeros(layer.height, np.int32) for layer in layers),
            tuple(np.zeros(layer.width, np.int32) for layer in layers),
        )
        self.sent = tally[:, 0]
        if self.sums and not any(tile.array.device.write_noise.active for tile in self.tiles):
            meter = *meter[:2], tuple(own.columns[0].copy() for own in self.sums)
        else:  # write noise moves what reads see of every cell that a train has reached
            meter = meter[0], meter[2], meter[2]
        everything = meter, *self.found
        return kernel(*images, keys, *self.kernel_loss(), step, self.unsettled_cells(), scratch, tally, everything)

    def pulse_amounts(self, number: int, sums: Sums, slots: int) -> Amounts:
        """See `AbstractFused.pulse_amounts`."""
        found, rows, columns = (part[number] for part in self.found)
        heat = found * np.array([1, 1e-15, 1e-15])
        return train_amounts(heat, float(self.sent[number]), rows[None], columns[None], sums, slots)

    @classmethod
    def fits(cls, rule: Rule) -> bool:
        """Whether the kernel does all that these parts do."""
        parts = rule.parts
        return (
            type(parts.credit) is not TwinBackprop
            and type(parts.accumulator) is PerSample
            and type(parts.writer) is StochasticTrains
        )

    def update(self, number: int) -> fused_sgd.Trains:
        """See `AbstractFused.update`."""
        tile, writer = self.tiles[number], self.rule.writer
        assert isinstance(writer, StochasticTrains)
        rate = writer.learning_rate * self.rule.rates[number] / tile.weight_step
        return fused_sgd.Trains(rate, writer.max_length, writer.update_management, unsettled_of(tile))

    def stream_keys(self) -> tuple[fused_sgd.Keys, ...]:
        """Where the kernel's random numbers begin."""
        return tuple(self._keys(tile) for tile in self.tiles)

    @staticmethod
    def _keys(tile: Tile) -> fused_sgd.Keys:
        writer, cycle = tile.stream.child("writer"), tile.stream.child("update", "cycle")
        return fused_sgd.Keys(*writer.child("rows"), *writer.child("columns"), *cycle, int(tile.events[2]))
