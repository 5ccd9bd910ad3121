"""A rule at work on a model, its parts, the training loop, and the yardstick."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import memlearn.learning as learning
from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Factors
from memlearn.devices import ConstantStep
from memlearn.learning import Memory, Parts, Rule
from memlearn.learning.accumulate import BatchCounter, PerSample, PersistentCounter
from memlearn.learning.credit import Backprop, SignBackprop
from memlearn.learning.loop import Totals, train_batch, train_images
from memlearn.learning.plain import PlainSGD
from memlearn.nn import Linear, TernaryMarginLoss
from memlearn.periphery import DAC, Address, BinaryStep, ReLU, Sigmoid, StochasticBinaryDriver
from memlearn.programming import DeterministicTrains, Sign, StochasticTrains, Threshold
from memlearn.tile import Periphery, Port
from tests.learners import CONVERTERS, SIGNS, Setup, array, images, network, numbers, same, sign_network


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


class TestParts:
    """Which combinations are legal."""

    @pytest.mark.parametrize("accumulator", [BatchCounter(), PersistentCounter()], ids=lambda a: a.kind)
    @pytest.mark.parametrize("writer", [StochasticTrains(), DeterministicTrains()], ids=lambda w: w.kind)
    def test_trains_take_factors(self, accumulator, writer):
        with pytest.raises(InputError, match=f"gives dense, but the writer {writer.kind} accepts factors.*per_sample"):
            Parts(accumulator=accumulator, writer=writer)
        assert Parts(accumulator=PerSample(), writer=writer).writer == writer

    @pytest.mark.parametrize("writer", [Sign(), Threshold()], ids=lambda w: w.kind)
    def test_counts_take_sums(self, writer):
        with pytest.raises(InputError, match=f"gives factors, but the writer {writer.kind} accepts dense.*counter"):
            Parts(accumulator=PerSample(), writer=writer)
        assert Parts(writer=writer).accumulator == BatchCounter()

    def test_the_default_is_the_manhattan_rule(self):
        assert Parts() == Parts(credit=Backprop(), accumulator=BatchCounter(), writer=Sign())


class TestFactories:
    """The published rules by name."""

    def test_settings_reach_the_parts(self):
        model = sign_network()
        assert learning.sgd(model, learning_rate=0.2, max_length=7, update_management=False).parts == Parts(
            accumulator=PerSample(),
            writer=StochasticTrains(learning_rate=0.2, max_length=7, update_management=False),
        )
        assert learning.manhattan(model).parts == Parts()
        threshold = Threshold(threshold=0.4, relative=True)
        assert learning.threshold_manhattan(model, threshold=0.4).parts == Parts(writer=threshold)
        counter = PersistentCounter(bits=6)
        assert learning.sign_backprop(model, threshold=5.0, accumulator=counter).parts == Parts(
            credit=SignBackprop(), accumulator=counter, writer=Threshold(threshold=5.0)
        )

    @pytest.mark.parametrize("make", [learning.sgd, learning.threshold_manhattan, learning.sign_backprop])
    def test_a_misspelt_setting_is_refused(self, make):
        with pytest.raises(InputError, match=r"unknown setting.*(learning_rate|threshold)"):
            make(sign_network(), learing_rate=0.1, treshold=2.0)

    def test_a_model_without_arrays_is_refused(self):
        with pytest.raises(InputError, match="no in-memory layer"):
            learning.sgd(nn.Sequential(nn.Linear(3, 2)))

    def test_converters_that_do_not_fit_are_refused(self):
        with pytest.raises(InputError, match=r"periphery\.backward\.sense"):
            learning.sign_backprop(network(array(periphery=CONVERTERS)))


class TestStep:
    """What is written, and where."""

    def test_a_rule_for_a_part_of_the_model_leaves_the_rest(self):
        model = network()
        rule = learning.manhattan(model[2])
        nn.CrossEntropyLoss()(model(images(4)[0]), images(4)[1]).backward()
        assert rule.step().pulses > 0 and list(rule.layers) == ["layer"]
        assert not model[0].tile.counters.any() and model[2].tile.counters.any()

    def test_a_layer_that_no_error_has_reached_is_left_alone(self):
        trunk, heads = Linear(7, 5, array=array(), seed=0), [Linear(5, 2, array=array(), seed=n) for n in (1, 2)]
        rule = learning.manhattan(nn.ModuleList([trunk, *heads]))
        heads[1](trunk(images(4)[0])).sum().backward()
        rule.step()
        assert trunk.tile.counters.any() and heads[1].tile.counters.any() and not heads[0].tile.counters.any()

    def test_every_layer_plans_with_the_weights_as_they_were_read(self):
        # The error of the first layer passes the second before that one is pulsed.
        model = network(dtype=torch.float64)
        rule, before = learning.manhattan(model), model[2].tile.weight()
        x, y = images(4)
        hidden = model[1](model[0](x.double())).detach()
        wanted = nn.functional.one_hot(y, 3) / 4 - model[2](hidden).softmax(1).detach() / 4
        nn.CrossEntropyLoss()(model(x.double()), y).backward()
        weights = [model[n].tile.weight() for n in (0, 2)]
        rule.step()
        signs = ((wanted @ before[:5].T) * hidden * (1 - hidden)).T @ torch.cat([x, torch.ones(4, 1)], 1).double()
        assert torch.equal((model[0].tile.weight() - weights[0]).sign(), signs.T.sign())

    def test_the_tally_is_the_sum_over_layers(self):
        model = network()
        rule = learning.manhattan(model)
        nn.CrossEntropyLoss()(model(images(4)[0]), images(4)[1]).backward()
        tally = rule.step()
        assert tally.cells == sum(int(m.tile.counters[..., 1].count_nonzero()) for m in (model[0], model[2]))
        assert tally.pulses == tally.cells  # one pulse a cell

    def test_a_rate_scales_trains(self):
        pulses = []
        for rate in (1.0, 0.1):
            model = network()
            rule = learning.sgd(model, learning_rate=0.5)
            rule.rate = rate
            nn.CrossEntropyLoss()(model(images(64)[0]), images(64)[1]).backward()
            pulses.append(rule.step().pulses)
        assert pulses[1] == pytest.approx(0.1 * pulses[0], rel=0.3)

    def test_a_rate_raises_thresholds_and_what_counters_give_up(self):
        model = sign_network()
        rule = learning.sign_backprop(model, threshold=2.0, accumulator=PersistentCounter(bits=8))
        rule.rate = 0.5
        layer = rule.layers["2"]
        for count, left in [(3, 3), (1, 0)]:  # 3 counts rest, the fourth fires all of 2 / 0.5
            layer.factors = [Factors(torch.ones(count, 6), torch.ones(count, 3))]
            rule.step()
            memory = rule.memory["2"]
            assert memory is not None and (memory == left).all()
        assert layer.tile.counters[..., 0].eq(1).all()


class TestDigitalMemory:
    """Bits beside the arrays."""

    def rule(self, neuron=None, periphery=SIGNS, **parts):
        return Rule(network(array(periphery=periphery), neuron or BinaryStep()), Parts(**parts))

    def test_sign_backpropagation_keeps_small_counters_and_four_bits_a_neuron(self):
        rule = self.rule(credit=SignBackprop(), writer=Threshold())
        assert rule.digital_memory(32) == Memory(bits_per_weight=7, bits_per_neuron=1 + 1 + 2)
        assert rule.digital_memory(31).bits_per_weight == 6

    def test_a_persistent_counter_has_its_own_size(self):
        rule = self.rule(credit=SignBackprop(), accumulator=PersistentCounter(bits=5), writer=Threshold())
        assert rule.digital_memory(1000).bits_per_weight == 5

    def test_numbers_need_a_number(self):
        # Analogue errors, or inputs in grey levels, do not fit a counter, whatever the comparators.
        assert self.rule(credit=Backprop()).digital_memory(32).bits_per_weight == 32
        grey = Periphery(forward=Port(drive=DAC(), sense=SIGNS.forward.sense), backward=SIGNS.backward)
        assert self.rule(periphery=grey, credit=SignBackprop()).digital_memory(32).bits_per_weight == 32
        drawn = Periphery(forward=Port(drive=StochasticBinaryDriver()), backward=SIGNS.backward)
        assert self.rule(periphery=drawn, credit=SignBackprop()).digital_memory(32).bits_per_weight == 7

    def test_a_number_in_a_neuron_takes_the_bits_of_its_converter(self):
        for neuron, gate in ((Sigmoid(), 0), (ReLU(), 1)):
            assert self.rule(neuron, CONVERTERS).digital_memory(1).bits_per_neuron == 8 + gate + 8
        wide = Periphery(forward=Port(drive=DAC(bits=None)), backward=CONVERTERS.backward)
        assert self.rule(Sigmoid(), wide).digital_memory(1).bits_per_neuron == 32 + 8


class TestLoop:
    """One batch, and consecutive batches."""

    def begin(self, loss=None, **options):
        model = network(array(periphery=CONVERTERS), **options)
        return Setup(model, learning.sgd(model, learning_rate=0.3), loss or nn.CrossEntropyLoss())

    def test_a_batch_reports_what_it_did(self):
        setup = self.begin()
        x, y = images(9)
        with torch.no_grad():
            outputs = setup.model(x)
        done = train_batch(setup.model, setup.rule, setup.loss, x, y)
        assert done.loss == pytest.approx(float(setup.loss(outputs, y)))
        assert done.correct == int((outputs.argmax(1) == y).sum())
        assert done.pulses == sum(int(t.counters[..., 0].sum()) for t in setup.tiles) >= done.cells > 0

    @pytest.mark.parametrize("fused", [True, False], ids=["fused", "staged"])
    def test_calls_of_whole_batches_train_as_one_call(self, fused):
        loss = nn.CrossEntropyLoss() if fused else (lambda outputs, y: nn.functional.cross_entropy(outputs, y))
        x, y = images(22)
        whole, parts = self.begin(loss), self.begin(loss)
        at_once = train_images(whole.model, whole.rule, loss, x, y, 4)
        totals = Totals()
        for first, last in [(0, 12), (12, 16), (16, 22)]:
            totals = totals.plus(train_images(parts.model, parts.rule, loss, x[first:last], y[first:last], 4))
        assert same(whole.memory(), parts.memory())
        assert at_once._replace(loss_sum=0) == totals._replace(loss_sum=0)
        assert at_once.loss_sum == pytest.approx(totals.loss_sum)
        assert (at_once.images, at_once.steps) == (22, 6)

    def test_it_puts_the_model_into_training_mode(self):
        setup = self.begin()
        setup.model.eval()
        train_images(setup.model, setup.rule, setup.loss, *images(4), 4)
        assert all(module.training for module in setup.model.modules())

    def test_no_images_no_step(self):
        setup = self.begin()
        nothing = train_images(setup.model, setup.rule, setup.loss, *images(0), 4)
        assert nothing == Totals() and setup.rule.steps == 0

    @pytest.mark.parametrize("batch", [0, -1])
    def test_a_batch_is_positive(self, batch):
        setup = self.begin()
        with pytest.raises(InputError, match="batch"):
            train_images(setup.model, setup.rule, setup.loss, *images(4), batch)

    def test_labels_are_as_many_as_inputs(self):
        setup = self.begin()
        with pytest.raises(InputError, match=r"labels = 3.*as many as the inputs, 4"):
            train_images(setup.model, setup.rule, setup.loss, images(4)[0], images(3)[1], 2)

    @pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), TernaryMarginLoss()], ids=["entropy", "margin"])
    def test_the_fast_path_refuses_what_the_stages_refuse(self, loss):
        x, y = images(4)
        bad = x.clone()
        bad[2, 3] = float("nan")
        setup = self.begin(loss)
        for inputs, labels, word in [
            (bad, y, "finite"),
            (x[:, :6], y, "in_features = 7"),
            (x[:, :1], y, "in_features = 7"),
            (x[:, None], y, "samples, features"),
            (x, torch.tensor([0, 1, 2, 3]), "within 0 .. 2"),
            (x, torch.tensor([0, 1, 2, -100]), "within 0 .. 2"),
        ]:
            with pytest.raises(InputError, match=word):
                train_images(setup.model, setup.rule, loss, inputs, labels, 2)
        assert setup.rule.steps == 0 and not any(tile.counters.any() for tile in setup.tiles)

    def test_inputs_of_any_precision_and_layout(self):
        x, y = images(8)
        ends = []
        for inputs in (x, x.double(), x.T.contiguous().T, x.clone().requires_grad_()):
            setup = self.begin()
            train_images(setup.model, setup.rule, setup.loss, inputs, y, 4)
            ends.append(setup.memory())
        assert all(same(ends[0], end) for end in ends[1:])


class TestPlainSGD:
    """The yardstick's learner."""

    def test_a_step_of_descent(self):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        before, rule = model.weight.detach().clone(), PlainSGD(model, 0.1)
        model(numbers(4, 3)).square().sum().backward()
        gradient = model.weight.grad.clone()
        assert rule.step() == (0, 0)
        assert torch.allclose(model.weight, before - 0.1 * gradient)
        rule.zero_grad()
        assert model.weight.grad is None and rule.state() == {} and rule.load({}) is None

    def test_it_learns_in_the_same_loop(self):
        torch.manual_seed(0)
        model, (x, y) = nn.Sequential(nn.Linear(7, 3)), images(60)
        y = x[:, :3].argmax(1)
        rule = PlainSGD(model, 0.5)
        totals = [train_images(model, rule, nn.CrossEntropyLoss(), x, y, 4) for _ in range(10)]
        assert totals[-1].correct > 50 and totals[-1].loss_sum < 0.6 * totals[0].loss_sum
        assert totals[0].pulses == 0 and totals[0].steps == 15


