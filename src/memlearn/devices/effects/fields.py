"""Random fields over the cells of an array: correlated between quantities, and smooth in space."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...core.random import Stream
from ...ops import random


def smooth(length: float, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
    """Standard normal numbers with the covariance exp(-d^2 / (2 length^2)) at a distance of d cells within a tile.

    White noise, some cells wider than the tile on each side, is convolved with exp(-d^2 / length^2) along both axes, by
    shifts and additions in a fixed order, so that no number depends on threads.

    Arguments:
        length: correlation length, cells.
        shape: (tile rows, tile columns, rows, columns); tiles are independent.
        stream: whose random numbers.
        like: a tensor whose dtype the result takes.
    """
    margin = max(1, math.ceil(3 * length))
    kernel = [math.exp(-((k / length) ** 2)) for k in range(-margin, margin + 1)]
    norm = math.sqrt(sum(value * value for value in kernel))
    tall, wide, rows, columns = shape
    field = random.normal(stream, 0, (tall, wide, rows + 2 * margin, columns + 2 * margin), like)
    for axis, size in ((2, rows), (3, columns)):
        parts = (value / norm * field.narrow(axis, k, size) for k, value in enumerate(kernel))
        total = next(parts)
        for part in parts:
            total = total + part
        field = total
    return field


def cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """The lower triangular root of a matrix that is positive, or positive but for zeros; None of any other.

    Written out so that a correlation of 1 is allowed and every machine gets the same digits.
    """
    n = len(matrix)
    root = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(root[i][k] * root[j][k] for k in range(j))
            if i == j:
                if rest < -1e-9:
                    return None
                root[i][i] = math.sqrt(rest) if rest > 1e-9 else 0.0
            elif root[j][j]:
                root[i][j] = rest / root[j][j]
            elif abs(rest) > 1e-6:
                return None
    return root
