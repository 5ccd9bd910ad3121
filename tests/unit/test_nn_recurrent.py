"""Recurrent layers inside arrays: shapes, states, arrangements, ledger, rules, conversion and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.devices import ConstantStep
from memlearn.devices.effects import ReadNoise
from memlearn.learning import manhattan, sgd, sign_backprop
from memlearn.learning.fused import fuse
from memlearn.learning.loop import train_batch
from memlearn.nn import LSTM, RNN, Linear, LSTMCell, Neuron, RNNCell, array_layers, attach_ledger, convert
from memlearn.periphery import BinaryStep, Sigmoid, Tanh
from memlearn.tile import Array
from tests.learners import CONVERTERS, SIGNS, array, numbers, same

FINE = ConstantStep(states=1_000_000)
KINDS = [RNN, LSTM]
CELLS = [RNNCell, LSTMCell]
LINES = ["joint", "separate"]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def made(kind: Any, *sizes: int, **options: Any) -> Any:
    """3 inputs and 4 hidden units, unless told otherwise."""
    return kind(*(sizes or (3, 4)), **{"array": array(), "seed": 1, **options})


def parts(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a state."""
    return state if isinstance(state, tuple) else (state,)


def zeros(kind: Any, *shape: int) -> Any:
    """A state of that kind."""
    return (torch.zeros(shape), torch.zeros(shape)) if kind in (LSTM, LSTMCell) else torch.zeros(shape)


