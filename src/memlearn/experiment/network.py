"""The networks of an experiment: the one inside the arrays, and the yardstick in plain floating point."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..core.errors import InputError
from ..core.random import Stream
from ..datasets import Data, Split
from ..learning.loop import Loss
from ..nn import LSTM, RNN, Conv2d, Linear, Neuron, SigmoidCrossEntropyLoss, SquaredErrorLoss, TernaryMarginLoss, tiles
from ..tile import Array
from .config import Experiment
from .networks import CNN, MLP, AbstractNetwork, Matrix, Recurrent

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
_BYTES_PER_CELL = 80
"""Conductance, parameters, counters, their initial values and what a checkpoint copies: about this much."""


def build(experiment: Experiment, data: Data) -> nn.Sequential:
    """The network inside the arrays: layer1, neuron1, layer2, ..., or what its kind calls them.

    Raises:
        InputError: it does not fit into this machine's memory, or the images do not fit it.
    """
    _check_memory(experiment, data)
    return nn.Sequential(experiment.network.assemble(_InMemory(experiment), data.image_shape, data.classes))


def build_float(experiment: Experiment, data: Data) -> nn.Sequential:
    """The yardstick: the same layers in plain torch, with torch's usual initial weights x `network.initial_scale`.

    A neuron that has no smooth counterpart (the binary ones) is replaced by ReLU; `float_network` says so.
    """
    return nn.Sequential(experiment.network.assemble(_Plain(experiment), data.image_shape, data.classes))


def float_network(experiment: Experiment, data: Data) -> str:
    """The yardstick in words."""
    network, kind = experiment.network, experiment.network.neuron.kind
    shape = network.words(data.image_shape, data.classes)
    reference = experiment.training.float_reference
    levels = None if reference is None else reference.levels
    quantised = "" if levels is None else f", weights of {levels} levels a device, trained straight through"
    if not network.hidden or isinstance(network, Recurrent):  # type: ignore[attr-defined]
        return f"{shape}, softmax cross-entropy{quantised}"
    neurons = kind if kind in _ACTIVATIONS else f"relu in place of {kind}"
    return f"{shape}, {neurons}, softmax cross-entropy{quantised}"


def w_max(experiment: Experiment) -> tuple[float, ...]:
    """Weight at the end of the range, layer by layer."""
    network = experiment.network
    return network.w_max or (experiment.crossbar.mapping.w_max,) * network.layers


def weight_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a plain network that have weights, from input to output."""
    return ((name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.RNNBase))


def parameter_limits(experiment: Experiment, model: nn.Module) -> list[float]:
    """The largest weight that an array would hold, for every parameter of a plain network."""
    layers = zip(weight_layers(model), w_max(experiment), strict=True)
    return [most for (_, layer), most in layers for _ in layer.parameters()]


