"""In-memory layers, neurons, losses and conversion: what a user of torch expects of them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import memlearn.nn
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.effects import ReadNoise
from memlearn.learning import Rule
from memlearn.learning.rules import SGD
from memlearn.nn import ArrayLayer, Linear, Neuron, TernaryMarginLoss, array_layers, attach_ledger, convert
from memlearn.periphery import Address, BinaryStep, ReLU, Sigmoid, StochasticBinary, StochasticBinaryDriver, Tanh
from memlearn.tile import Array, Periphery, Port, Tile
from tests.learners import CONVERTERS, EXACT, EXACT_PORT, SIGNS, array, images, network, numbers, same

CIRCUITS = [ReLU(), Sigmoid(), Tanh(), BinaryStep(), BinaryStep(offset_spread=0.3, noise=0.2), StochasticBinary()]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def layer(inputs: int = 6, outputs: int = 4, bias: bool = True, **options: object) -> Linear:
    return Linear(inputs, outputs, bias, **{"array": array(), "seed": 1, **options})  # type: ignore[arg-type]


class TestLinear:
    """Like torch.nn.Linear, with conductances."""

    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("sizes", [(1, 1), (6, 4), (3, 9)], ids=str)
    def test_it_computes_what_torch_does(self, sizes, bias):
        made, x = layer(*sizes, bias, dtype=torch.float64), numbers(8, sizes[0], dtype=torch.float64)
        weight = made.tile.weight()
        assert weight.shape == (sizes[0] + bias, sizes[1])
        exact = functional.linear(x, weight[: sizes[0]].T, weight[-1] if bias else None)
        assert torch.allclose(made(x), exact, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("leading", [(), (1,), (5,), (2, 3), (0,), (2, 0, 3)], ids=str)
    def test_leading_axes_are_free_and_rank_does_not_depend_on_them(self, leading):
        made, x = layer(dtype=torch.float64), numbers(*leading, 6, dtype=torch.float64)
        out = made(x)
        assert out.shape == (*leading, 4)
        flat = made(x.reshape(-1, 6)).reshape(out.shape)
        assert torch.allclose(out, flat, rtol=0, atol=1e-12)

    def test_leading_axes_keep_their_gradients(self):
        made = layer(dtype=torch.float64)
        x = numbers(2, 3, 6, dtype=torch.float64).requires_grad_()
        made(x).sum().backward()
        assert x.grad is not None and x.grad.shape == x.shape
        assert torch.allclose(x.grad, made.tile.weight()[:6].sum(1).expand_as(x), rtol=0, atol=1e-12)
        factors = made.take_factors()
        assert factors is not None and factors.rows.shape == (6, 7) and factors.columns.shape == (6, 4)

    def test_a_batch_of_one_is_no_other_case(self):
        x = numbers(5, 6)
        alone = torch.cat([layer()(x[n : n + 1]) for n in range(5)])
        assert torch.allclose(layer()(x), alone, atol=1e-5)

    def test_whole_numbers_and_other_precisions_are_taken(self):
        made = layer()
        for dtype in (torch.int64, torch.uint8, torch.float64, torch.float16):
            assert torch.equal(made(torch.ones(2, 6, dtype=dtype)), made(torch.ones(2, 6)))

    @pytest.mark.parametrize("shape", [(2, 5), (6, 2), (5,), ()], ids=str)
    def test_a_wrong_width_is_named(self, shape):
        with pytest.raises(InputError, match="last axis must be in_features = 6") as error:
            layer()(torch.zeros(shape))
        assert str(tuple(shape)) in str(error.value)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_an_input_that_is_no_number_is_refused(self, bad):
        x = torch.zeros(3, 6)
        x[1, 2] = bad
        made = layer()
        with pytest.raises(InputError, match="must be finite"):
            made(x)
        assert not made.tile.events.any()  # refused before anything was read

    @pytest.mark.parametrize("sizes", [(0, 4), (6, 0), (-1, 4), (6.0, 4)], ids=str)
    def test_sizes_are_whole_and_positive(self, sizes):
        with pytest.raises(InputError, match="features"):
            layer(*sizes)

    def test_initial_weights_are_torchs_usual_ones_or_as_asked(self):
        assert layer(100, 80).tile.weight().abs().max() == pytest.approx(0.1, rel=0.01)
        assert layer(100, 80, initial_weight=0.02).tile.weight().abs().max() == pytest.approx(0.02, rel=0.01)
        assert not layer(initial_weight=0.0).tile.weight().abs().gt(1e-6).any()

    def test_it_prints_itself(self):
        text = repr(layer(30, 20, array=Array(device=SoftBounds())))
        assert "30, 20, bias=True, soft_bounds differential_pair, 1 x 1 tiles of (31, 40) cells" in text

    def test_defaults_are_those_of_array(self):
        assert Linear(3, 2, seed=0).tile.array == Array()


class TestSeeds:
    """The user's seed, or torch's own generator."""

    def test_a_seed_fixes_everything(self):
        noisy = array(ConstantStep(read_noise=ReadNoise(relative=0.1)))
        first, again, other = (layer(array=noisy, seed=seed) for seed in (5, 5, 6))
        x = numbers(3, 6)
        assert same(first.state_dict(), again.state_dict()) and torch.equal(first(x), again(x))
        assert not torch.equal(first.tile.weight(), other.tile.weight())

    def test_manual_seed_rules_where_none_is_given(self):
        made = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            made.append(nn.Sequential(Linear(6, 4), Neuron(StochasticBinary()), Linear(4, 2)))
        x = numbers(20, 6)
        outputs = [model(x) for model in made]
        assert same(made[0].state_dict(), made[1].state_dict()) and torch.equal(outputs[0], outputs[1])
        assert not torch.equal(outputs[0], outputs[2])
        assert not torch.equal(made[0][0].tile.weight()[:4, :2], made[0][2].tile.weight()[:4])

    def test_a_given_seed_leaves_torchs_generator_alone(self):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        model = network()
        model(numbers(2, 7)).sum().backward()
        assert torch.equal(torch.get_rng_state(), before)


class TestFactors:
    """What a backward pass leaves behind."""

    def test_rows_are_inputs_and_columns_minus_the_gradient(self):
        made, x = layer(dtype=torch.float64), numbers(5, 6, dtype=torch.float64)
        out = made(x)
        (out * numbers(5, 4, seed=2, dtype=torch.float64)).sum().backward()
        factors = made.take_factors()
        assert factors is not None
        assert torch.equal(factors.rows, torch.cat([x, torch.ones(5, 1)], 1).double())
        assert torch.equal(factors.columns, -numbers(5, 4, seed=2, dtype=torch.float64))

    def test_taking_them_empties_the_layer_and_joins_passes_in_order(self):
        made = layer()
        assert made.take_factors() is None
        made(numbers(2, 6)).sum().backward()
        made(numbers(3, 6, seed=1)).sum().backward()
        factors = made.take_factors()
        assert factors is not None and factors.rows.shape == (5, 7)
        assert torch.equal(factors.rows[2:, :6], numbers(3, 6, seed=1)) and made.take_factors() is None

    def test_the_first_layer_is_not_read_transposed_unless_asked(self, monkeypatch):
        read, true = [], Tile.read_transposed
        monkeypatch.setattr(Tile, "read_transposed", lambda tile, e: read.append(tile) or true(tile, e))
        model = network()
        model(numbers(2, 7)).sum().backward()
        assert read == [model[2].tile]
        model(numbers(2, 7).requires_grad_()).sum().backward()
        assert read[1:] == [model[2].tile, model[0].tile]

    def test_changing_the_input_afterwards_changes_no_factor(self):
        for bias in (True, False):
            made, x = layer(bias=bias), numbers(2, 6)
            out = made(x)
            x.zero_()
            out.sum().backward()
            factors = made.take_factors()
            assert factors is not None and torch.equal(factors.rows[:, :6], numbers(2, 6))

    def test_no_grad_and_evaluation_leave_none(self):
        model = network()
        with torch.no_grad():
            assert not model(numbers(2, 7)).requires_grad
        with torch.inference_mode():
            model(numbers(2, 7))
        model.eval()
        x = numbers(2, 7).requires_grad_()
        model(x).sum().backward()
        assert x.grad is not None and x.grad.any()  # the error still passes
        assert all(made.factors == [] for made in array_layers(model).values())
        model.train()
        model(x).sum().backward()
        assert all(len(made.factors) == 1 for made in array_layers(model).values())

    def test_gradients_are_the_same_in_both_modes(self):
        grads = []
        for training in (True, False):
            x = numbers(2, 7).requires_grad_()
            network(array(periphery=CONVERTERS)).train(training)(x).square().sum().backward()
            grads.append(x.grad)
        assert torch.equal(*grads)

    def test_mode_reaches_the_drivers(self):
        drawn = Periphery(forward=Port(drive=StochasticBinaryDriver(), sense=EXACT_PORT.sense), backward=EXACT_PORT)
        made, x = layer(array=array(periphery=drawn)), torch.full((50, 6), 0.7)
        made.eval()
        assert torch.equal(made(x)[0], made(x)[1])
        made.train()
        assert not torch.equal(made(x)[0], made(x)[1])


class TestState:
    """state_dict, copies and devices of torch."""

    def test_state_dict_round_trip(self):
        noisy = array(ConstantStep(read_noise=ReadNoise(relative=0.1)))
        first, second = (nn.Sequential(layer(array=noisy), Neuron(StochasticBinary(), seed=2)) for _ in range(2))
        rule = Rule(first, SGD(learning_rate=0.5).parts())
        x = numbers(9, 6)
        for _ in range(3):
            first(x).sum().backward()
            rule.step()
        assert not same(first.state_dict(), second.state_dict())
        second.load_state_dict(first.state_dict())
        assert same(first.state_dict(), second.state_dict())
        assert torch.equal(first(x), second(x))  # noise and all

    def test_there_is_nothing_for_torchs_optimisers(self):
        model = network()
        assert list(model.parameters()) == []
        names = {name.split(".")[-1] for name in model.state_dict()}
        assert names == {"conductance", "parameters_", "counters", "memory", "events", "failures"}

    def test_a_deep_copy_goes_its_own_way(self):
        model = network()
        model(numbers(2, 7)).sum().backward()
        twin = copy.deepcopy(model)
        assert same(twin.state_dict(), model.state_dict())
        Rule(model, SGD(learning_rate=0.5).parts()).step()
        assert not same(twin.state_dict(), model.state_dict())


class TestNeuron:
    """Any neuron circuit, as a module."""

    @pytest.mark.parametrize("circuit", CIRCUITS, ids=repr)
    def test_output_and_derivative_are_the_circuits(self, circuit):
        neuron, sums = Neuron(circuit, seed=4), 3 * numbers(5, 4)
        fired = circuit.fire(sums, Address(neuron.stream, 0))
        x = sums.clone().requires_grad_()
        out = neuron(x)
        out.backward(numbers(5, 4, seed=1))
        assert torch.equal(out.detach(), fired.output) and x.grad is not None
        assert torch.equal(x.grad, numbers(5, 4, seed=1) * fired.derivative)

    @pytest.mark.parametrize("circuit", CIRCUITS, ids=repr)
    @pytest.mark.parametrize("leading", [(), (1,), (2, 3), (0,)], ids=str)
    def test_leading_axes_are_samples(self, circuit, leading):
        sums = numbers(*leading, 4)
        flat = Neuron(circuit, seed=4)(sums.reshape(-1, 4))
        for grad in (False, True):
            out = Neuron(circuit, seed=4)(sums.clone().requires_grad_(grad))
            assert out.shape == sums.shape and torch.equal(out.reshape(-1, 4), flat)

    def test_an_offset_belongs_to_a_neuron_whatever_the_sample(self):
        circuit = BinaryStep(offset_spread=1.0)
        out = Neuron(circuit, seed=1)(torch.zeros(3, 5, 40))
        assert torch.equal(out, out[:1, :1].expand_as(out)) and 0 < out[0, 0].sum() < 40

    def test_an_offset_belongs_to_a_map_whatever_the_position(self):
        circuit = BinaryStep(offset_spread=1.0)
        out = Neuron(circuit, seed=1, axis=1)(torch.zeros(3, 40, 5, 6))
        assert torch.equal(out, out[:1, :, :1, :1].expand_as(out)) and 0 < out[0, :, 0, 0].sum() < 40
        sums = numbers(2, 4, 3, 5).requires_grad_()
        Neuron(ReLU(), seed=1, axis=1)(sums).sum().backward()
        assert sums.grad is not None and torch.equal(sums.grad, (sums > 0).float())
        with pytest.raises(InputError, match=r"axis = 1: the input \(4,\) has no such axis"):
            Neuron(circuit, seed=1, axis=1)(torch.zeros(4))

    def test_every_call_draws_anew_and_resumes(self):
        neuron, sums = Neuron(StochasticBinary(), seed=4), torch.zeros(3, 50)
        first, second = neuron(sums), neuron(sums)
        assert not torch.equal(first, second) and int(neuron.events) == 2
        again = Neuron(StochasticBinary(), seed=4)
        again.load_state_dict({"events": torch.tensor([1])})
        assert torch.equal(again(sums), second)

    def test_a_binary_neuron_is_the_default(self):
        assert Neuron(seed=0).circuit == BinaryStep() and "binary_step" in repr(Neuron(seed=0))

    def test_bits_are_stored_only_while_training(self):
        ledger, model = Ledger(), network(neuron=BinaryStep())
        attach_ledger(model, ledger)
        with torch.no_grad():
            model(numbers(2, 7))
        assert ledger.total(Event.STORED_BIT) == 0 and ledger.total(Event.COMPARISON) == 2 * 5
        model(numbers(2, 7))
        assert ledger.total(Event.STORED_BIT) == 2 * 2 * 5 and ledger.total(Event.COMPARISON) == 2 * 5 + 3 * 2 * 5


class TestTernaryMarginLoss:
    """A hinge whose derivative two comparators decide."""

    def test_value_and_derivative(self):
        outputs = torch.tensor([[2.0, 0.5, -2.0], [0.5, -0.5, 1.5]], requires_grad=True)
        loss = TernaryMarginLoss(1.0)(outputs, torch.tensor([0, 1]))
        # Sample 0: target 2 >= 1 rests; 0.5 > -1 errs by 1.5. Sample 1: all err, by 1.5, 1.5 and 2.5.
        assert loss.item() == pytest.approx((1.5 + 1.5 + 1.5 + 2.5) / 2)
        loss.backward()
        assert outputs.grad is not None and (2 * outputs.grad).tolist() == [[0, 1, 0], [1, -1, 1]]

    def test_errors_are_ternary_for_any_batch(self):
        outputs = (2 * numbers(37, 10)).requires_grad_()
        TernaryMarginLoss(0.7)(outputs, torch.arange(37) % 10).backward()
        assert outputs.grad is not None
        assert set((37 * outputs.grad).round(decimals=4).unique().tolist()) == {-1.0, 0.0, 1.0}

    def test_comparisons_are_counted(self):
        loss, ledger = TernaryMarginLoss(), Ledger()
        attach_ledger(nn.Sequential(layer(), loss), ledger)
        labels = torch.zeros(5, dtype=torch.int64)
        loss(numbers(5, 4), labels)
        assert ledger.total(Event.COMPARISON) == 0, "no error is decided where none is asked for"
        loss(numbers(5, 4).requires_grad_(), labels)
        assert ledger.total(Event.COMPARISON, during=Pass.BACKWARD) == 2 * 5 * 4

    @pytest.mark.parametrize("margin", [-1.0, float("nan")])
    def test_a_margin_is_not_negative(self, margin):
        with pytest.raises(InputError, match="margin"):
            TernaryMarginLoss(margin)


class Nested(nn.Module):
    """A user's own module, with a layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"first": nn.Sequential(nn.Linear(6, 5), nn.ReLU()), "free": nn.Linear(5, 5, False)})
        self.head = nn.Linear(5, 3)
        self.tied = self.inner["free"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inner["first"](x)
        return self.head(self.tied(torch.tanh(self.inner["free"](x))))


class TestConvert:
    """A float model becomes an in-memory one."""

    fine = array(ConstantStep(states=100_000))

    def test_nested_modules_keep_names_and_function(self):
        torch.manual_seed(0)
        model, x = Nested(), numbers(9, 6)
        before = copy.deepcopy(model.state_dict())
        twin = convert(model, array=self.fine)
        assert isinstance(twin, Nested) and twin is not model
        assert list(array_layers(twin)) == ["inner.first.0", "inner.free", "head"]
        assert torch.allclose(twin(x), model(x), atol=1e-5)
        assert same(before, model.state_dict()) and not array_layers_of(model)  # the original is as it was

    def test_a_layer_under_two_names_stays_one(self):
        twin = convert(Nested(), array=self.fine)
        assert isinstance(twin, Nested) and isinstance(twin.tied, Linear) and twin.tied is twin.inner["free"]
        twin(numbers(2, 6)).sum().backward()
        assert len(twin.tied.factors) == 2  # both uses are written in one step
        assert not any(isinstance(module, nn.Linear) for module in twin.modules())

    def test_a_single_layer(self):
        for bias in (True, False):
            model = nn.Linear(4, 3, bias)
            twin = convert(model, array=self.fine)
            assert isinstance(twin, Linear) and twin.bias is bias
            assert torch.allclose(twin(numbers(5, 4)), model(numbers(5, 4)), atol=1e-5)

    def test_weights_beyond_the_range_are_cut(self):
        model = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[5.0, -0.25]]))
        twin = convert(model, array=self.fine)
        assert isinstance(twin, Linear)
        assert torch.allclose(twin.tile.weight(), torch.tensor([[1.0], [-0.25]]), atol=1e-6)

    def test_mode_and_precision_are_the_models(self):
        model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)).double().eval()
        twin = convert(model, array=self.fine)
        assert not any(module.training for module in twin.modules())
        x = numbers(4, 3, dtype=torch.float64)
        assert twin(x).dtype == torch.float64 and torch.allclose(twin(x), model(x), atol=1e-12)
        half = convert(nn.Linear(3, 2).half(), array=self.fine)
        assert half(numbers(4, 3)).dtype == torch.float32

    def test_seeds_and_backend(self):
        spread = array(ConstantStep(read_noise=ReadNoise(relative=0.1)))
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        first, again, other = (convert(model, array=spread, seed=seed) for seed in (1, 1, 2))
        x = numbers(4, 3)
        assert torch.equal(first(x), again(x)) and not torch.equal(first(x), other(x))
        assert first[0].tile.stream == Stream.root(1) and first[1].tile.stream == Stream.root(2)  # type: ignore[index]
        slow = convert(model, backend="reference")
        assert all(made.tile.backend == "reference" for made in array_layers(slow).values())

    def test_torchs_generator_is_left_alone(self):
        model = Nested()
        before = torch.get_rng_state()
        convert(model)
        assert torch.equal(torch.get_rng_state(), before)

    def test_nothing_to_convert(self):
        with pytest.raises(InputError, match=r"no torch\.nn\.Linear"):
            convert(nn.Sequential(nn.ReLU()))


