"""One cell makes a weight, read against a reference: w = 2 w_max (G - G_ref) / (g_max - g_min)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...core.types import Counts, Trains
from .base import AbstractMapping


class ReferenceColumn(AbstractMapping):
    """The last bit line and the last word line of each tile hold reference cells at mid-range.

    A forward read subtracts the current of the reference column; a transposed read needs the reference *row*. Reference
    cells are cells like others (with their faults and noise), only no update pulses them. The corner cell is unused.
    """

    kind: Literal["reference_column"] = "reference_column"
    sources: ClassVar[tuple[str, ...]] = (
        "Wang, Li, Wang, Neuromorph. Comput. Eng. 4:032002 (2024), sections on forward and backward blocks",
    )

    def physical(self, rows: int, columns: int) -> tuple[int, int]:
        """One more of each."""
        return rows + 1, columns + 1

    def capacity(self, rows: int, columns: int) -> tuple[int, int]:
        """One less of each."""
        return rows - 1, columns - 1

    def lines(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """The references of a tile are always there."""
        return pad(rows, (0, 1), value=1), pad(columns, (0, 1), value=1)

    def step(self, g_step: float, g_range: float) -> float:
        """One cell moves, half the range stands for w_max."""
        return 2 * self.w_max * g_step / g_range

    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """Half the range stands for w_max."""
        return 0.5 * read_voltage * g_range / self.w_max

    def conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Mid-range plus the weight; references at mid-range."""
        target = pad((weight / self.w_max).clamp(-1, 1), (0, 1, 0, 1))
        return 0.5 * (g_min + g_max) + 0.5 * (g_max - g_min) * target

    def weight(self, conductance: Tensor, g_min: float, g_max: float) -> Tensor:
        """Against the reference column, as a forward read sees it."""
        return self.column_signal(conductance)[..., :-1, :] * (2 * self.w_max / (g_max - g_min))

    def row_lines(self, values: Tensor) -> Tensor:
        """The reference row is grounded."""
        return _grounded(values)

    def column_lines(self, values: Tensor) -> Tensor:
        """The reference column is grounded."""
        return _grounded(values)

    def column_signal(self, current: Tensor) -> Tensor:
        """I - I_ref."""
        return current[..., :-1] - current[..., -1:]

    def row_signal(self, current: Tensor) -> Tensor:
        """I - I_ref."""
        return current[..., :-1] - current[..., -1:]

    def counts(self, plan: Counts, turn: int = 0) -> Counts:
        """References are never pulsed."""
        return plan._replace(pulses=pad(plan.pulses, (0, 1, 0, 1)))

    def trains(self, plan: Trains, turn: int = 0) -> Trains:
        """Reference lines never fire."""
        return plan._replace(rows=pad(plan.rows, (0, 1)), columns=pad(plan.columns, (0, 1)))

    def cells(self, chosen: Tensor) -> Tensor:
        """Its own, and the reference cell of its row."""
        return pad(torch.cat([chosen, chosen.any(-1, keepdim=True)], dim=-1), (0, 0, 0, 1))


def _grounded(values: Tensor) -> Tensor:
    """Lines and one more at 0 V; a pad would write all of them twice."""
    lines = values.new_empty(*values.shape[:-1], values.shape[-1] + 1)
    lines[..., :-1] = values
    lines[..., -1] = 0
    return lines
