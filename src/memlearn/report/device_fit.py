"""The goodness-of-fit page of a fitted device: one HTML file that loads nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from ..devices.fitting import DeviceFit
from ..devices.fitting.check import TwoSampleTest
from ..devices.fitting.figures import curve
from ..devices.fitting.intervals import Parameter
from . import formats
from .figures import Figure, axis
from .folder import write_atomically
from .page import plots
from .page import render as render_page

_OVERLAID = 8
"""Traces drawn, measured and simulated."""
_POINTS = 4000
"""Points of a scatter; more are thinned."""
_SIMULATED = 10
"""Simulated sets behind the quantile bands."""
_BINS = 24
_BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)
_SI = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k"}


def write_fit_page(found: DeviceFit, out: Path, *, test: TwoSampleTest | None = None, title: str = "") -> Path:
    """Write the page.

    Arguments:
        found: the fit.
        out: the file to write.
        test: the two-sample test, when it was made already.
        title: heading; the law and the data's name unless given.

    Raises:
        InputError: when `out` is a folder.
    """
    return write_atomically(Path(out), render_fit(found, test=test, title=title))


def render_fit(found: DeviceFit, *, test: TwoSampleTest | None = None, title: str = "") -> str:
    """The page as text; arguments as in `write_fit_page`."""
    test = test or found.test()
    drawn = [_overlay(found), *_steps(found), *_errors(found)]
    return render_page(
        "device_fit.html.jinja",
        title=title or f"{found.law.replace('_', ' ')}: {Path(found.traces.source).name}",
        lead=_lead(found, test),
        headlines=_headlines(found),
        warnings=found.warnings,
        assumptions=found.traces.assumptions,
        figures=plots(drawn, "fit"),
        parameters=[_row(row) for row in found.parameters],
        scores=[_score(score) for score in found.scores],
        test=_test(test),
        passed=test.passed,
    )


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit, SI prefix for conductances: 2.1e-06 S -> 2.1 µS."""
    if value is None:
        return formats.MISSING
    if unit != "S":
        return f"{value:.3g}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g} S"
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3), -15), 3)
    return f"{value / 10.0**power:.3g} {_SI[power]}S"


def _lead(found: DeviceFit, test: TwoSampleTest) -> str:
    devices = formats.many(found.packed.devices, "device")
    readings = formats.many(found.traces.readings, "reading")
    words = f"{found.law.replace('_', ' ')} fitted to {readings} of {devices}."
    if test.passed:
        return f"{words} Given the state, simulated steps cannot be told from measured ones (p = {test.p_value:.2g})."
    where = test.where() or "spread over all states"
    return f"{words} Simulated steps differ from the measured ones (p = {test.p_value:.2g}): {where}."


def _headlines(found: DeviceFit) -> list[dict[str, str]]:
    figures = found.figures()
    if figures is None:
        return []
    place = figures.symmetry_relative
    where = "nowhere: one direction is stronger everywhere" if place is None else f"at {place:.0%} of the range"
    return [
        {"value": f"{figures.states:.3g}", "meaning": "States", "remark": "range over mean step"},
        {
            "value": f"{figures.effective_states:.3g}",
            "meaning": "Levels apart",
            "remark": "two standard deviations of a write and a read",
        },
        {"value": quantity(figures.g_max - figures.g_min, "S"), "meaning": "Range", "remark": _ends(found)},
        {"value": quantity(figures.symmetry_point, "S"), "meaning": "Symmetry point", "remark": where},
    ]


def _ends(found: DeviceFit) -> str:
    figures = found.figures()
    return "" if figures is None else f"{quantity(figures.g_min, 'S')} to {quantity(figures.g_max, 'S')}"


def _row(row: Parameter) -> list[str]:
    low = "no limit" if row.low is None else quantity(row.low, row.unit)
    high = "no limit" if row.high is None else quantity(row.high, row.unit)
    return [row.name.replace("_", " "), quantity(row.value, row.unit), low, high, row.note]


def _score(score: Any) -> list[str]:
    worse = formats.MISSING if score.worse == 0 else f"{score.worse:.1f} ± {score.error:.1f}"
    mark = "chosen" if score.chosen else ""
    shapes = "table" if score.law == "jump_table" else str(score.parameters)
    return [score.law.replace("_", " "), shapes, f"{score.per_reading:.4f}", worse, mark]


def _test(test: TwoSampleTest) -> list[list[str]]:
    return [
        [
            "up" if b.up else "down",
            f"{quantity(b.low, 'S')} to {quantity(b.high, 'S')}",
            str(b.steps),
            f"{quantity(b.mean, 'S')} / {quantity(b.mean_simulated, 'S')}",
            f"{quantity(b.spread, 'S')} / {quantity(b.spread_simulated, 'S')}",
            f"{b.p_value:.2g}",
        ]
        for b in test.bins
    ]


