"""Faults that share a line: a broken select line or driver takes all of its cells along."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import Component, quantity, setting
from ...core.random import Stream
from ...ops import random


class FaultyLines(Component):
    """Lines of cells that fail together, each line independently, chosen once, when the cells are made.

    A line is `cells` cells of one column (or row) of a tile, `stride` cells apart: with stride 4, each column is woven
    of four lines. Expected fraction of stuck cells: rate (1 - partial (1 - 1 / cells) / 2). The faults of a line have a
    variance of about rate x cells^2, where as many independent ones have rate x cells. The geometry by default is that
    of a measured array of 65,536 cells, in which 31 of 1,024 lines fail: 26 wholly, 5 from their start up to some cell;
    30 at high conductance, 1 at low (docs/effects.md).
    """

    sources: ClassVar[tuple[str, ...]] = ("Anjiang-RRAM-Python: program-verify outcome of chip C10, measured",)

    rate: float = quantity(0.0, unit="1", ge=0, le=1, doc="fraction of the lines that fail")
    low: float = quantity(
        0.0, unit="1", ge=0, le=1, doc="fraction of failing lines stuck at the lowest conductance, the rest highest"
    )
    partial: float = quantity(
        0.0, unit="1", ge=0, le=1, doc="fraction of failing lines that fail only from their start up to a random cell"
    )
    cells: int = quantity(64, unit="1", ge=1, doc="cells of a line")
    stride: int = quantity(4, unit="1", ge=1, doc="cells from one cell of a line to the next: lines are interleaved")
    along: Literal["column", "row"] = setting("column", doc="of a tile: all cells of a line share it")

    @property
    def active(self) -> bool:
        """True when lines fail."""
        return bool(self.rate)

    def fail(self, shape: torch.Size, stream: Stream, like: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of the cells that are stuck by their line at high, and at low conductance, each (shape)."""
        if self.along == "row":
            high, low = self.replace(along="column").fail(torch.Size((*shape[:2], shape[3], shape[2])), stream, like)
            return high.mT, low.mT
        tall, wide, rows, columns = shape
        row = torch.arange(rows)
        block = self.cells * self.stride
        line = row // block * self.stride + row % self.stride
        place = row % block // self.stride
        lots = (tall, wide, int(line.max()) + 1, columns)
        fails, sides, parts, ends = (random.uniform(stream, event, lots, like) for event in range(4))
        reach = torch.where(parts < self.partial, (ends * self.cells).floor() + 1, float(self.cells))
        reach = torch.where(fails < self.rate, reach, 0.0)[:, :, line]
        stuck, low = place[:, None] < reach, (sides < self.low)[:, :, line]
        return stuck & ~low, stuck & low
