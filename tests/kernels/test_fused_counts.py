"""The fused step of rules that count pulses for a number per weight, against its stages: the same pulses and counts."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import DifferentialPair, ReferenceColumn
from memlearn.core.ledger import Ledger
from memlearn.devices import AbstractDevice, ConstantStep, NeuroSimCurve, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, StuckCells
from memlearn.learning import Parts, Rule, manhattan, mixed_precision, rounded_sgd, sgd, threshold_manhattan
from memlearn.learning.accumulate import BatchCounter, DigitalValue, PersistentCounter
from memlearn.learning.fused import fuse
from memlearn.learning.fused.counts import FusedCounts
from memlearn.learning.fused.sgd import FusedSGD
from memlearn.learning.loop import train_batch
from memlearn.nn import Linear, Neuron, SigmoidCrossEntropyLoss, SquaredErrorLoss, TernaryMarginLoss, attach_ledger
from memlearn.periphery import ADC, DAC, Sigmoid, Tanh
from memlearn.programming import BlindPulses, RoundedCounts, Sign, Threshold
from memlearn.tile import Array, Crossbar, Periphery, Port
from tests.learners import CONVERTERS, counts, images, network

WIDTHS = (19, 9, 5)
IMAGES = 30
MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=1.5)]
LOSSES = [nn.CrossEntropyLoss(), SigmoidCrossEntropyLoss(), TernaryMarginLoss(0.7), SquaredErrorLoss()]
CONTINUOUS = Port(drive=DAC(bits=None, scaling="max"), sense=ADC(bits=None, output_range=100.0))
IMPERFECT: dict[str, Any] = {
    "states": 60,
    "cycle_to_cycle": CycleToCycle(spread=0.3, range_spread=0.02),
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "faults": StuckCells(high=0.03, low=0.03, anywhere=0.03),
}
DEVICES: list[AbstractDevice] = [ConstantStep(**IMPERFECT), SoftBounds(**IMPERFECT), NeuroSimCurve(**IMPERFECT)]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def begin(loss: nn.Module, widths: tuple[int, ...] = WIDTHS, bias: bool = True, **options: Any) -> tuple[Any, ...]:
    """A network, the rule at work on it, and the ledger of both."""
    array = Array(
        device=options.pop("device", DEVICES[0]),
        crossbar=Crossbar(mapping=options.pop("mapping", MAPPINGS[0])),
        periphery=options.pop("periphery", CONVERTERS),
    )
    neuron, parts = options.pop("neuron", Sigmoid()), []
    for number in range(len(widths) - 1):
        if number:
            parts.append(Neuron(neuron, seed=number))
        parts.append(Linear(*widths[number : number + 2], bias, array=array, seed=number, initial_weight=0.5))
    model, ledger = nn.Sequential(*parts), Ledger()
    attach_ledger(nn.ModuleDict({"net": model, "loss": loss}), ledger)
    return model, options.pop("rule", rounded)(model, **options), ledger


def rounded(model: nn.Module, **options: Any) -> Rule:
    """Rounded SGD with a learning rate that sends pulses to these few cells."""
    return rounded_sgd(model, **{"learning_rate": 0.5, **options})


def parts(accumulator: Any, writer: Any) -> Any:
    """A rule of two parts."""
    return lambda model: Rule(model, Parts(accumulator=accumulator, writer=writer))


def check(loss: nn.Module, batch: int, n: int = IMAGES, **options: Any) -> None:
    """Train both ways, twice over, and compare everything that they leave behind."""
    widths = options.get("widths", WIDTHS)
    inputs, labels = images(n, widths[0], widths[-1])
    slow, rule, counted = begin(loss, **options)
    slow.train()
    starts = [*range(0, n, batch)] * 2
    twin = deepcopy(loss)
    fast, quick, ledger = begin(twin, **options)
    trainer = fuse(fast, quick, twin)
    assert isinstance(trainer, FusedCounts)
    done, spans, flips = [], [], 0
    for k in starts:
        x, y = inputs[k : k + batch], labels[k : k + batch]
        done.append(train_batch(slow, rule, loss, x, y))
        spans.append(trainer.train(x, y, batch))
        if (apart := abs(done[-1].pulses - spans[-1].pulses)) > 0:
            # A change within rounding of the next whole number of pulses fell to the other side: on from one state.
            assert apart <= 2, "a flip is a pulse, or two in a pair of cells"
            fast.load_state_dict(slow.state_dict())
            quick.load(rule.state())
            flips += 1
    assert flips <= 2 and sum(d.pulses for d in done) > 0
    assert sum(s.cells for s in spans) == pytest.approx(sum(d.cells for d in done), abs=2 * flips)
    assert sum(s.correct for s in spans) == sum(d.correct for d in done)
    sizes = [min(batch, n - k) for k in starts]
    assert sum(s.loss for s in spans) == pytest.approx(
        sum(d.loss * m for d, m in zip(done, sizes, strict=True)),
        rel=1e-3,  # now and then a value falls to the other side of a converter's step
    )
    assert quick.steps == rule.steps and counts(ledger) == pytest.approx(counts(counted), abs=2 * flips)
    for name, old in slow.state_dict().items():
        new = fast.state_dict()[name]
        if name.endswith("conductance"):
            assert (new - old).abs().max() <= 1e-6 * 18e-6, name
        else:
            assert torch.equal(new, old), name
    for name, kept in rule.memory.items():
        twin_of = quick.memory[name]
        assert (kept is None) == (twin_of is None)
        if kept is not None:
            assert (twin_of - kept).abs().max() <= 1e-4 * kept.abs().max().clamp_min(1e-3), name


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_one_call_is_as_many_as_its_batches(batch):
    inputs, labels = images(IMAGES, WIDTHS[0], WIDTHS[-1])
    ends = []
    for starts in ([0], range(0, IMAGES, batch)):
        loss = deepcopy(LOSSES[1])
        model, rule, ledger = begin(loss, rounding="stochastic")
        trainer = fuse(model, rule, loss)
        assert trainer is not None
        for k in starts:
            upto = IMAGES if len(starts) == 1 else k + batch
            trainer.train(inputs[k:upto], labels[k:upto], batch)
        ends.append((model.state_dict(), counts(ledger), rule.steps))
    assert ends[0][1:] == ends[1][1:] and all(torch.equal(ends[0][0][name], ends[1][0][name]) for name in ends[0][0])


class TestEqualsStages:
    """Pulse for pulse, but for a pulse or two that rounding decides; see the kernel's docstring."""

    @pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
    @pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
    @pytest.mark.parametrize("batch", [1, 3, 8])
    def test_batches(self, batch, mapping, rounding):
        for bias in (True, False):
            check(LOSSES[1], batch, mapping=mapping, rounding=rounding, bias=bias)

    @pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.kind)
    def test_laws(self, device):
        for rounding in ("nearest", "stochastic"):
            check(LOSSES[1], 1, device=device, rounding=rounding, mapping=MAPPINGS[1])

    @pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
    def test_losses_and_neurons(self, loss):
        for neuron in (Sigmoid(), Tanh()):
            check(loss, 3, neuron=neuron, rounding="stochastic")

    @pytest.mark.parametrize("widths", [(6, 4), (7, 1, 3), (1, 5, 2), (150, 33, 7), (9, 8, 7, 4)], ids=str)
    def test_sizes(self, widths):
        for mapping in MAPPINGS:
            check(LOSSES[1], 4, widths=widths, mapping=mapping, rounding="stochastic")

    def test_every_layer_has_its_rate(self):
        check(LOSSES[1], 1, layer_rates=(1.0, 0.5), rounding="stochastic")
        check(LOSSES[1], 1, layer_rates=(1.0, 0.5))

    def test_continuous_converters(self):
        check(LOSSES[1], 1, periphery=Periphery(forward=CONTINUOUS, backward=CONTINUOUS), rounding="stochastic")

    def test_a_large_rate_sends_many_pulses_to_one_cell(self):
        check(LOSSES[1], 2, learning_rate=20.0, device=ConstantStep(states=1000))


