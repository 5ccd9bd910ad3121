"""Line charts in three forms from one description: plotly, a static SVG drawn by hand, and dots of a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from .figures import Figure, axis

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
_WIDTH, _HEIGHT = 460.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 14.0, 46.0, 46.0
_DOT = 1.6
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; fill: #1b2128; }
.soft { fill: #65707c; font-size: 11px; } .head { font-size: 14px; font-weight: 600; }
.grid { stroke: #e4e8ec; stroke-width: 1; } .c0 { stroke: #0072b2; } .c1 { stroke: #d55e00; } .c2 { stroke: #00876a; }
.c3 { stroke: #8a939c; } .f0 { fill: #0072b2; } .f1 { fill: #d55e00; } .f2 { fill: #00876a; } .f3 { fill: #8a939c; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .thin { fill: none; stroke-width: 0.8; opacity: 0.7; }
.band { opacity: 0.22; stroke: none; } .dots { opacity: 0.5; stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8ecf0; } .soft { fill: #9aa6b2; } .grid { stroke: #2d353e; }
  .c0 { stroke: #56b4e9; } .c1 { stroke: #ff8b45; } .c2 { stroke: #34c79c; }
  .f0 { fill: #56b4e9; } .f1 { fill: #ff8b45; } .f2 { fill: #34c79c; }
}
"""


class Curve(NamedTuple):
    """Something drawn in a panel."""

    name: str
    """Empty: not in the legend."""
    kind: Literal["line", "thin", "band", "dots"]
    x: Sequence[float]
    y: Sequence[float]
    """Of a band, the upper edge."""
    low: Sequence[float] = ()
    """Of a band, the lower edge."""
    colour: int = 0


class Panel(NamedTuple):
    """One chart; values are in the units that the axes name."""

    title: str
    caption: str
    x_title: str
    y_title: str
    curves: tuple[Curve, ...]


