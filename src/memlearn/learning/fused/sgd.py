"""SGD with analogue errors, fused: by stochastic trains, and by rounded numbers of pulses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from torch import nn

from ...nn import Neuron, SigmoidCrossEntropyLoss, SquaredErrorLoss, TernaryMarginLoss
from ...ops import fused_rounded, fused_sgd
from ...periphery import ADC, DAC, BinaryStep, ReLU, Sigmoid, Tanh, steps_per_side
from ...programming import RoundedCounts, StochasticTrains
from ...tile import Port, Tile
from ..accumulate import BatchCounter, PerSample
from ..credit import Backprop
from ..rule import Rule
from .base import AbstractFused

_CIRCUITS = {
    ReLU: fused_sgd.RELU, Sigmoid: fused_sgd.SIGMOID, Tanh: fused_sgd.TANH, BinaryStep: fused_sgd.BINARY_STEP,
    nn.ReLU: fused_sgd.RELU, nn.Sigmoid: fused_sgd.SIGMOID, nn.Tanh: fused_sgd.TANH,
}  # fmt: skip
_LOSSES = {
    nn.CrossEntropyLoss: fused_sgd.CROSS_ENTROPY,
    SigmoidCrossEntropyLoss: fused_sgd.SIGMOID_CROSS_ENTROPY,
    SquaredErrorLoss: fused_sgd.SQUARED_ERROR,
}
_compiled = lru_cache(maxsize=None)(fused_sgd.compile_sgd)
_compiled_rounded = lru_cache(maxsize=None)(fused_rounded.compile_rounded)


class FusedSGD(AbstractFused):
    """Backprop x per sample x stochastic trains, with converters that make no errors."""

    kernel: ClassVar[str] = "fused_sgd"

    def run(self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers, keys = self.layer_settings(), self.stream_keys()
        kind, margin = _loss(self.loss)
        scratch = fused_sgd.scratch_for(layers, min(batch, len(inputs)))
        kernel = _compiled(self.tiles[0].array.device.kernels)
        return kernel(inputs, labels, batch, layers, keys, kind, margin, self.rule.steps, self.cells(), scratch, tally)

    @classmethod
    def fits(cls, rule: Rule, tiles: list[Tile], neurons: list[nn.Module], loss: object) -> bool:
        """Whether the kernel does all that these parts do."""
        parts = rule.parts
        return (
            type(parts.credit) is Backprop
            and type(parts.accumulator) is PerSample
            and type(parts.writer) is StochasticTrains
            and _plain(tiles, neurons, loss)
        )

    def layer_settings(self) -> tuple[fused_sgd.Layer, ...]:
        """The kernel's constants."""
        return tuple(self._layer(number) for number in range(len(self.tiles)))

    def stream_keys(self) -> tuple[fused_sgd.Keys, ...]:
        """Where the kernel's random numbers begin."""
        return tuple(self._keys(tile) for tile in self.tiles)

    def _layer(self, number: int) -> fused_sgd.Layer:
        tile, writer = self.tiles[number], self.rule.writer
        assert isinstance(writer, StochasticTrains)
        return fused_sgd.Layer(
            **self.shape(number),
            **_signals(self, number),
            rate=writer.learning_rate * self.rule.rates[number] / tile.weight_step,
            max_slots=writer.max_length,
            managed=writer.update_management,
        )

    @staticmethod
    def _keys(tile: Tile) -> fused_sgd.Keys:
        writer, cycle = tile.stream.child("writer"), tile.stream.child("update", "cycle")
        return fused_sgd.Keys(*writer.child("rows"), *writer.child("columns"), *cycle, int(tile.events[2]))


class FusedRounded(AbstractFused):
    """Backprop x batch counter x rounded counts, with converters that make no errors."""

    kernel: ClassVar[str] = "fused_rounded"

    def run(self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray) -> tuple[float, int]:
        """See `AbstractFused.run`."""
        layers = tuple(self._layer(number) for number in range(len(self.tiles)))
        keys = tuple(self._keys(tile) for tile in self.tiles)
        scratch = fused_rounded.scratch_for(layers, min(batch, len(inputs)))
        kernel = _compiled_rounded(self.tiles[0].array.device.kernels)
        return kernel(
            inputs, labels, batch, layers, keys, *_loss(self.loss), self.rule.steps, self.cells(), scratch, tally
        )

    @classmethod
    def fits(cls, rule: Rule, tiles: list[Tile], neurons: list[nn.Module], loss: object) -> bool:
        """Whether the kernel does all that these parts do."""
        parts = rule.parts
        return (
            type(parts.credit) is Backprop
            and type(parts.accumulator) is BatchCounter
            and type(parts.writer) is RoundedCounts
            and _plain(tiles, neurons, loss)
        )

    def _layer(self, number: int) -> fused_rounded.Layer:
        tile, writer = self.tiles[number], self.rule.writer
        assert isinstance(writer, RoundedCounts)
        return fused_rounded.Layer(
            **self.shape(number),
            **_signals(self, number),
            rate=writer.learning_rate * self.rule.rates[number] / tile.weight_step,
            stochastic=writer.rounding == "stochastic",
        )

    @staticmethod
    def _keys(tile: Tile) -> fused_rounded.Keys:
        rounding, cycle = tile.stream.child("writer", "rounding"), tile.stream.child("update", "cycle")
        return fused_rounded.Keys(*rounding, *cycle, int(tile.events[2]))


def _signals(fused: AbstractFused, number: int) -> dict[str, Any]:
    """What reads of layer `number`, and the neurons behind it, do: fields of either kernel's `Layer`."""
    tile = fused.tiles[number]
    neuron = fused.neurons[number] if number < len(fused.neurons) else None
    circuit = neuron.circuit if isinstance(neuron, Neuron) else neuron
    window = circuit.window if isinstance(circuit, BinaryStep) and circuit.window else np.inf
    return {
        "neuron": fused_sgd.NO_NEURON if circuit is None else _CIRCUITS[type(circuit)],
        "window": float(window),
        "forward": _port(tile, tile.array.periphery.forward),
        "backward": _port(tile, tile.array.periphery.backward),
    }


def _loss(loss: object) -> tuple[int, float]:
    """The kernel's loss, and its margin."""
    if isinstance(loss, TernaryMarginLoss):
        return fused_sgd.TERNARY_MARGIN, float(loss.margin)
    return _LOSSES[type(loss)], 0.0


def _plain(tiles: list[Tile], neurons: list[nn.Module], loss: object) -> bool:
    """Whether reads, neurons and loss are such as the kernels know."""
    ports = (port for tile in tiles for port in (tile.array.periphery.forward, tile.array.periphery.backward))
    return all(map(_plain_port, ports)) and all(map(_plain_neuron, neurons)) and _plain_loss(loss)


def _plain_loss(loss: object) -> bool:
    if isinstance(loss, nn.CrossEntropyLoss):
        return loss.reduction == "mean" and loss.weight is None and loss.label_smoothing == 0 and loss.ignore_index < 0
    return type(loss) in (TernaryMarginLoss, *_LOSSES)


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
