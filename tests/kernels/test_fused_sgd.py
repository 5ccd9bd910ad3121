"""The fused training step against the stages that it replaces: the same trains, pulses, events and counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from memlearn.arrays.mapping import AbstractMapping, DifferentialPair, ReferenceColumn
from memlearn.core.ledger import Ledger
from memlearn.devices import AbstractDevice, ConstantStep, JumpTable, OneSided, PiecewiseStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells
from memlearn.learning import Parts, Rule, manhattan, sgd
from memlearn.learning.accumulate import PerSample
from memlearn.learning.credit import SignBackprop
from memlearn.learning.fused import fuse
from memlearn.learning.fused.counts import FusedCounts
from memlearn.learning.fused.sgd import FusedSGD
from memlearn.learning.loop import BatchOutcome, train_batch, train_images
from memlearn.nn import Linear, Neuron, TernaryMarginLoss, attach_ledger
from memlearn.periphery import (
    ADC,
    DAC,
    Analogue,
    BinaryDriver,
    BinaryStep,
    Comparator,
    ReLU,
    Sigmoid,
    StochasticBinary,
    Tanh,
    TernaryComparator,
)
from memlearn.programming import DeterministicTrains, StochasticTrains
from memlearn.tile import Array, Crossbar, Periphery, Port
from tests.learners import CONVERTERS, counts, images

WIDTHS = (19, 9, 5)
IMAGES = 30
LAWS = [ConstantStep, SoftBounds]
MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=1.5)]
# Everything that a law may carry and the kernel must: cells unlike each other, few states so that bounds are met.
IMPERFECT = {
    "states": 60,
    "asymmetry": 0.1,
    "cycle_to_cycle": CycleToCycle(spread=0.3),
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "faults": StuckCells(high=0.03, low=0.03, anywhere=0.03),
}
CONTINUOUS = Periphery(
    forward=Port(drive=DAC(bits=None), sense=ADC(bits=None)),
    backward=Port(drive=DAC(bits=None, scaling="max"), sense=ADC(bits=None)),
)
COARSE = Periphery(
    forward=Port(drive=DAC(bits=5, scaling="max"), sense=ADC(bits=6, output_range=4.0)),
    backward=Port(drive=DAC(bits=4, input_range=0.5), sense=ADC(bits=7, output_range=3.0)),
)
NEURONS = [nn.ReLU(), nn.Sigmoid(), nn.Tanh(), ReLU(), Sigmoid(), Tanh(), BinaryStep(window=1.0)]
NEURONS += [BinaryStep(window=None)]
LOSSES = [nn.CrossEntropyLoss(), TernaryMarginLoss(0.7)]


class Options(NamedTuple):
    """A training set-up that the fused path takes, unless changed."""

    law: type[AbstractDevice] = ConstantStep
    mapping: AbstractMapping = MAPPINGS[0]
    periphery: Periphery = CONVERTERS
    neuron: Any = NEURONS[4]
    loss: nn.Module = LOSSES[0]
    bias: bool = True
    managed: bool = True
    widths: tuple[int, ...] = WIDTHS
    device: dict[str, Any] = IMPERFECT
    counting: bool = True


class Side(NamedTuple):
    """One of the two networks to compare."""

    model: nn.Sequential
    rule: Rule
    ledger: Ledger


def begin(options: Options) -> Side:
    array = Array(
        device=options.law(**options.device),
        crossbar=Crossbar(mapping=options.mapping),
        periphery=options.periphery,
    )
    parts: list[nn.Module] = []
    for number in range(len(options.widths) - 1):
        if number:
            given = options.neuron
            parts.append(given if isinstance(given, nn.Module) else Neuron(given, seed=number))
        parts.append(
            Linear(*options.widths[number : number + 2], options.bias, array=array, seed=number, initial_weight=0.5)
        )
    model, ledger = nn.Sequential(*parts), Ledger()
    if options.counting:
        attach_ledger(nn.ModuleDict({"net": model, "loss": options.loss}), ledger)
    return Side(model, sgd(model, learning_rate=0.3, update_management=options.managed), ledger)


def staged(side: Side, loss: nn.Module, x: Tensor, y: Tensor, batch: int) -> list[BatchOutcome]:
    """Batch after batch through the tiles' own stages."""
    side.model.train()
    return [
        train_batch(side.model, side.rule, loss, x[first : first + batch], y[first : first + batch])
        for first in range(0, len(y), batch)
    ]


