"""The figures of a report as plotly specifications; colours are names (`@run-0`) that the page resolves per theme."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

from .folder import Run

COLOURS = 6
"""Runs cycle through so many colours; the marker symbols cycle with another period and keep them apart."""
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
_MARKED = 40
"""Curves of more epochs than this are drawn without markers."""
_NAMED = 4
"""More runs than this would fill a small figure with their legend."""
_FEW = 8
_DECADES = 5
"""Wear that differs by more than this factor needs a logarithmic axis."""
_ACCURACIES = (
    ("validation_accuracy", "validation", "solid", 1.0),
    ("train_accuracy", "training", "dot", 0.8),
    ("float_validation_accuracy", "floating point, validation", "dash", 0.8),
    ("float_train_accuracy", "floating point, training", "dashdot", 0.6),
)
_DASHES = {"solid": "Solid", "dot": "Dotted", "dash": "Dashed", "dashdot": "Dash-dotted"}


class Figure(NamedTuple):
    """One figure: title and caption in words, plotly data and layout, height in CSS pixels, `wide` over the page."""

    title: str
    caption: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 280
    wide: bool = False


def colour(index: int) -> str:
    """The colour name of a run, by its position in the report."""
    return f"@run-{index % COLOURS}"


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title, unit included."""
    return {"title": {"text": title}, **more}


def whole(n: int) -> dict[str, Any]:
    """Ticks of an axis that counts `n` things: plotly would divide a short one into fractions."""
    return {"dtick": 1} if n <= _FEW else {}


def learning_curves(runs: Sequence[Run]) -> list[Figure]:
    """Accuracy, loss and write activity over the epochs, all runs overlaid."""
    accuracy, styles = [], []
    for key, name, dash, alpha in _ACCURACIES:
        traces = _curves(runs, key, name, dash=dash, alpha=alpha, scale=100)
        accuracy += traces
        styles += [f"{_DASHES[dash]}: {name}."] if traces else []
    figures = [
        Figure("Accuracy", " ".join(styles), accuracy, _over_epochs("accuracy (%)", accuracy), 380, True),
    ]
    for title, key, scale, label, caption in (
        ("Training loss", "train_loss", 1, "loss (no unit)", "Mean loss over the training set, epoch by epoch."),
        ("Write activity", "cells_pulsed_per_step", 100, "cells pulsed per step (%)",
         "Share of the cells that a training step pulses."),
        ("Energy so far", "energy", 1e3, "energy (mJ)", "Of all training up to the end of an epoch."),
    ):
        traces = _curves(runs, key, title.lower(), scale=scale)
        small = len(runs) <= _NAMED
        layout = _over_epochs(label, traces, legend=small)
        figures.append(Figure(title, caption if small else f"{caption} Colours as above.", traces, layout))
    return [figure for figure in figures if figure.traces]


def accuracy_against_wear(runs: Sequence[Run]) -> Figure | None:
    """What each run's accuracy cost in pulses; None when fewer than two runs know both."""
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": html.escape(run.label),
            "x": [run.result.pulses_per_cell_mean],
            "y": [100 * run.result.test_accuracy],
            "marker": {"color": colour(i), "symbol": _SYMBOLS[i % len(_SYMBOLS)], "size": 12},
            "hovertemplate": "%{y:.2f} % at %{x:.3s} pulses per cell",
        }
        for i, run in enumerate(runs)
        if run.result.test_accuracy is not None and run.result.pulses_per_cell_mean
    ]
    if len(traces) < 2:
        return None
    wear = [trace["x"][0] for trace in traces]
    scale = {"type": "log", "dtick": "D2"} if max(wear) > _DECADES * min(wear) else {}
    layout = {"xaxis": axis("pulses per cell, mean", **scale), "yaxis": axis("test accuracy (%)")}
    caption = "Up is accurate, left is gentle to the cells."
    return Figure("Accuracy against wear", caption, traces, {**layout, "showlegend": True}, 340, True)


def _curves(
    runs: Sequence[Run], key: str, name: str, *, dash: str = "solid", alpha: float = 1.0, scale: float = 1.0
) -> list[dict[str, Any]]:
    """One trace per run that knows the figure; the legend names the curve of a single run, else the run."""
    several = len(runs) > 1
    main = dash == "solid"
    traces = []
    for i, run in enumerate(runs):
        values = [getattr(epoch, key) for epoch in run.history]
        if all(value is None for value in values):
            continue
        line = colour(i) if several or "floating" not in name else "@soft"
        marked = len(values) == 1 or (main and len(values) <= _MARKED)
        note = f"{_in_template(run.label)}, {name}" if several else name
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if marked else "lines",
                "name": html.escape(run.label) if several else name,
                "legendgroup": str(i) if several else name,
                "x": [epoch.epoch for epoch in run.history],
                "y": [None if value is None else float(f"{scale * value:.6g}") for value in values],
                "opacity": alpha,
                "line": {"color": line, "dash": dash, "width": 2.5 if main else 1.8},
                "marker": {"color": line, "size": 6, "symbol": _SYMBOLS[i % len(_SYMBOLS)]},
                "hovertemplate": f"%{{y:.4g}}<extra>{note}</extra>",
            }
        )
    return traces


def _in_template(label: str) -> str:
    """A label inside plotly's hover template: neither markup nor a placeholder."""
    return html.escape(label).replace("%{", "% {")


def _over_epochs(label: str, traces: list[dict[str, Any]], *, legend: bool = True) -> dict[str, Any]:
    """Axes over the epochs, and one legend entry per group; a click on it hides the group."""
    groups = set()
    for trace in traces:
        trace["showlegend"] = trace["legendgroup"] not in groups
        groups.add(trace["legendgroup"])
    yaxis = axis(label, rangemode="tozero" if "pulsed" in label else "normal")
    xaxis = axis("epoch", **whole(max((len(trace["x"]) for trace in traces), default=0)))
    return {"xaxis": xaxis, "yaxis": yaxis, "hovermode": "x unified", "showlegend": legend and len(groups) > 1}
