"""Comparators: one bit, or a sign with a dead zone, straight from a current."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..core.ledger import Event
from .base import AbstractSense, Address, above, disturbed, ternary


class AbstractComparator(AbstractSense):
    """What comparators share: a fixed offset each, and noise at every decision; both in units of the weighted sum."""

    joins_tiles: ClassVar[bool] = True
    decides: ClassVar[bool] = True

    offset_spread: float = quantity(
        0.0, unit="1", ge=0, doc="standard deviation of the offset from comparator to comparator"
    )
    noise: float = quantity(0.0, unit="1", ge=0, doc="standard deviation at each decision")
    sharing: int = quantity(1, unit="1", ge=1, doc="lines that take turns at one comparator")

    @abstractmethod
    def decide(self, values: Tensor) -> Tensor:
        """The decision for disturbed weighted sums, elementwise."""

    def sense(self, current: Tensor, unit_current: float, at: Address) -> Tensor:
        """Disturb, then decide."""
        values = current / unit_current
        lines = (*values.shape[:-2], 1, values.shape[-1])
        values = disturbed(values, lines, at, offset_spread=self.offset_spread, noise=self.noise, sharing=self.sharing)
        return self.decide(values)


class Comparator(AbstractComparator):
    """1 where the weighted sum lies above the threshold, else 0: one comparator a line."""

    kind: Literal["comparator"] = "comparator"

    threshold: float = quantity(0.0, unit="1", doc="weighted sum above which the outcome is 1")

    def decide(self, values: Tensor) -> Tensor:
        """0 or 1."""
        return above(values, self.threshold)

    def uses(self, senses: int) -> dict[Event, int]:
        """One comparison each."""
        return {Event.COMPARISON: senses}


class TernaryComparator(AbstractComparator):
    """The sign of the weighted sum, 0 within a dead zone: two comparators a line."""

    kind: Literal["ternary_comparator"] = "ternary_comparator"
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Neural Networks 108:217 (2018), ternary errors",)

    dead_zone: float = quantity(0.1, unit="1", ge=0, doc="largest weighted sum that counts as zero")

    def decide(self, values: Tensor) -> Tensor:
        """-1, 0 or 1."""
        return ternary(values, self.dead_zone)

    def uses(self, senses: int) -> dict[Event, int]:
        """Two comparisons each."""
        return {Event.COMPARISON: 2 * senses}