class TestShapes:
    """What a user of torch expects."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}], ids=str)
    @pytest.mark.parametrize("shape", [(5, 2, 3), (1, 1, 3), (5, 0, 3), (5, 3)], ids=str)
    def test_outputs_and_states_are_torchs(self, shape, options, kind):
        exact = getattr(nn, kind.__name__)
        for first in (False, True) if 0 not in shape else (False,):
            x = torch.zeros(shape)
            output, state = made(kind, batch_first=first, **options)(x)
            if 0 not in shape:
                expected = exact(3, 4, batch_first=first, **options)(x)
                assert output.shape == expected[0].shape
                assert [part.shape for part in parts(state)] == [part.shape for part in parts(expected[1])]

    @pytest.mark.parametrize("kind", CELLS)
    def test_cells(self, kind):
        cell, x = made(kind), numbers(2, 3)
        after = cell(x)
        assert all(part.shape == (2, 4) for part in parts(after))
        alone = cell(x[0])
        assert all(torch.allclose(a[0], b, atol=1e-6) for a, b in zip(parts(after), parts(alone), strict=True))
        again = cell(x, after)
        assert not torch.equal(parts(again)[0], parts(after)[0])

    @pytest.mark.parametrize("kind", KINDS)
    def test_going_on_from_a_state(self, kind):
        layer, x = made(kind, num_layers=2, dtype=torch.float64), numbers(6, 2, 3, dtype=torch.float64)
        whole, end = layer(x)
        first, between = layer(x[:4])
        second, last = layer(x[4:], between)
        assert torch.allclose(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(parts(end), parts(last), strict=True))

    @pytest.mark.parametrize("lines", LINES)
    def test_arrays_carry_input_state_and_one(self, lines):
        sizes = {name: found.tile.weight().shape for name, found in array_layers(made(LSTM, lines=lines)).items()}
        if lines == "joint":
            assert sizes == {"cells.0.joint": (3 + 4 + 1, 16)}
        else:
            assert sizes == {"cells.0.input": (3 + 1, 16), "cells.0.hidden": (4, 16)}

    def test_initial_weights_are_torchs_usual_ones_or_as_asked(self):
        for kind in CELLS:
            weight = made(kind, 100, 25).joint.tile.weight()
            assert weight.abs().max() == pytest.approx(0.2, rel=0.01)
            assert not made(kind, initial_weight=0.0).joint.tile.weight().abs().gt(1e-6).any()
        assert made(RNNCell, array=None).joint.tile.array == Array()

    def test_they_print_themselves(self):
        text = repr(made(LSTM, num_layers=2, lines="separate"))
        assert "3, 4, num_layers=2" in text and "lines=separate" in text


class TestRefused:
    """Bad input is named, with what is allowed and what to do."""

    @pytest.mark.parametrize(
        ("kind", "sizes", "options", "text"),
        [
            (RNN, (0, 4), {}, "input_size = 0: must be a whole number"),
            (LSTM, (3, 2.5), {}, "hidden_size = 2.5: must be a whole number"),
            (LSTMCell, (3, 0), {}, "hidden_size = 0"),
            (RNN, (3, 4), {"num_layers": 0}, "num_layers = 0: must be a whole number"),
            (LSTM, (3, 4), {"dropout": 1.5}, "dropout = 1.5: must lie within 0 .. 1"),
            (RNN, (3, 4), {"nonlinearity": "tan"}, "nonlinearity = 'tan'.*Did you mean 'tanh'"),
            (LSTM, (3, 4), {"lines": "join"}, "lines = 'join'.*Did you mean 'joint'"),
        ],
        ids=str,
    )
    def test_settings(self, kind, sizes, options, text):
        with pytest.raises(InputError, match=text):
            made(kind, *sizes, **options)

    def test_an_unknown_option(self):
        for kind in (RNN, LSTM, RNNCell, LSTMCell):
            with pytest.raises(TypeError, match="copies"):
                made(kind, copies=2)

    @pytest.mark.parametrize("kind", KINDS)
    def test_inputs(self, kind):
        for shape in [(3,), (5, 2, 4), (1, 5, 2, 3)]:
            with pytest.raises(InputError, match=r"\(time, batch, input_size\).*input_size is 3"):
                made(kind)(torch.zeros(shape))
        with pytest.raises(InputError, match=r"\(batch, time, input_size\)"):
            made(kind, batch_first=True)(torch.zeros(2, 5, 4))
        with pytest.raises(InputError, match="at least one time step"):
            made(kind)(torch.zeros(0, 2, 3))
        packed = nn.utils.rnn.pack_sequence([torch.zeros(4, 3), torch.zeros(2, 3)])
        with pytest.raises(InputError, match="PackedSequence.*must be a tensor.*pad_packed_sequence"):
            made(kind)(packed)
        with pytest.raises(InputError, match="must be finite"):
            made(kind)(torch.full((2, 2, 3), float("nan")))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("shape", [(1, 3, 4), (2, 2, 4), (1, 2, 5), (1, 4)], ids=str)
    def test_states(self, kind, shape):
        with pytest.raises(InputError, match=r"hx = .*\(layers x directions, batch, hidden_size\) = \(1, 2, 4\)"):
            made(kind)(torch.zeros(5, 2, 3), zeros(kind, *shape))

    @pytest.mark.parametrize("kind", CELLS)
    def test_cells(self, kind):
        cell = made(kind)
        with pytest.raises(InputError, match="input_size is 3"):
            cell(torch.zeros(2, 2, 3))
        with pytest.raises(InputError, match=r"hx = \(3, 4\).*= \(2, 4\)"):
            cell(torch.zeros(2, 3), zeros(kind, 3, 4))
        with pytest.raises(InputError, match=r"hx = \(1, 4\).*\(hidden_size,\) = \(4,\)"):
            cell(torch.zeros(3), zeros(kind, 1, 4))


class TestTime:
    """One read a step, one outer product a step, one write after the last."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("lines", LINES)
    def test_reads_and_factors(self, lines, kind):
        layer, ledger = made(kind, lines=lines, array=array(periphery=CONVERTERS)), Ledger()
        attach_ledger(layer, ledger)
        layer(numbers(7, 2, 3))[0].sum().backward()
        gates = 4 if kind is LSTM else 1
        found = {name: part.take_factors() for name, part in array_layers(layer).items()}
        assert all(factors is not None and len(factors.rows) == 14 for factors in found.values())
        for name, part in array_layers(layer).items():
            reads = ledger.total(Event.ADC, layer=name, during=Pass.FORWARD) // (gates * 4)
            assert reads == 14 and part.reads_per_sample == 7
            back = ledger.total(Event.DAC, layer=name, during=Pass.BACKWARD) // (gates * 4)
            # The first step's state and the input need no error.
            assert back == (0 if name.endswith("input") else 12)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_step_writes_all_of_it_once(self, kind):
        layer = made(kind, array=array(ConstantStep(states=100)))
        rule = manhattan(layer)
        layer(numbers(7, 2, 3))[0].square().sum().backward()
        before = layer.cells[0].joint.tile.weight()
        assert rule.step().cells == layer.cells[0].joint.tile.cells
        moved = (layer.cells[0].joint.tile.weight() - before).abs()
        assert torch.allclose(moved, torch.tensor(layer.cells[0].joint.tile.weight_step), atol=1e-6)

    def test_digital_memory_counts_the_steps(self):
        model = nn.Sequential(made(RNN, array=array(periphery=SIGNS), neuron=BinaryStep()))
        rule = sign_backprop(model)
        model(numbers(7, 2, 3))
        assert rule.digital_memory(10).bits_per_weight == 8  # -70 .. 70

    def test_dropout_is_between_layers_and_in_training_only(self):
        layer, x = made(LSTM, num_layers=2, dropout=0.5), numbers(4, 2, 3)
        assert not torch.equal(layer(x)[0], layer(x)[0])
        layer.eval()
        assert torch.equal(layer(x)[0], layer(x)[0])


