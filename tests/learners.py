"""Small networks inside arrays, and what a plan of pulses amounts to, for the tests of writers, layers and rules."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from memlearn.arrays.mapping import AbstractMapping, DifferentialPair
from memlearn.core.ledger import Ledger
from memlearn.core.types import Counts, PulsePlan
from memlearn.devices import AbstractDevice, ConstantStep
from memlearn.learning import Rule
from memlearn.nn import Linear, Neuron, TernaryMarginLoss, array_layers, tiles
from memlearn.periphery import (
    ADC,
    DAC,
    AbstractNeuron,
    Analogue,
    BinaryDriver,
    BinaryStep,
    Sigmoid,
    TernaryComparator,
    TernaryDriver,
)
from memlearn.tile import Array, Crossbar, Periphery, Port

WIDTHS = (7, 5, 3)
# Scaling keeps hidden values of any size within the driver's range.
EXACT_PORT = Port(drive=DAC(bits=None, scaling="max"), sense=ADC(bits=None, output_range=1000.0))
EXACT = Periphery(forward=EXACT_PORT, backward=EXACT_PORT)
CONVERTERS = Periphery()
SIGNS = Periphery(
    forward=Port(drive=BinaryDriver(threshold=0.3), sense=Analogue()),
    backward=Port(drive=TernaryDriver(), sense=TernaryComparator(dead_zone=0.1)),
)


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Uniform within -1 .. 1."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape)).to(dtype)


def images(n: int, features: int = WIDTHS[0], classes: int = WIDTHS[-1], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs within 0 .. 1, a third of them zero, and labels."""
    drawn = np.random.default_rng(seed)
    inputs = drawn.uniform(0, 1, (n, features)) * (drawn.random((n, features)) > 0.3)
    return torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(drawn.integers(0, classes, n))


def array(
    device: AbstractDevice | None = None, periphery: Periphery = EXACT, mapping: AbstractMapping | None = None
) -> Array:
    """Arrays of constant-step cells with exact converters, unless told otherwise."""
    crossbar = Crossbar(mapping=mapping or DifferentialPair())
    return Array(device=device or ConstantStep(states=200), crossbar=crossbar, periphery=periphery)


def network(
    given: Array | None = None, neuron: AbstractNeuron | nn.Module | None = None, seed: int = 3, **options: Any
) -> nn.Sequential:
    """`Linear` and neurons in turn, of `widths`; other options go to every `Linear`."""
    sizes, parts = options.pop("widths", WIDTHS), []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        if number:
            parts.append(neuron if isinstance(neuron, nn.Module) else Neuron(neuron or Sigmoid(), seed=seed))
        parts.append(Linear(inputs, outputs, array=given or array(), seed=seed + number, **options))
    return nn.Sequential(*parts)


def sign_network(neuron: AbstractNeuron | None = None, device: AbstractDevice | None = None, **options: Any) -> Any:
    """A network for sign backpropagation."""
    return network(array(device, SIGNS), neuron or BinaryStep(window=1.0), **options)


class Setup(NamedTuple):
    """All that a training loop needs."""

    model: nn.Sequential
    rule: Rule
    loss: nn.Module

    @property
    def tiles(self) -> list[Any]:
        return list(tiles(self.model).values())

    def train(self, n: int = 24, batch: int = 4, seed: int = 0) -> None:
        """A loop of one's own, stage by stage."""
        inputs, labels = images(n, self.tiles[0].inputs - self.model[0].bias, self.tiles[-1].outputs, seed)
        for first in range(0, n, batch):
            self.loss(self.model(inputs[first : first + batch]), labels[first : first + batch]).backward()
            self.rule.step()
            self.rule.zero_grad()

    def memory(self) -> dict[str, Tensor]:
        """Copies of everything that the next step depends on."""
        kept = {**self.model.state_dict(), **{f"rule/{k}": v for k, v in self.rule.state().items()}}
        return {name: tensor.clone() for name, tensor in kept.items()}


def loss_for(model: nn.Module) -> nn.Module:
    """The ternary loss where errors are read by ternary comparators."""
    backward = next(iter(array_layers(model).values())).tile.array.periphery.backward
    return TernaryMarginLoss(1.0) if isinstance(backward.sense, TernaryComparator) else nn.CrossEntropyLoss()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Equal names and equal numbers, to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def net_pulses(plan: PulsePlan) -> Tensor:
    """Pulses up less pulses down of every weight, (inputs, outputs)."""
    if isinstance(plan, Counts):
        return plan.pulses.long()
    signs = [1 - 2 * (words >> 31 & 1) for words in (plan.rows, plan.columns)]
    found = torch.zeros(plan.rows.shape[1], plan.columns.shape[1], dtype=torch.float64)
    for slot in range(31):
        rows, columns = ((words >> slot & 1) * sign for words, sign in zip(plan[:2], signs, strict=True))
        found += rows.double().T @ columns.double()
    return found.long()


def counts(ledger: Ledger) -> dict[str, int]:
    """The ledger's counts, without the zeros that some paths enter and others do not."""
    return {key: n for key, n in ledger.state().items() if n}
