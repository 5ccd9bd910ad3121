"""In-memory learning against torch's autograd and against published equations written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from memlearn.arrays.mapping import DifferentialPair, ReferenceColumn
from memlearn.devices import AbstractDevice, ConstantStep, SoftBounds
from memlearn.learning import manhattan, sgd, sign_backprop
from memlearn.learning.accumulate import BatchCounter, PersistentCounter
from memlearn.learning.credit import SignBackprop
from memlearn.learning.fused import fuse
from memlearn.learning.loop import train_batch, train_images
from memlearn.nn import Linear, Neuron, TernaryMarginLoss, array_layers
from memlearn.periphery import BinaryStep, ReLU, Sigmoid, Tanh, TernaryComparator, TernaryDriver
from memlearn.tile import Array, Crossbar, Periphery, Port
from tests.learners import SIGNS, array, images, network, numbers

FLOAT_OF = {ReLU: nn.ReLU, Sigmoid: nn.Sigmoid, Tanh: nn.Tanh}
MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=2.0)]
IDEAL = ConstantStep(states=1_000_000)
DOUBLE = torch.float64


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def plain(layer: Linear) -> nn.Linear:
    """torch's layer with the same weights."""
    weight = layer.tile.weight()
    made = nn.utils.skip_init(nn.Linear, layer.in_features, layer.out_features, layer.bias, dtype=weight.dtype)
    with torch.no_grad():
        made.weight.copy_(weight[: layer.in_features].T)
        if layer.bias:
            made.bias.copy_(weight[-1])
    return made


def twin(model: nn.Sequential) -> nn.Sequential:
    """The same network in torch alone."""
    parts = [plain(part) if isinstance(part, Linear) else part for part in model]
    return nn.Sequential(*(FLOAT_OF[type(p.circuit)]() if isinstance(p, Neuron) else p for p in parts))


def gradient(layer: nn.Module) -> Tensor:
    """Of a torch layer, as an array has it: (inputs and bias, outputs)."""
    assert isinstance(layer, nn.Linear) and layer.weight.grad is not None
    parts = [layer.weight.grad.T]
    if layer.bias is not None and layer.bias.grad is not None:
        parts.append(layer.bias.grad[None])
    return torch.cat(parts)


def left(layer: nn.Module) -> Tensor:
    """Minus the sum of the outer products of the factors that a layer holds."""
    assert isinstance(layer, Linear)
    factors = layer.take_factors()
    assert factors is not None
    return -factors.rows.T @ factors.columns


def close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-9, atol=1e-11)


class TestAutograd:
    """Exact converters, ideal wires, float64: factors are the gradients."""

    @pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
    @pytest.mark.parametrize("neuron", [Sigmoid(), Tanh(), ReLU(), nn.GELU()], ids=repr)
    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
    def test_stacks(self, bias, neuron, mapping):
        for widths in [(7, 3), (7, 5, 3), (4, 9, 6, 2)]:
            model = network(array(IDEAL, mapping=mapping), neuron, widths=widths, bias=bias, dtype=DOUBLE)
            exact, ends = twin(model), []
            for net in (model, exact):
                x = numbers(11, widths[0], dtype=DOUBLE).requires_grad_()
                out = net(x)
                nn.functional.cross_entropy(out, torch.arange(11) % widths[-1]).backward()
                ends.append((out.detach(), x.grad))
            assert close(ends[0][0], ends[1][0]) and close(ends[0][1], ends[1][1])
            for ours, theirs in zip(model, exact, strict=True):
                if isinstance(ours, Linear):
                    assert close(left(ours), gradient(theirs))

    def test_cut_into_tiles(self):
        given = Array(device=IDEAL, crossbar=Crossbar(rows=3, columns=4), periphery=array().periphery)
        model = network(given, Tanh(), widths=(8, 7, 5), dtype=DOUBLE)
        exact, x = twin(model), numbers(6, 8, dtype=DOUBLE)
        for net in (model, exact):
            net(x).square().sum().backward()
        assert close(left(model[0]), gradient(exact[0])) and close(left(model[2]), gradient(exact[2]))

    def test_a_users_own_graph(self):
        # A skip, a layer used twice, leading axes, a norm, a slice, and a loss of one's own.
        first, second = network(array(IDEAL), dtype=DOUBLE, widths=(6, 6, 6))[::2]
        ends = []
        for a, b in ((first, second), (plain(first), plain(second))):
            x = numbers(3, 4, 6, dtype=DOUBLE).requires_grad_()
            hidden = torch.tanh(a(x)) + x
            hidden = nn.functional.layer_norm(b(hidden) * 2, (6,))
            out = a(hidden)[..., :4]
            (out.logsumexp(-1) - out[..., 0] * 3).square().mean().backward()
            assert x.grad is not None
            ends.append((x.grad, *(left(n) if isinstance(n, Linear) else gradient(n) for n in (a, b))))
        assert all(close(ours, theirs) for ours, theirs in zip(*ends, strict=True))

    def test_inputs_that_need_no_gradient_and_branches_that_get_none(self):
        model = network(array(IDEAL), dtype=DOUBLE)
        exact, x = twin(model), numbers(4, 7, dtype=DOUBLE)
        for net in (model, exact):
            net[0](x).detach().sum()
            net(x)[:, 0].sum().backward()
        assert close(left(model[0]), gradient(exact[0])) and close(left(model[2]), gradient(exact[2]))


