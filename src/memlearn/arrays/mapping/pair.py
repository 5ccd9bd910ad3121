"""Two cells on neighbouring bit lines make a weight: what every such mapping shares."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from ...core.component import quantity
from ...core.types import SIGN_BIT, Counts, Trains
from .base import AbstractMapping, interleave


class AbstractPair(AbstractMapping):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j: w = w_max (G+ - G-) / (g_max - g_min).

    With `devices` = N above 1 a weight has N such pairs, side by side, whose currents add: a counter of the array's
    writes chooses the one that takes the pulses of a write, in turn (arbitration). A pulse then moves the weight by an
    N-th of what it moved one pair, and what varies from cell to cell and from pulse to pulse averages.
    """

    devices: int = quantity(
        1, unit="1", ge=1, le=64, doc="cells of each sign that share a weight; writes pulse one of them, in turn"
    )

    moves: ClassVar[int] = 1
    """Cells of a pair that a pulse of the weight moves."""

    @abstractmethod
    def pair_pulses(self, pulses: Tensor) -> Tensor:
        """Pulse counts of one pair's cells (..., 2 columns), from pulse counts of weights (..., columns)."""

    @abstractmethod
    def pair_conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Target conductances of one pair's cells (..., 2 columns), S, from weights / w_max, within -1 .. 1."""

    def pair_lines(self, columns: Tensor) -> Tensor:
        """Trains on one pair's bit lines (..., 2 columns): the line of G- fires in the same slots, with other sign."""
        return interleave(columns, columns ^ (1 << SIGN_BIT))

    def physical(self, rows: int, columns: int) -> tuple[int, int]:
        """Twice as many columns for each device."""
        return rows, 2 * self.devices * columns

    def capacity(self, rows: int, columns: int) -> tuple[int, int]:
        """The part of the columns."""
        return rows, columns // (2 * self.devices)

    def lines(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """All lines of a weight."""
        return rows, self._beside(interleave(columns, columns))

    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """The full range of all devices stands for w_max."""
        return self.devices * read_voltage * g_range / self.w_max

    def step(self, g_step: float, g_range: float) -> float:
        """As far as the cells that move, of all devices."""
        return self.moves * self.w_max * g_step / (g_range * self.devices)

    def conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """All devices alike."""
        return self._beside(self.pair_conductances((weight / self.w_max).clamp(-1, 1), g_min, g_max))

    def weight(self, conductance: Tensor, g_min: float, g_max: float) -> Tensor:
        """w_max (G+ - G-) / range, mean over the devices."""
        return self.column_signal(conductance) * (self.w_max / ((g_max - g_min) * self.devices))

    def row_lines(self, values: Tensor) -> Tensor:
        """One line a row."""
        return values

    def column_lines(self, values: Tensor) -> Tensor:
        """+v and -v."""
        return self._beside(interleave(values, -values))

    def column_signal(self, current: Tensor) -> Tensor:
        """I+ - I-, of all devices."""
        apart = current[..., 0::2] - current[..., 1::2]
        return apart if self.devices == 1 else apart.unflatten(-1, (-1, self.devices)).sum(-1)

    def row_signal(self, current: Tensor) -> Tensor:
        """The subtraction happens on the line itself."""
        return current

    def counts(self, plan: Counts, turn: int = 0) -> Counts:
        """To the devices whose turn it is."""
        return plan._replace(pulses=self._at_turn(self.pair_pulses(plan.pulses), turn))

    def trains(self, plan: Trains, turn: int = 0) -> Trains:
        """On the lines of the devices whose turn it is."""
        return plan._replace(columns=self._at_turn(self.pair_lines(plan.columns), turn))

    def cells(self, chosen: Tensor) -> Tensor:
        """All of a weight's."""
        return self._beside(interleave(chosen, chosen))

    def _beside(self, pairs: Tensor) -> Tensor:
        """(..., 2 columns) to (..., 2 devices columns): every device the same."""
        if self.devices == 1:
            return pairs
        apart = pairs.unflatten(-1, (-1, 1, 2))
        return apart.expand(*apart.shape[:-2], self.devices, 2).flatten(-3)

    def _at_turn(self, pairs: Tensor, turn: int) -> Tensor:
        """The same with nothing, zero, for the devices whose turn it is not."""
        if self.devices == 1:
            return pairs
        alone = pairs.new_zeros(*pairs.shape[:-1], pairs.shape[-1] // 2, self.devices, 2)
        alone[..., turn % self.devices, :] = pairs.unflatten(-1, (-1, 2))
        return alone.flatten(-3)