class TestGates:
    """Digital gates, or circuits."""

    def test_circuits_stand_in_for_digital_gates(self):
        digital, analogue = (made(LSTM, **o) for o in ({}, {"gate": Sigmoid(), "squash": Tanh()}))
        assert sum(isinstance(module, Neuron) for module in analogue.modules()) == 3
        ends = []
        for layer in (digital, analogue):
            x = numbers(5, 2, 3).requires_grad_()
            out = layer(x)[0]
            out.square().sum().backward()
            ends.append((out.detach(), x.grad))
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*ends, strict=True))

    def test_a_binary_recurrent_network(self):
        layer = made(RNN, neuron=BinaryStep(window=None))
        out = layer(3 * numbers(5, 2, 3))[0]
        assert set(out.unique().tolist()) <= {0.0, 1.0} and isinstance(layer.cells[0].activation, Neuron)


class Reader(nn.Module):
    """The class of a sequence, from the last hidden state."""

    def __init__(self, recurrent: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])


def sequences(n: int = 24) -> tuple[Tensor, Tensor]:
    """The class is told by the first step alone: (n, 5, 3) and labels."""
    x, labels = 0.2 * numbers(n, 5, 3), torch.arange(n) % 3
    x[:, 0] += nn.functional.one_hot(labels, 3)
    return x, labels


class TestLearning:
    """Rules whose parts make sense learn through time."""

    @pytest.mark.parametrize(
        ("kind", "rule", "lines"),
        [(RNN, manhattan, "separate"), (LSTM, manhattan, "joint"), (RNN, sgd, "joint"), (RNN, sgd, "separate")],
        ids=lambda part: getattr(part, "__name__", part),
    )
    def test_the_loss_falls(self, kind, rule, lines):
        given = array(ConstantStep(states=400), CONVERTERS)
        recurrent = made(kind, 3, 8, batch_first=True, array=given, lines=lines)
        model = Reader(recurrent, Linear(8, 3, array=given, seed=2))
        learner = rule(model, **({"learning_rate": 1.0} if rule is sgd else {}))
        x, y = sequences()
        losses = [train_batch(model, learner, nn.CrossEntropyLoss(), x, y).loss for _ in range(30)]
        assert losses[-1] < losses[0] - 0.05

    def test_it_is_not_fused(self):
        model = nn.Sequential(made(RNN), nn.Flatten(), Linear(4, 3, array=array()))
        assert fuse(model, sgd(model), nn.CrossEntropyLoss()) is None
        cell = nn.Sequential(made(RNNCell))
        assert fuse(cell, sgd(cell), nn.CrossEntropyLoss()) is None


