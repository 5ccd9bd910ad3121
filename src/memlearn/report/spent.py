"""The bill of a run on its page: where energy, time and area go, and which assumption moves them most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .chart import prefixed, with_unit
from .figures import COLOURS, Figure, axis
from .tables import Grid

_WHAT = {"energy": ("Energy", "J"), "latency": ("Time", "s"), "area": ("Area", "m²")}
_PASSES = ("forward", "backward", "update", "verify", "calibration", "transfer", "standby")
_MOST = 8
"""Components with a colour of their own, and assumptions with a line of their own."""


def bars(cost: Mapping[str, Any] | None) -> list[Figure]:
    """Energy by pass and component, by layer and pass."""
    if not cost:
        return []
    parts = cost["energy"]["parts"]
    return [
        figure
        for figure in (
            _stacked("Energy by pass", parts, "pass", "component", "What each pass spends, and on what."),
            _stacked("Energy by layer", parts, "layer", "pass", "What each layer spends, and in which pass."),
        )
        if figure is not None
    ]


def component_table(cost: Mapping[str, Any] | None) -> Grid:
    """Energy, time and area of each component, and their sums."""
    if not cost:
        return Grid("", [], [])
    names = list(dict.fromkeys(name for what in _WHAT for name in cost[what]["by_component"]))
    rows = [(name or "other", [_shown(cost[w]["by_component"].get(name), w) for w in _WHAT]) for name in names]
    rows.append(("Sum", [_shown(cost[what]["total"], what) for what in _WHAT]))
    return Grid("Component", [head for head, _ in _WHAT.values()], rows)


def sensitivity_table(cost: Mapping[str, Any] | None) -> Grid:
    """What the totals become under other assumptions, relative to this run's; those that move most first."""
    if not cost or not cost.get("sensitivity"):
        return Grid("", [], [])
    rows = [
        (f"{row['assumption']} = {_value(row['value'])}", [f"× {row[what]:.3g}" for what in _WHAT])
        for row in cost["sensitivity"][:_MOST]
    ]
    return Grid("Assumption", [head for head, _ in _WHAT.values()], rows)


def notes(cost: Mapping[str, Any] | None) -> list[str]:
    """What was assumed where the run does not say, and what has no price."""
    if not cost:
        return []
    unpriced = cost.get("unpriced") or []
    return [*cost.get("notes", []), *([f"Without a price: {', '.join(unpriced)}."] if unpriced else [])]


def _stacked(title: str, parts: list[dict[str, Any]], across: str, within: str, caption: str) -> Figure | None:
    """Horizontal bars of one key, split by another; the smallest splits are drawn together."""
    sums: dict[str, dict[str, float]] = {}
    for part in parts:
        row = sums.setdefault(part[across] or "whole chip", {})
        row[part[within]] = row.get(part[within], 0.0) + part["value"]
    if not sums:
        return None
    split: dict[str, float] = {}
    for row in sums.values():
        for name, value in row.items():
            split[name] = split.get(name, 0.0) + value
    kept = sorted(split, key=lambda name: -split[name])[:_MOST]
    heads = sorted(sums, key=lambda name: _PASSES.index(name) if name in _PASSES else len(_PASSES))
    scale, unit = prefixed(max(sum(row.values()) for row in sums.values()), "J")
    traces = []
    for i, name in enumerate([*kept, *(["other"] if len(split) > len(kept) else [])]):
        names = [name] if name in split else [n for n in split if n not in kept]
        pattern = {"shape": "/", "size": 5} if i >= COLOURS else {}
        traces.append({
            "type": "bar", "orientation": "h", "name": name, "y": heads,
            "x": [float(f"{scale * sum(sums[head].get(n, 0.0) for n in names):.6g}") for head in heads],
            "marker": {"color": f"@run-{i % COLOURS}", "pattern": pattern},
            "hovertemplate": f"%{{y}}, {name}: %{{x:.4g}} {unit}<extra></extra>",
        })
    layout = {
        "xaxis": axis(f"energy of the training ({unit})"),
        "yaxis": axis("", type="category", autorange="reversed", showgrid=False),
        "barmode": "stack", "showlegend": True,
    }
    return Figure(title, caption, traces, layout, 150 + 30 * len(heads), True)


def _shown(value: float | None, what: str) -> str:
    if value is None:
        return "0"
    return f"{1e6 * value:.3g} mm²" if what == "area" else with_unit(value, _WHAT[what][1], digits=3)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
