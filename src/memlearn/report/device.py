"""The sheet of a device: settings, sources, deviations, derived figures and curves, as text, page, picture or JSON."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..core.component import kind_of
from ..core.errors import InputError, nearest
from ..devices import MEMBERS, Preset, load, presets
from . import chart, portrait
from .chart import Curve, Panel, with_unit
from .folder import write_atomically
from .formats import finite
from .page import plots
from .page import render as render_page

_CELLS = 20
_LOW, _HIGH = 5, 95
_NAMES = {"on_off": "on/off", "spread_of_step": "C2C of a step", "spread_of_range": "C2C of the range"}
_MEANINGS = {
    "range": "of a nominal cell",
    "on_off": "highest over lowest conductance, as reads see them",
    "step_up": "of a nominal cell at mid-range",
    "step_down": "of a nominal cell at mid-range",
    "states": "range over the mean of both steps",
    "pulses_up": "from the lower bound over 97 % of the range",
    "pulses_down": "from the upper bound over 97 % of the range",
    "symmetric_point": "where an up and a down step cancel",
    "spread_of_step": "of one up step from pulse to pulse at mid-range, relative to that step",
    "spread_of_range": "the same step's spread, relative to the range",
}


def find_device(name: str) -> Preset:
    """The device of a name: a law with its defaults, a preset, or a file.

    Raises:
        InputError: there is neither a law nor a preset of that name.
        DataError: the file cannot be read.
    """
    if name in MEMBERS:
        law = MEMBERS[name]
        return Preset(name, _first(law), law(), law.sources, (), {}, {})  # pyright: ignore[reportArgumentType]
    if name.endswith(".toml") or Path(name).name != name or name in presets():
        return load(name)
    raise InputError("name", name, "is none of the devices", nearest(name, [*MEMBERS, *presets()]))


class DeviceSheet:
    """What there is to say about a device; simulations run when they are asked for, and once.

    Arguments:
        preset: what `find_device` or `memlearn.devices.load` returned.
        seed: of the simulated cells; the same seed gives the same sheet.
    """

    def __init__(self, preset: Preset, *, seed: int = 0) -> None:
        self.preset, self.device, self.seed = preset, preset.device, seed

    @cached_property
    def derived(self) -> portrait.Derived:
        """Figures that follow from the settings."""
        return portrait.derived(self.device)

    @cached_property
    def panels(self) -> list[Panel]:
        """The curves with their spread, the steps against the state, single cells."""
        course = portrait.course(self.device, self.seed)
        way_up, way_down = (portrait.steps(self.device, self.seed, up=up) for up in (True, False))
        return [_spread(course), _steps(way_up, way_down), _single(course)]

    def text(self) -> str:
        """The sheet for a terminal."""
        preset = self.preset
        parts = [f"{preset.name}: {preset.title}", "", self._settings_text(), "", self.figures_text()]
        for heading, lines in (("Deviations", preset.deviations), ("Sources", preset.sources)):
            parts += ["", f"{heading}:", *(f"  {line}" for line in lines)] if lines else []
        for heading, table in (("Published, not used by the model", preset.record), ("Residuals", preset.residuals)):
            parts += (
                ["", f"{heading}:", *(f"  {key} = {_plain(value)}" for key, value in table.items())] if table else []
            )
        return "\n".join(parts)

    def figures_text(self) -> str:
        """Derived figures, and the way of a nominal cell up and down."""
        rows = [f"  {name}: {value}  ({meaning})" for name, value, meaning in self._derived_rows()]
        way = _spread(portrait.walk(self.device))._replace(title="A nominal cell, up and down")
        return "\n".join(["Derived:", *rows, "", chart.as_dots(way)])

    def html(self) -> str:
        """The sheet as one page that loads nothing."""
        figures = [chart.as_figure(panel, wide=k == 0) for k, panel in enumerate(self.panels)]
        changed, usual = self._settings()
        return render_page(
            "device.html.jinja",
            name=self.preset.name,
            title=self.preset.title,
            kind=kind_of(type(self.device)),
            law=inspect.getdoc(type(self.device)),
            headlines=self._headlines(),
            figures=plots(figures, "device"),
            derived=self._derived_rows(),
            settings=[(row["name"], _value(row), row["meaning"]) for row in changed],
            usual=", ".join(usual),
            deviations=self.preset.deviations,
            sources=self.preset.sources,
            record=[(key, _plain(value)) for key, value in self.preset.record.items()],
            residuals=[(key, _plain(value)) for key, value in self.preset.residuals.items()],
        )

    def svg(self) -> str:
        """The curves as a static picture."""
        return chart.as_svg(self.panels, title=f"{self.preset.name}: {self.preset.title}")

    def data(self) -> dict[str, Any]:
        """Everything as plain data."""
        curves = [
            {
                "title": panel.title,
                "x": panel.x_title,
                "y": panel.y_title,
                "curves": [
                    {"name": c.name, "kind": c.kind, "x": _list(c.x), "y": _list(c.y), "low": _list(c.low)}
                    for c in panel.curves
                ],
            }
            for panel in self.panels
        ]
        preset = self.preset
        return {
            "name": preset.name,
            "title": preset.title,
            "device": self.device.table(),
            "derived": self.derived._asdict(),
            "sources": list(preset.sources),
            "deviations": list(preset.deviations),
            "record": finite(preset.record),
            "residuals": finite(preset.residuals),
            "seed": self.seed,
            "panels": curves,
        }

    def write(self, *, html: Path | None = None, svg: Path | None = None) -> list[Path]:
        """Write the page, the picture, or both.

        Raises:
            InputError: a path is a folder.
        """
        wanted = ((html, self.html), (svg, self.svg))
        return [write_atomically(Path(path), make()) for path, make in wanted if path is not None]

    def _settings(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The rows that say something, and the names of the parts that are all at rest."""
        rows = portrait.settings(self.device)
        busy = {_part(row["name"]) for row in rows if not row["usual"] or "." not in row["name"]}
        resting = dict.fromkeys(_part(row["name"]) for row in rows if _part(row["name"]) not in busy)
        shown = [row for row in rows if "." not in row["name"] or not row["usual"]]
        return shown, list(resting)

    def _settings_text(self) -> str:
        shown, usual = self._settings()
        lines = [f"Law {kind_of(type(self.device))}:"]
        lines += [f"  {row['name']} = {_value(row)}  ({row['meaning']})" for row in shown]
        return "\n".join([*lines, *([f"  at rest: {', '.join(usual)}"] if usual else [])])

    def _derived_rows(self) -> list[tuple[str, str, str]]:
        """Name, value with unit, meaning."""
        found, rows = self.derived, []
        span = found.range
        for name, meaning in _MEANINGS.items():
            value = getattr(found, name)
            text = with_unit(value, "S" if name in ("range", "step_up", "step_down") else "1")
            if name in ("step_up", "step_down"):
                text += f", {value / span:.4g} of the range"
            elif name == "symmetric_point" and value is None:
                text = "none: up and down steps cancel everywhere, or nowhere"
            elif name == "symmetric_point":
                verb = "attracts" if found.attracts else "repels"
                text = f"{with_unit(value, 'S')}, at {found.symmetric_place:.4g} of the range, {verb}"
            elif value is None:
                text = "more than 20,000" if name.startswith("pulses") else "none"
            rows.append((_NAMES.get(name, name.replace("_", " ")), text, meaning))
        return rows

    def _headlines(self) -> list[tuple[str, str, str]]:
        """Four figures for the head of the page."""
        found = self.derived
        place = "none" if found.symmetric_place is None else f"{found.symmetric_place:.3g}"
        ends = f"{with_unit(self.device.g_min, 'S', digits=3)} to {with_unit(self.device.g_max, 'S', digits=3)}"
        spread = f"{100 * found.spread_of_range:.3g} % of the range"
        return [
            ("none" if found.on_off is None else f"{found.on_off:.3g}", "on/off ratio", ends),
            ("none" if found.states is None else f"{found.states:.4g}", "states", "range over mean step at mid-range"),
            (place, "symmetric point", "0 lower bound, 1 upper bound"),
            ("none" if found.spread_of_step is None else f"{found.spread_of_step:.3g}", "C2C, of a step", spread),
        ]