class TestState:
    """state_dict, copies, precision."""

    def test_state_dict_round_trip(self):
        noisy = array(ConstantStep(read_noise=ReadNoise(relative=0.1)))
        first, second = (made(LSTM, array=noisy, num_layers=2, seed=seed) for seed in (1, 1))
        rule = sgd(first, learning_rate=0.5)
        first(numbers(5, 2, 3))[0].sum().backward()
        rule.step()
        assert not same(first.state_dict(), second.state_dict())
        second.load_state_dict(first.state_dict())
        assert torch.equal(first(numbers(5, 2, 3))[0], second(numbers(5, 2, 3))[0])  # noise and all
        assert list(first.parameters()) == []

    def test_seeds(self):
        torch.manual_seed(3)
        first = LSTM(3, 4, array=array())
        torch.manual_seed(3)
        again, other = LSTM(3, 4, array=array()), LSTM(3, 4, array=array())
        assert same(first.state_dict(), again.state_dict()) and not same(first.state_dict(), other.state_dict())
        layer = made(RNN, 4, 4, num_layers=2)
        assert not torch.equal(layer.cells[0].joint.tile.weight(), layer.cells[1].joint.tile.weight())

    def test_a_deep_copy_goes_its_own_way(self):
        layer = made(LSTM)
        layer(numbers(5, 2, 3))[0].sum().backward()
        twin = copy.deepcopy(layer)
        manhattan(layer).step()
        assert not same(twin.state_dict(), layer.state_dict())

    def test_precision(self):
        layer = made(LSTM).to(torch.float64)
        assert layer(numbers(5, 2, 3))[0].dtype == torch.float64


class TestConvert:
    """A float recurrent layer becomes an in-memory one."""

    @pytest.mark.parametrize("lines", LINES)
    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            (nn.RNN, {"nonlinearity": "relu", "batch_first": True}),
            (nn.RNN, {"num_layers": 2, "bidirectional": True}),
            (nn.LSTM, {"num_layers": 2}),
            (nn.LSTM, {"bidirectional": True, "batch_first": True}),
        ],
        ids=str,
    )
    def test_weights_and_settings_are_copied(self, kind, options, bias, lines):
        torch.manual_seed(0)
        model, x = kind(3, 4, bias=bias, **options), numbers(5, 2, 3)
        twin = convert(model, array=array(FINE), lines=lines)
        assert type(twin).__name__ == kind.__name__
        ours, exact = twin(x), model(x)
        assert torch.allclose(ours[0], exact[0], atol=1e-5)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(parts(ours[1]), parts(exact[1]), strict=True))

    @pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell])
    def test_cells(self, kind):
        torch.manual_seed(0)
        for bias in (True, False):
            model, x = kind(3, 4, bias), numbers(2, 3)
            ours, exact = convert(model, array=array(FINE))(x), model(x)
            assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(parts(ours), parts(exact), strict=True))

    def test_a_model(self):
        model = Reader(nn.LSTM(3, 4, batch_first=True, dropout=0.0), nn.Linear(4, 3)).double().eval()
        twin, x = convert(model, array=array(FINE)), numbers(2, 5, 3, dtype=torch.float64)
        assert torch.allclose(twin(x), model(x), rtol=0, atol=1e-10) and not twin.training
        assert list(array_layers(twin)) == ["recurrent.cells.0.joint", "head"]

    def test_projections_are_refused(self):
        with pytest.raises(InputError, match="proj_size = 2: must be 0"):
            convert(nn.LSTM(3, 4, proj_size=2))
