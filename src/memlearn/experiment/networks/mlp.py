"""A multi-layer perceptron."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Literal

from torch import nn

from ...core.component import setting
from .base import AbstractNetwork, Image, Maker, Width, add_dense


class MLP(AbstractNetwork):
    """A multi-layer perceptron between the data set's features and its classes."""

    kind: Literal["mlp"] = "mlp"

    hidden: tuple[Width, ...] = setting((64,), doc="neurons of each hidden layer; empty for a single layer of weights")

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
