"""The mapping contract: which devices make a weight, and how lines are driven, sensed and pulsed for it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ...core.component import Component, quantity
from ...core.types import Counts, Trains


class Access(NamedTuple):
    """What a mapping that looks after its cells may do with them; every look and every pulse is counted."""

    used: Tensor
    """Mask of the cells that belong to the layer, (tile rows, tile columns, physical rows, physical columns)."""
    look: Callable[[Tensor], Tensor]
    """Read the cells of a mask one by one: S, shape of the cells, what the others show is of no use."""
    send: Callable[[Counts], object]
    """Pulse cells."""
    g_min: float
    g_max: float
    g_step: float
    """Mean change of one pulse, S."""


class AbstractMapping(Component):
    """Weights (rows, columns) on cells (physical rows, physical columns), one tile at a time; leading axes are free.

    On ideal devices, wires and converters, forward and transposed:

        column_signal(row_lines(v) @ G) / unit_current = x @ w
        row_signal(column_lines(v) @ G^T) / unit_current = e @ w^T,      G = conductances(w), v = read_voltage x
    """

    w_max: float = quantity(1.0, unit="1", gt=0, doc="weight at the end of the conductance range")

    @abstractmethod
    def physical(self, rows: int, columns: int) -> tuple[int, int]:
        """Cells of a tile that holds (rows, columns) weights."""

    @abstractmethod
    def capacity(self, rows: int, columns: int) -> tuple[int, int]:
        """Weights that fit on a tile of (rows, columns) cells; 0 where none do."""

    @abstractmethod
    def lines(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of physical lines in use, from masks (..., rows) and (..., columns) of the weights' lines."""

    @abstractmethod
    def step(self, g_step: float, g_range: float) -> float:
        """Weight change of one pulse, whose cells move by g_step (S) each."""

    @abstractmethod
    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """A: the sensed current of weight 1 under the full read voltage."""

    @abstractmethod
    def conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Target conductances, S, of weights (..., rows, columns); weights beyond w_max are cut."""

    @abstractmethod
    def weight(self, conductance: Tensor, g_min: float, g_max: float) -> Tensor:
        """The weights (..., rows, columns) that conductances (S) stand for; inverse of `conductances` in range."""

    @abstractmethod
    def row_lines(self, values: Tensor) -> Tensor:
        """What the word lines of a forward read carry, from (..., rows) to (..., physical rows)."""

    @abstractmethod
    def column_lines(self, values: Tensor) -> Tensor:
        """What the bit lines of a transposed read carry, from (..., columns) to (..., physical columns)."""

    @abstractmethod
    def column_signal(self, current: Tensor) -> Tensor:
        """The analogue difference that is sensed forward, from (..., physical columns) to (..., columns), A."""

    @abstractmethod
    def row_signal(self, current: Tensor) -> Tensor:
        """The analogue difference that is sensed in a transposed read, from (..., physical rows) to (..., rows), A."""

    @abstractmethod
    def counts(self, plan: Counts, turn: int = 0) -> Counts:
        """Pulse counts of cells, from pulse counts of weights; `turn` numbers the writes, for cells that take turns."""

    @abstractmethod
    def trains(self, plan: Trains, turn: int = 0) -> Trains:
        """Trains on physical lines, from trains (samples, tiles, lines) on the lines of weights; `turn` as there."""

    @abstractmethod
    def cells(self, chosen: Tensor) -> Tensor:
        """Mask of the cells that must be read to know weights of the mask (..., rows, columns)."""

    def refresh(self, cells: Access, writes: int) -> None:
        """Look after the cells after write number `writes`, 1 for the first; most mappings never do."""


def interleave(even: Tensor, odd: Tensor) -> Tensor:
    """(..., n) and (..., n) to (..., 2n)."""
    return torch.stack([even, odd], dim=-1).flatten(-2)
