"""Layers through training: one map and one histogram that a slider moves through the moments that the run has kept."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from ..core.errors import DataError
from . import formats, histograms
from .figures import Figure, axis
from .layers import MICRO, UNIT

_FILE = "snapshots.safetensors"
_BLANK = 255
"""Stands for "no cell" among the levels of a map."""


class Through(NamedTuple):
    """What the page moves through: two figures at the last moment, and both at every moment."""

    figures: list[Figure]
    frames: dict[str, Any]
    """`labels` of the moments, `maps` (base64, a byte a cell, row by row), their `rows`, `low` and `high` of the levels
    0 and 254; `counts` of the histogram."""


def layer_through(folder: Path, name: str, images_per_epoch: int | None, colour: str) -> Through | None:
    """A layer through training; None where the run has kept no pictures of it.

    Arguments:
        folder: the run folder.
        name: the layer, as in result.json.
        images_per_epoch: to name the epoch of a moment.
        colour: of the run.

    Raises:
        DataError: the file is damaged.
    """
    path = Path(folder) / _FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            if f"map/{name}" not in set(file.keys()):
                return None
            images = file.get_tensor("images")
            parts = ("map", "counts", "edges", "steps")
            maps, counts, edges, steps = (file.get_tensor(f"{part}/{name}") for part in parts)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is truncated or no safetensors file ({error}). Run the experiment again.") from None
    grids = maps.astype(np.float32) * (MICRO * float(edges[-1]))
    low, high = histograms.value_range(grids)
    tall, wide = (int(n) for n in steps)
    labels = [_moment(int(n), images_per_epoch) for n in images]
    drawn = "" if tall == wide == 1 else f" One cell of every {tall} × {wide} is drawn."
    shape = (tall, wide)
    frames = {
        "labels": labels,
        "rows": int(maps.shape[1]),
        "low": float(f"{low:.7g}"),
        "high": float(f"{high:.7g}"),
        "maps": [base64.b64encode(_levels(grid, low, high).tobytes()).decode() for grid in grids],
        "counts": counts.tolist(),
    }
    figures = [_map(grids[-1].shape, shape, low, high, drawn), _histogram(counts, edges * MICRO, colour)]
    return Through(figures, frames)


def _levels(grid: np.ndarray, low: float, high: float) -> np.ndarray:
    """A byte a cell: 0 to 254 over the range, 255 where there is none."""
    with np.errstate(invalid="ignore"):
        levels = np.rint(np.clip((grid - low) / (high - low), 0, 1) * (_BLANK - 1))
    return np.where(np.isfinite(grid), levels, _BLANK).astype(np.uint8)


def _map(shape: tuple[int, ...], step: tuple[int, int], low: float, high: float, drawn: str) -> Figure:
    plain = {"showgrid": False, "zeroline": False}
    trace = {
        "type": "heatmap", "z": [], "zmin": low, "zmax": high, "colorscale": "Viridis", "hoverongaps": False,
        "x0": 0, "dx": step[1], "y0": 0, "dy": step[0],
        "hovertemplate": f"word line %{{y:.0f}}, bit line %{{x:.0f}}: %{{z:.4g}} {UNIT}<extra></extra>",
        "colorbar": {"title": {"text": UNIT}, "thickness": 12, "outlinewidth": 0},
    }
    layout = {
        "xaxis": axis("bit line (column)", range=[-step[1] / 2, (shape[1] - 0.5) * step[1]], **plain),
        "yaxis": axis("word line (row)", range=[(shape[0] - 0.5) * step[0], -step[0] / 2], **plain),
        "plot_bgcolor": "@blank",
    }
    return Figure("Conductance", f"The colours are those of all moments together.{drawn}", [trace], layout, 340)


def _histogram(counts: np.ndarray, edges: np.ndarray, colour: str) -> Figure:
    middle = [float(f"{x:.6g}") for x in (edges[:-1] + edges[1:]) / 2]
    width = [float(f"{w:.6g}") for w in np.diff(edges)]
    bars = {"type": "bar", "x": middle, "width": width, "hovertemplate": f"%{{x:.4g}} {UNIT}: %{{y:,}}<extra></extra>"}
    before = {**bars, "name": "before training", "y": counts[0].tolist(), "marker": {"color": "@soft"}}
    now = {**bars, "name": "at this moment", "y": counts[-1].tolist(), "marker": {"color": colour}, "opacity": 0.75}
    top = [0, 1.05 * float(counts.max() or 1)]
    layout = {
        "xaxis": axis(f"conductance ({UNIT})"), "yaxis": axis("cells", range=top),
        "barmode": "overlay", "bargap": 0, "showlegend": True,
    }
    caption = "All cells of the layer; those beyond the ends count in the last bins."
    return Figure("Histogram", caption, [before, now], layout, 340)


def _moment(images: int, each: int | None) -> str:
    if not images:
        return "before training"
    text = f"after {formats.many(images, 'image')}"
    return text if not each else f"{text}, epoch {-(-images // each)}"
