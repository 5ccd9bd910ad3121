"""The fused path: when a whole network is simple enough for `ops.fused_sgd`, and how it is handed over.

This is the one place where a fast path replaces the stages of tiles, neurons, losses and `Rule.step`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays.mapping import DifferentialPair, ReferenceColumn
from ..arrays.wires import IdealWires
from ..core.ledger import Event, Pass
from ..nn import Linear, Neuron, TernaryMarginLoss
from ..ops import fused_sgd
from ..periphery import ADC, DAC, BinaryStep, ReLU, Sigmoid, Tanh
from ..programming import StochasticTrains
from ..tile import Port, Tile
from .accumulate import PerSample
from .credit import Backprop
from .rule import Rule

_MAPPINGS = {ReferenceColumn: fused_sgd.REFERENCE_COLUMN, DifferentialPair: fused_sgd.DIFFERENTIAL_PAIR}
_CIRCUITS = {
    ReLU: fused_sgd.RELU, Sigmoid: fused_sgd.SIGMOID, Tanh: fused_sgd.TANH, BinaryStep: fused_sgd.BINARY_STEP,
    nn.ReLU: fused_sgd.RELU, nn.Sigmoid: fused_sgd.SIGMOID, nn.Tanh: fused_sgd.TANH,
}  # fmt: skip
_compiled = lru_cache(maxsize=None)(fused_sgd.compile_sgd)


class Trained(NamedTuple):
    """What a span of images did."""

    loss: float
    correct: int
    pulses: int
    cells: int


class FusedSGD:
    """A rule and model that the compiled kernel can train; build it with `fuse`."""

    def __init__(self, rule: Rule, layers: list[Linear], neurons: list[nn.Module], loss: nn.Module) -> None:
        self.rule, self.layers, self.neurons, self.loss = rule, layers, neurons, loss

    def train(self, inputs: Tensor, labels: Tensor, batch: int) -> Trained:
        """Consecutive batches of inputs (N, features) and labels (N,): the same events as N / batch steps of the rule."""
        tiles = [layer.tile for layer in self.layers]
        circuits = [*(n.circuit if isinstance(n, Neuron) else n for n in self.neurons), None]
        packed = tuple(self._layer(tile, layer, c) for tile, layer, c in zip(tiles, self.layers, circuits, strict=True))
        tally = np.zeros((len(tiles), 3), np.int64)
        margin = self.loss.margin if isinstance(self.loss, TernaryMarginLoss) else 0.0
        kind = fused_sgd.TERNARY_MARGIN if isinstance(self.loss, TernaryMarginLoss) else fused_sgd.CROSS_ENTROPY
        kernel = _compiled(tiles[0].array.device.kernels)
        loss, correct = kernel(
            np.ascontiguousarray(inputs.numpy(), np.float32), labels.numpy(), batch, packed,
            tuple(self._keys(tile) for tile in tiles), kind, float(margin), self.rule.steps, self._cells(tiles),
            fused_sgd.scratch_for(packed, min(batch, len(inputs))), tally,
        )  # fmt: skip
        self._account(len(inputs), -(-len(inputs) // batch), tally)
        return Trained(loss, correct, int(tally[:, 0].sum()), int(tally[:, 1].sum()))

    @staticmethod
    def _cells(tiles: list[Tile]) -> tuple[tuple[np.ndarray, ...], ...]:
        """Flat views of the tiles' own buffers: the kernel writes into them."""
        return (
            tuple(tile.conductance.numpy().reshape(-1) for tile in tiles),
            tuple(tile.parameters_.numpy().reshape(-1, tile.parameters_.shape[-1]) for tile in tiles),
            tuple(tile.counters.numpy().reshape(-1, 2) for tile in tiles),
        )

    def _layer(self, tile: Tile, layer: Linear, circuit: object) -> fused_sgd.Layer:
        writer = self.rule.writer
        assert isinstance(writer, StochasticTrains)
        window = circuit.window if isinstance(circuit, BinaryStep) and circuit.window else np.inf
        return fused_sgd.Layer(
            rows=tile.inputs,
            columns=tile.outputs,
            height=tile.conductance.shape[2],
            width=tile.conductance.shape[3],
            mapping=_MAPPINGS[type(tile.array.crossbar.mapping)],
            bias=layer.bias,
            neuron=_CIRCUITS[type(circuit)] if circuit is not None else fused_sgd.NO_NEURON,
            window=float(window),
            rate=writer.learning_rate * self.rule.rate / tile.weight_step,
            max_slots=writer.max_length,
            managed=writer.update_management,
            c2c=float(tile.array.device.cycle_to_cycle.spread),
            forward=_port(tile, tile.array.periphery.forward),
            backward=_port(tile, tile.array.periphery.backward),
        )

    def _keys(self, tile: Tile) -> fused_sgd.Keys:
        writer, cycle = tile.stream.child("writer"), tile.stream.child("update").child("cycle")
        return fused_sgd.Keys(*writer.child("rows"), *writer.child("columns"), *cycle, int(tile.events[2]))

    def _account(self, images: int, steps: int, tally: np.ndarray) -> None:
        """Advance the event counters, and count what the stages would have counted."""
        self.rule.steps += steps
        for number, layer in enumerate(self.layers):
            tile = layer.tile
            tile.events += torch.tensor([steps, steps if number else 0, steps])
            if tile.ledger is not None:
                tile.count_read(Pass.FORWARD, images)
                if number:
                    tile.count_read(Pass.BACKWARD, images)
                for event, n in zip((Event.PULSE, Event.PULSED_CELL, Event.TRAIN_SLOT), tally[number], strict=True):
                    tile.ledger.count(tile.name, Pass.UPDATE, event, int(n))
        for neuron, layer in zip(self.neurons, self.layers, strict=False):
            if isinstance(neuron, Neuron):
                neuron.events += steps
                if neuron.ledger is not None:
                    for event, n in neuron.circuit.uses(images * layer.tile.outputs, True).items():
                        neuron.ledger.count(neuron.name, Pass.FORWARD, event, n)
        if isinstance(self.loss, TernaryMarginLoss):
            self.loss.count(images * self.layers[-1].tile.outputs)


