"""The weights that cells of few states can hold."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Grid = Literal["float", "uniform", "binary", "ternary"]


def quantised(weight: Tensor, grid: Grid, w_max: float, levels: int = 2, zero_below: float = 0.7) -> Tensor:
    """Weights of a layer on a grid.

    Arguments:
        weight: any shape.
        grid: "float", as they are; "uniform", -(levels - 1) .. levels - 1 times w_max / (levels - 1), as a pair of
            devices of so many levels holds; "binary", -w_max or w_max by sign; "ternary", 0 too, where |w| is below
            `zero_below` x mean |w|.
        w_max: the largest weight that cells hold.

    Source: Li and Liu, arXiv 1605.04711 (2016): ternary weights, zero below 0.7 of the mean magnitude.
    """
    if grid == "float":
        return weight.clamp(-w_max, w_max)
    if grid == "uniform":
        step = w_max / (levels - 1)
        return weight.clamp(-w_max, w_max).div(step).round_().mul_(step)
    size = weight.abs()
    zero = size < zero_below * size.mean() if grid == "ternary" else size < 0
    return torch.where(weight < 0, -w_max, w_max).to(weight).masked_fill(zero, 0)
