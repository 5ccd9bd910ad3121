"""A multi-layer perceptron."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, Literal

from torch import Tensor, nn

from ...core.component import quantity, setting
from ...core.errors import InputError
from .base import AbstractNetwork, Image, Maker, Width, add_dense


class MLP(AbstractNetwork):
    """A multi-layer perceptron between the data set's features and its classes."""

    kind: Literal["mlp"] = "mlp"

    hidden: tuple[Width, ...] = setting((64,), doc="neurons of each hidden layer; empty for a single layer of weights")

    initial_levels: int | None = quantity(
        None, unit="1", ge=2, doc="initial weights on so many even steps within +-initial_weight; none: any"
    )
    initial_shift: float = quantity(0.0, unit="1", doc="added to all initial weights")

    def model_post_init(self, context: Any) -> None:
        """Steps need ends."""
        super().model_post_init(context)
        if self.initial_levels is not None and self.initial_weight is None:
            allowed = "needs initial_weight, the largest of them"
            raise InputError("initial_levels", self.initial_levels, allowed, "Set network.initial_weight.")

    def start(self, weight: Tensor) -> Tensor:
        """Initial weights, of uniform ones between -initial_weight and initial_weight."""
        if self.initial_levels is not None and self.initial_weight is not None:
            place = ((weight / self.initial_weight + 1) / 2 * self.initial_levels).floor()
            top = self.initial_levels - 1
            weight = (2 * place.clamp(0, top) / top - 1) * self.initial_weight
        return weight + self.initial_shift

    @property
    def layers(self) -> int:
        """Hidden layers, and the last."""
        return len(self.hidden) + 1

    def assemble(self, maker: Maker, image: Image, classes: int) -> OrderedDict[str, nn.Module]:
        """layer1, neuron1, layer2, ..."""
        return add_dense(OrderedDict(), maker, [math.prod(image), *self.hidden, classes])

    def words(self, image: Image, classes: int) -> str:
        """Widths."""
        return "-".join(map(str, (math.prod(image), *self.hidden, classes)))
