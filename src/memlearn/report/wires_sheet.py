"""The sheet of an array's wires: what lines do to random cells, in words, as a page, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.wires import ResistiveWires
from . import formats
from .chart import as_dots, as_figure, with_unit
from .folder import write_atomically
from .page import plots
from .page import render as render_page
from .wires import effect, position_panel, ratio_figure, voltage_figure

_CORNERS = ("nearest to driver and sense", "far from the driver", "far from the sense", "farthest from both")


class WiresSheet:
    """The effect of wires on an array of random cells, in words, as a page, as plain data.

    Arguments:
        wires: what the lines are made of.
        rows, columns: of the array.
        low, high: S, ends of the range in which cells are uniform.
        seed: of the cells.
    """

    def __init__(
        self,
        wires: ResistiveWires,
        rows: int,
        columns: int,
        *,
        low: float = 1e-6,
        high: float = 1e-4,
        seed: int = 0,
    ) -> None:
        self.wires, self.ends, self.seed = wires, (low, high), seed
        draw = np.random.Generator(np.random.Philox(seed))
        self.cells = draw.uniform(low, high, (rows, columns))
        self.effect = effect(self.cells, wires)

    @property
    def title(self) -> str:
        """The array in a line."""
        rows, columns = self.cells.shape
        low, high = (with_unit(end, "S") for end in self.ends)
        return f"{rows} word lines x {columns} bit lines, cells uniform in {low} to {high}"

    def corners(self) -> list[tuple[str, str, str]]:
        """Part of its conductance that a cell has in a read, and of the voltage that reaches it, at the corners."""
        rows = []
        places = ((-1, 0), (-1, -1), (0, 0), (0, -1))
        across = self.effect.word - self.effect.bit
        for name, place in zip(_CORNERS, places, strict=True):
            rows.append((name, f"{self.effect.ratio[place]:.4g}", f"{across[place]:.4g}"))
        return rows

    def headlines(self) -> list[tuple[str, str, str]]:
        """Three figures for the head of the page."""
        ratio, lost = self.effect.ratio, self.effect.lost
        return [
            (f"{np.nanmean(ratio):.3g}", "effective / own conductance", f"{np.nanmin(ratio):.3g} in the worst cell"),
            (formats.share(float(lost.mean())), "current lost", f"worst bit line {formats.share(float(lost.max()))}"),
            (f"{self._spread():.3g}", "spread of the ratio", "standard deviation / mean: what one gain leaves over"),
        ]

    def settings(self) -> list[tuple[str, str]]:
        """What the lines are made of."""
        names = ("r_word_line", "r_bit_line", "r_source", "r_sense")
        lines = [(name, with_unit(getattr(self.wires, name), "ohm")) for name in names]
        return [*lines, ("double_sided", self.wires.double_sided)]

    def text(self) -> str:
        """For a terminal."""
        parts = [self.title, *(f"  {name} = {value}" for name, value in self.settings()), ""]
        parts += [f"  {meaning}: {value} ({remark})" for value, meaning, remark in self.headlines()]
        parts += ["", "Cell: effective / own conductance, voltage across it per V with all word lines driven"]
        parts += [f"  {name}: {ratio}, {across}" for name, ratio, across in self.corners()]
        return "\n".join([*parts, "", as_dots(position_panel(self.effect.ratio))])

    def data(self) -> dict[str, Any]:
        """Plain data."""
        ratio = self.effect.ratio
        return {
            "rows": self.cells.shape[0],
            "columns": self.cells.shape[1],
            "wires": self.wires.table(),
            "cells": {"low": self.ends[0], "high": self.ends[1], "seed": self.seed},
            "ratio_mean": float(np.nanmean(ratio)),
            "ratio_worst": float(np.nanmin(ratio)),
            "ratio_spread": self._spread(),
            "current_lost_mean": float(self.effect.lost.mean()),
            "current_lost_worst": float(self.effect.lost.max()),
            "corners": [
                {"cell": name, "ratio": float(ratio), "voltage": float(across)}
                for name, ratio, across in self.corners()
            ],
            "ratio_by_bit_line": np.nanmean(ratio, 0).tolist(),
            "ratio_by_word_line": np.nanmean(ratio, 1).tolist(),
        }

    def html(self) -> str:
        """One page that loads nothing."""
        shown = self.effect
        figures = [
            ratio_figure(shown.ratio),
            as_figure(position_panel(shown.ratio)),
            voltage_figure("Word lines", shown.word, "Nodes of the word lines, V per V of the drivers, all driven."),
            voltage_figure(
                "Bit lines", shown.bit, "Nodes of the bit lines, at 0 without resistances."
            ),
            voltage_figure("Across the cells", shown.word - shown.bit, "What of the read voltage reaches the cells."),
        ]
        return render_page(
            "wires.html.jinja",
            title=self.title,
            headlines=self.headlines(),
            figures=plots(figures, "wires"),
            corners=self.corners(),
            settings=self.settings(),
        )

    def write(self, path: Path) -> Path:
        """Write the page.

        Raises:
            InputError: the path is a folder.
        """
        return write_atomically(Path(path), self.html())

    def _spread(self) -> float:
        ratio = self.effect.ratio
        return float(np.nanstd(ratio) / np.nanmean(ratio))
