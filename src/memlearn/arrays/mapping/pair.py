"""Two cells on neighbouring bit lines make a weight: what every such mapping shares."""

from __future__ import annotations

from torch import Tensor

from ...core.types import SIGN_BIT, Trains
from .base import AbstractMapping, interleave


class AbstractPair(AbstractMapping):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j: w = w_max (G+ - G-) / (g_max - g_min)."""

    def physical(self, rows: int, columns: int) -> tuple[int, int]:
        """Twice as many columns."""
        return rows, 2 * columns

    def capacity(self, rows: int, columns: int) -> tuple[int, int]:
        """Half as many columns."""
        return rows, columns // 2

    def lines(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Both lines of a pair."""
        return rows, interleave(columns, columns)

    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """The full range stands for w_max."""
        return read_voltage * g_range / self.w_max

    def weight(self, conductance: Tensor, g_min: float, g_max: float) -> Tensor:
        """w_max (G+ - G-) / range."""
        return self.column_signal(conductance) * (self.w_max / (g_max - g_min))

    def row_lines(self, values: Tensor) -> Tensor:
        """One line a row."""
        return values

    def column_lines(self, values: Tensor) -> Tensor:
        """+v and -v."""
        return interleave(values, -values)

    def column_signal(self, current: Tensor) -> Tensor:
        """I+ - I-."""
        return current[..., 0::2] - current[..., 1::2]

    def row_signal(self, current: Tensor) -> Tensor:
        """The subtraction happens on the line itself."""
        return current

    def trains(self, plan: Trains) -> Trains:
        """The line of G- fires in the same slots with the other sign."""
        return plan._replace(columns=interleave(plan.columns, plan.columns ^ (1 << SIGN_BIT)))