def check(options: Options, batch: int, n: int = IMAGES) -> None:
    """Train both ways, twice over, and compare everything that they leave behind."""
    inputs, labels = images(n, options.widths[0], options.widths[-1])
    slow = begin(options)
    done = [staged(slow, options.loss, inputs, labels, batch) for _ in range(2)]
    fast = begin(options)
    trainer = fuse(fast.model, fast.rule, options.loss)
    assert trainer is not None
    trained = [trainer.train(inputs, labels, batch) for _ in range(2)]
    for span, batches in zip(trained, done, strict=True):
        assert span.pulses == sum(b.pulses for b in batches) > 0
        assert span.cells == sum(b.cells for b in batches)
        assert span.correct == sum(b.correct for b in batches)
        sizes = [min(batch, n - first) for first in range(0, n, batch)]
        assert span.loss == pytest.approx(sum(b.loss * m for b, m in zip(batches, sizes, strict=True)), rel=1e-4)
    compare(fast, slow)


def compare(fast: Side, slow: Side) -> None:
    """Equal to the pulse; conductances to rounding."""
    assert fast.rule.steps == slow.rule.steps
    for name, old in slow.model.state_dict().items():
        new = fast.model.state_dict()[name]
        assert new.dtype == old.dtype
        if name.endswith("conductance"):
            tile = fast.model.get_submodule(name.rsplit(".", 1)[0])
            assert (new - old).abs().max() <= 1e-6 * tile.array.device.range, name  # type: ignore[union-attr, operator]
        else:
            assert torch.equal(new, old), name
    assert counts(fast.ledger) == counts(slow.ledger)


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


class TestEqualsStages:
    """Pulse for pulse."""

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    @pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
    @pytest.mark.parametrize("batch", [1, 3, 8, 64])
    def test_batches(self, batch, mapping, law):
        for bias in (True, False):
            check(Options(law=law, mapping=mapping, bias=bias), batch)

    @pytest.mark.parametrize("law", [PiecewiseStep, JumpTable, OneSided], ids=lambda law: law.__name__)
    def test_laws_with_a_table_a_draw_or_a_noise_of_down_pulses(self, law):
        check(Options(law=law), 8)

    @pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
    @pytest.mark.parametrize("neuron", NEURONS, ids=repr)
    def test_neurons_and_losses(self, neuron, loss):
        for law, mapping in zip(LAWS, MAPPINGS, strict=True):
            check(Options(law=law, mapping=mapping, neuron=neuron, loss=loss), 8)

    @pytest.mark.parametrize("periphery", [CONVERTERS, CONTINUOUS, COARSE], ids=["8-bit", "continuous", "coarse"])
    @pytest.mark.parametrize("managed", [True, False], ids=["managed", "plain"])
    def test_converters(self, periphery, managed):
        for mapping in MAPPINGS:
            for neuron in (nn.ReLU(), nn.Tanh()):
                check(Options(periphery=periphery, managed=managed, mapping=mapping, neuron=neuron), 3)

    @pytest.mark.parametrize("widths", [(6, 4), (7, 1, 3), (1, 5, 2), (150, 70, 33)], ids=str)
    def test_sizes(self, widths):
        # One layer alone; lines of one; more word lines than a block of the kernel, and rests of four.
        for mapping in MAPPINGS:
            check(Options(widths=widths, mapping=mapping), 8)

    def test_three_layers(self):
        check(Options(widths=(9, 8, 7, 4), neuron=nn.Tanh()), 8)

    def test_ideal_cells(self):
        for law in LAWS:
            check(Options(law=law, device={"states": 1000}), 8)

    def test_without_a_ledger(self):
        check(Options(counting=False), 8)

    def test_a_schedules_rate(self):
        ends = []
        for stages in (True, False):
            side, (x, y) = begin(Options()), images(IMAGES, WIDTHS[0], WIDTHS[-1])
            for rate in (1.0, 0.3):
                side.rule.rate = rate
                if stages:
                    staged(side, LOSSES[0], x, y, 8)
                else:
                    train_images(side.model, side.rule, LOSSES[0], x, y, 8)
            ends.append(side)
        compare(ends[1], ends[0])

    def test_both_paths_may_take_turns(self):
        mixed, slow, (x, y) = begin(Options()), begin(Options()), images(IMAGES, WIDTHS[0], WIDTHS[-1])
        for number in range(4):
            staged(slow, LOSSES[0], x, y, 8)
            if number % 2:
                staged(mixed, LOSSES[0], x, y, 8)
            else:
                train_images(mixed.model, mixed.rule, LOSSES[0], x, y, 8)
        compare(mixed, slow)

    def test_the_loop_takes_the_fused_path(self, monkeypatch):
        taken = []
        run = FusedSGD.run
        monkeypatch.setattr(FusedSGD, "run", lambda self, *args: taken.append(1) or run(self, *args))
        side, (x, y) = begin(Options()), images(IMAGES, WIDTHS[0], WIDTHS[-1])
        train_images(side.model, side.rule, LOSSES[0], x, y, 8)
        assert taken == [1]


