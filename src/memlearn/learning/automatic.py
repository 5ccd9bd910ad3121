"""Settings that follow from a device's own numbers and a layer's size, where the user leaves them open.

The formulas and the experiments behind them are in docs/rules.md. Every value that is set here is recorded in
`Rule.choices`, and from there in result.json.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self, TypeVar

from torch import nn

from ..devices import AbstractDevice
from ..nn import array_layers
from ..programming.schemes import nominal

T = TypeVar("T")


class Facts(NamedTuple):
    """What automatic settings are made from; the defaults are a plain device in a network for small images."""

    states: float = 64.0
    """Range / mean step."""
    pull: float = 0.0
    """What pulses of alternating sign lose: 0 for equal steps everywhere, 1 for soft bounds; see `nominal.pull`."""
    read_noise: float = 0.0
    """Standard deviation of a read at mid-range, relative to the range."""
    inputs: int = 784
    """Word lines of the widest layer."""
    batch: int = 32
    """Samples between two writes."""
    slowest: float = 1.0
    """The lowest rate that a schedule will set."""
    spread: float = 0.0
    """Of the cells' steps, relative, where it is log-normal: most cells then have less than the mean step."""

    @classmethod
    def of(cls, device: AbstractDevice, *, inputs: int = 784, batch: int = 32, slowest: float = 1.0) -> Self:
        """The numbers of a device."""
        noise = math.sqrt(device.read_noise.relative**2 * device.middle**2 + device.read_noise.absolute**2)
        states, pull, cells = device.range / device.mean_step, nominal.pull(device), device.device_to_device
        spread = cells.step if cells.distribution == "log_normal" else 0.0
        return cls(states, pull, noise / device.range, inputs, batch, slowest, spread)

    @classmethod
    def of_model(cls, model: nn.Module, *, batch: int = 32, slowest: float = 1.0) -> Self:
        """The numbers of the first layer's device, and the size of the widest layer."""
        tiles = [layer.tile for layer in array_layers(model).values()]
        inputs = max(tile.inputs for tile in tiles)
        return cls.of(tiles[0].array.device, inputs=inputs, batch=batch, slowest=slowest)


def learning_rate(facts: Facts) -> float:
    """Of a mean loss: 2 sqrt(batch / inputs), at most 0.5."""
    return _round(min(0.5, 2 * math.sqrt(facts.batch / facts.inputs)))


def granularity(facts: Facts) -> float:
    """Packets of pull x states / 20 steps, at least one: none finer than a twentieth of a soft-bounded range."""
    return float(max(1, round(facts.pull * facts.states / 20)))


def batch_threshold(facts: Facts) -> float:
    """Counts of one batch: 2 at 32 samples and 64 states, growing as the root of both step and batch."""
    return float(max(1, round(2 * math.sqrt(facts.batch / 32 * max(1.0, 64 / facts.states)))))


def counter_threshold(facts: Facts) -> float:
    """Counts that persist: 512 / states, so that one count stands for 1/256 of the largest weight; at least 2."""
    return float(max(2, round(512 / facts.states)))


def counter_bits(facts: Facts, threshold: float) -> int:
    """A counter that holds twice the largest threshold of the schedule."""
    most = math.ceil(threshold / facts.slowest)
    return min(16, math.ceil(math.log2(2 * most + 1)) + 1)


def relative_threshold(facts: Facts) -> float:
    """Fraction of the layer's largest sum: 0.3 at 64 states, as the root of the step, within 0.05 .. 0.8."""
    return _round(min(0.8, max(0.05, 0.3 * math.sqrt(64 / facts.states))))


def slots(facts: Facts, chopped: bool = False) -> float:
    """Pulses of the fast array for the largest product of a usual sample: (mean range / step of its cells) / 40.

    Within 0.5 .. 15, where signs change 0.5 .. 30: the array must follow them.
    """
    states = facts.states * (1 + facts.spread**2)  # what the mean of 1 / step is over that of the mean step, log-normal
    return _round(min(30.0 if chopped else 15.0, max(0.5, states / 40)))


def tolerance(facts: Facts) -> float:
    """Half a step, or twice the read noise, whichever is wider: below that a loop hunts its own noise."""
    return _round(min(1.0, max(0.5 / facts.states, 2 * facts.read_noise)))


def known(value: T | None) -> T:
    """A setting that `resolved` has left no longer open."""
    assert value is not None
    return value


def _round(value: float) -> float:
    """Three digits: a setting, not a measurement."""
    return float(f"{value:.3g}")