class TestState:
    """Counters that persist are part of a run."""

    def test_counters_and_steps(self):
        rules = [
            learning.sign_backprop(
                sign_network(device=ConstantStep(states=50)), threshold=4.0, accumulator=PersistentCounter()
            )
            for _ in range(2)
        ]
        Setup(rules[0].model, rules[0], TernaryMarginLoss()).train()
        state = rules[0].state()
        assert set(state) == {"memory/0", "memory/2", "steps"} and state["memory/0"].any()
        rules[1].load(state)
        assert same(rules[1].state(), state) and rules[1].steps == 6
        assert rules[1].memory["0"] is not state["memory/0"]

    def test_rules_without_memory_keep_only_their_steps(self):
        rule = learning.manhattan(network())
        assert set(rule.state()) == {"steps"} and int(rule.state()["steps"]) == 0


class TestWhatCanNeverWork:
    """Settings under which nothing would ever be written are refused at once, not after a night."""

    @pytest.mark.parametrize(("bits", "threshold"), [(3, 4.0), (8, 128.0)])
    def test_a_threshold_beyond_the_counter(self, bits: int, threshold: float):
        model = sign_network()
        with pytest.raises(InputError, match="nothing would fire"):
            learning.sign_backprop(model, threshold=threshold, accumulator=PersistentCounter(bits=bits))

    def test_a_schedule_that_leaves_the_counter(self):
        model = sign_network()
        rule = learning.sign_backprop(model, threshold=8.0, accumulator=PersistentCounter(bits=5))
        rule.rate = 0.6
        with pytest.raises(InputError, match="nothing would fire"):
            rule.rate = 0.5
        assert rule.rate == 0.6
        with pytest.raises(InputError, match="rate"):
            rule.rate = 0.0


def test_an_update_clips_as_the_read_does():
    fixed, scaled = DAC(input_range=1.0), DAC(scaling="max")
    at = Address(Stream.root(0), 0)
    values = torch.tensor([[0.5, 3.0, -2.0]])
    assert fixed.encode(values, at).tolist() == [[0.5, 1.0, -1.0]]
    assert torch.equal(scaled.encode(values, at), values)
