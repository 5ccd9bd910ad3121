"""Convolutions and recurrent layers inside exact arrays against torch's own, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from memlearn.arrays.mapping import DifferentialPair, ReferenceColumn
from memlearn.core.types import Factors
from memlearn.devices import ConstantStep
from memlearn.learning import manhattan
from memlearn.nn import Conv2d, array_layers, convert
from tests.learners import array, numbers

DOUBLE = torch.float64
IDEAL = ConstantStep(states=1_000_000)
MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=2.0)]
# in, out, kernel, size of the image, options: 1 x 1, odd sizes, kernels larger than strides and smaller, zeros beyond.
CONVOLUTIONS: list[tuple[int, int, Any, tuple[int, int], dict[str, Any]]] = [
    (3, 2, 2, (4, 4), {"bias": False}),
    (1, 1, 1, (1, 1), {}),
    (3, 5, 1, (4, 3), {"stride": 2, "padding": 1}),
    (2, 3, 3, (7, 5), {"padding": 1}),
    (2, 3, (3, 2), (9, 8), {"stride": (2, 3), "padding": (2, 0)}),
    (2, 4, 2, (9, 10), {"stride": 3}),
    (1, 3, (2, 3), (9, 11), {"dilation": (3, 2), "padding": (1, 2), "stride": (1, 2)}),
    (2, 2, (4, 3), (6, 6), {"padding": "same", "dilation": (1, 2)}),
    (2, 2, 5, (5, 6), {"padding": "valid"}),
]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-9, atol=1e-11)


def kernels(layer: Conv2d, weight: Tensor) -> Tensor:
    """Lines of a convolution without bias, (kernel x inputs, outputs), as torch's (outputs, inputs, height, width)."""
    return weight.reshape(*layer.geometry.kernel, layer.in_channels, layer.out_channels).permute(3, 2, 0, 1)


def unrolled(kernel: Tensor) -> Tensor:
    """The way back from `kernels`."""
    return kernel.permute(2, 3, 1, 0).flatten(0, 2)


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize("way", [("rewired", 1), ("copy", 1), ("rewired", 3), ("copy", 2)], ids=str)
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_convolution_is_torchs(case, way, mapping):
    inputs, outputs, kernel, size, options = case
    backward, copies = way
    layer = Conv2d(
        inputs, outputs, kernel, array=array(IDEAL, mapping=mapping), seed=1, dtype=DOUBLE, backward=backward,
        copies=copies, **options,
    )  # fmt: skip
    weight = layer.tile.weight()
    lines = len(weight) - layer.bias
    exact = kernels(layer, weight[:lines]).clone().requires_grad_()
    bias = weight[-1].clone().requires_grad_() if layer.bias else None
    geometry = {name: value for name, value in options.items() if name != "bias"}
    ends = []
    for convolve in (layer, lambda x: functional.conv2d(x, exact, bias, **geometry)):
        x = numbers(5, inputs, *size, dtype=DOUBLE).requires_grad_()
        out = convolve(x)
        (out * numbers(*out.shape, seed=2, dtype=DOUBLE)).sum().backward()
        assert x.grad is not None
        ends.append((out.detach(), x.grad))
    assert close(ends[0][0], ends[1][0]) and close(ends[0][1], ends[1][1])
    factors = layer.take_factors()
    assert factors is not None and exact.grad is not None
    gradient = unrolled(exact.grad)
    assert close(-factors.sum()[:lines], gradient)
    assert bias is None or (bias.grad is not None and close(-factors.sum()[-1], bias.grad))
    if layer.transposed is not None:  # the outer products of the second array are the same gradient, re-indexed
        other = layer.transposed.wanted(factors)
        assert isinstance(other, Factors) and close(-other.sum(), layer.transposed.arrange(gradient))