def fuse(model: nn.Module, rule: Rule, loss: nn.Module) -> FusedSGD | None:
    """The fused trainer of a model, or None where a stage of it needs the tile's own stages.

    Arguments:
        model: a Sequential of `Linear` and activations in turn.
        rule: at work on it.
        loss: cross-entropy or ternary margin, with their mean over samples.
    """
    if not isinstance(model, nn.Sequential) or not _plain_loss(loss):
        return None
    parts = rule.parts
    if type(parts.credit) is not Backprop or type(parts.accumulator) is not PerSample:
        return None
    layers, neurons = list(model)[0::2], list(model)[1::2]
    fits = (
        type(parts.writer) is StochasticTrains
        and len(layers) == len(neurons) + 1
        and all(type(layer) is Linear and _plain_tile(layer.tile) for layer in layers)
        and all(_plain_neuron(neuron) for neuron in neurons)
        and len({type(layer.tile.array.device) for layer in layers}) == 1
    )
    return FusedSGD(rule, layers, neurons, loss) if fits else None


def _plain_loss(loss: nn.Module) -> bool:
    if isinstance(loss, nn.CrossEntropyLoss):
        return loss.reduction == "mean" and loss.weight is None and loss.label_smoothing == 0 and loss.ignore_index < 0
    return isinstance(loss, TernaryMarginLoss)


def _plain_neuron(neuron: nn.Module) -> bool:
    if not isinstance(neuron, Neuron):
        return type(neuron) in _CIRCUITS
    circuit = neuron.circuit
    quiet = not isinstance(circuit, BinaryStep) or not (circuit.noise or circuit.offset_spread)
    return type(circuit) in _CIRCUITS and quiet


def _plain_tile(tile: Tile) -> bool:
    array = tile.array
    return (
        tile.backend == "cpu"
        and tile.tiles == (1, 1)
        and tile.conductance.dtype == torch.float32
        and tile.conductance.device.type == "cpu"
        and type(array.crossbar.wires) is IdealWires
        and type(array.crossbar.mapping) in _MAPPINGS
        and array.device.read_noise.silent
        and all(_plain_port(port) for port in (array.periphery.forward, array.periphery.backward))
    )


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
        drive_levels=float(2 ** (drive.bits - 1) - 1 if drive.bits else 0),
        drive_range=drive.input_range,
        scaled=drive.scaling == "max",
        sense_levels=float(2 ** (sense.bits - 1) - 1 if sense.bits else 0),
        sense_range=sense.output_range,
        gain=tile.array.crossbar.read_voltage / tile.unit_current,
    )
