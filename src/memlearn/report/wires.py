"""What the resistance of lines does to an array, as figures: node voltages, effective conductances, errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays.wires import ResistiveWires, solve
from . import formats, histograms
from .chart import Curve, Panel, as_figure
from .figures import Figure, axis
from .folder import LayerArrays
from .layers import block_map, block_mean

_SIDE = 128


class Effect(NamedTuple):
    """What lines of an array do to a forward read."""

    ratio: np.ndarray
    """(rows, columns): effective / cell's own conductance; NaN where a cell is open."""
    word: np.ndarray
    """V per V, (rows, columns): nodes of word lines, all word lines driven."""
    bit: np.ndarray
    """V per V: nodes of bit lines."""
    lost: np.ndarray
    """(columns,): part of the current of a bit line that is lost, all word lines driven."""


def effect(cells: np.ndarray, wires: ResistiveWires) -> Effect:
    """Solve an array (rows, columns), S, as a whole and with all word lines driven."""
    g = torch.from_numpy(np.ascontiguousarray(cells, np.float64))
    ratio = _ratio(g, wires)
    lines = {name: getattr(wires, name) for name in ("r_word_line", "r_bit_line", "r_source", "r_sense")}
    ones = torch.ones(1, g.shape[0], dtype=g.dtype)
    lines |= {"double_sided": wires.double_sided, "selector": wires.selector}
    current, word, bit = solve(g, ones, return_node_voltages=True, **lines)
    ideal = cells.sum(0)
    lost = 1 - np.divide(current[0].numpy(), ideal, out=np.ones_like(ideal), where=ideal > 0)
    return Effect(ratio, word[0].numpy(), bit[0].numpy(), lost)


def layer_wires(config: dict[str, Any], arrays: LayerArrays, side: int) -> list[Figure]:
    """Of a run with resistive lines: what its trained arrays lose, tile by tile; nothing of other runs, nor where a
    selector bends the currents.

    Arguments:
        config: the resolved experiment.
        arrays: of a layer.
        side: the largest number of blocks of a map along an axis.
    """
    given = (config.get("crossbar") or {}).get("wires") or {}
    if given.get("kind") != "resistive":
        return []
    wires = ResistiveWires.from_table(given)
    if not wires.linear:  # no matrix stands for such an array
        return []
    cells = np.nan_to_num(arrays.after)
    (tall, wide), (rows, columns) = arrays.tile, cells.shape
    ratio = np.full(cells.shape, np.nan)
    for top in range(0, rows, tall):
        for left in range(0, columns, wide):
            part = np.s_[top : top + tall, left : left + wide]
            whole = np.zeros((tall, wide))
            own = cells[part]
            # Cells that the layer does not have conduct nothing, but their lines are there.
            whole[: own.shape[0], : own.shape[1]] = own
            ratio[part] = _ratio(torch.from_numpy(whole), wires)[: own.shape[0], : own.shape[1]]
    return [ratio_figure(ratio, side=side), as_figure(position_panel(_folded(ratio, arrays.tile)))]


def ratio_figure(ratio: np.ndarray, *, side: int = _SIDE) -> Figure:
    """The map of effective / own conductance."""
    grid, block = block_mean(ratio, side)
    low, high = histograms.value_range(grid)
    seen = ratio[np.isfinite(ratio)]
    about = "no cells"
    if seen.size:
        low_end, mean, high_end = (formats.figure(float(f(seen))) for f in (np.min, np.mean, np.max))
        about = f"{low_end} to {high_end}, mean {mean}"
    return Figure(
        "Effective conductance",
        f"What a cell contributes to the current of its bit line, relative to its own conductance: {about}. "
        "Above 1 where currents of other cells sneak in.",
        [block_map(grid, block, low=low, high=high, scale="Viridis", unit="")],
        _axes(ratio.shape),
        340,
    )


def position_panel(ratio: np.ndarray) -> Panel:
    """The error of a cell against its place on its two lines."""
    percent = 100 * (1 - ratio)
    by_column, by_row = _mean(percent, 0), _mean(percent, 1)[::-1]
    curves = (
        Curve("along the word line, from its driver", "line", np.arange(len(by_column)).tolist(), by_column.tolist()),
        Curve("along the bit line, from its sense", "line", np.arange(len(by_row)).tolist(), by_row.tolist(), colour=1),
    )
    caption = "Mean error of the effective conductance of cells so many crossings away."
    return Panel("Error against position", caption, "crossings", "conductance missing (%)", curves)


def voltage_figure(title: str, grid: np.ndarray, caption: str) -> Figure:
    """A map of node voltages."""
    blocks, block = block_mean(grid, _SIDE)
    low, high = histograms.value_range(blocks)
    about = f"{caption} {formats.figure(float(grid.min()))} to {formats.figure(float(grid.max()))} V per V."
    return Figure(
        title,
        about,
        [block_map(blocks, block, low=low, high=high, scale="Cividis", unit="V/V")],
        _axes(grid.shape),
        340,
    )


def _axes(shape: tuple[int, ...]) -> dict[str, Any]:
    rows, columns = shape
    plain = {"showgrid": False, "zeroline": False}
    return {
        "xaxis": axis("bit line (column)", range=[-0.5, columns - 0.5], **plain),
        "yaxis": axis("word line (row)", range=[rows - 0.5, -0.5], **plain),
        "plot_bgcolor": "@blank",
    }


def _ratio(g: torch.Tensor, wires: ResistiveWires) -> np.ndarray:
    own = g.numpy()
    return np.divide(wires.transfer(g).numpy(), own, out=np.full(own.shape, np.nan), where=own > 0)


def _folded(ratio: np.ndarray, tile: tuple[int, int]) -> np.ndarray:
    """Mean over tiles, NaN where no tile has a cell."""
    tall, wide = tile
    padded = np.pad(ratio, ((0, -ratio.shape[0] % tall), (0, -ratio.shape[1] % wide)), constant_values=np.nan)
    parts = padded.reshape(padded.shape[0] // tall, tall, -1, wide).transpose(0, 2, 1, 3).reshape(-1, tall * wide)
    return _mean(parts, 0).reshape(tall, wide)


def _mean(values: np.ndarray, along: int) -> np.ndarray:
    """Of the finite values; NaN where there is none."""
    there = np.isfinite(values)
    number = there.sum(along)
    return np.where(number > 0, np.where(there, values, 0).sum(along) / np.maximum(number, 1), np.nan)