def prefixed(largest: float, unit: str) -> tuple[float, str]:
    """What to multiply values of a unit by, and the unit with the SI prefix that fits the largest of them."""
    power = 0 if not largest or not math.isfinite(largest) else 3 * math.floor(math.log10(abs(largest)) / 3 + 1e-9)
    power = min(max(power, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**-power, f"{_PREFIXES[power]}{unit}"


def with_unit(value: float | None, unit: str, *, digits: int = 4) -> str:
    """A value with its unit and SI prefix: 2e-06 S is 2 µS."""
    if value is None:
        return "unknown"
    if unit in ("", "1"):
        return f"{value:.{digits}g}"
    scale, word = prefixed(value, unit)
    return f"{value * scale:.{digits}g} {word}"


def as_figure(panel: Panel, *, wide: bool = False) -> Figure:
    """The panel for the page."""
    traces = [trace for curve in panel.curves for trace in _traces(curve)]
    named = sum(bool(curve.name) for curve in panel.curves)
    layout = {"xaxis": axis(panel.x_title), "yaxis": axis(panel.y_title), "showlegend": named > 1}
    return Figure(panel.title, panel.caption, traces, layout, 340, wide)


def _traces(curve: Curve) -> list[dict[str, Any]]:
    colour = "@soft" if curve.colour == 3 else f"@run-{curve.colour}"
    x, y = ([float(f"{v:.6g}") for v in values] for values in (curve.x, curve.y))
    base = {
        "type": "scatter",
        "x": x,
        "y": y,
        "name": curve.name,
        "showlegend": bool(curve.name),
        "legendgroup": colour,
    }
    if curve.kind == "band":
        low = [float(f"{v:.6g}") for v in curve.low]
        edge = {"mode": "lines", "line": {"width": 0, "color": colour}, "hoverinfo": "skip"}
        bottom = {**base, **edge, "y": low, "showlegend": False}
        return [bottom, {**base, **edge, "fill": "tonexty", "fillcolor": f"@band-{curve.colour}"}]
    if curve.kind == "dots":
        return [{**base, "mode": "markers", "marker": {"color": colour, "size": 4, "opacity": 0.5}}]
    width, alpha = (2.2, 1.0) if curve.kind == "line" else (0.9, 0.7)
    return [{**base, "mode": "lines", "line": {"color": colour, "width": width}, "opacity": alpha}]


def as_svg(panels: Sequence[Panel], *, title: str, columns: int = 3) -> str:
    """The panels side by side as one static SVG that follows the reader's light or dark theme.

    Arguments:
        panels: what to draw.
        title: of the whole.
        columns: panels beside each other.
    """
    wide, tall = min(columns, len(panels)), -(-len(panels) // columns)
    width, height = wide * _WIDTH, tall * _HEIGHT + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(" ".join(f"{panel.title}: {panel.caption}" for panel in panels))}</desc>',
        f"<style>{STYLE}</style>",
        f'<text class="head" x="14" y="22">{escape(title)}</text>',
    ]
    for k, panel in enumerate(panels):
        x, y = k % columns * _WIDTH, k // columns * _HEIGHT + 34
        parts.append(f'<g transform="translate({x:.0f} {y:.0f})">\n{_panel(panel)}\n</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> str:
    """Frame, ticks, curves and legend of one panel."""
    (x0, x1), (y0, y1) = _extent(panel, "x"), _extent(panel, "y")

    def across(x: Any) -> Any:
        return _LEFT + (np.asarray(x, float) - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: Any) -> Any:
        return _HEIGHT - _BOTTOM - (np.asarray(y, float) - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM)

    right, bottom, middle = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, 0.5 * (_TOP + _HEIGHT - _BOTTOM)
    parts = [f'<text x="{_LEFT:.0f}" y="14">{escape(panel.title)}</text>']
    for tick in ticks(x0, x1):
        parts += [_rule(across(tick), _TOP, across(tick), bottom), _label(across(tick), bottom + 16, tick, "middle")]
    for tick in ticks(y0, y1):
        parts += [_rule(_LEFT, down(tick), right, down(tick)), _label(_LEFT - 6, down(tick) + 4, tick, "end")]
    parts += [_drawn(curve, across, down) for curve in panel.curves]
    parts.append(
        f'<text class="soft" text-anchor="middle" x="{0.5 * (_LEFT + right):.0f}" y="{_HEIGHT - 10:.0f}">'
        f"{escape(panel.x_title)}</text>"
    )
    parts.append(
        f'<text class="soft" text-anchor="middle" transform="translate(14 {middle:.0f}) rotate(-90)">'
        f"{escape(panel.y_title)}</text>"
    )
    return "\n".join([*parts, _legend(panel)])


def _legend(panel: Panel) -> str:
    named = [curve for curve in panel.curves if curve.name]
    parts, x = [], _LEFT
    for curve in named if len(named) > 1 else ():
        parts.append(f'<rect class="f{curve.colour}" x="{x:.0f}" y="27" width="10" height="10" rx="2"/>')
        parts.append(f'<text class="soft" x="{x + 14:.0f}" y="36">{escape(curve.name)}</text>')
        x += 26 + 6.2 * len(curve.name)
    return "\n".join(parts)


def _drawn(curve: Curve, across: Any, down: Any) -> str:
    x, y = across(curve.x), down(curve.y)
    if curve.kind == "dots":
        shape = f"a{_DOT} {_DOT} 0 1 0 {2 * _DOT} 0a{_DOT} {_DOT} 0 1 0 -{2 * _DOT} 0"
        marks = "".join(f"M{a - _DOT:.1f} {b:.1f}{shape}" for a, b in zip(x, y, strict=True) if math.isfinite(b))
        return f'<path class="dots f{curve.colour}" d="{marks}"/>'
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    if curve.kind == "band":
        back = [f"{a:.1f} {b:.1f}" for a, b in zip(x, down(curve.low), strict=True) if math.isfinite(b)]
        return f'<path class="band f{curve.colour}" d="M{"L".join(points + back[::-1])}Z"/>'
    return f'<path class="{curve.kind} c{curve.colour}" d="M{"L".join(points)}"/>'


def _extent(panel: Panel, which: str) -> tuple[float, float]:
    """The range that an axis shows; one twenty-fifth of room above and below what is drawn."""
    groups = ([c.x] if which == "x" else [c.y, c.low] for c in panel.curves)
    values = np.concatenate([np.asarray(part, float) for group in groups for part in group])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
    return (low, high) if which == "x" and high > low else (low - room, high + room)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers from low to high."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * k for k in (1, 2, 5, 10) if (high - low) / (power * k) <= most)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _rule(xa: float, ya: float, xb: float, yb: float) -> str:
    return f'<path class="grid" d="M{xa:.1f} {ya:.1f}L{xb:.1f} {yb:.1f}"/>'


def _label(x: float, y: float, value: float, anchor: str) -> str:
    text = f"{value:.6g}".replace("-", "\N{MINUS SIGN}") if value else "0"
    return f'<text class="soft" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def as_dots(panel: Panel, *, columns: int = 64, rows: int = 12) -> str:
    """The lines of a panel in Braille dots, with the ends of its axes.

    Arguments:
        panel: what to draw; bands and dots are left out.
        columns, rows: size in characters.
    """
    lines = [curve for curve in panel.curves if curve.kind == "line"]
    shown = panel._replace(curves=tuple(lines))
    (x0, x1), (y0, y1) = _extent(shown, "x"), _extent(shown, "y")
    dots = np.zeros((4 * rows, 2 * columns), bool)
    for curve in lines:
        for (xa, ya), (xb, yb) in pairwise(zip(curve.x, curve.y, strict=True)):
            part = np.linspace(0, 1, 4 * columns)
            across = ((xa + part * (xb - xa) - x0) / (x1 - x0) * (2 * columns - 1)).round().astype(int)
            up = ((ya + part * (yb - ya) - y0) / (y1 - y0) * (4 * rows - 1)).round().astype(int)
            dots[4 * rows - 1 - up, across] = True
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    cells = np.full((rows, columns), 0x2800)
    for i, pair in enumerate(bits):
        for j, bit in enumerate(pair):
            cells += bit * dots[i::4, j::2]
    margin = max(len(f"{v:.3g}") for v in (y0, y1))
    left = [f"{y1:.3g}", *[""] * (rows - 2), f"{y0:.3g}"]
    body = [f"{text:>{margin}} |{''.join(map(chr, row))}" for text, row in zip(left, cells, strict=True)]
    ends = f"{x0:.6g}".ljust(columns - len(f"{x1:.6g}")) + f"{x1:.6g}"
    return "\n".join([f"{panel.title}: {panel.y_title} against {panel.x_title}", *body, " " * (margin + 2) + ends])
