"""What arrays hold before they learn: weights of a network that was trained outside, programmed into the cells."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..compensation.faults import FaultMap, detect, reorder
from ..core.component import Component, quantity, setting
from ..core.ledger import Ledger
from ..core.random import Stream
from ..datasets import Data, Split
from ..nn import array_layers, attach_ledger, tiles
from ..nn.convert import lines_of
from ..ops.quantise import Grid, quantised
from ..programming.base import Parallelism
from ..programming.schemes import AnyScheme, WriteVerify


class Repair(Component):
    """What is done about faulty cells before the weights are programmed; nothing, by default."""

    detect: bool = setting(False, doc="find stuck cells by pulses and reads, which are counted")
    pulses: int = quantity(20, unit="1", ge=1, doc="pulses, up and then down, that move a sound cell")
    moved: float = quantity(0.1, unit="1", gt=0, lt=1, doc="part of the range by which it must move")
    remap: bool = setting(False, doc="put hidden neurons where faults hurt least; needs `detect`")
    rounds: int = quantity(3, unit="1", ge=1, doc="times that all layers are gone through")


class Start(Component):
    """A network is trained in floating point, quantised, programmed into the arrays, and left to relax."""

    epochs: int = quantity(3, unit="1", ge=1, doc="passes over the training images in floating point")
    batch: int = quantity(50, unit="1", ge=1, doc="images of a step there")
    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="of plain stochastic gradient descent there")
    rate_decay: float = quantity(1.0, unit="1", gt=0, le=1, doc="learning rate after an epoch / before")
    noise: float = quantity(
        0.0, unit="1", ge=0, doc="normal noise on every weight of every batch there, relative to w_max (noise-aware)"
    )
    sparsity: float = quantity(
        0.0, unit="1", ge=0, lt=1, doc="fraction of each layer's weights, the smallest, that are set to zero half-way"
    )
    grid: Grid = setting("float", doc="weights that are programmed: as they are, in levels, binary or ternary")
    levels: int = quantity(32, unit="1", ge=2, le=4096, doc="levels of one device, where the grid is uniform")
    straight_through: bool = setting(False, doc="train with the quantised weights, gradients passing the rounding")
    scheme: AnyScheme = setting(WriteVerify(), doc="how cells reach their targets")
    parallel: Parallelism = setting("row", doc="cells written at the same time")
    repair: Repair = setting(Repair(), doc="of faulty cells")
    progressive: int = quantity(
        0, unit="1", ge=0, doc="images on which layers yet to come are tuned on what those before give; 0: not at all"
    )
    seconds: float = quantity(0.0, unit="s", ge=0, doc="time between programming and training, in which cells relax")


class Outside(NamedTuple):
    """A network in plain torch, and what its arrays will be able to hold."""

    model: nn.Sequential
    limits: tuple[float, ...]
    """w_max, layer by layer."""

    def layers(self) -> dict[str, nn.Linear | nn.Conv2d]:
        """Those with weights, by name, from input to output."""
        found = self.model.named_modules()
        return {name: module for name, module in found if isinstance(module, nn.Linear | nn.Conv2d)}

    def most(self) -> list[tuple[nn.Parameter, float]]:
        """Every parameter with the largest weight that it may have."""
        pairs = zip(self.layers().values(), self.limits, strict=True)
        return [(parameter, most) for layer, most in pairs for parameter in layer.parameters()]

    def weights(self) -> dict[str, Tensor]:
        """As arrays hold them, (inputs, outputs) by layer."""
        return {name: lines_of(layer) for name, layer in self.layers().items()}


def train(outside: Outside, start: Start, split: Split, stream: Stream) -> None:
    """Train in floating point, as `start` says."""
    orders, noise = (torch.Generator().manual_seed(stream.child(what).torch_seed()) for what in ("order", "noise"))
    masks: list[Tensor] | None = None
    for epoch in range(start.epochs):
        if start.sparsity and epoch == start.epochs // 2:
            masks = [_largest(parameter, start.sparsity) for parameter, _ in outside.most()]
        rate = start.learning_rate * start.rate_decay**epoch
        order = torch.randperm(len(split.labels), generator=orders)
        for chosen in order.split(start.batch):
            step(outside, start, split.inputs[chosen], split.labels[chosen], rate, noise)
            for (parameter, _), mask in zip(outside.most(), masks or (), strict=False):
                parameter.data.mul_(mask)


def step(
    outside: Outside,
    start: Start,
    inputs: Tensor,
    labels: Tensor,
    rate: float,
    noise: torch.Generator,
    before: nn.Module | None = None,
) -> None:
    """One step of descent with noise on the weights and, straight through, with quantised ones.

    Arguments:
        before: layers that are programmed already, which the inputs pass first.
    """
    kept = [parameter.detach().clone() for parameter, _ in outside.most()]
    with torch.no_grad():
        for parameter, most in outside.most():
            if start.straight_through:
                parameter.copy_(quantised(parameter, start.grid, most, start.levels))
            if start.noise:
                parameter.add_(torch.randn(parameter.shape, generator=noise), alpha=start.noise * most)
        measured = inputs if before is None else before(inputs)
    outside.model.zero_grad()
    nn.functional.cross_entropy(outside.model(measured), labels).backward()
    with torch.no_grad():
        for (parameter, most), old in zip(outside.most(), kept, strict=True):
            assert parameter.grad is not None
            parameter.copy_(old.sub_(parameter.grad, alpha=rate).clamp_(-most, most))


def grid_weights(outside: Outside, start: Start) -> dict[str, Tensor]:
    """The weights that are programmed, (inputs, outputs) by layer."""
    pairs = zip(outside.weights().items(), outside.limits, strict=True)
    return {name: quantised(weight, start.grid, most, start.levels) for (name, weight), most in pairs}


def program(
    model: nn.Module, outside: Outside, start: Start, data: Data, stream: Stream, ledger: Ledger
) -> dict[str, Any]:
    """Bring the arrays of `model` to the weights of a trained network; counted in `ledger`.

    Returns:
        What was found out on the way: faulty cells, and where hidden neurons were put.
    """
    found: dict[str, Any] = {}
    attach_ledger(model, ledger)
    try:
        if start.repair.detect:
            maps = {name: detect(tile, start.repair.pulses, start.repair.moved) for name, tile in tiles(model).items()}
            found["faulty_cells"] = {name: int(one.stuck.sum()) for name, one in maps.items()}
            if start.repair.remap:
                found["moved_neurons"] = _remap(model, outside, maps, start.repair.rounds)
        names, layers = list(outside.layers()), array_layers(model)
        for name in names:  # quantised one after another: what those before give may have tuned this one
            layers[name].program(grid_weights(outside, start)[name], start.scheme, start.parallel)
            if start.progressive and name != names[-1]:
                _tune(model, outside, start, data.train, stream.child(name), name)
        if start.seconds:
            for tile in tiles(model).values():
                tile.relax(start.seconds)
    finally:
        attach_ledger(model, None)
    return found


def _tune(model: nn.Module, outside: Outside, start: Start, split: Split, stream: Stream, last: str) -> None:
    """Fine-tune the layers after `last` on what the arrays up to it give."""
    parts, own = list(model.named_children()), list(outside.model.named_children())
    place = next(number for number, (name, _) in enumerate(own) if name == last) + 1
    measured = nn.Sequential(OrderedDict(parts[:place])).eval()
    rest = Outside(nn.Sequential(OrderedDict(own[place:])), ())
    done = len(outside.layers()) - len(rest.layers())
    rest = rest._replace(limits=outside.limits[done:])
    generator = torch.Generator().manual_seed(stream.torch_seed())
    order = torch.randperm(len(split.labels), generator=generator)[: start.progressive]
    rate = start.learning_rate * start.rate_decay ** (start.epochs - 1)
    for chosen in order.split(start.batch):
        step(rest, start, split.inputs[chosen], split.labels[chosen], rate, generator, measured)


def _remap(model: nn.Module, outside: Outside, maps: dict[str, FaultMap], rounds: int) -> dict[str, int]:
    """Reorder the hidden neurons of a stack of dense layers; the network computes the same."""
    layers = outside.layers()
    places = reorder({name: lines_of(layer) for name, layer in layers.items()}, array_layers(model), maps, rounds)
    names = list(layers)
    with torch.no_grad():
        for name, following in pairwise(names):
            order = places[name]
            for parameter in layers[name].parameters():
                parameter.copy_(parameter[order].clone())
            layers[following].weight.copy_(layers[following].weight[:, order].clone())
    return {name: int((order != torch.arange(len(order))).sum()) for name, order in places.items()}


def _largest(parameter: Tensor, sparsity: float) -> Tensor:
    """1 where a weight stays, 0 for the smallest ones; biases stay."""
    if parameter.dim() < 2:
        return torch.ones_like(parameter)
    bound = parameter.detach().abs().flatten().kthvalue(max(1, int(sparsity * parameter.numel()))).values
    return (parameter.detach().abs() > bound).to(parameter)
