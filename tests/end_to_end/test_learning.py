"""Every published rule learns the embedded digits inside the arrays, in seconds; and what a bad device does to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.datasets import Data, Digits
from memlearn.devices import AbstractDevice, ConstantStep, SoftBounds
from memlearn.learning import Rule, manhattan, sgd, sign_backprop, threshold_manhattan
from memlearn.learning.accumulate import PersistentCounter
from memlearn.learning.loop import train_images
from memlearn.nn import Linear, Neuron, TernaryMarginLoss, attach_ledger
from memlearn.periphery import AbstractNeuron, BinaryStep, Sigmoid
from memlearn.tile import Array, Periphery
from tests.learners import CONVERTERS, SIGNS


@pytest.fixture(scope="module")
def digits() -> Data:
    return Digits(validation=0).load()


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for small arrays costs more than it saves."""
    torch.set_num_threads(1)


class Recipe(NamedTuple):
    """A rule with the network and the converters that it is for."""

    rule: Callable[[nn.Module], Rule]
    epochs: int
    batch: int = 32
    states: int = 128
    hidden: int = 32
    periphery: Periphery = CONVERTERS
    neuron: AbstractNeuron = Sigmoid()
    loss: nn.Module = nn.CrossEntropyLoss()
    layer: Mapping[str, Any] = MappingProxyType({})


BINARY: dict[str, Any] = {
    "hidden": 128,
    "periphery": SIGNS,
    "neuron": BinaryStep(window=1.0),
    "loss": TernaryMarginLoss(2.0),
    "layer": {"bias": False, "initial_weight": 0.08},
}
SGD = Recipe(lambda model: sgd(model, learning_rate=0.1), epochs=5, batch=1, states=1200)
RECIPES = {
    "sgd": SGD,
    "manhattan": Recipe(manhattan, epochs=4),
    "threshold_manhattan": Recipe(lambda model: threshold_manhattan(model, threshold=0.2), epochs=4),
    "sign_backprop": Recipe(lambda model: sign_backprop(model, threshold=2.0), epochs=10, **BINARY),
    "persistent_counters": Recipe(
        lambda model: sign_backprop(model, threshold=8.0, accumulator=PersistentCounter()), epochs=10, **BINARY
    ),
}


class Learnt(NamedTuple):
    """Where a training ended."""

    accuracy: float
    ledger: Ledger
    tiles: list[Any]


def learn(recipe: Recipe, device: AbstractDevice, data: Data) -> Learnt:
    """Train 64-hidden-10 for a few epochs and look at the images held back."""
    array = Array(device=device, periphery=recipe.periphery)
    model = nn.Sequential(
        Linear(64, recipe.hidden, array=array, seed=1, **recipe.layer),
        Neuron(recipe.neuron, seed=2),
        Linear(recipe.hidden, 10, array=array, seed=3, **recipe.layer),
    )
    rule, ledger = recipe.rule(model), Ledger()
    attach_ledger(model, ledger)
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(data.train.labels), generator=torch.Generator().manual_seed(epoch))
        inputs, labels = data.train.inputs[order], data.train.labels[order]
        train_images(model, rule, recipe.loss, inputs, labels, recipe.batch)
    attach_ledger(model, None)
    return Learnt(accuracy(model, data.test.inputs, data.test.labels), ledger, [model[0].tile, model[2].tile])


def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        return float((model(inputs).argmax(1) == labels).float().mean())


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_every_rule_learns(recipe, digits):
    learnt = learn(recipe, ConstantStep(states=recipe.states), digits)
    assert learnt.accuracy > 0.8
    # In the arrays: they were read both ways and pulsed, layer by layer.
    images = recipe.epochs * len(digits.train.labels)
    first, second = learnt.tiles
    ledger = learnt.ledger
    assert ledger.total(Event.CELL_READ, during=Pass.FORWARD) == images * (first.cells + second.cells)
    assert ledger.total(Event.CELL_READ, during=Pass.BACKWARD) == images * second.cells
    pulses = sum(int(tile.counters[..., 0].sum()) for tile in learnt.tiles)
    assert ledger.total(Event.PULSE) == pulses > 0
    if recipe.periphery is SIGNS:
        assert ledger.total(Event.ADC) == ledger.total(Event.DAC) == 0


def test_a_threshold_saves_pulses(digits):
    sent = [learn(RECIPES[name], ConstantStep(states=128), digits) for name in ("manhattan", "threshold_manhattan")]
    assert sent[1].ledger.total(Event.PULSE) < 0.5 * sent[0].ledger.total(Event.PULSE)
    assert sent[1].accuracy > sent[0].accuracy - 0.05


def test_soft_bounds_break_sgd_however_many_their_states(digits):
    # The decisive experiment of algorithm A1, in short: the same net and rate on two devices of 1200 states.
    linear = learn(SGD, ConstantStep(states=1200), digits).accuracy
    soft = learn(SGD, SoftBounds(states=1200), digits).accuracy
    assert linear > 0.9 and soft < linear - 0.2


def test_relu_learns_with_the_default_converters(digits: Data):
    """Activations beyond 1 must not be cut: by default each vector is scaled to its maximum before the DAC."""
    array = Array(device=ConstantStep(states=1200))
    model = nn.Sequential(Linear(64, 32, array=array, seed=0), nn.ReLU(), Linear(32, 10, array=array, seed=1))
    rule, loss = sgd(model, learning_rate=0.05), nn.CrossEntropyLoss()
    for _ in range(6):
        train_images(model, rule, loss, digits.train.inputs, digits.train.labels, 4)
    with torch.no_grad():
        right = (model(digits.test.inputs).argmax(1) == digits.test.labels).float().mean()
    assert float(right) > 0.88