def _spread(course: portrait.Course) -> Panel:
    """Mean and quantile band of many cells."""
    scale, unit = chart.prefixed(float(np.abs(course.seen).max()), "S")
    seen = course.seen * scale
    mean, low, high = seen.mean(1), *np.percentile(seen, [_LOW, _HIGH], axis=1)
    turn, x = course.turn, course.pulses
    curves = []
    for k, (name, part) in enumerate((("up", slice(0, turn + 1)), ("down", slice(turn, None)))):
        band = Curve("", "band", x[part].tolist(), high[part].tolist(), low[part].tolist(), k)
        curves += [band, Curve(f"{name}, mean", "line", x[part].tolist(), mean[part].tolist(), colour=k)]
    caption = f"Mean of {seen.shape[1]} simulated cells and the band that holds 90 % of them: up from each cell's lower"
    return Panel("Up and down", f"{caption} bound, then down.", "pulses", f"conductance ({unit})", tuple(curves))


def _steps(up: portrait.Steps, down: portrait.Steps) -> Panel:
    """Steps of single cells and of the nominal one against the state."""
    scale, unit = chart.prefixed(float(max(np.abs(up.state).max(), 1e-15)), "S")
    largest = max(float(np.abs(part).max()) for way in (up, down) for part in (way.mean, way.cells[:, 1]))
    step_scale, step_unit = chart.prefixed(largest or 1.0, "S")
    curves = []
    for k, (name, way) in enumerate((("up", up), ("down", down))):
        x, mean, spread = (way.state * scale).tolist(), way.mean * step_scale, way.spread * step_scale
        dots = (way.cells[:, 0] * scale).tolist(), (way.cells[:, 1] * step_scale).tolist()
        curves.append(Curve("", "dots", *dots, colour=k))
        if spread.any():
            curves.append(Curve("", "band", x, (mean + spread).tolist(), (mean - spread).tolist(), k))
        curves.append(Curve(f"{name}, nominal cell", "line", x, mean.tolist(), colour=k))
    caption = "Lines: the nominal cell; band: one standard deviation from pulse to pulse; dots: single pulses to unlike"
    return Panel(
        "Step against state",
        f"{caption} cells.",
        f"conductance ({unit})",
        f"change by a pulse ({step_unit})",
        tuple(curves),
    )


