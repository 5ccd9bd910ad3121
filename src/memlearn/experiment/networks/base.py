"""The contract of networks: what lies between the pixels of an image and its classes, whoever makes the layers."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import Field
from torch import nn

from ...core.component import Component, quantity, setting
from ...core.errors import InputError
from ...periphery import AnyNeuron, ReLU

Width = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(gt=0)]
Image = tuple[int, int]
"""Rows and columns."""


class Matrix(NamedTuple):
    """Weights of a layer as one array holds them, or as equal arrays do."""

    inputs: int
    """Word lines, that of the bias included."""
    outputs: int
    arrays: int = 1


class Maker(Protocol):
    """Makes the parts of a network, from input to output: inside arrays, in plain torch, or only their shapes."""

    def dense(self, name: str, inputs: int, outputs: int) -> nn.Module:
        """A fully connected layer."""
        ...

    def convolution(self, name: str, maps: int, outputs: int, kernel: int, padding: int) -> nn.Module:
        """A convolution of `maps` maps to `outputs` maps, kernel x kernel pixels."""
        ...

    def recurrent(self, name: str, inputs: int, units: int) -> nn.Module:
        """A recurrent layer over (n, time, inputs), that gives (n, time, units) and its last state."""
        ...

    def neuron(self, name: str, axis: int) -> nn.Module:
        """The neurons of a hidden layer; `axis` as of `nn.Neuron`."""
        ...


class AbstractNetwork(Component):
    """What every network has: neurons, bias lines, initial weights, the range of its cells, and a loss."""

    neuron: AnyNeuron = setting(ReLU(), doc="circuit of the hidden neurons")
    bias: bool = setting(True, doc="one more word line a layer, always driven with 1")
    initial_weight: float | None = quantity(
        None, unit="1", gt=0, doc="half-width of the uniform initial weights; none: 1 / sqrt(inputs), as torch"
    )
    initial_scale: float = quantity(
        1.0, unit="1", gt=0, doc="initial weights x this, where initial_weight is none; of the float yardstick too"
    )
    w_max: tuple[Weight, ...] = setting(
        (), doc="weight at the end of the range, layer by layer from the input; empty: that of the mapping in all"
    )
    loss: Literal["cross_entropy", "sigmoid_cross_entropy", "squared_error", "ternary_margin"] = setting(
        "cross_entropy",
        doc="error at the outputs: of a softmax, or of a sigmoid each (its cross-entropy, or squared), in digital; "
        "or signs from two comparators",
    )
    margin: float = quantity(1.0, unit="1", ge=0, doc="of ternary_margin: weighted sum beyond which an output is right")

    def model_post_init(self, _: Any) -> None:
        """One w_max for each layer, or none."""
        if self.w_max and len(self.w_max) != self.layers:
            allowed = f"must be as many as the layers, {self.layers}"
            raise InputError("w_max", self.w_max, allowed, "Leave it out to take the mapping's in all.")

    @property
    @abstractmethod
    def layers(self) -> int:
        """Layers of weights."""

    @abstractmethod
    def assemble(self, maker: Maker, image: Image, classes: int) -> OrderedDict[str, nn.Module]:
        """The parts one after another, from (n, pixels) to (n, classes).

        Arguments:
            maker: makes those that depend on where the weights are.
            image: rows and columns of the images.
            classes: outputs.

        Raises:
            InputError: the network does not fit images of this size.
        """

    @abstractmethod
    def words(self, image: Image, classes: int) -> str:
        """The layers' sizes in short, as "784-300-10"."""


def add_dense(
    parts: OrderedDict[str, nn.Module], maker: Maker, widths: list[int], first_neuron: int = 1
) -> OrderedDict[str, nn.Module]:
    """Fully connected layers of these widths with neurons in between, behind what is there."""
    for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        parts[f"layer{number}"] = maker.dense(f"layer{number}", inputs, outputs)
        if number < len(widths) - 1:
            name = f"neuron{first_neuron + number - 1}"
            parts[name] = maker.neuron(name, -1)
    return parts
