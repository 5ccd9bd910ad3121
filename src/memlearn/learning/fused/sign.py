"""Sign backpropagation, fused."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from torch import nn

from ...nn import Neuron, TernaryMarginLoss
from ...ops import fused_sign
from ...periphery import (
    Analogue,
    BinaryDriver,
    BinaryStep,
    StochasticBinaryDriver,
    TernaryComparator,
    TernaryDriver,
)
from ...programming import Threshold
from ...tile import Periphery, Tile
from ..accumulate import BatchCounter, PersistentCounter
from ..credit import SignBackprop
from ..rule import Rule
from .base import AbstractFused

_compiled = lru_cache(maxsize=None)(fused_sign.compile_sign)


class FusedSign(AbstractFused):
    """Sign backpropagation x a counter x a threshold, with switches and comparators that make no errors."""

    kernel: ClassVar[str] = "fused_sign"

    def run(self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers = tuple(self._layer(number) for number in range(len(self.tiles)))
        keys = tuple(self._keys(tile) for tile in self.tiles)
        assert isinstance(self.loss, TernaryMarginLoss)
        kept = tuple(self.rule.memory.values())
        memory = tuple(
            np.zeros((layer.rows, layer.columns), np.float32) if m is None else m.numpy()
            for layer, m in zip(layers, kept, strict=True)
        )
        scratch = fused_sign.scratch_for(layers, min(batch, len(inputs)))
        kernel = _compiled(self.tiles[0].array.device.kernels)
        return kernel(
            inputs, labels, batch, layers, keys, float(self.loss.margin), self.cells(), memory, scratch, tally
        )

    @classmethod
    def fits(cls, rule: Rule, tiles: list[Tile], neurons: list[nn.Module], loss: object) -> bool:
        """Whether the kernel does all that these parts do."""
        parts = rule.parts
        return (
            type(parts.credit) is SignBackprop
            and parts.credit.output_dead_zone == 0
            and type(parts.accumulator) in (BatchCounter, PersistentCounter)
            and type(parts.writer) is Threshold
            and not parts.writer.relative
            and isinstance(loss, TernaryMarginLoss)
            and all(_plain_periphery(tile.array.periphery) for tile in tiles)
            and all(_plain_neuron(neuron) for neuron in neurons)
        )

    def _layer(self, number: int) -> fused_sign.Layer:
        tile, counter = self.tiles[number], self.rule.accumulator
        neuron = self.neurons[number] if number < len(self.neurons) else None
        circuit = neuron.circuit if isinstance(neuron, Neuron) else None
        drive, sense = tile.array.periphery.forward.drive, tile.array.periphery.backward.sense
        assert isinstance(sense, TernaryComparator)
        return fused_sign.Layer(
            **self.shape(number),
            gain=tile.array.crossbar.read_voltage / tile.unit_current,
            threshold=drive.threshold if isinstance(drive, BinaryDriver) else -1.0,
            window=float(circuit.window) if isinstance(circuit, BinaryStep) and circuit.window else np.inf,
            dead_zone=sense.dead_zone,
            fires=float(self.rule.writer.quantum(self.rule.rates[number], tile.weight_step)),
            largest=float(counter.end) if isinstance(counter, PersistentCounter) else -1.0,
        )

    @staticmethod
    def _keys(tile: Tile) -> fused_sign.Keys:
        bits, cycle = tile.stream.child("forward", "drive", "bits"), tile.stream.child("update", "cycle")
        return fused_sign.Keys(*bits, *cycle, int(tile.events[0]), int(tile.events[2]))


def _plain_periphery(periphery: Periphery) -> bool:
    back = periphery.backward.sense
    return (
        type(periphery.forward.drive) in (BinaryDriver, StochasticBinaryDriver)
        and type(periphery.forward.sense) is Analogue
        and type(periphery.backward.drive) is TernaryDriver
        and type(back) is TernaryComparator
        and not (back.noise or back.offset_spread)
    )


def _plain_neuron(neuron: nn.Module) -> bool:
    circuit = neuron.circuit if isinstance(neuron, Neuron) else None
    return type(circuit) is BinaryStep and not (circuit.noise or circuit.offset_spread)
