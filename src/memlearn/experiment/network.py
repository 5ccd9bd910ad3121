"""The networks of an experiment: the one inside the arrays, and the yardstick in plain floating point."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from ..core.errors import InputError
from ..core.random import Stream
from ..datasets import Data, Split
from ..learning.loop import Loss
from ..nn import Linear, Neuron, SigmoidCrossEntropyLoss, SquaredErrorLoss, TernaryMarginLoss
from .config import Experiment, Network

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
_BYTES_PER_CELL = 80
"""Conductance, parameters, counters, their initial values and what a checkpoint copies: about this much."""


def widths(network: Network, data: Data) -> list[int]:
    """Features, hidden layers, classes."""
    return [data.train.inputs.shape[1], *network.hidden, data.classes]


def build(experiment: Experiment, data: Data) -> nn.Sequential:
    """The network inside the arrays: layer1, neuron1, layer2, ...

    Raises:
        InputError: it does not fit into this machine's memory.
    """
    network, root, parts = experiment.network, Stream.root(experiment.seed), OrderedDict[str, nn.Module]()
    sizes = widths(network, data)
    _check_memory(sizes, experiment)
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        name = f"layer{number}"
        layer = Linear(
            inputs,
            outputs,
            network.bias,
            array=experiment.array,
            seed=root.child(name).torch_seed(),
            initial_weight=network.initial_weight,
            backend=experiment.backend,
        )
        layer.tile.threads = experiment.training.threads
        parts[name] = layer
        if number < len(sizes) - 1:
            name = f"neuron{number}"
            parts[name] = Neuron(network.neuron, seed=root.child(name).torch_seed())
    return nn.Sequential(parts)


def build_float(experiment: Experiment, data: Data) -> nn.Sequential:
    """The yardstick: the same widths in plain torch, with torch's usual initial weights.

    A neuron that has no smooth counterpart (the binary ones) is replaced by ReLU; `float_network` says so.
    """
    network, parts = experiment.network, OrderedDict[str, nn.Module]()
    sizes = widths(network, data)
    generator = torch.Generator().manual_seed(Stream.root(experiment.seed).child("float").torch_seed())
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        # Without torch's own initialisation, which would draw from the user's global generator.
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=network.bias)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
        parts[f"layer{number}"] = layer
        if number < len(sizes) - 1:
            parts[f"neuron{number}"] = _ACTIVATIONS.get(network.neuron.kind, nn.ReLU)()
    return nn.Sequential(parts)


def float_network(experiment: Experiment, data: Data) -> str:
    """The yardstick in words."""
    network, kind = experiment.network, experiment.network.neuron.kind
    shape = "-".join(map(str, widths(network, data)))
    if not network.hidden:
        return f"{shape}, softmax cross-entropy"
    neurons = kind if kind in _ACTIVATIONS else f"relu in place of {kind}"
    return f"{shape}, {neurons}, softmax cross-entropy"


def build_loss(network: Network) -> nn.Module:
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


def _check_memory(sizes: list[int], experiment: Experiment) -> None:
    """Refuse at once what the system would kill after minutes of swapping."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names):
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    physical = experiment.crossbar.mapping.physical
    cells = sum(math.prod(physical(i + 1, o)) for i, o in pairwise(sizes))
    if cells * _BYTES_PER_CELL > memory:
        need, have = (f"{n / 1e9:.0f} GB" for n in (cells * _BYTES_PER_CELL, memory))
        shape = "-".join(map(str, sizes))
        raise InputError(
            "network.hidden",
            list(experiment.network.hidden),
            f"{shape} makes {cells:.2g} cells, which take about {need} of memory; this machine has {have}",
            "Make the layers smaller.",
        )
