"""Crossbars in which each sign of an input has a word line, and a cell, of its own: twin and complementary."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...core.types import SIGN_BIT, Counts, Trains
from .base import AbstractMapping, interleave


class AbstractXnor(AbstractMapping):
    """Word line 2i is driven by positive inputs of row i, word line 2i + 1 by negative ones; the other one rests.

    The last bit line holds reference cells at mid-range, as `reference_column` does; w = 2 w_max (G - G_ref) / range in
    the cells of the even lines. A binary input, -1 or 1, so meets a binary weight in the cell of its sign: XNOR.
    """

    flips: ClassVar[int]
    """1 where both cells hold the same, -1 where the second holds the opposite."""

    @abstractmethod
    def drive_second(self, negative: Tensor) -> Tensor:
        """What the word lines of negative inputs carry, from these inputs, all <= 0."""

    def physical(self, rows: int, columns: int) -> tuple[int, int]:
        """Twice the rows, and a reference column."""
        return 2 * rows, columns + 1

    def capacity(self, rows: int, columns: int) -> tuple[int, int]:
        """Half of the rows, one column less."""
        return rows // 2, columns - 1

    def lines(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Both lines of a row; the reference column is always there."""
        return interleave(rows, rows), pad(columns, (0, 1), value=1)

    def step(self, g_step: float, g_range: float) -> float:
        """Either cell makes the weight that its sign of inputs meets; half the range stands for w_max."""
        return 2 * self.w_max * g_step / g_range

    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """Half the range stands for w_max."""
        return 0.5 * read_voltage * g_range / self.w_max

    def conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Mid-range plus the weight, and plus or minus it; references at mid-range."""
        part = (weight / self.w_max).clamp(-1, 1)
        target = pad(interleave_rows(part, self.flips * part), (0, 1))
        return 0.5 * (g_min + g_max) + 0.5 * (g_max - g_min) * target

    def weight(self, conductance: Tensor, g_min: float, g_max: float) -> Tensor:
        """Mean of what both signs of an input meet, against the reference column."""
        apart = self.column_signal(conductance)
        return (apart[..., 0::2, :] + self.flips * apart[..., 1::2, :]) * (self.w_max / (g_max - g_min))

    def row_lines(self, values: Tensor) -> Tensor:
        """By sign."""
        return interleave(values.clamp_min(0), self.drive_second(values.clamp_max(0)))

    def column_lines(self, values: Tensor) -> Tensor:
        """The reference column takes the opposite of all together, which is the subtraction of a transposed read."""
        return torch.cat([values, -values.sum(-1, keepdim=True)], dim=-1)

    def column_signal(self, current: Tensor) -> Tensor:
        """I - I_ref."""
        return current[..., :-1] - current[..., -1:]

    def row_signal(self, current: Tensor) -> Tensor:
        """Mean of both lines of a row."""
        return 0.5 * (current[..., 0::2] + self.flips * current[..., 1::2])

    def counts(self, plan: Counts, turn: int = 0) -> Counts:
        """Both cells of a weight; references are never pulsed."""
        return plan._replace(pulses=pad(interleave_rows(plan.pulses, self.flips * plan.pulses), (0, 1)))

    def trains(self, plan: Trains, turn: int = 0) -> Trains:
        """Both lines of a row, with the sign of its cell."""
        second = plan.rows if self.flips > 0 else plan.rows ^ (1 << SIGN_BIT)
        return plan._replace(rows=interleave(plan.rows, second), columns=pad(plan.columns, (0, 1)))

    def cells(self, chosen: Tensor) -> Tensor:
        """Both, and the reference cells of their lines."""
        rows = interleave_rows(chosen, chosen)
        return torch.cat([rows, rows.any(-1, keepdim=True)], dim=-1)


class TwinCrossbar(AbstractXnor):
    """Both cells hold the same pattern; negative inputs drive the second with a negative voltage.

    What all cells have in common, a shift of the whole array as well, is seen alike by both signs of an input and
    drops out where there are as many of one as of the other.
    """

    flips: ClassVar[int] = 1
    kind: Literal["twin_crossbar"] = "twin_crossbar"
    sources: ClassVar[tuple[str, ...]] = (
        "Truong et al., Nanoscale Res. Lett. 10:405 (2015), twin crossbar, from its abstract; circuit inferred",
    )

    def drive_second(self, negative: Tensor) -> Tensor:
        """As they are."""
        return negative


class ComplementaryCrossbar(AbstractXnor):
    """The second cell holds the inverted pattern; negative inputs drive it with a positive voltage."""

    flips: ClassVar[int] = -1
    kind: Literal["complementary_crossbar"] = "complementary_crossbar"
    sources: ClassVar[tuple[str, ...]] = TwinCrossbar.sources

    def drive_second(self, negative: Tensor) -> Tensor:
        """Without their sign."""
        return -negative


def interleave_rows(even: Tensor, odd: Tensor) -> Tensor:
    """(..., n, columns) twice to (..., 2n, columns)."""
    return torch.stack([even, odd], dim=-2).flatten(-3, -2)
