"""What stands beside a rule: scales of outputs, thin arrays that pass on at low rank, averages of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.devices import ConstantStep
from memlearn.learning import outer_product_sgd, sgd
from memlearn.learning.average import WeightAverage
from memlearn.nn import Linear, LowRankLinear, OutputScale, attach_ledger
from memlearn.programming import OuterProduct, Sign
from memlearn.programming.schemes import Proportional, WriteVerify
from tests.learners import array, images, network, same

LOSS = nn.CrossEntropyLoss()


def train(model: nn.Module, rule, n: int = 24, batch: int = 4, seed: int = 0) -> None:
    inputs, labels = images(n, 7, 3, seed)
    for x, y in zip(inputs.split(batch), labels.split(batch), strict=True):
        LOSS(model(x), y).backward()
        rule.step()
        rule.zero_grad()


class TestOutputScale:
    """Digital scales."""

    def test_it_descends_like_a_parameter_of_torch(self):
        model = nn.Sequential(Linear(7, 3, array=array(), seed=1), OutputScale(3, learning_rate=0.5))
        rule, scale = sgd(model, learning_rate=0.1), model[1].scale
        inputs, labels = images(8, 7, 3)
        sums = model[0](inputs).detach()
        twin = torch.ones(3, requires_grad=True)
        LOSS(sums * twin, labels).backward()
        assert twin.grad is not None
        LOSS(model(inputs), labels).backward()
        rule.step()
        assert torch.allclose(scale, 1 - 0.5 * twin.grad) and scale.grad is None

    def test_the_error_behind_it_is_scaled(self):
        model = nn.Sequential(Linear(7, 3, array=array(), seed=1), OutputScale(3, start=2.0))
        inputs, labels = images(4, 7, 3)
        LOSS(model(inputs), labels).backward()
        factors = model[0].take_factors()
        outputs = (2 * model[0](inputs)).detach().requires_grad_()
        LOSS(outputs, labels).backward()
        assert factors is not None and outputs.grad is not None
        assert torch.allclose(factors.columns, -2 * outputs.grad, atol=1e-6)

    def test_forgotten_gradients_teach_nothing_and_no_scale_turns(self):
        model = nn.Sequential(Linear(7, 3, array=array(), seed=1), OutputScale(3, learning_rate=1e6))
        rule = sgd(model, learning_rate=0.1)
        inputs, labels = images(4, 7, 3)
        LOSS(model(inputs), labels).backward()
        rule.zero_grad()
        rule.step()
        assert (model[1].scale == 1).all()
        train(model, rule)
        assert (model[1].scale >= 1e-3).all()
        with pytest.raises(InputError, match="learning_rate"):
            OutputScale(3, learning_rate=0.0)


def low_rank(**options) -> LowRankLinear:
    exact = {"array": array(ConstantStep(states=1e6)), "seed": 1, "writer": OuterProduct(learning_rate=1.0)}
    return LowRankLinear(7, 3, **{**exact, "reset": Proportional(), "spread": 0.2, **options})


class TestLowRankLinear:
    """Low-rank Tiki-Taka."""

    def test_a_transfer_conserves_the_weights_on_ideal_cells(self):
        layer = low_rank(rank=2, alpha=0.5, transfer_every=100)
        rule = outer_product_sgd(layer, learning_rate=3.0)
        train(layer, rule)
        inputs, _ = images(5, 7, 3, seed=9)
        layer.eval()
        whole, large = layer(inputs), layer.visible.tile.weight()
        product = 0.5 * layer.down.tile.weight() @ layer.up.tile.weight()
        assert product.abs().max() > 0.003 and int(layer.seen) == 24 and int(layer.transfers) == 0
        layer.seen.fill_(100)
        layer.follow(1.0)
        assert torch.allclose(layer.visible.tile.weight(), large + product, atol=2e-5)
        assert torch.allclose(layer(inputs), whole, atol=1e-4)
        assert layer.up.tile.weight().abs().max() < 1e-6 and int(layer.seen) == 0 and int(layer.transfers) == 1

    def test_only_transfers_write_the_large_array(self):
        layer = low_rank(transfer_every=12, writer=None, reset=WriteVerify(), array=array(ConstantStep(states=200)))
        rule, ledger = sgd(layer, learning_rate=0.3), Ledger()
        attach_ledger(layer, ledger)
        train(layer, rule, n=8)
        assert not ledger.total(Event.PULSE, layer="visible") and ledger.total(Event.PULSE, layer="up")
        train(layer, rule, n=16)
        assert ledger.total(Event.PULSE, layer="visible") and int(layer.transfers) == 2
        reads = ledger.total(Event.CELL_READ, layer="up", during=Pass.FORWARD)
        assert reads == 24 * layer.up.tile.cells
        # Line by line, before each reset and once more after it.
        assert ledger.total(Event.CELL_READ, layer="up", during=Pass.TRANSFER) == 2 * 2 * 4 * layer.up.tile.cells

    def test_it_goes_on_where_it_was(self):
        whole, first, second = (low_rank(transfer_every=10, writer=None) for _ in range(3))
        rules = [sgd(layer, learning_rate=0.3) for layer in (whole, first, second)]
        train(whole, rules[0], seed=0)
        train(whole, rules[0], seed=1)
        train(first, rules[1], seed=0)
        second.load_state_dict(first.state_dict())
        rules[2].load(rules[1].state())
        train(second, rules[2], seed=1)
        assert same(whole.state_dict(), second.state_dict())

    def test_a_writer_must_take_factors(self):
        with pytest.raises(InputError, match="factors"):
            low_rank(writer=Sign())


class TestWeightAverage:
    """Means of weights as read."""

    def test_it_is_the_mean_and_is_programmed(self):
        model = network(array(ConstantStep(states=1000)))
        rule, average, ledger, seen = sgd(model, learning_rate=0.3), WeightAverage(model), Ledger(), []
        with pytest.raises(InputError, match="looks"):
            average.program()
        attach_ledger(model, ledger)
        for seed in range(3):
            train(model, rule, seed=seed)
            average.look()
            seen.append(model[0].tile.weight().clone())
        mean = torch.stack(seen).mean(0)
        assert torch.allclose(average.mean["0"], mean, atol=1e-6)
        assert ledger.total(Event.CELL_READ, layer="0", during=Pass.UPDATE) == 3 * model[0].tile.cells
        average.program()
        assert (model[0].tile.weight() - mean).abs().max() < 0.03
        other = WeightAverage(model)
        other.load(average.state())
        assert other.looks == 3 and same(other.mean, average.mean)
