"""In-situ SGD by stochastic trains, fused."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from torch import nn

from ...nn import Neuron, TernaryMarginLoss
from ...ops import fused_sgd
from ...periphery import ADC, DAC, BinaryStep, ReLU, Sigmoid, Tanh, steps_per_side
from ...programming import StochasticTrains
from ...tile import Port, Tile
from ..accumulate import PerSample
from ..credit import Backprop
from ..rule import Rule
from .base import AbstractFused

_CIRCUITS = {
    ReLU: fused_sgd.RELU, Sigmoid: fused_sgd.SIGMOID, Tanh: fused_sgd.TANH, BinaryStep: fused_sgd.BINARY_STEP,
    nn.ReLU: fused_sgd.RELU, nn.Sigmoid: fused_sgd.SIGMOID, nn.Tanh: fused_sgd.TANH,
}  # fmt: skip
_compiled = lru_cache(maxsize=None)(fused_sgd.compile_sgd)


class FusedSGD(AbstractFused):
    """Backprop x per sample x stochastic trains, with converters that make no errors."""

    kernel: ClassVar[str] = "fused_sgd"

    def run(self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, keys = self.layer_settings(), self.stream_keys()
        margin = self.loss.margin if isinstance(self.loss, TernaryMarginLoss) else 0.0
        kind = fused_sgd.TERNARY_MARGIN if isinstance(self.loss, TernaryMarginLoss) else fused_sgd.CROSS_ENTROPY
        scratch = fused_sgd.scratch_for(layers, min(batch, len(inputs)))
        kernel = _compiled(self.tiles[0].array.device.kernels)
        return kernel(
            inputs, labels, batch, layers, keys, kind, float(margin), self.rule.steps, self.cells(), scratch, tally
        )

    @classmethod
    def fits(cls, rule: Rule, tiles: list[Tile], neurons: list[nn.Module], loss: object) -> bool:
        """Whether the kernel does all that these parts do."""
        parts = rule.parts
        return (
            type(parts.credit) is Backprop
            and type(parts.accumulator) is PerSample
            and type(parts.writer) is StochasticTrains
            and all(_plain_port(p) for t in tiles for p in (t.array.periphery.forward, t.array.periphery.backward))
            and all(_plain_neuron(neuron) for neuron in neurons)
            and _plain_loss(loss)
        )

    def layer_settings(self) -> tuple[fused_sgd.Layer, ...]:
        """The kernel's constants."""
        return tuple(self._layer(number) for number in range(len(self.tiles)))

    def stream_keys(self) -> tuple[fused_sgd.Keys, ...]:
        """Where the kernel's random numbers begin."""
        return tuple(self._keys(tile) for tile in self.tiles)

    def _layer(self, number: int) -> fused_sgd.Layer:
        tile, writer = self.tiles[number], self.rule.writer
        neuron = self.neurons[number] if number < len(self.neurons) else None
        circuit = neuron.circuit if isinstance(neuron, Neuron) else neuron
        assert isinstance(writer, StochasticTrains)
        window = circuit.window if isinstance(circuit, BinaryStep) and circuit.window else np.inf
        return fused_sgd.Layer(
            **self.shape(number),
            neuron=fused_sgd.NO_NEURON if circuit is None else _CIRCUITS[type(circuit)],
            window=float(window),
            rate=writer.learning_rate * self.rule.rate / tile.weight_step,
            max_slots=writer.max_length,
            managed=writer.update_management,
            forward=_port(tile, tile.array.periphery.forward),
            backward=_port(tile, tile.array.periphery.backward),
        )

    @staticmethod
    def _keys(tile: Tile) -> fused_sgd.Keys:
        writer, cycle = tile.stream.child("writer"), tile.stream.child("update", "cycle")
        return fused_sgd.Keys(*writer.child("rows"), *writer.child("columns"), *cycle, int(tile.events[2]))


def _plain_loss(loss: object) -> bool:
    if isinstance(loss, nn.CrossEntropyLoss):
        return loss.reduction == "mean" and loss.weight is None and loss.label_smoothing == 0 and loss.ignore_index < 0
    return isinstance(loss, TernaryMarginLoss)


def _plain_neuron(neuron: nn.Module) -> bool:
    if not isinstance(neuron, Neuron):
        return type(neuron) in _CIRCUITS
    circuit = neuron.circuit
    quiet = not isinstance(circuit, BinaryStep) or not (circuit.noise or circuit.offset_spread)
    return type(circuit) in _CIRCUITS and quiet


def _plain_port(port: Port) -> bool:
    if type(port.drive) is not DAC or type(port.sense) is not ADC:
        return False
    return not any(
        (c.stochastic_rounding, c.noise, c.gain_spread, c.offset_spread) != (False, 0, 0, 0)
        for c in (port.drive, port.sense)
    )


def _port(tile: Tile, port: Port) -> fused_sgd.Port:
    drive, sense = port.drive, port.sense
    assert isinstance(drive, DAC) and isinstance(sense, ADC)
    return fused_sgd.Port(
        drive_levels=float(steps_per_side(drive.bits) if drive.bits else 0),
        drive_range=drive.input_range,
        scaled=drive.scaling == "max",
        sense_levels=float(steps_per_side(sense.bits) if sense.bits else 0),
        sense_range=sense.output_range,
        gain=tile.array.crossbar.read_voltage / tile.unit_current,
    )
