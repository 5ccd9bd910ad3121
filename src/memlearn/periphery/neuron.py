"""Neurons: the activation, what it keeps for the backward pass, and the derivative that it applies there."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from ..core.component import Component, quantity
from ..core.ledger import Event
from ..ops import random
from .base import Address, above, disturbed


class Fired(NamedTuple):
    """A neuron's outcome."""

    output: Tensor
    """(samples, neurons)."""
    derivative: Tensor
    """(samples, neurons): what the error is multiplied by on its way back; the only thing that is stored."""


class AbstractNeuron(Component):
    """An activation with the derivative (or its stand-in) that its circuit can keep."""

    binary: ClassVar[bool] = False
    derivative_bits: ClassVar[int] = 0
    """Bits that one neuron keeps per sample for its derivative, beside its output; 0 where the output tells it."""

    @abstractmethod
    def fire(self, sums: Tensor, at: Address) -> Fired:
        """Outputs and derivatives for weighted sums (samples, neurons)."""

    def uses(self, neurons: int, training: bool) -> dict[Event, int]:
        """What firing `neurons` neurons once counts as; digital arithmetic counts nothing here."""
        return {}


class ReLU(AbstractNeuron):
    """max(a, 0); the derivative is one bit, but the output is a number."""

    kind: Literal["relu"] = "relu"
    derivative_bits: ClassVar[int] = 1

    def fire(self, sums: Tensor, at: Address) -> Fired:
        """max(a, 0) and its step."""
        return Fired(sums.clamp_min(0), (sums > 0).to(sums.dtype))


class Sigmoid(AbstractNeuron):
    """1 / (1 + exp(-a))."""

    kind: Literal["sigmoid"] = "sigmoid"

    def fire(self, sums: Tensor, at: Address) -> Fired:
        """h and h (1 - h)."""
        h = sums.sigmoid()
        return Fired(h, h * (1 - h))


class Tanh(AbstractNeuron):
    """Hyperbolic tangent."""

    kind: Literal["tanh"] = "tanh"

    def fire(self, sums: Tensor, at: Address) -> Fired:
        """h and 1 - h^2."""
        h = sums.tanh()
        return Fired(h, 1 - h * h)


class BinaryStep(AbstractNeuron):
    """A comparator: 1 where the weighted sum is positive. Its stand-in derivative is one stored bit: |a| < window.

    Without the window (none) the gate is off: every neuron passes the error on.
    """

    kind: Literal["binary_step"] = "binary_step"
    binary: ClassVar[bool] = True
    derivative_bits: ClassVar[int] = 1
    sources: ClassVar[tuple[str, ...]] = (
        "Zhang et al., Neural Networks 108:217 (2018), binary neurons",
        "Hubara et al., NIPS 2016, straight-through gate (hard tanh window)",
    )

    window: float | None = quantity(4.0, unit="1", gt=0, doc="weighted sum below which the neuron learns; none: always")
    offset_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of the offset from neuron to neuron")
    noise: float = quantity(0.0, unit="1", ge=0, doc="standard deviation at each decision")

    def fire(self, sums: Tensor, at: Address) -> Fired:
        """0 or 1, and the gate."""
        sums = disturbed(sums, tuple(sums.shape[1:]), at, offset_spread=self.offset_spread, noise=self.noise)
        gate = torch.ones_like(sums) if self.window is None else sums.abs().lt_(self.window)
        return Fired(above(sums, 0.0), gate)

    def uses(self, neurons: int, training: bool) -> dict[Event, int]:
        """One comparison; two more for the window while training."""
        window = 2 if training and self.window is not None else 0
        return {
            Event.COMPARISON: (1 + window) * neurons,
            Event.STORED_BIT: (1 + window // 2) * neurons if training else 0,
        }


class StochasticBinary(AbstractNeuron):
    """A noisy comparator: 1 with probability sigmoid(a / temperature); a stored bit has the derivative's odds."""

    kind: Literal["stochastic_binary"] = "stochastic_binary"
    binary: ClassVar[bool] = True
    derivative_bits: ClassVar[int] = 1
    sources: ClassVar[tuple[str, ...]] = ("Li et al., Adv. Intell. Syst. 6:2300399 (2024), stochastic binary signals",)

    temperature: float = quantity(1.0, unit="1", gt=0, doc="weighted sum that moves the odds by a factor e")

    def fire(self, sums: Tensor, at: Address) -> Fired:
        """h ~ Bernoulli(p), derivative bit ~ Bernoulli(4 p (1 - p)), p = sigmoid(a / temperature)."""
        p = (sums / self.temperature).sigmoid()
        h = random.uniform(at.stream.child("output"), at.event, p.shape, p) < p
        s = random.uniform(at.stream.child("derivative"), at.event, p.shape, p) < 4 * p * (1 - p)
        return Fired(h.to(sums.dtype), s.to(sums.dtype))

    def uses(self, neurons: int, training: bool) -> dict[Event, int]:
        """One comparison for the output and one for the derivative bit."""
        return {Event.COMPARISON: (2 if training else 1) * neurons, Event.STORED_BIT: 2 * neurons if training else 0}
