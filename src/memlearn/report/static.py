"""A page's figure as a static picture for a paper: the same traces, drawn on a canvas without a browser.

What the pages use is what is known here: lines, markers and bands, upright and lying bars, heat maps; linear,
logarithmic and named axes; colours in their light form.
"""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .canvas import Canvas
from .figures import Figure

WIDTH, HEIGHT = 300.0, 210.0
"""Points of a figure; wide ones are twice as wide."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 12.0, 36.0, 38.0
_BAR, _LETTER = 40.0, 5.0
"""Room for a map's colour bar; width of a letter of a named axis."""
_INK, _SOFT, _GRID = "#1b2128", "#65707c", "#e4e8ec"
_COLOURS = {
    "run-0": "#0072b2", "run-1": "#d55e00", "run-2": "#00876a", "run-3": "#b0468c", "run-4": "#967000",
    "run-5": "#5b55c9", "band-0": "#0072b2", "band-1": "#d55e00", "band-2": "#00876a", "soft": "#8a939c",
    "ink": _INK, "line": "#dfe3e8", "grid": _GRID,
}
_BAND, _HATCHED = 0.22, 0.45
# Nine even steps of the two scales.
_SCALES = {
    "Viridis": ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"),
    "Cividis": ("00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bcae6e", "dec958", "fee838"),
}
_BLANK = (211, 215, 220)