class _InMemory:
    """Makes layers inside arrays, each with devices of its own."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.network = experiment, experiment.network
        self.root = Stream.root(experiment.seed)
        self.left = list(w_max(experiment))

    def dense(self, name: str, inputs: int, outputs: int) -> nn.Module:
        layer = Linear(inputs, outputs, self.network.bias, **self._options(name, inputs))
        if isinstance(self.network, MLP) and (self.network.initial_levels or self.network.initial_shift):
            layer.tile.initialise(self.network.start(layer.tile.weight()))
        return self._with_threads(layer)

    def convolution(self, name: str, maps: int, outputs: int, kernel: int, padding: int) -> nn.Module:
        assert isinstance(self.network, CNN)
        options = self._options(name, maps * kernel**2)
        options |= {"backward": self.network.backward, "copies": self.network.copies}
        layer = Conv2d(maps, outputs, kernel, padding=padding, bias=self.network.bias, **options)
        return self._with_threads(layer)

    def recurrent(self, name: str, inputs: int, units: int) -> nn.Module:
        assert isinstance(self.network, Recurrent)
        kind = RNN if self.network.cell == "rnn" else LSTM
        options = {**self._options(name, units), "lines": self.network.lines, "batch_first": True}
        return self._with_threads(kind(inputs, units, bias=self.network.bias, **options))

    def neuron(self, name: str, axis: int) -> nn.Module:
        return Neuron(self.network.neuron, seed=self.root.child(name).torch_seed(), axis=axis)

    def _options(self, name: str, fan_in: int) -> dict[str, Any]:
        initial = self.network.initial_weight
        if initial is None and self.network.initial_scale != 1:
            initial = self.network.initial_scale / math.sqrt(fan_in)
        return {
            "array": self._array(),
            "seed": self.root.child(name).torch_seed(),
            "initial_weight": initial,
            "backend": self.experiment.backend,
        }

    def _array(self) -> Array:
        """The arrays of the next layer."""
        array, most = self.experiment.array, self.left.pop(0)
        if most == array.crossbar.mapping.w_max:
            return array
        return array.replace(crossbar=array.crossbar.replace(mapping=array.crossbar.mapping.replace(w_max=most)))

    def _with_threads(self, layer: nn.Module) -> nn.Module:
        for tile in tiles(layer).values():
            tile.threads = self.experiment.training.threads
        return layer


class _Plain:
    """Makes plain torch layers; none draws from the user's global generator, as torch's own initialisation would."""

    def __init__(self, experiment: Experiment) -> None:
        self.network = experiment.network
        seed = Stream.root(experiment.seed).child("float").torch_seed()
        self.generator = torch.Generator().manual_seed(seed)

    def dense(self, name: str, inputs: int, outputs: int) -> nn.Module:
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=self.network.bias)
        return self._drawn(layer, inputs)

    def convolution(self, name: str, maps: int, outputs: int, kernel: int, padding: int) -> nn.Module:
        options = {"padding": padding, "bias": self.network.bias}
        return self._drawn(nn.utils.skip_init(nn.Conv2d, maps, outputs, kernel, **options), maps * kernel**2)

    def recurrent(self, name: str, inputs: int, units: int) -> nn.Module:
        assert isinstance(self.network, Recurrent)
        kind = nn.RNN if self.network.cell == "rnn" else nn.LSTM
        layer = kind(inputs, units, bias=self.network.bias, batch_first=True, device="meta")  # draws nothing there
        return self._drawn(layer.to_empty(device="cpu"), units)

    def neuron(self, name: str, axis: int) -> nn.Module:
        return _ACTIVATIONS.get(self.network.neuron.kind, nn.ReLU)()

    def _drawn(self, layer: nn.Module, fan_in: int) -> nn.Module:
        bound = self.network.initial_scale / math.sqrt(fan_in)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=self.generator)
        return layer


class _Shapes:
    """Makes nothing, and remembers what would have been made."""

    def __init__(self, network: AbstractNetwork) -> None:
        self.network, self.found = network, list[Matrix]()

    def dense(self, name: str, inputs: int, outputs: int) -> nn.Module:
        return self._matrix(inputs + self.network.bias, outputs)

    def convolution(self, name: str, maps: int, outputs: int, kernel: int, padding: int) -> nn.Module:
        assert isinstance(self.network, CNN)
        if self.network.backward == "copy":
            self._matrix(outputs * kernel**2, maps)
        return self._matrix(maps * kernel**2 + self.network.bias, outputs, self.network.copies)

    def recurrent(self, name: str, inputs: int, units: int) -> nn.Module:
        assert isinstance(self.network, Recurrent)
        gates = 1 if self.network.cell == "rnn" else 4
        return self._matrix(inputs + units + self.network.bias, gates * units)

    def neuron(self, name: str, axis: int) -> nn.Module:
        return nn.Identity()

    def _matrix(self, *sizes: int) -> nn.Module:
        self.found.append(Matrix(*sizes))
        return nn.Identity()


def build_loss(network: AbstractNetwork) -> nn.Module:
    """The loss that the network's outputs are trained on."""
    if network.loss == "ternary_margin":
        return TernaryMarginLoss(network.margin)
    losses = {
        "cross_entropy": nn.CrossEntropyLoss,
        "sigmoid_cross_entropy": SigmoidCrossEntropyLoss,
        "squared_error": SquaredErrorLoss,
    }
    return losses[network.loss]()


def float_loss() -> Loss:
    """The yardstick's loss."""
    return nn.CrossEntropyLoss()


def accuracy(model: nn.Module, split: Split, batch: int) -> float | None:
    """The fraction of a data set that the model classifies as labelled; None for an empty one."""
    if not len(split.labels):
        return None
    model.eval()
    with torch.no_grad():
        chunks = zip(split.inputs.split(batch), split.labels.split(batch), strict=True)
        right = sum(int((model(inputs).argmax(1) == labels).sum()) for inputs, labels in chunks)
    return right / len(split.labels)


def _check_memory(experiment: Experiment, data: Data) -> None:
    """Refuse at once what the system would kill after minutes of swapping."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    network, physical = experiment.network, experiment.crossbar.mapping.physical
    shapes = _Shapes(network)
    network.assemble(shapes, data.image_shape, data.classes)
    cells = sum(m.arrays * math.prod(physical(m.inputs, m.outputs)) for m in shapes.found)
    if cells * _BYTES_PER_CELL > memory:
        need, have = (f"{n / 1e9:.0f} GB" for n in (cells * _BYTES_PER_CELL, memory))
        shape = network.words(data.image_shape, data.classes)
        raise InputError(
            "network.hidden",
            list(network.hidden),  # type: ignore[attr-defined]
            f"{shape} makes {cells:.2g} cells, which take about {need} of memory; this machine has {have}",
            "Make the layers smaller.",
        )