@pytest.mark.parametrize("backward", ["rewired", "copy"])
def test_manhattan_on_a_convolution_is_sign_descent(backward):
    model = nn.Sequential(
        Conv2d(1, 3, 3, array=array(ConstantStep(states=20_000)), seed=1, dtype=DOUBLE, backward=backward, copies=2),
        nn.Tanh(),
        nn.MaxPool2d(2),
        Conv2d(3, 4, 2, array=array(ConstantStep(states=20_000)), seed=2, dtype=DOUBLE, backward=backward),
        nn.Flatten(),
    )
    layers: list[Conv2d] = [model[0], model[3]]  # type: ignore[list-item]
    plain = [nn.utils.skip_init(nn.Conv2d, n, m, k, dtype=DOUBLE) for n, m, k in ((1, 3, 3), (3, 4, 2))]
    with torch.no_grad():
        for ours, theirs in zip(layers, plain, strict=True):
            theirs.weight.copy_(kernels(ours, ours.tile.weight()[:-1]))
            theirs.bias.copy_(ours.tile.weight()[-1])
    exact, rule, step = nn.Sequential(plain[0], *model[1:3], plain[1], model[4]), manhattan(model), 0.0
    for seed in range(12):
        x, y = numbers(6, 1, 6, 6, seed=seed, dtype=DOUBLE), torch.arange(6) % 4
        for net in (model, exact):
            functional.cross_entropy(net(x), y).backward()
        rule.step()
        step = layers[0].tile.weight_step
        with torch.no_grad():
            for parameter in exact.parameters():
                parameter -= step * parameter.grad.sign()  # type: ignore[union-attr]
                parameter.grad = None
    for ours, theirs in zip(layers, plain, strict=True):
        weight = unrolled(theirs.weight.detach())
        assert torch.allclose(ours.tile.weight()[:-1], weight, rtol=0, atol=1e-10)
        assert torch.allclose(ours.tile.weight()[-1], theirs.bias, rtol=0, atol=1e-10)
        assert all(drift < 1e-10 for drift in ours.drift().values())


@pytest.mark.parametrize("lines", ["joint", "separate"])
@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (nn.RNN, {}),
        (nn.RNN, {"nonlinearity": "relu", "bias": False, "num_layers": 2}),
        (nn.LSTM, {}),
        (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ],
    ids=str,
)
def test_back_propagation_through_time_is_torchs(kind, options, mapping, lines):
    torch.manual_seed(0)
    exact = kind(3, 4, dtype=DOUBLE, **options)
    model, ends = convert(exact, array=array(IDEAL, mapping=mapping), lines=lines), []
    layers, directions = options.get("num_layers", 1), 1 + options.get("bidirectional", False)
    for net in (model, exact):
        x = numbers(5, 6, 3, dtype=DOUBLE).requires_grad_()
        batch = 5 if options.get("batch_first") else 6
        begin = [numbers(layers * directions, batch, 4, seed=n, dtype=DOUBLE).requires_grad_() for n in range(2)]
        begin = begin if kind is nn.LSTM else begin[:1]
        out, end = net(x, tuple(begin) if kind is nn.LSTM else begin[0])
        tensors = [out, *(end if isinstance(end, tuple) else (end,))]
        sum((part * numbers(*part.shape, seed=7, dtype=DOUBLE)).sum() for part in tensors).backward()  # type: ignore[union-attr]
        ends.append([*(part.detach() for part in tensors), x.grad, *(part.grad for part in begin)])
    assert all(close(ours, theirs) for ours, theirs in zip(*ends, strict=True))
    for number in range(layers * directions):
        suffix = f"_l{number // directions}{'_reverse' * (number % directions)}"
        wanted = [getattr(exact, f"weight_{which}{suffix}").grad.T for which in ("ih", "hh")]
        bias = [getattr(exact, f"bias_ih{suffix}").grad[None]] if exact.bias else []
        found = {
            name.rpartition(".")[2]: -layer.take_factors().sum()  # type: ignore[union-attr]
            for name, layer in array_layers(model).items()
            if name.startswith(f"cells.{number}.")
        }
        if lines == "joint":
            assert close(found["joint"], torch.cat([*wanted, *bias]))
        else:
            assert close(found["input"], torch.cat([wanted[0], *bias])) and close(found["hidden"], wanted[1])