class _Axis(NamedTuple):
    """From values to lengths."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    names: Sequence[str] = ()

    def at(self, value: Any) -> float:
        """The place of a value; names count from 0, and half a place stays free at both ends."""
        number = float(self.names.index(value)) if isinstance(value, str) else float(value)
        if self.log:
            number = math.log10(number) if number > 0 else self.low
        share = (number - self.low) / (self.high - self.low or 1.0)
        return self.start + share * (self.end - self.start)


def drawn(figure: Figure, canvas: Canvas, width: float, height: float) -> bytes:
    """The figure as the file of a canvas of this size, points."""
    traces, layout = [t for t in figure.traces if t], figure.layout
    named = [t for t in traces if t.get("name") and t.get("showlegend", True)] if layout.get("showlegend") else []
    maps = [t for t in traces if t["type"] == "heatmap"]
    ys, left = _names(traces, "y"), _LEFT
    if ys:
        left = 16 + _LETTER * max(len(_plain(name)) for name in ys)
    right = width - _RIGHT - (_BAR if maps else 0)
    top = _legend(canvas, named, left, width) if named else _TOP - 12
    box = (left, min(right, width - _RIGHT), top, height - _BOTTOM)
    x = _axis(traces, layout, "x", box[0], box[1])
    y = _axis(traces, layout, "y", box[3], box[2])
    canvas.text(8, 13, figure.title, 9.5, bold=True)
    _grid(canvas, x, y, layout, box)
    for trace in maps:
        _heatmap(canvas, trace, x, y, box)
    stacks: dict[Any, float] = {}
    for trace in traces:
        if trace["type"] == "bar":
            _bars(canvas, trace, x, y, stacks if layout.get("barmode") == "stack" else None)
    _lines(canvas, [t for t in traces if t["type"] == "scatter"], x, y)
    return canvas.finish()


def size(figure: Figure) -> tuple[float, float]:
    """Width and height of a figure, points."""
    tall = HEIGHT * figure.height / 300 if _names(figure.traces, "y") else HEIGHT
    return (2 if figure.wide else 1) * WIDTH, max(HEIGHT, tall)


def colour(value: Any) -> str:
    """A colour by its name on the page, or as it is."""
    text = str(value)
    return _COLOURS.get(text.removeprefix("@"), _INK) if text.startswith("@") else text


def _plain(text: Any) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", str(text)))


def _values(trace: dict[str, Any], key: str) -> list[Any]:
    if trace["type"] == "heatmap":
        if isinstance(trace.get(key), list):
            return trace[key]
        rows, columns = _grid_of(trace).shape
        count, first, step = (columns if key == "x" else rows), trace.get(f"{key}0", 0), trace.get(f"d{key}", 1)
        return [first - step / 2, first + (count - 0.5) * step]
    return [v for v in trace.get(key, []) if v is not None]


def _names(traces: Sequence[dict[str, Any]], key: str) -> list[str]:
    found = [v for trace in traces for v in _values(trace, key) if isinstance(v, str)]
    return list(dict.fromkeys(found))


def _axis(traces: list[dict[str, Any]], layout: dict[str, Any], key: str, start: float, end: float) -> _Axis:
    settings, names = layout.get(f"{key}axis", {}), _names(traces, key)
    if names:
        low, high = -0.5, len(names) - 0.5
        low, high = (high, low) if settings.get("autorange") == "reversed" else (low, high)
        return _Axis(low, high, start, end, names=names)
    log = settings.get("type") == "log"
    if "range" in settings:
        low, high = settings["range"]
        return _Axis(low, high, start, end, log)
    found = np.array(_extent(traces, key, layout.get("barmode") == "stack"), dtype=float)
    found = found[np.isfinite(found) & ((found > 0) | (not log))]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    if log:
        low, high = math.log10(low), math.log10(high)
    filled = any(t["type"] in ("bar", "heatmap") for t in traces)
    room = 0.05 * (high - low) or 0.5
    from_zero = settings.get("rangemode") == "tozero" or (filled and low >= 0 and not log and low < 0.3 * high)
    low = min(low, 0.0) if from_zero else low - (0 if filled and not log else room)
    return _Axis(low, high + (0 if filled and key == "x" else room), start, end, log)


def _extent(traces: list[dict[str, Any]], key: str, stacked: bool) -> list[float]:
    """The values that an axis has to show."""
    other = "y" if key == "x" else "x"
    if stacked:
        sums: dict[Any, float] = {}
        for trace in traces:
            for name, value in zip(trace.get(other, []), trace.get(key, []), strict=False):
                sums[name] = sums.get(name, 0.0) + (value or 0.0)
        return [0.0, *sums.values()]
    return [v for trace in traces for v in _values(trace, key)]


def _ticks(axis: _Axis) -> list[tuple[float, str]]:
    low, high = sorted((axis.low, axis.high))
    if axis.names:
        return [(float(i), _plain(name)) for i, name in enumerate(axis.names)]
    if axis.log:
        whole = range(math.ceil(low), math.floor(high) + 1)
        if len(whole) >= 2:
            return [(10.0**n, f"{10.0**n:g}") for n in whole]
        steps = (1, 2, 5) if high - low > 0.5 else range(1, 10)
        marks = [m * 10.0**n for n in range(math.floor(low), math.ceil(high) + 1) for m in steps]
        return [(m, f"{m:g}") for m in marks if low <= math.log10(m) <= high]
    raw = (high - low) / 5 or 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    marks = [step * n for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    return [(m, f"{m if abs(m) > 1e-12 * step else 0:g}".replace("-", "\N{MINUS SIGN}")) for m in marks]


def _grid(canvas: Canvas, x: _Axis, y: _Axis, layout: dict[str, Any], box: tuple[float, ...]) -> None:
    left, right, top, bottom = box
    letters = sum(len(word) for _, word in _ticks(x)) + len(_ticks(x))
    every = max(1, math.ceil(letters * _LETTER / (right - left)))
    for i, (value, word) in enumerate(_ticks(x)):
        at = x.at(word) if x.names else x.at(value)
        if layout["xaxis"].get("showgrid", True):
            canvas.line([(at, top), (at, bottom)], _GRID, 0.6)
        if i % every == 0:
            canvas.text(at, bottom + 11, word, 7.5, colour=_SOFT, anchor="middle")
    for value, word in _ticks(y):
        at = y.at(y.names[int(value)]) if y.names else y.at(value)
        if layout["yaxis"].get("showgrid", True):
            canvas.line([(left, at), (right, at)], _GRID, 0.6)
        canvas.text(left - 4, at + 2.5, word, 7.5, colour=_SOFT, anchor="end")
    canvas.line([(left, bottom), (right, bottom)], "#8a939c", 0.6)
    titles = {key: _plain(layout[f"{key}axis"].get("title", {}).get("text", "")) for key in ("x", "y")}
    canvas.text((left + right) / 2, bottom + 26, titles["x"], 8.5, anchor="middle")
    if titles["y"] and not y.names:
        canvas.text(11, (top + bottom) / 2, titles["y"], 8.5, anchor="middle", up=True)


def _legend(canvas: Canvas, named: list[dict[str, Any]], left: float, width: float) -> float:
    """Names above the figure; returns where the figure may begin."""
    x, y = left, 26.0
    for trace in named:
        word = _plain(trace["name"])
        needed = 20 + _LETTER * len(word)
        if x > left and x + needed > width - _RIGHT:
            x, y = left, y + 11
        shade = _shade(trace)
        if trace["type"] == "bar" or "lines" not in trace.get("mode", ""):
            alpha = _HATCHED if trace.get("marker", {}).get("pattern") else 1.0
            canvas.area([(x, y - 6), (x + 7, y - 6), (x + 7, y), (x, y)], shade, alpha=alpha)
        else:
            canvas.line([(x - 2, y - 3), (x + 9, y - 3)], shade, 1.6, dash=trace.get("line", {}).get("dash", "solid"))
        canvas.text(x + 11, y, word, 7.5)
        x += needed
    return y + 8


def _shade(trace: dict[str, Any]) -> str:
    line, marker = trace.get("line", {}), trace.get("marker", {})
    return colour(line.get("color") or marker.get("color") or "@run-0")


def _lines(canvas: Canvas, traces: list[dict[str, Any]], x: _Axis, y: _Axis) -> None:
    before: list[tuple[float, float]] = []
    for trace in traces:
        pairs = list(zip(trace.get("x", []), trace.get("y", []), strict=False))
        points = [(x.at(a), y.at(b)) for a, b in pairs if a is not None and b is not None]
        line, mode, alpha = trace.get("line", {}), trace.get("mode", "lines"), trace.get("opacity", 1.0)
        if trace.get("fill") == "tonexty" and before and points:
            canvas.area([*before, *reversed(points)], colour(trace.get("fillcolor")), alpha=_BAND)
        if line.get("shape") == "hv":
            points = [p for a, b in pairwise(points) for p in (a, (b[0], a[1]))] + points[-1:]
        if "lines" in mode and line.get("width", 2) and len(points) > 1:
            width = 0.7 * line.get("width", 2)
            canvas.line(points, _shade(trace), width, dash=line.get("dash", "solid"), alpha=alpha)
        if "markers" in mode:
            marker = trace.get("marker", {})
            symbols, radius = marker.get("symbol", "circle"), 0.3 * marker.get("size", 6)
            for i, point in enumerate(points):
                which = symbols[i % len(symbols)] if isinstance(symbols, list) else symbols
                shade = colour(marker.get("color"))
                canvas.area(_mark(which, point, radius), shade, alpha=marker.get("opacity", alpha))
        before = points


def _mark(symbol: str, at: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    """The outline of a marker."""
    plain = {"square": (4, 45), "diamond": (4, 0), "triangle-up": (3, -90), "hexagon": (6, 0)}
    sides, turn = plain.get(symbol, (16, 0))
    if symbol in ("cross", "x", "star", "bowtie", "hourglass"):
        arms, turn = {"cross": (4, 0), "x": (4, 45), "star": (5, -90), "bowtie": (2, 0), "hourglass": (2, 90)}[symbol]
        return [
            (at[0] + r * radius * math.cos(a), at[1] + r * radius * math.sin(a))
            for k in range(2 * arms)
            for r, a in [((1.5 if k % 2 == 0 else 0.5), math.radians(turn) + math.pi * k / arms)]
        ]
    angles = [math.radians(turn + 360 * k / sides) for k in range(sides)]
    return [(at[0] + 1.2 * radius * math.cos(a), at[1] + 1.2 * radius * math.sin(a)) for a in angles]


def _bars(canvas: Canvas, trace: dict[str, Any], x: _Axis, y: _Axis, stacks: dict[Any, float] | None) -> None:
    shade, alpha = _shade(trace), trace.get("opacity", 1.0)
    alpha *= _HATCHED if trace.get("marker", {}).get("pattern") else 1.0
    if trace.get("orientation") == "h":
        half = 0.36 * abs(y.at(y.names[0]) - y.at(y.names[1])) if len(y.names) > 1 else 8.0
        for name, value in zip(trace["y"], trace["x"], strict=True):
            begin = stacks.get(name, 0.0) if stacks is not None else 0.0
            if stacks is not None:
                stacks[name] = begin + value
            a, b, middle = x.at(begin), x.at(begin + value), y.at(name)
            corners = [(a, middle - half), (b, middle - half), (b, middle + half), (a, middle + half)]
            canvas.area(corners, shade, alpha=alpha)
        return
    widths = trace.get("width", [1.0] * len(trace["x"]))
    floor = max(y.start, y.end)
    for at, value, width in zip(trace["x"], trace["y"], widths, strict=True):
        if value:
            a, b, top = x.at(at - width / 2), x.at(at + width / 2), y.at(value)
            canvas.area([(a, floor), (a, top), (b, top), (b, floor)], shade, alpha=alpha)


def _heatmap(canvas: Canvas, trace: dict[str, Any], x: _Axis, y: _Axis, box: tuple[float, ...]) -> None:
    z = _grid_of(trace)
    seen = z[np.isfinite(z)]
    low = trace.get("zmin", float(seen.min()) if seen.size else 0.0)
    high = trace.get("zmax", float(seen.max()) if seen.size else 1.0)
    left, right, top, bottom = box
    canvas.image(left, top, right - left, bottom - top, _pixels(z, low, high, trace["colorscale"]))
    bar = np.linspace(high, low, 64)[:, None]
    canvas.image(right + 6, top + 8, 7, bottom - top - 8, _pixels(bar, low, high, trace["colorscale"]))
    unit = trace.get("colorbar", {}).get("title", {}).get("text", "")
    canvas.text(right + 6, top + 4, _plain(unit), 7, colour=_SOFT)
    for value, word in _ticks(_Axis(low, high, bottom, top + 8)):
        at = bottom + (value - low) / (high - low or 1.0) * (top + 8 - bottom)
        canvas.text(right + 15, at + 2, word, 6.5, colour=_SOFT)
    if "texttemplate" in trace:
        for row, name in zip(trace["text"], trace["y"], strict=True):
            for word, column in zip(row, trace["x"], strict=True):
                shade = z[trace["y"].index(name), trace["x"].index(column)]
                light = (shade - low) / (high - low or 1.0) > 0.6
                ink = _INK if light else "#ffffff"
                canvas.text(x.at(column), y.at(name) + 3, word, 8, anchor="middle", colour=ink)


def _grid_of(trace: dict[str, Any]) -> np.ndarray:
    z = trace["z"]
    if isinstance(z, dict):
        shape = tuple(int(n) for n in z["shape"].split(","))
        return np.frombuffer(base64.b64decode(z["bdata"]), f"<{z['dtype']}").reshape(shape)
    return np.array([[math.nan if v is None else v for v in row] for row in z], dtype=float)


def _pixels(z: np.ndarray, low: float, high: float, scale: str) -> np.ndarray:
    """The colours of a map, grey where there is nothing."""
    stops = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in _SCALES[scale]], dtype=float)
    share = np.clip(np.nan_to_num((z - low) / (high - low or 1.0)), 0, 1) * (len(stops) - 1)
    below = np.minimum(share.astype(int), len(stops) - 2)
    part = (share - below)[..., None]
    colours = stops[below] * (1 - part) + stops[below + 1] * part
    return np.where(np.isfinite(z)[..., None], np.rint(colours), _BLANK).astype(np.uint8)