def _numbers(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _scatter(name: str, x: np.ndarray, y: np.ndarray, colour: str, **more: Any) -> dict[str, Any]:
    line = {"color": colour, "width": more.pop("width", 1.6), "dash": more.pop("dash", "solid")}
    marker = {"color": colour, "size": more.pop("size", 3)}
    trace = {"type": "scatter", "name": name, "x": _numbers(x), "y": _numbers(y), "line": line, "marker": marker}
    return {**trace, "mode": "lines", "hovertemplate": "%{y:.4s}", **more}


def _overlay(found: DeviceFit) -> Figure:
    """Measured traces and simulated ones of the same devices, over the readings."""
    simulated, traces = found.simulate(1, own=True), []
    count = len(found.traces.conductance)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _OVERLAID)).astype(int))
    for kind, source, colour, alpha in (
        ("measured", found.traces, "@run-0", 0.9), ("simulated", simulated, "@run-1", 0.7)
    ):  # fmt: skip
        for n, k in enumerate(chosen):
            g = source.conductance[k]
            step = max(1, g.size // _POINTS)
            x = np.arange(1, g.size + 1)[::step]
            more = {"opacity": alpha, "showlegend": n == 0, "legendgroup": kind, "width": 1.2}
            traces.append(_scatter(kind, x, g[::step], colour, **more))
    layout = {"xaxis": axis("reading"), "yaxis": axis("conductance (S)", tickformat=".2s"), "showlegend": True}
    caption = f"{len(chosen)} of {formats.many(count, 'trace')}; simulated with each device's own parameters."
    return Figure("Measured and simulated traces", caption, traces, layout, 380, True)


def _steps(found: DeviceFit) -> list[Figure]:
    """Step against state, up and down: measured points, bands of simulated quantiles, the law's mean."""
    before, change, up = found.traces.steps()
    sets = [found.simulate(seed).steps() for seed in range(10, 10 + _SIMULATED)]
    figures = []
    for way, word, sign in ((True, "up", 1.0), (False, "down", -1.0)):
        x, y = before[up == way], sign * change[up == way]
        if not x.size:
            continue
        thin = max(1, x.size // _POINTS)
        traces = [_scatter("measured", x[::thin], y[::thin], "@soft", mode="markers", opacity=0.45)]
        made = [np.concatenate([s[column][s[2] == way] for s in sets]) for column in (0, 1)]
        traces += _bands(made[0], sign * made[1], "simulated", "@run-1", "dot")
        traces += _bands(x, y, "measured", "@run-0", "solid")
        if found.estimate is not None:
            states, mean = curve(found.estimate, up=way)
            traces.append(_scatter("the law", states, mean, "@ink", dash="dash", width=2))
        layout = {
            "xaxis": axis("conductance before (S)", tickformat=".2s"),
            "yaxis": axis(f"step {word} (S)", tickformat=".2s", range=_view(y)),
            "showlegend": True,
        }
        caption = "Lines: quantiles 5, 25, 50, 75 and 95 %, solid of the measured and dotted of simulated steps."
        figures.append(Figure(f"Steps {word} against the state", caption, traces, layout, 380))
    return figures


def _view(y: np.ndarray) -> list[float]:
    low, high = np.quantile(y, (0.002, 0.998))
    room = 0.15 * max(high - low, 1e-30)
    return [float(low - room), float(high + room)]


def _bands(x: np.ndarray, y: np.ndarray, name: str, colour: str, dash: str) -> list[dict[str, Any]]:
    """Quantiles of the steps in bins of the state that hold equally many."""
    if x.size < 40:
        return []
    count = int(np.clip(x.size // 40, 2, _BINS))
    edges = np.quantile(x, np.linspace(0, 1, count + 1))
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, count - 1)
    bins = [k for k in range(count) if (place == k).sum() >= 10]
    middles = np.array([np.median(x[place == k]) for k in bins])
    rows = np.array([np.quantile(y[place == k], _BANDS) for k in bins]).reshape(-1, len(_BANDS))
    return [
        _scatter(name, middles, rows[:, k], colour, dash=dash, width=2.2 if q == 0.5 else 1.2, showlegend=q == 0.5,
                 legendgroup=f"{name} bands")
        for k, q in enumerate(_BANDS)
    ]  # fmt: skip


def _errors(found: DeviceFit) -> list[Figure]:
    """Standardised errors of prediction: against the state, and against the normal distribution."""
    errors = found.residuals()
    if errors is None:
        return []
    thin = max(1, errors.value.size // _POINTS)
    scatter = [
        _scatter(word, errors.state[errors.up == way][::thin], errors.value[errors.up == way][::thin], colour,
                 mode="markers", opacity=0.5)
        for way, word, colour in ((True, "up", "@run-0"), (False, "down", "@run-1"))
    ]  # fmt: skip
    layout = {
        "xaxis": axis("predicted conductance (S)", tickformat=".2s"),
        "yaxis": axis("error / its standard deviation"),
        "showlegend": True,
    }
    ordered = np.sort(errors.value)
    chosen = np.unique(np.round(np.linspace(0, ordered.size - 1, min(ordered.size, 600))).astype(int))
    expected = norm.ppf((chosen + 0.5) / ordered.size)
    line = np.array([expected[0], expected[-1]])
    quantiles = [
        _scatter("errors", expected, ordered[chosen], "@run-0", mode="markers", size=4),
        _scatter("normal", line, line, "@ink", dash="dash"),
    ]
    axes = {"xaxis": axis("expected, standard normal"), "yaxis": axis("found"), "showlegend": False}
    return [
        Figure("Errors of prediction", "Each reading against what was expected before it.", scatter, layout, 340),
        Figure("Q-Q of the errors", "On the dashed line if noise is normal and the law right.", quantiles, axes, 340),
    ]


def fit_lines(found: DeviceFit, test: TwoSampleTest) -> Sequence[str]:
    """What the terminal says about a fit, a sentence a line."""
    return [_lead(found, test), *(f"Note: {text}" for text in found.warnings)]