def array_layers_of(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, ArrayLayer)]


class TestLedger:
    """Names and passes of what is counted."""

    def test_names_are_those_of_named_modules(self):
        ledger, model = Ledger(), network(array(periphery=SIGNS), BinaryStep())
        attach_ledger(model, ledger)
        TernaryMarginLoss()(model(images(2)[0]), images(2)[1]).backward()
        assert {where for (where, _, _), _ in ledger} == {"0", "1", "2"}
        attach_ledger(model, None)
        before = ledger.state()
        model(images(2)[0])
        assert ledger.state() == before

    def test_a_single_layer_is_called_layer(self):
        ledger, made = Ledger(), layer()
        attach_ledger(made, ledger)
        made(numbers(2, 6))
        assert {where for (where, _, _), _ in ledger} == {"layer"} and list(array_layers(made)) == ["layer"]

    def test_a_model_without_arrays_is_refused(self):
        with pytest.raises(InputError, match=r"memlearn\.nn\.convert"):
            array_layers(nn.Sequential(nn.Linear(2, 2)))


def test_exact_ports_are_exact():
    # What the other tests rest on.
    assert EXACT == Periphery(forward=EXACT_PORT, backward=EXACT_PORT) and memlearn.nn.Linear is Linear


def test_an_error_that_is_no_number_is_refused():
    outputs = layer()(numbers(5, layer().in_features))
    with pytest.raises(InputError, match="gradient.*finite"):
        (outputs * float("nan")).sum().backward()
