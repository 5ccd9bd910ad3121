"""Wires in the training forward pass: a float network learns the weights that its arrays will read well."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.random import Stream
from ..tile import Array, Tile
from .tiles import effective_weight


class SeenThroughWires(nn.Module):
    """The weights of a layer as its arrays would read them, exact; gradients go straight through to the weights.

        torch.nn.utils.parametrize.register_parametrization(layer, "weight", SeenThroughWires(array))

    The layer's own weights are then what is to be written; weights beyond the mapping's w_max are cut, and learn no
    more there. A layer with a bias has one more word line on an array, which is left out here.

    Arguments:
        array: devices, mapping and wires; the cells are taken as set within their bounds.
        refresh: forward passes in training mode from solution to solution of the network; in between, what the wires
            did to the weights last is added to the weights as they are now.

    Raises:
        InputError: `refresh` is less than 1.
    """

    def __init__(self, array: Array, *, refresh: int = 1) -> None:
        super().__init__()
        if refresh < 1:
            raise InputError("refresh", refresh, "must be at least 1")
        self.array, self.refresh, self.solutions = array, refresh, 0
        self._passes, self._shift = 0, cast("Tensor | None", None)
        self._tiles: dict[tuple[int, int], Tile] = {}

    def forward(self, weight: Tensor) -> Tensor:
        """(outputs, inputs) to (outputs, inputs)."""
        w_max = self.array.crossbar.mapping.w_max
        within = weight.clamp(-w_max, w_max)
        stale = self.training and self._passes % self.refresh != 0
        if self._shift is None or not stale:
            self._shift = self._seen(within.detach()) - within.detach()
        self._passes += self.training
        return within + self._shift

    def _seen(self, weight: Tensor) -> Tensor:
        """As the arrays read them."""
        size = weight.shape[1], weight.shape[0]
        if size not in self._tiles:
            self._tiles = {size: Tile(*size, array=self.array, stream=Stream.root(0), dtype=torch.float64)}
        tile = self._tiles[size]
        tile.initialise(weight.T)
        self.solutions += tile.tiles[0] * tile.tiles[1]
        return effective_weight(tile).T.to(weight)