def _single(course: portrait.Course) -> Panel:
    """Traces of some cells, and the mean of all."""
    scale, unit = chart.prefixed(float(np.abs(course.seen).max()), "S")
    seen, x = course.seen * scale, course.pulses.tolist()
    chosen = range(0, seen.shape[1], max(1, seen.shape[1] // _CELLS))
    curves = [Curve("", "thin", x, seen[:, cell].tolist(), colour=3) for cell in list(chosen)[:_CELLS]]
    mean = Curve("", "line", x, seen.mean(1).tolist(), colour=2)
    caption = f"{len(curves)} cells one by one, and the mean of all, on the same pulses."
    return Panel(f"{len(curves)} cells", caption, "pulses", f"conductance ({unit})", (*curves, mean))


def _value(row: Mapping[str, Any]) -> str:
    """A setting with its unit."""
    value, unit = row["value"], row["unit"]
    if isinstance(value, float):
        return with_unit(value, unit, digits=6) if unit not in ("%", "cells", "eV", "K") else f"{value:.6g} {unit}"
    return _plain(value) + (f" {unit}" if unit not in ("", "1") and value is not None else "")


def _plain(value: Any) -> str:
    """A value of a table as a reader wants it."""
    if value is None:
        return "not given"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple) and len(value) > 12:
        return f"{json.dumps(list(value[:6]))[:-1]}, ...] ({len(value)} values)"
    return json.dumps(value) if isinstance(value, list | tuple | dict) else str(value)


def _list(values: Any) -> list[float | None]:
    return [float(f"{v:.6g}") if math.isfinite(v) else None for v in values]


def _part(name: str) -> str:
    return name.split(".")[0]


def _first(law: type) -> str:
    return (law.__doc__ or "").strip().splitlines()[0]
