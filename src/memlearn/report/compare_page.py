"""The page of a comparison: what came out in words, accuracy against energy and wear, the table, the record."""

from __future__ import annotations

import html
import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import formats
from .chart import prefixed, with_unit
from .compare import Rows, grid, label, part, read_compare, refused, spanned
from .figures import Figure, axis, colour
from .folder import write_atomically
from .page import plots, render
from .summary import Headline

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon", "bowtie", "hourglass")
_SIGNS = "●■◆▲✚✖★⬢⧓⧗"
"""The symbols, for a caption."""
_DECADES = 5
_PASSES = ("forward", "backward", "update", "verify", "calibration", "transfer", "standby")


def write_comparison(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a comparison's folder.

    Arguments:
        folder: as `memlearn compare` writes it.
        out: the file to write; compare.html in the folder unless given.

    Raises:
        DataError: the folder holds no comparison.
        InputError: `out` is a folder.
    """
    folder = Path(folder)
    page = render_comparison(read_compare(folder), folder)
    return write_atomically(Path(out) if out else folder / "compare.html", page)


def comparison_figures(folder: Path) -> dict[str, Figure]:
    """The figures of a comparison's page, by a name that a file may have.

    Raises:
        DataError: the folder holds no comparison.
    """
    rows = [row for row in read_compare(folder)["rows"] if row["runs"]]
    return {figure.title.lower().replace(" ", "-"): figure for figure in _figures(rows)}


def render_comparison(found: Mapping[str, Any], folder: Path) -> str:
    """The page as text."""
    rows = [row for row in found["rows"] if row["runs"]]
    return render(
        "compare.html.jinja",
        title=_title(found["rows"]),
        paragraph=_paragraph(found, rows),
        headlines=_headlines(rows),
        figures=plots(_figures(rows), "compare"),
        table=grid(rows),
        runs=[len(row["runs"]) for row in rows],
        refused=refused(found["rows"]),
        command=f"memlearn compare {shlex.quote(str(folder / 'compare.json'))} --out again",
        versions=[(name, [version]) for name, version in found["versions"].items()],
        configs=[(label(row), json.dumps(row["experiment"], indent=1, ensure_ascii=False)) for row in rows],
        sources=found.get("sources", []),
    )


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, value) that no other beats in both, by rising cost."""
    best, kept = -math.inf, []
    for cost, value in sorted(points, key=lambda p: (p[0], -p[1])):
        if value > best:
            kept.append((cost, value))
            best = value
    return kept


def _title(rows: Rows) -> str:
    if not spanned(rows):
        return f"{len(rows)} experiments compared"
    return f"{len({part(r, 0) for r in rows})} rules on {len({part(r, 1) for r in rows})} devices"


def _known(rows: Rows, figure: str, of: str = "mean") -> list[tuple[float, Mapping[str, Any]]]:
    return [(row[of][figure], row) for row in rows if row[of].get(figure) is not None]


def _paragraph(found: Mapping[str, Any], rows: Rows) -> str:
    seeds = max((len(row["runs"]) for row in rows), default=0)
    parts = [f"{formats.many(found['finished'], 'run')} of {formats.many(found['planned'], 'run')}, "
             f"up to {formats.many(seeds, 'seed')} a row; means over them unless said otherwise."]
    if scored := _known(rows, "test_accuracy"):
        high, best = max(scored, key=lambda pair: pair[0])
        parts.append(f"{label(best)} is the most accurate with {formats.percent(high)}"
                     f" (worst seed {formats.percent(best['worst']['test_accuracy'])}).")
    if len(spent := _known(rows, "energy")) > 1:
        low, thrifty = min(spent, key=lambda pair: pair[0])
        most, _ = max(spent, key=lambda pair: pair[0])
        parts.append(f"{label(thrifty)} takes the least energy, {with_unit(low, 'J', digits=3)}; the most is "
                     f"{with_unit(most, 'J', digits=3)}.")
    if len(worn := _known(rows, "pulses_per_cell_mean")) > 1:
        least, gentle = min(worn, key=lambda pair: pair[0])
        most, _ = max(worn, key=lambda pair: pair[0])
        parts.append(f"{label(gentle)} wears its cells least, with {formats.figure(least)} pulses per cell; "
                     f"the hardest writer needs {formats.figure(most)}.")
    return " ".join(parts)


def _headlines(rows: Rows) -> list[Headline]:
    found = []
    for figure, pick, show, meaning in (
        ("test_accuracy", max, formats.percent, "best test accuracy"),
        ("energy", min, lambda v: with_unit(v, "J", digits=3), "least energy of a training"),
        ("pulses_per_cell_mean", min, formats.figure, "fewest pulses per cell"),
        ("lifetime_runs", max, formats.figure, "most trainings before a cell fails"),
    ):
        if known := _known(rows, figure):
            value, row = pick(known, key=lambda pair: pair[0])
            found.append(Headline(show(value), meaning, label(row)))
    return found


def _figures(rows: Rows) -> list[Figure]:
    drawn = [
        *([_matrix(rows)] if spanned(rows) else []),
        _trade(rows, "energy", "Accuracy against energy", "J"),
        _trade(rows, "pulses_per_cell_mean", "Accuracy against wear", "pulses per cell, mean"),
        _bars(rows),
    ]
    return [figure for figure in drawn if figure is not None]


def _groups(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of one device, or all of them."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(part(row, 1) if spanned(rows) else label(row), []).append(row)
    return groups


def _trade(rows: Rows, figure: str, title: str, name: str) -> Figure | None:
    """Accuracy against a cost, and the line that none beats in both; None where fewer than two rows know both."""
    known = [row for row in rows if row["mean"].get(figure) and row["mean"].get("test_accuracy") is not None]
    if len(known) < 2:
        return None
    firsts = list(dict.fromkeys(part(row, 0) for row in known))
    costs = [row["mean"][figure] for row in known]
    scale, unit = prefixed(max(costs), name) if name == "J" else (1.0, name)
    traces: list[dict[str, Any]] = []
    edge = frontier([(scale * row["mean"][figure], 100 * row["mean"]["test_accuracy"]) for row in known])
    traces.append({
        "type": "scatter", "mode": "lines", "name": "not beaten in both", "x": [x for x, _ in edge],
        "y": [y for _, y in edge], "line": {"color": "@soft", "dash": "dot", "width": 1.5, "shape": "hv"},
        "hoverinfo": "skip",
    })
    for i, (group, members) in enumerate(_groups(known).items()):
        symbols = [_SYMBOLS[(firsts.index(part(row, 0)) if spanned(rows) else i) % len(_SYMBOLS)] for row in members]
        traces.append({
            "type": "scatter", "mode": "markers", "name": html.escape(group),
            "x": [scale * row["mean"][figure] for row in members],
            "y": [100 * row["mean"]["test_accuracy"] for row in members],
            "text": [html.escape(label(row)) for row in members],
            "marker": {"color": colour(i), "symbol": symbols, "size": 10},
            "hovertemplate": f"%{{text}}<br>%{{y:.2f}} % at %{{x:.3s}} {unit}<extra></extra>",
        })
    far = max(costs) > _DECADES * min(costs)
    layout = {
        "xaxis": axis(f"energy of the training ({unit})" if name == "J" else unit, **({"type": "log"} if far else {})),
        "yaxis": axis("test accuracy (%)"),
        "showlegend": True,
    }
    signs = ", ".join(f"{_SIGNS[i % len(_SIGNS)]} {name}" for i, name in enumerate(firsts))
    each = f" Colours are devices, symbols rules: {signs}." if spanned(rows) else ""
    caption = f"Up is accurate, left is cheap.{each} Dotted: what no row beats in both."
    return Figure(title, caption, traces, layout, 420)


def _matrix(rows: Rows) -> Figure:
    """Accuracy of each rule on each device."""
    rules = list(dict.fromkeys(part(row, 0) for row in rows))
    devices = list(dict.fromkeys(part(row, 1) for row in rows))
    at = {(part(row, 0), part(row, 1)): row["mean"]["test_accuracy"] for row in rows}
    z = [[None if at.get((r, d)) is None else 100 * at[r, d] for d in devices] for r in rules]
    text = [["" if v is None else f"{v:.1f}" for v in line] for line in z]
    trace = {
        "type": "heatmap", "z": z, "x": [html.escape(d) for d in devices], "y": [html.escape(r) for r in rules],
        "text": text, "texttemplate": "%{text}", "colorscale": "Viridis", "xgap": 2, "ygap": 2, "hoverongaps": False,
        "hovertemplate": "%{y}, %{x}: %{z:.2f} %<extra></extra>",
        "colorbar": {"title": {"text": "%"}, "thickness": 12, "outlinewidth": 0},
    }
    plain = {"showgrid": False, "zeroline": False}
    layout = {
        "xaxis": axis("device", type="category", **plain),
        "yaxis": axis("rule", type="category", autorange="reversed", **plain),
        "plot_bgcolor": "@blank",
    }
    caption = "Test accuracy in percent, mean over the seeds. Grey: cannot run."
    return Figure("Accuracy by rule and device", caption, [trace], layout, 120 + 34 * len(rules), True)


def _bars(rows: Rows) -> Figure | None:
    """Energy of each row by pass, one bar a row."""
    known = [row for row in rows if row["energy_by_pass"]]
    if not known:
        return None
    found = {name for row in known for name in row["energy_by_pass"]}
    passes = [name for name in _PASSES if name in found] + sorted(found - set(_PASSES))
    scale, unit = prefixed(max(sum(row["energy_by_pass"].values()) for row in known), "J")
    traces = [
        {
            "type": "bar", "orientation": "h", "name": name, "y": [html.escape(label(row)) for row in known],
            "x": [scale * row["energy_by_pass"].get(name, 0.0) for row in known],
            "marker": {"color": colour(i)}, "hovertemplate": f"%{{y}}, {name}: %{{x:.4g}} {unit}<extra></extra>",
        }
        for i, name in enumerate(passes)
    ]
    layout = {
        "xaxis": axis(f"energy of the training ({unit})"),
        "yaxis": axis("", type="category", autorange="reversed", showgrid=False),
        "barmode": "stack", "showlegend": True,
    }
    return Figure("Energy by pass", "Where the energy of a training goes.", traces, layout, 110 + 22 * len(known), True)
