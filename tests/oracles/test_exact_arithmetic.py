"""On an ideal linear device rules are their arithmetic: descent is descent, and what is not written is not lost.

That the Manhattan rule is descent by signs stands in test_against_autograd.py.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import DifferentialPair, ReferenceColumn
from memlearn.core.random import Stream
from memlearn.core.types import Factors
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.learning import mixed_precision, outer_product_sgd, threshold_manhattan
from memlearn.learning.accumulate import PersistentCounter
from memlearn.nn import Linear
from memlearn.periphery import Tanh
from memlearn.programming import Threshold, WriteAddress
from tests.learners import array, images, network
from tests.oracles.test_against_autograd import twin

MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=2.0)]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def layers(model: nn.Sequential) -> list[Linear]:
    return [part for part in model if isinstance(part, Linear)]


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize("device", [ConstantStep(), SoftBounds()], ids=lambda device: device.kind)
def test_outer_product_writes_are_gradient_descent(device, mapping):
    # The law plays no part in an ideal write: soft bounds descend as well.
    model = network(array(device, mapping=mapping), Tanh(), dtype=torch.float64)
    exact, rule = twin(model), outer_product_sgd(model, learning_rate=0.05)
    optimiser = torch.optim.SGD(exact.parameters(), lr=0.05)
    for seed in range(20):
        x, y = images(8, seed=seed)
        for net in (model, exact):
            nn.functional.cross_entropy(net(x.double()), y).backward()
        rule.step()
        optimiser.step()
        optimiser.zero_grad()
    for ours, theirs in zip(model[::2], exact[::2], strict=True):
        assert torch.allclose(ours.tile.weight()[:-1], theirs.weight.T, rtol=0, atol=1e-12)
        assert torch.allclose(ours.tile.weight()[-1], theirs.bias, rtol=0, atol=1e-12)


@pytest.mark.parametrize("granularity", [1.0, 3.0])
def test_mixed_precision_conserves_the_sum_of_gradients(granularity):
    """What the weights have moved and what still waits are learning_rate x the sum of all gradients."""
    model = network(array(ConstantStep(states=2000)), Tanh(), dtype=torch.float64)
    rule = mixed_precision(model, learning_rate=0.1, granularity=granularity)
    before = [layer.tile.weight() for layer in layers(model)]
    sums = [torch.zeros_like(weight) for weight in before]
    for seed in range(40):
        x, y = images(8, seed=seed)
        nn.functional.cross_entropy(model(x.double()), y).backward()
        for layer, total in zip(layers(model), sums, strict=True):
            factors = layer.take_factors()
            assert factors is not None
            total += 0.1 * factors.sum()
            layer.factors = [factors]
        rule.step()
        rule.zero_grad()
    for layer, old, total, waits in zip(layers(model), before, sums, rule.memory.values(), strict=True):
        assert waits is not None
        moved = layer.tile.weight() - old
        assert moved.abs().max() > 20 * layer.tile.weight_step
        assert torch.allclose(moved + waits, total, rtol=0, atol=2e-5)  # the accumulator is float32


def test_counters_that_persist_conserve_their_counts():
    counter, writer, at = (
        PersistentCounter(bits=12),
        Threshold(threshold=8.0),
        WriteAddress(0.01, 0.7, Stream.root(0), 0),
    )
    memory, fired, total = counter.init(torch.zeros(6, 5), 1.0), torch.zeros(6, 5), torch.zeros(6, 5)
    assert memory is not None
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        rows, columns = (torch.randint(-1, 2, (4, n), generator=generator).float() for n in (6, 5))
        plan = writer.plan(counter.add(memory, Factors(rows, columns)), at)
        counter.settle(memory, plan, writer.quantum(0.7, 0.01))  # type: ignore[arg-type]
        fired, total = fired + 12 * plan.pulses, total + rows.T @ columns  # type: ignore[union-attr]
    assert torch.equal(fired + memory, total) and fired.any()


def test_a_threshold_of_the_largest_is_the_sign_of_the_largest_alone():
    model = network(array(ConstantStep(states=20_000)), Tanh(), dtype=torch.float64)
    exact, rule, step = twin(model), threshold_manhattan(model, threshold=1.0), model[0].tile.weight_step
    before = model[0].tile.weight()
    x, y = images(8)
    for net in (model, exact):
        nn.functional.cross_entropy(net(x.double()), y).backward()
    gradient = torch.cat([exact[0].weight.grad.T, exact[0].bias.grad[None]])
    rule.step()
    moved = model[0].tile.weight() - before
    assert torch.allclose(moved, -step * gradient.sign() * (gradient.abs() >= gradient.abs().max() * (1 - 1e-9)))