class TestPulsesAgainstDescent:
    """The published rules against their arithmetic on an ideal linear device."""

    @pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
    def test_manhattan_is_sign_descent(self, mapping):
        model = network(array(ConstantStep(states=20_000), mapping=mapping), Tanh(), dtype=DOUBLE)
        exact, rule, step = twin(model), manhattan(model), model[0].tile.weight_step
        for seed in range(30):
            x, y = images(8, seed=seed)
            for net in (model, exact):
                nn.functional.cross_entropy(net(x.double()), y).backward()
            rule.step()
            with torch.no_grad():
                for parameter in exact.parameters():
                    parameter -= step * parameter.grad.sign()
                    parameter.grad = None
        for ours, theirs in zip(model[::2], exact[::2], strict=True):
            assert torch.allclose(ours.tile.weight()[:-1], theirs.weight.T, rtol=0, atol=1e-10)
            assert torch.allclose(ours.tile.weight()[-1], theirs.bias, rtol=0, atol=1e-10)

    def test_certain_trains_of_one_slot_are_descent(self):
        # Bits forward, ternary errors: every probability is 0 or 1, every product one pulse, nothing is left to chance.
        signs = Periphery(forward=SIGNS.forward, backward=Port(drive=TernaryDriver(), sense=TernaryComparator()))
        model = network(array(ConstantStep(states=2000), signs), widths=(9, 4), bias=False, dtype=DOUBLE)
        layer, loss = model[0], nn.CrossEntropyLoss(reduction="sum")
        rule = sgd(model, learning_rate=layer.tile.weight_step, max_length=1)
        layer.credit = SignBackprop()
        for seed in range(10):
            x, y = images(8, 9, 4, seed)
            bits, before = (x > 0.3).double(), layer.tile.weight()
            error = (nn.functional.one_hot(y, 4) - (bits @ before).softmax(1)).sign()
            loss(model(x), y).backward()
            assert rule.step().pulses == 2 * int((bits.T @ error.abs()).sum())
            after = before + layer.tile.weight_step * bits.T @ error
            assert torch.allclose(layer.tile.weight(), after, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("length", [1, 7])
    def test_stochastic_trains_are_descent_on_average(self, length):
        draws, states = 20_000, 10_000_000
        model = network(array(ConstantStep(states=states)), Tanh(), dtype=DOUBLE)
        exact, step = twin(model), model[0].tile.weight_step
        rule = sgd(model, learning_rate=length * step, max_length=length, update_management=False)
        x, y = images(3)
        weights = [model[n].tile.weight() for n in (0, 2)]
        nn.CrossEntropyLoss(reduction="sum")(exact(x.double()), y).backward()
        # The same three images many times over, in one step: nothing moves before all are drawn.
        nn.CrossEntropyLoss(reduction="sum")(model(x.repeat(draws, 1)), y.repeat(draws)).backward()
        rule.step()
        for number, before in zip((0, 2), weights, strict=True):
            change = (model[number].tile.weight() - before) / (draws * step)
            wanted = -length * gradient(exact[number])
            # Each product's count has at most the variance of its mean; three of them add up.
            spread = (3 * length / draws) ** 0.5
            assert wanted.abs().max() > 20 * spread
            assert (change - wanted).abs().max() < 4 * spread * wanted.abs().max().sqrt()


class SignNet:
    """Sign backpropagation on differential pairs of numbers in 0 .. 1: the equations of Zhang et al., in NumPy."""

    dead_zone, window, margin, drive = 0.1, 1.0, 1.0, 0.3

    def __init__(self, conductances: list[np.ndarray], mix: float, states: int, threshold: float) -> None:
        self.g = [(g[:, 0::2], g[:, 1::2]) for g in conductances]
        self.mix, self.step, self.threshold = mix, 1 / states, threshold
        self.counters = [np.zeros(plus.shape) for plus, _ in self.g]
        self.gated = self.dead = 0

    def pulse(self, g: np.ndarray, p: np.ndarray) -> np.ndarray:
        up = g + self.step * ((1 - self.mix) + 2 * self.mix * (1 - g))
        down = g - self.step * ((1 - self.mix) + 2 * self.mix * g)
        return np.clip(np.where(p > 0, up, np.where(p < 0, down, g)), 0, 1)

    def batch(self, pixels: np.ndarray, labels: np.ndarray, end: float | None) -> list[np.ndarray]:
        """One batch; `end` is that of persistent counters, None clears them. The pulses of each layer."""
        w1, w2 = (plus - minus for plus, minus in self.g)
        x = (pixels > self.drive).astype(float)
        a = x @ w1
        h = (a > 0).astype(float)
        o = h @ w2
        target = np.arange(o.shape[1]) == labels[:, None]
        e = 1.0 * (target & (o < self.margin)) - 1.0 * (~target & (o > -self.margin))
        r = e @ w2.T
        d = np.sign(r) * (np.abs(r) > self.dead_zone) * (np.abs(a) < self.window)
        self.gated += int(np.count_nonzero(np.abs(a) >= self.window))
        self.dead += int(np.count_nonzero(np.abs(r) <= self.dead_zone))
        fired = []
        for n, sums in enumerate((x.T @ d, h.T @ e)):
            c = sums if end is None else np.clip(self.counters[n] + sums, -end, end)
            p = np.sign(c) * (np.abs(c) >= self.threshold)
            self.counters[n] = c - self.threshold * p
            self.g[n] = self.pulse(self.g[n][0], p), self.pulse(self.g[n][1], -p)
            fired.append(p)
        return fired


@pytest.mark.parametrize("mix", [0.0, 0.5], ids=["constant", "soft"])
@pytest.mark.parametrize("bits", [None, 5], ids=["batch counter", "persistent counter"])
@pytest.mark.parametrize("fused", [False, True], ids=["staged", "fused"])
def test_sign_backpropagation_is_its_equations(fused, bits, mix):
    states, threshold, widths = 64, 2.0, (20, 12, 6)
    device: AbstractDevice = SoftBounds(states=states, mix_up=mix, mix_down=mix) if mix else ConstantStep(states=states)
    dtype = torch.float32 if fused else DOUBLE
    model = network(array(device, SIGNS), BinaryStep(window=1.0), widths=widths, bias=False, dtype=dtype)
    counter = PersistentCounter(bits=bits) if bits else BatchCounter()
    rule, loss = sign_backprop(model, threshold=threshold, accumulator=counter), TernaryMarginLoss(1.0)
    tiles = [layer.tile for layer in array_layers(model).values()]

    def unit(tile):
        return ((tile.conductance[0, 0].double() - device.g_min) / device.range).numpy()

    net, moved = SignNet([unit(tile) for tile in tiles], mix, states, threshold), 0
    assert fuse(model, rule, loss) is not None or not fused
    for seed in range(8):
        x, y = images(32, widths[0], widths[-1], seed)
        before = [tile.counters[0, 0, :, :, 0].clone() for tile in tiles]
        done = train_images(model, rule, loss, x, y, 32) if fused else train_batch(model, rule, loss, x.to(dtype), y)
        fired = net.batch(x.numpy().astype(float), y.numpy(), counter.end if bits else None)
        for tile, old, p, g in zip(tiles, before, fired, net.g, strict=True):
            sent = (tile.counters[0, 0, :, :, 0] - old).numpy()
            assert np.array_equal(sent[:, 0::2], np.abs(p)) and np.array_equal(sent[:, 1::2], np.abs(p))
            ours = unit(tile)
            for cells, true in zip((ours[:, 0::2], ours[:, 1::2]), g, strict=True):
                assert np.allclose(cells, true, rtol=0, atol=1e-5 if fused else 1e-12)
        assert done.pulses == 2 * sum(int(np.abs(p).sum()) for p in fired)
        moved += done.pulses
        if bits:
            for memory, c in zip(rule.memory.values(), net.counters, strict=True):
                assert memory is not None and np.array_equal(memory.numpy(), c)
    # The case is a hard one: gates close, errors fall into the dead zone, cells move.
    assert moved > 100 and net.gated > 100 and net.dead > 100