# What each stage of the plain set-up may be replaced by, and then needs the stages.


def port(**changes: Any) -> Periphery:
    """Converters of which one, in one direction, has a setting that the kernel does not know."""
    (where, setting), *_ = changes.items()
    direction, side = where.split("_")
    return CONVERTERS.replace(**{direction: Port().replace(**{side: setting})})


UNSUPPORTED_ARRAYS: dict[str, dict[str, Any]] = {
    "read noise": {"device": ConstantStep(read_noise=ReadNoise(relative=0.01))},
    "absolute read noise": {"device": ConstantStep(read_noise=ReadNoise(absolute=1e-8))},
    "tiles above each other": {"crossbar": Crossbar(rows=8)},
    "tiles beside each other": {"crossbar": Crossbar(columns=8)},
    "ADC noise": {"periphery": port(forward_sense=ADC(noise=1e-9))},
    "ADC gain": {"periphery": port(backward_sense=ADC(gain_spread=0.01))},
    "ADC offset": {"periphery": port(forward_sense=ADC(offset_spread=1e-9))},
    "ADC stochastic": {"periphery": port(backward_sense=ADC(stochastic_rounding=True))},
    "DAC noise": {"periphery": port(forward_drive=DAC(noise=1e-3))},
    "DAC gain": {"periphery": port(backward_drive=DAC(gain_spread=0.01))},
    "DAC offset": {"periphery": port(backward_drive=DAC(offset_spread=1e-3))},
    "DAC stochastic": {"periphery": port(forward_drive=DAC(stochastic_rounding=True))},
    "analogue sense": {"periphery": port(forward_sense=Analogue())},
    "comparators": {"periphery": port(forward_sense=Comparator())},
    "ternary comparators": {"periphery": port(backward_sense=TernaryComparator())},
    "binary drivers": {"periphery": port(forward_drive=BinaryDriver())},
}
UNSUPPORTED_NEURONS = [
    nn.GELU(),
    nn.LeakyReLU(),
    nn.Identity(),
    nn.Dropout(),
    Neuron(StochasticBinary(), seed=0),
    Neuron(BinaryStep(noise=0.1), seed=0),
    Neuron(BinaryStep(offset_spread=0.1), seed=0),
]
UNSUPPORTED_LOSSES = [
    nn.MSELoss(),
    nn.NLLLoss(),
    nn.CrossEntropyLoss(reduction="sum"),
    nn.CrossEntropyLoss(weight=torch.ones(5)),
    nn.CrossEntropyLoss(label_smoothing=0.1),
    nn.CrossEntropyLoss(ignore_index=2),
]


