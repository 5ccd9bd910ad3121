"""Histograms of what the cells of a layer hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figures import axis

_BINS = 60
_NARROW = 1e-4
"""A relative range below which bins would have no meaning; float32 has seven digits."""


def before_and_after(before: np.ndarray, after: np.ndarray, *, colour: str) -> list[dict[str, Any]]:
    """Two histograms on the same bins."""
    edges = _edges(np.concatenate([before, after]), whole=False)
    return [
        bars(before, name="before", colour="@soft", edges=edges),
        {**bars(after, name="after", colour=colour, edges=edges), "opacity": 0.75},
    ]


def bars(
    values: np.ndarray, *, name: str, colour: str, edges: np.ndarray | None = None, whole: bool = False
) -> dict[str, Any]:
    """One histogram as a plotly trace.

    Arguments:
        values: what to count; values that are not finite are left out.
        name: what is counted, for the legend.
        colour: the colour's name.
        edges: bin edges; without them, the values choose.
        whole: the values are whole numbers, and so are the bins.
    """
    values = values[np.isfinite(values)]
    edges = _edges(values, whole=whole) if edges is None else edges
    heights, _ = np.histogram(values, bins=edges)
    first, last = ((edges[:-1] + 0.5, edges[1:] - 0.5) if whole else (edges[:-1], edges[1:]))
    spans = [f"{a:.4g}" if whole and a == b else f"{a:.4g} to {b:.4g}" for a, b in zip(first, last, strict=True)]
    return {
        "type": "bar",
        "name": name,
        "x": [float(f"{x:.6g}") for x in (edges[:-1] + edges[1:]) / 2],
        "y": [int(n) for n in heights],
        "width": [float(f"{w:.6g}") for w in np.diff(edges)],
        "customdata": spans,
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "%{customdata}: %{y:,}<extra>" + name + "</extra>",
    }


def layout(title: str, counted: str, *, logarithmic: bool = False, showlegend: bool = False) -> dict[str, Any]:
    """The axes of a histogram.

    Arguments:
        title: the horizontal axis, unit included.
        counted: the vertical axis.
        logarithmic: count on a logarithmic scale.
        showlegend: name the traces.
    """
    yaxis = axis(counted, type="log", dtick=1) if logarithmic else axis(counted, rangemode="tozero")
    return {"xaxis": axis(title), "yaxis": yaxis, "barmode": "overlay", "bargap": 0, "showlegend": showlegend}


def value_range(values: np.ndarray) -> tuple[float, float]:
    """The range of the finite values, widened where it is too narrow to divide."""
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if high - low <= _NARROW * max(abs(low), abs(high)):
        widen = 0.05 * max(abs(low), abs(high)) or 0.5
        return low - widen, high + widen
    return low, high


def _edges(values: np.ndarray, *, whole: bool) -> np.ndarray:
    """Bin edges over the values; whole numbers get bins that hold equally many of them."""
    if whole:
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        width = -(-(high - low + 1) // _BINS)
        return np.arange(low, high + width + 1, width) - 0.5
    low, high = value_range(values)
    return np.linspace(low, high, _BINS + 1)
