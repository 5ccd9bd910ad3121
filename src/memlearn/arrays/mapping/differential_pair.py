"""Two cells on neighbouring bit lines make a weight: w = w_max (G+ - G-) / (g_max - g_min)."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.types import SIGN_BIT, Counts, Trains
from .base import AbstractMapping, interleave


class DifferentialPair(AbstractMapping):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j; an update pulses both, in opposite directions (push-pull).

    Read forward, the two currents are subtracted; read transposed, the two lines are driven with opposite voltages.
    """

    kind: Literal["differential_pair"] = "differential_pair"
    sources: ClassVar[tuple[str, ...]] = (
        "Prezioso et al., Nature 521:61 (2015)",
        "Li et al., Nat. Commun. 9:2385 (2018), differential pairs",
    )

    def physical(self, rows: int, columns: int) -> tuple[int, int]:
        """Twice as many columns."""
        return rows, 2 * columns

    def capacity(self, rows: int, columns: int) -> tuple[int, int]:
        """Half as many columns."""
        return rows, columns // 2

    def lines(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Both lines of a pair."""
        return rows, interleave(columns, columns)

    def step(self, g_step: float, g_range: float) -> float:
        """Both cells move."""
        return 2 * self.w_max * g_step / g_range

    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """The full range stands for w_max."""
        return read_voltage * g_range / self.w_max

    def conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Symmetric about mid-range: G+- = middle +- w/w_max x half the range."""
        half = (weight / self.w_max).clamp(-1, 1) * (0.5 * (g_max - g_min))
        return interleave(half, -half) + 0.5 * (g_min + g_max)

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

    def counts(self, plan: Counts) -> Counts:
        """G+ as asked, G- the other way."""
        return plan._replace(pulses=interleave(plan.pulses, -plan.pulses))

    def trains(self, plan: Trains) -> Trains:
        """The line of G- fires in the same slots with the other sign."""
        return plan._replace(columns=interleave(plan.columns, plan.columns ^ (1 << SIGN_BIT)))
