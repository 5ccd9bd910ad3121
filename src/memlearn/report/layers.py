"""The figures of one layer: maps of its array and histograms of its cells."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ..experiment.snapshots import strides
from . import formats, histograms
from .figures import Figure, axis, colour, whole
from .folder import LayerArrays

MICRO = 1e6
_EDGES = 64
"""More tiles than this are not outlined: the lines would hide the cells."""
UNIT = "\N{MICRO SIGN}S"
_AVERAGED, _THINNED = "drawn as means over blocks of {} × {} cells", "one cell of every {} × {} drawn"


def layer_figures(arrays: LayerArrays, *, index: int, side: int) -> list[Figure]:
    """Maps and histograms of one layer: conductance before and after, weights, pulses.

    Arguments:
        arrays: what the layer's arrays hold.
        index: position of the run in the report, for its colour.
        side: the largest number of blocks of a map along an axis.
    """
    before, after = (grid[np.isfinite(grid)] * MICRO for grid in (arrays.before, arrays.after))
    weights = arrays.weight[np.isfinite(arrays.weight)].ravel()
    counts = arrays.pulses[np.isfinite(arrays.pulses)]
    own = colour(index)
    return [
        *_conductance_maps(arrays, side=side),
        Figure(
            "Conductances",
            f"Grey: before training, {_about(before, UNIT)}. In colour: after, {_about(after, UNIT)}.",
            histograms.before_and_after(before, after, colour=own),
            histograms.layout(f"conductance ({UNIT})", "cells", showlegend=True),
        ),
        Figure(
            "Weights",
            f"What the cells mean to the network after training: {_about(weights, '')}.",
            [histograms.bars(weights, name="weights", colour=own)],
            histograms.layout("weight (no unit)", "weights"),
        ),
        _pulse_map(arrays, counts, side=side),
        Figure(
            "Wear",
            f"How many cells took how many pulses, on a logarithmic scale: {_about(counts, 'pulses')}.",
            [histograms.bars(counts, name="cells", colour=own, whole=True)],
            histograms.layout("pulses per cell", "cells (log scale)", logarithmic=True),
        ),
    ]


def block_mean(grid: np.ndarray, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Shrink a map to at most `side` x `side` blocks.

    Arguments:
        grid: (rows, columns), NaN where there is no cell.
        side: the largest number of blocks along an axis.

    Returns:
        The mean of the cells of each block (NaN where it has none), and the rows and columns of a block.
    """
    rows, columns = grid.shape
    tall, wide = max(1, -(-rows // side)), max(1, -(-columns // side))
    if tall == wide == 1:
        return grid, (1, 1)
    padded = np.pad(grid, ((0, -rows % tall), (0, -columns % wide)), constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // tall, tall, padded.shape[1] // wide, wide)
    there = np.isfinite(blocks)
    cells = there.sum(axis=(1, 3))
    sums = np.where(there, blocks, 0.0).sum(axis=(1, 3))
    return np.where(cells > 0, sums / np.maximum(cells, 1), np.nan), (tall, wide)


def thinned(grid: np.ndarray, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Shrink a map to at most `side` x `side` cells by leaving lines out.

    A mean over neighbours would hide what an array holds: the two cells of a differential pair move in opposite
    directions. The step between columns is even, so that one side of the pairs is shown.

    Arguments:
        grid: (rows, columns), NaN where there is no cell.
        side: the largest number of cells along an axis.

    Returns:
        The cells that are left, and the steps between rows and between columns.
    """
    tall, wide = strides((grid.shape[0], grid.shape[1]), side)
    return grid[::tall, ::wide], (tall, wide)


def _conductance_maps(arrays: LayerArrays, *, side: int) -> list[Figure]:
    """Both maps on the same colours, so that they compare."""
    before, block = thinned(arrays.before * MICRO, side)
    after, _ = thinned(arrays.after * MICRO, side)
    low, high = histograms.value_range(np.concatenate([before.ravel(), after.ravel()]))
    about = _about_map(arrays, block, _THINNED)
    return [
        Figure(
            f"Conductance {when} training",
            f"{about} Both maps share their colours.",
            [block_map(grid, block, low=low, high=high, scale="Viridis", unit=UNIT)],
            _on_array(arrays),
            340,
        )
        for when, grid in (("before", before), ("after", after))
    ]


def _pulse_map(arrays: LayerArrays, counts: np.ndarray, *, side: int) -> Figure:
    """Where the pulses went; the colours stop short of the few busiest blocks, which would darken all others."""
    pulses, block = block_mean(arrays.pulses, side)
    seen = pulses[np.isfinite(pulses)]
    top = max(1.0, float(np.percentile(seen, 99.5))) if seen.size else 1.0
    never = f"{formats.share(float((counts == 0).mean()))} of the cells took none. " if counts.size else ""
    return Figure(
        "Pulses per cell",
        f"{never}The colours end at {formats.figure(top)} pulses, the 99.5th percentile. "
        f"{_about_map(arrays, block, _AVERAGED)}",
        [block_map(pulses, block, low=0.0, high=top, scale="Cividis", unit="pulses")],
        _on_array(arrays),
        340,
    )


def _on_array(arrays: LayerArrays) -> dict[str, Any]:
    """Axes in true line numbers, the first word line on top; thin lines where a tile ends."""
    rows, columns = arrays.after.shape
    tall, wide = arrays.tile
    plain = {"showgrid": False, "zeroline": False}
    line = {"type": "line", "line": {"color": "@paper", "width": 1}}
    across = {**line, "xref": "paper", "x0": 0, "x1": 1}
    down = {**line, "yref": "paper", "y0": 0, "y1": 1}
    edges = [{**across, "y0": n - 0.5, "y1": n - 0.5} for n in range(tall, rows, tall)]
    edges += [{**down, "x0": n - 0.5, "x1": n - 0.5} for n in range(wide, columns, wide)]
    return {
        "xaxis": axis("bit line (column)", range=[-0.5, columns - 0.5], **whole(columns), **plain),
        "yaxis": axis("word line (row)", range=[rows - 0.5, -0.5], **whole(rows), **plain),
        "plot_bgcolor": "@blank",
        "shapes": edges if len(edges) <= _EDGES else [],
    }


def block_map(
    grid: np.ndarray, block: tuple[int, int], *, low: float, high: float, scale: str, unit: str
) -> dict[str, Any]:
    """One map, each block of cells a square."""
    return {
        "type": "heatmap",
        "z": _packed(grid),
        "x0": (block[1] - 1) / 2,
        "dx": block[1],
        "y0": (block[0] - 1) / 2,
        "dy": block[0],
        "zmin": low,
        "zmax": high,
        "colorscale": scale,
        "hoverongaps": False,
        "hovertemplate": f"word line %{{y:.0f}}, bit line %{{x:.0f}}: %{{z:.4g}} {unit}<extra></extra>",
        "colorbar": {"title": {"text": unit}, "thickness": 12, "outlinewidth": 0},
    }


def _packed(grid: np.ndarray) -> dict[str, Any]:
    """An array as plotly reads it from base64: four bytes a cell, NaN stays NaN."""
    data = base64.b64encode(np.ascontiguousarray(grid, dtype="<f4").tobytes())
    return {"dtype": "f4", "bdata": data.decode(), "shape": f"{grid.shape[0]}, {grid.shape[1]}"}


def _about(values: np.ndarray, unit: str) -> str:
    if not values.size:
        return "no cells"
    low, mean, high = (formats.figure(float(f(values))) for f in (np.min, np.mean, np.max))
    return f"{low} to {high} {unit}".rstrip() + f", mean {mean}"


def _about_map(arrays: LayerArrays, block: tuple[int, int], shrunk: str) -> str:
    used = [
        formats.many(n, noun) if n == whole else f"{formats.exact(n)} of {formats.many(whole, noun)}"
        for n, whole, noun in zip(arrays.after.shape, arrays.lines, ("word line", "bit line"), strict=True)
    ]
    parts = [" × ".join(used)]
    if block != (1, 1):
        parts.append(shrunk.format(*block))
    if not np.isfinite(arrays.after).all():
        parts.append("grey where there is no cell")
    return ", ".join(parts) + "."