OTHERS = {
    "manhattan": manhattan,
    "threshold of the largest": lambda model: threshold_manhattan(model, threshold=0.3),
    "threshold": parts(BatchCounter(), Threshold(threshold=0.03)),
    "mixed precision": lambda model: mixed_precision(model, learning_rate=0.5),
    "mixed precision, small steps": lambda model: mixed_precision(model, learning_rate=0.5, granularity=0.4),
    "threshold of a value": parts(DigitalValue(learning_rate=1.0), Threshold(threshold=0.05)),
    "threshold of a counter": parts(PersistentCounter(bits=8), Threshold(threshold=0.2)),
    "blind pulses of a batch": parts(BatchCounter(), BlindPulses()),
    "sign of a value": parts(DigitalValue(learning_rate=1.0), Sign()),
}


class TestOtherRules:
    """Every accumulator and writer that the kernel knows."""

    @pytest.mark.parametrize("rule", OTHERS.values(), ids=OTHERS.keys())
    @pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
    def test_equals_stages(self, mapping, rule):
        for batch in (1, 4, 11):
            check(LOSSES[0], batch, mapping=mapping, rule=rule)

    @pytest.mark.parametrize("widths", [(6, 4), (7, 1, 3), (1, 5, 2), (150, 33, 7), (9, 8, 7, 4)], ids=str)
    def test_sizes(self, widths):
        check(LOSSES[1], 4, widths=widths, rule=OTHERS["mixed precision"], mapping=MAPPINGS[1])

    def test_a_line_at_rest_still_pays_what_it_owes(self):
        # One pulse a batch, but several units in the number: the rest fires while the line is at rest.
        inputs, labels = torch.eye(4, 19)[[0, 1, 1, 1]], torch.tensor([0, 1, 2, 3])
        sent = []
        for fused in (False, True):
            rule = parts(DigitalValue(learning_rate=1.0), Threshold(threshold=0.02))
            model, at_work, _ = begin(LOSSES[0], (19, 5), False, rule=rule)
            trainer = fuse(model, at_work, LOSSES[0])
            assert isinstance(trainer, FusedCounts)
            model.train()
            for x, y in zip(inputs.split(1), labels.split(1), strict=True):
                trainer.train(x, y, 1) if fused else train_batch(model, at_work, LOSSES[0], x, y)
            sent.append(at_work.layers["0"].tile.counters[0, 0, 0, :, 0].clone())
        assert torch.equal(*sent) and sent[0].max() > 1


class TestSigmoidLossWithTrains:
    """The loss is known to the kernel of trains, too."""

    def test_it_equals_the_stages(self):
        inputs, labels = images(24, 7, 3)
        slow, fast, loss = network(seed=1), network(seed=1), SigmoidCrossEntropyLoss()
        rules = sgd(slow, learning_rate=0.3), sgd(fast, learning_rate=0.3)
        done = [train_batch(slow, rules[0], loss, inputs[k : k + 3], labels[k : k + 3]) for k in range(0, 24, 3)]
        trainer = fuse(fast, rules[1], loss)
        assert isinstance(trainer, FusedSGD)
        assert trainer.train(inputs, labels, 3).pulses == sum(d.pulses for d in done) > 0


class TestRefusal:
    """What the kernel does not know is left to the stages."""

    def test_counters_that_persist(self):
        model = network()
        parts = Parts(accumulator=PersistentCounter(bits=16), writer=RoundedCounts())
        assert fuse(model, Rule(model, parts), LOSSES[0]) is None
        assert isinstance(fuse(model, rounded_sgd(model), LOSSES[0]), FusedCounts)
