"""Which reads, neurons and losses the fused kernels know, and how they are handed over to `ops.fused_reads`."""

from __future__ import annotations

import numpy as np
from torch import nn

from ...nn import Neuron, SigmoidCrossEntropyLoss, SquaredErrorLoss, TernaryMarginLoss
from ...ops import fused_reads
from ...periphery import (
    ADC,
    DAC,
    Analogue,
    BinaryDriver,
    BinaryStep,
    ReLU,
    Sigmoid,
    StochasticBinaryDriver,
    Tanh,
    TernaryComparator,
    TernaryDriver,
    steps_per_side,
)
from ...tile import Periphery, Port, Tile
from ..credit import AbstractCredit, Backprop, SignBackprop, TwinBackprop

_CIRCUITS = {
    ReLU: fused_reads.RELU, Sigmoid: fused_reads.SIGMOID, Tanh: fused_reads.TANH, BinaryStep: fused_reads.BINARY_STEP,
    nn.ReLU: fused_reads.RELU, nn.Sigmoid: fused_reads.SIGMOID, nn.Tanh: fused_reads.TANH,
}  # fmt: skip
_LOSSES = {
    nn.CrossEntropyLoss: fused_reads.CROSS_ENTROPY,
    SigmoidCrossEntropyLoss: fused_reads.SIGMOID_CROSS_ENTROPY,
    SquaredErrorLoss: fused_reads.SQUARED_ERROR,
}


def plain_reads(credit: AbstractCredit, tiles: list[Tile], neurons: list[nn.Module], loss: object) -> bool:
    """Whether the kernels do all that reads, neurons and loss do, and hand the error over as the credit does."""
    if type(credit) is SignBackprop:
        return (
            credit.output_dead_zone == 0
            and type(loss) is TernaryMarginLoss
            and all(_plain_switches(tile.array.periphery) for tile in tiles)
            and all(_is_step(neuron) and _plain_neuron(neuron) for neuron in neurons)
        )
    if type(credit) not in (Backprop, TwinBackprop):
        return False
    ports = [tile.array.periphery.forward for tile in tiles]
    if type(credit) is Backprop:
        ports += [tile.array.periphery.backward for tile in tiles]
    return all(map(_plain_port, ports)) and all(map(_plain_neuron, neurons)) and _plain_loss(loss)


def loss_of(loss: object, credit: AbstractCredit) -> tuple[int, float]:
    """The kernels' loss, and its margin."""
    if isinstance(loss, TernaryMarginLoss):
        kind = fused_reads.SIGN_MARGIN if credit.ternary else fused_reads.TERNARY_MARGIN
        return kind, float(loss.margin)
    return _LOSSES[type(loss)], 0.0


def neuron_of(neuron: nn.Module | None) -> tuple[int, float]:
    """The kernels' neuron, and its window."""
    circuit = neuron.circuit if isinstance(neuron, Neuron) else neuron
    window = circuit.window if isinstance(circuit, BinaryStep) and circuit.window else np.inf
    return fused_reads.NO_NEURON if circuit is None else _CIRCUITS[type(circuit)], float(window)


def port_of(tile: Tile, port: Port, credit: AbstractCredit) -> fused_reads.Port:
    """One direction's circuits; the way back is digital where the credit goes through a twin."""
    drive, sense, forward = port.drive, port.sense, port is tile.array.periphery.forward
    if isinstance(drive, DAC):
        levels = float(steps_per_side(drive.bits) if drive.bits else 0)
        driver = fused_reads.CONVERTER, levels, drive.input_range, drive.scaling == "max", 0.0
    else:
        threshold = drive.threshold if isinstance(drive, BinaryDriver) else -1.0
        driver = fused_reads.SWITCH, 0.0, 1.0, False, threshold
    if credit.through_twin and not forward:
        sensed = fused_reads.TWIN, 0.0, 1.0, 0.0
    elif isinstance(sense, ADC):
        levels = float(steps_per_side(sense.bits) if sense.bits else 0)
        sensed = fused_reads.DIGITISED, levels, sense.output_range, 0.0
    elif isinstance(sense, TernaryComparator):
        sensed = fused_reads.TERNARY, 0.0, 1.0, sense.dead_zone
    else:
        sensed = fused_reads.ANALOGUE, 0.0, 1.0, 0.0
    return fused_reads.Port(*driver, *sensed, gain=tile.array.crossbar.read_voltage / tile.unit_current)


def switches_of(tile: Tile) -> fused_reads.Switches:
    """Where the first layer's switches draw."""
    return fused_reads.Switches(*tile.stream.child("forward", "drive", "bits"), int(tile.events[0]))


def _plain_loss(loss: object) -> bool:
    if isinstance(loss, nn.CrossEntropyLoss):
        return loss.reduction == "mean" and loss.weight is None and loss.label_smoothing == 0 and loss.ignore_index < 0
    return type(loss) in (TernaryMarginLoss, *_LOSSES)


def _is_step(neuron: nn.Module) -> bool:
    return isinstance(neuron, Neuron) and type(neuron.circuit) is BinaryStep


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


def _plain_switches(periphery: Periphery) -> bool:
    back = periphery.backward.sense
    return (
        type(periphery.forward.drive) in (BinaryDriver, StochasticBinaryDriver)
        and type(periphery.forward.sense) is Analogue
        and type(periphery.backward.drive) is TernaryDriver
        and type(back) is TernaryComparator
        and not (back.noise or back.offset_spread)
    )
