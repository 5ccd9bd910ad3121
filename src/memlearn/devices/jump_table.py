"""Jump table: the whole distribution of the step, given the state, as it was measured."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from ..core.component import quantity, setting
from ..core.errors import InputError
from ..ops.pulse_update import Kernels, Noise, compile_step
from .base import AbstractDevice
from .state import Cells

Rows = tuple[tuple[float, ...], ...]


def step(g: Any, p: Any, up: bool, table: Any, u: Any) -> Any:
    """S: p[3] change(x, u) (1 - p[4] (2 x - 1)) up, p[5] change(x, u) (1 + p[6] (2 x - 1)) down; x = (g - lower) p[2].

    The table holds the number of bins and of probabilities, middles of bins, probabilities, and the rows up and down.
    """
    bins, levels = np.int64(table[0]), np.int64(table[1])
    x, zero, one = (g - p[0]) * p[2], np.float32(0), np.float32(1)
    middles, chances = table[2 : 2 + bins], table[2 + bins : 2 + bins + levels]
    k = np.minimum(np.maximum(np.searchsorted(middles, x, side="right") - 1, 0), bins - 2)
    q = np.minimum(np.maximum(np.searchsorted(chances, u, side="right") - 1, 0), levels - 2)
    across = np.minimum(np.maximum((x - middles[k]) / (middles[k + 1] - middles[k]), zero), one)
    along = np.minimum(np.maximum((u - chances[q]) / (chances[q + 1] - chances[q]), zero), one)
    at = 2 + bins + levels + k * levels + q + (0 if up else bins * levels)
    left = table[at] + (table[at + 1] - table[at]) * along
    right = table[at + levels] + (table[at + levels + 1] - table[at + levels]) * along
    change, tilt = left + (right - left) * across, x + x - one
    if up:
        return p[3] * change * np.maximum(one - p[4] * tilt, zero)
    return p[5] * change * np.maximum(one + p[6] * tilt, zero)


class JumpTable(AbstractDevice):
    """A change drawn anew for every pulse from the distribution that belongs to the state: quantiles per bin.

        x = (G - lower) / (upper - lower),  u uniform in [0, 1)
        up     G + range up(x, u)
        down   G - range down(x, u)

    Row k of `up` and `down` holds quantiles of the change, in units of the range, of cells in the bin from edges[k] to
    edges[k + 1], at `probabilities`; a positive number is a change in the direction of the pulse, and negative ones are
    allowed. Between probabilities the quantile is interpolated, which is a histogram; between the middles of two bins
    their quantiles are, at equal u, so that the distribution changes smoothly; beyond the outer middles it stays.
    The spread from pulse to pulse is in the table: `cycle_to_cycle` would come on top of it. Spreads from cell to cell
    scale a cell's changes, and `shape` tilts them: x (1 -+ shift (2 x - 1)), up and down.

    The mean step that writers count with is the table's at mid-range, or range / `states` where that is given. The
    default table is an example, and no measured device.
    """

    kind: Literal["jump_table"] = "jump_table"
    kernels: ClassVar[Kernels] = compile_step(step, drawn=True, table=True)
    step_columns: ClassVar[tuple[int, ...]] = (3, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Burr et al., IEEE Trans. Electron Devices 62:3498 (2015): jump tables of phase-change cells",
        "Interpolation between bins at equal u: made for memlearn",
    )

    states: float = quantity(0, unit="1", ge=0, doc="range / mean step that writers count with; 0: as the table says")
    edges: tuple[float, ...] = setting((0.0, 1 / 3, 2 / 3, 1.0), doc="edges of the bins of x, from 0 to 1")
    probabilities: tuple[float, ...] = setting((0.0, 0.25, 0.5, 0.75, 1.0), doc="of the quantiles, ascending")
    up: Rows = setting(
        ((0.0, 0.02, 0.03, 0.05, 0.1), (-0.01, 0.01, 0.02, 0.03, 0.06), (0.0, 0.005, 0.01, 0.02, 0.03)),
        doc="a row of quantiles per bin: changes of up pulses / range",
    )
    down: Rows = setting(
        ((0.0, 0.005, 0.01, 0.02, 0.03), (-0.01, 0.01, 0.02, 0.03, 0.06), (0.0, 0.02, 0.03, 0.05, 0.1)),
        doc="a row of quantiles per bin: changes of down pulses / range, positive down",
    )

    def model_post_init(self, context: Any) -> None:
        """Edges, probabilities and quantiles ascend, and fit one another."""
        super().model_post_init(context)
        edges, chances = np.array(self.edges), np.array(self.probabilities)
        if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or (np.diff(edges) <= 0).any():
            raise InputError("edges", self.edges, "must ascend from 0 to 1", "One bin is [0, 1].")
        if len(chances) < 2 or chances[0] < 0 or chances[-1] > 1 or (np.diff(chances) <= 0).any():
            raise InputError("probabilities", self.probabilities, "must be two or more, ascending, within 0 .. 1")
        for name, rows in (("up", self.up), ("down", self.down)):
            if len(rows) != len(edges) - 1 or {len(row) for row in rows} != {len(chances)}:
                found = f"{len(rows)} rows of {sorted({len(row) for row in rows})}"
                allowed = f"must be {len(edges) - 1} rows (bins) of {len(chances)} quantiles"
                raise InputError(name, found, allowed, "Bins are the spaces between `edges`.")
            if (np.diff(np.array(rows), axis=1) < 0).any():
                raise InputError(name, rows, "must ascend within a row", "Quantiles do. Sort each row.")
        if not self.mean_step > 0:
            raise InputError("up", self.up, "do not move a cell at mid-range on average", "Give `states`.")

    @property
    def mean_step(self) -> float:
        """Mean change of one pulse at mid-range, S: of the table, both polarities, or range / states."""
        if self.states:
            return self.range / self.states
        return 0.5 * self.range * (self.mean_change(0.5, True) + self.mean_change(0.5, False))

    @property
    def noise(self) -> Noise:
        """With the table."""
        edges = np.array(self.edges)
        parts = [0.5 * (edges[1:] + edges[:-1]), np.array(self.probabilities), np.array(self.up), np.array(self.down)]
        if len(self.edges) == 2:  # a single bin, twice
            parts = [np.array([0.0, 1.0]), parts[1], *(np.repeat(rows, 2, axis=0) for rows in parts[2:])]
        sizes = np.array([len(parts[0]), len(parts[1])])
        return super().noise._replace(table=np.concatenate([sizes, *(part.ravel() for part in parts)]))

    def mean_change(self, x: float, up: bool) -> float:
        """Mean change of a nominal cell at x, in units of the range, positive in the direction of the pulse."""
        edges, chances = np.array(self.edges), np.array(self.probabilities)
        rows = np.array(self.up if up else self.down)
        middles = 0.5 * (edges[1:] + edges[:-1])
        quantiles = np.array([np.interp(x, middles, column) for column in rows.T])
        tails = chances[0] * quantiles[0] + (1 - chances[-1]) * quantiles[-1]
        return float((0.5 * (quantiles[1:] + quantiles[:-1]) * np.diff(chances)).sum() + tails)

    def middle_factor(self, up: bool) -> float:
        """The table's mean change at mid-range over `mean_step`."""
        return self.mean_change(0.5, up) * self.range / self.mean_step

    def columns(self, cells: Cells) -> list[Tensor]:
        """1 / width, then scale and tilt, up then down."""
        # A stuck cell has no width, and no step.
        width = (cells.upper - cells.lower).where(cells.upper > cells.lower, self.range)
        scale = self.range / self.mean_step
        return [1 / width, cells.up * scale, cells.shape_up, cells.down * scale, cells.shape_down]