class Own(nn.Sequential):
    """A user's own way through the layers."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(1 - x)


def linear(inputs: int, outputs: int, given: Array | None = None, **options: Any) -> Linear:
    return Linear(inputs, outputs, array=given or Array(), **{"seed": 0, **options})


def stack(given: Array | None = None, neuron: nn.Module | None = None, **options: Any) -> nn.Sequential:
    return nn.Sequential(linear(19, 9, given, **options), neuron or nn.ReLU(), linear(9, 5, given, **options))


def refused(model: nn.Module, rule: Rule | None = None, loss: nn.Module | None = None) -> bool:
    return fuse(model, rule or sgd(model), loss or nn.CrossEntropyLoss()) is None


class TestRefusal:
    """What the kernel does not do exactly as the stages do is left to them."""

    def test_the_plain_set_up_is_taken(self):
        # Every case below changes one thing of this.
        model = stack()
        assert not refused(model) and not refused(model, sgd(model), TernaryMarginLoss())
        assert isinstance(fuse(model, sgd(model), nn.CrossEntropyLoss()), FusedSGD)

    @pytest.mark.parametrize("change", UNSUPPORTED_ARRAYS.values(), ids=UNSUPPORTED_ARRAYS.keys())
    def test_arrays(self, change):
        assert refused(stack(Array(**change)))
        assert refused(nn.Sequential(linear(19, 9), nn.ReLU(), linear(9, 5, Array(**change))))

    @pytest.mark.parametrize("options", [{"dtype": torch.float64}, {"backend": "reference"}], ids=str)
    def test_precision_and_backend(self, options):
        assert refused(stack(**options))

    def test_laws_of_two_kinds(self):
        assert refused(nn.Sequential(linear(19, 9), nn.ReLU(), linear(9, 5, Array(device=SoftBounds()))))
        unlike = nn.Sequential(linear(19, 9), nn.ReLU(), linear(9, 5, Array(device=ConstantStep(states=9))))
        assert not refused(unlike)

    @pytest.mark.parametrize("neuron", UNSUPPORTED_NEURONS, ids=repr)
    def test_neurons(self, neuron):
        assert refused(stack(neuron=neuron))

    @pytest.mark.parametrize("loss", UNSUPPORTED_LOSSES, ids=repr)
    def test_losses(self, loss):
        model = stack()
        assert refused(model, sgd(model), loss)

    @pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
    def test_another_writer(self, rounding):
        model = stack()
        rule = Rule(model, Parts(accumulator=PerSample(), writer=DeterministicTrains(rounding=rounding)))
        assert not FusedSGD.fits(rule) and refused(model, rule)

    def test_a_number_per_weight_is_left_to_the_kernel_that_counts(self):
        # That it equals the stages is shown in test_fused_counts.py.
        model = stack()
        for rule in (Rule(model, Parts()), manhattan(model)):
            assert not FusedSGD.fits(rule) and type(fuse(model, rule, nn.CrossEntropyLoss())) is FusedCounts

    def test_another_credit(self):
        ternary = Periphery(forward=CONVERTERS.forward, backward=Port(drive=DAC(), sense=TernaryComparator()))
        model = stack(Array(periphery=ternary))
        parts = Parts(credit=SignBackprop(), accumulator=PerSample(), writer=StochasticTrains())
        assert refused(model, Rule(model, parts))

    def test_other_ways_through_the_model(self):
        first, middle, last = linear(19, 9), linear(9, 9), linear(9, 5)
        assert refused(nn.ModuleList([first]), sgd(nn.ModuleList([first])))
        assert refused(nn.Sequential(first, last)) and refused(nn.Sequential(first, nn.ReLU()))
        assert refused(nn.Sequential(nn.ReLU(), first)) and refused(nn.Sequential(nn.Flatten(), first, nn.ReLU(), last))
        assert refused(nn.Sequential(first, nn.ReLU(), nn.ReLU(), nn.ReLU(), last))
        assert refused(nn.Sequential(first, nn.ReLU(), nn.Linear(9, 5)))
        assert refused(Own(first, nn.ReLU(), last))
        # Once more through a layer, or a rule for a part of the model.
        assert refused(nn.Sequential(first, nn.ReLU(), middle, nn.ReLU(), middle, nn.ReLU(), last))
        model = nn.Sequential(first, nn.ReLU(), last)
        assert refused(model, sgd(last)) and refused(model, sgd(stack())) and not refused(model)

    def test_the_loop_then_takes_the_stages(self):
        # A rule for the last layer alone: the first one keeps its weights.
        model = stack()
        train_images(model, sgd(model[2], learning_rate=0.3), nn.CrossEntropyLoss(), *images(8, 19, 5), 4)
        assert not model[0].tile.counters.any() and model[2].tile.counters.any()
