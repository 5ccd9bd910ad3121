"""Cells that never move: pulses sent to them are still sent, and counted."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...core.component import Component, quantity, setting
from ...core.errors import InputError
from ...core.random import Stream
from ...ops import random
from .fault_lines import FaultyLines
from .fault_map import FaultMapFile


class StuckCells(Component):
    """Stuck cells: independent ones, whole lines and those of a measured map, chosen once, when the cells are made.

    Each cell is stuck with the stated probabilities; a cell of a failing line is stuck as its line says, one of the map
    as the map says.
    """

    high: float = quantity(0.0, unit="1", ge=0, le=1, doc="fraction of cells stuck at the highest conductance")
    low: float = quantity(0.0, unit="1", ge=0, le=1, doc="fraction of cells stuck at the lowest conductance")
    anywhere: float = quantity(0.0, unit="1", ge=0, le=1, doc="fraction of cells stuck uniformly within the range")
    middle: float = quantity(
        0.0, unit="1", ge=0, le=1, doc="fraction of cells stuck at mid-range: where new cells of a weight array stand"
    )
    lines: FaultyLines = setting(FaultyLines(), doc="lines of cells that fail together")
    measured: FaultMapFile = setting(FaultMapFile(), doc="a measured map of stuck cells")

    def model_post_init(self, _: Any) -> None:
        """Fractions of one whole."""
        total = self.high + self.low + self.anywhere + self.middle
        if total > 1 + 1e-9:  # 0.33 + 0.56 + 0.11 is 1.0000000000000002
            raise InputError(
                "high + low + anywhere + middle", total, "stuck fractions add up to more than 1", "Lower one of them."
            )

    def pin(
        self, lower: Tensor, upper: Tensor, stream: Stream, g_min: float, g_max: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Bounds with those of stuck cells drawn together onto the stuck value, and the mask of free cells.

        Arguments:
            lower, upper: S, (shape): bounds of healthy cells.
            stream: whose random numbers.
            g_min, g_max: S: the nominal range, at whose ends cells stick.
        """
        if not (self.high or self.low or self.anywhere or self.middle or self.lines.rate or self.measured.active):
            return lower, upper, lower == lower
        lot = random.uniform(stream.child("stuck"), 0, lower.shape, lower)
        place = g_min + (g_max - g_min) * random.uniform(stream.child("stuck"), 1, lower.shape, lower)
        place = place.masked_fill(lot < self.high, g_max)
        place = place.masked_fill((lot >= self.high) & (lot < self.high + self.low), g_min)
        spread = self.high + self.low + self.anywhere
        free = lot >= spread + self.middle
        place = place.masked_fill(~free & (lot >= spread), 0.5 * (g_min + g_max))
        if self.lines.rate:
            high, low = self.lines.fail(lower.shape, stream.child("lines"), lower)
            place, free = place.masked_fill(high, g_max).masked_fill(low, g_min), free & ~high & ~low
        if self.measured.active:
            high, low = self.measured.fail(lower.shape, stream.child("map"), lower)
            place, free = place.masked_fill(high, g_max).masked_fill(low, g_min), free & ~high & ~low
        return lower.where(free, place), upper.where(free, place), free
