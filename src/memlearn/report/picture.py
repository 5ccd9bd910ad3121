"""A static picture of a trained array: its conductances before and after, as an SVG drawn by hand."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from . import formats, histograms
from .folder import read_layer, write_atomically
from .layers import thinned

_BLOCKS = 6400
"""Blocks of a map: at most 14 characters each, so two maps stay below 180 kB."""
_PANEL = 300.0
_LEVELS = 48
_MICRO = 1e6
# Viridis at nine even steps: readable without colour vision, and in grey.
_SCALE = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; fill: #1b2128; }
.soft { fill: #65707c; font-size: 11px; } .head { font-size: 15px; font-weight: 600; }
.frame { fill: #d3d7dc; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8ecf0; } .soft { fill: #9aa6b2; } .frame { fill: #39414a; }
}
"""


def picture_of_array(folder: Path, layer: str, out: Path) -> Path:
    """Draw the conductances of a layer's array before and after training, side by side, as a static SVG.

    Of large arrays one cell in a block is drawn; cells that a padded tile does not have stay grey. The picture follows
    the reader's light or dark theme, needs no font or script, and stays below 200 kB.

    Arguments:
        folder: the run folder.
        layer: the layer, as in result.json.
        out: the file to write.

    Returns:
        The path of the picture.

    Raises:
        InputError: when `out` is a folder.
        DataError: when arrays.safetensors is missing or damaged, or does not hold the layer.
    """
    arrays = read_layer(Path(folder), layer)
    side = _side(*arrays.after.shape)
    before, block = thinned(arrays.before * _MICRO, side)
    after, _ = thinned(arrays.after * _MICRO, side)
    low, high = histograms.value_range(np.concatenate([before.ravel(), after.ravel()]))
    rows, columns = arrays.after.shape
    width, height = _panel(rows, columns)
    left, top = 34, 44
    total_width, total_height = left + 2 * width + 28 + 74, top + height + 50
    second = left + width + 28
    size = f"{formats.many(rows, 'word line')}, {formats.many(columns, 'bit line')}"
    note = "" if block == (1, 1) else f", one cell of every {block[0]} × {block[1]} drawn"
    title = f"Conductances of layer {layer} before and after training"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width:.0f} {total_height:.0f}" '
        f'width="{total_width:.0f}" height="{total_height:.0f}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(size + note)}; {low:.3g} to {high:.3g} µS.</desc>',
        f"<style>{_STYLE}</style>",
        _text(left, top - 14, "before training", "head"),
        _text(second, top - 14, "after training", "head"),
        _cells(before, low, high, at=(left, top), size=(width, height)),
        _cells(after, low, high, at=(second, top), size=(width, height)),
        _text(left, top + height + 38, f"{size}{note}", "soft"),
        f'<text class="soft" text-anchor="middle" transform="translate({left - 12:.0f} {top + height / 2:.0f}) '
        'rotate(-90)">word line</text>',
        *(_text(x + width / 2, top + height + 18, "bit line", "soft", anchor="middle") for x in (left, second)),
        _colour_bar(low, high, at=(second + width + 20, top), height=height),
        "</svg>\n",
    ]
    return write_atomically(Path(out), "\n".join(parts))


def _side(rows: int, columns: int) -> int:
    """The finest division of both sides that keeps to the number of blocks."""
    side = max(rows, columns)
    while side > 1 and math.prod(-(-n // -(-n // side)) for n in (rows, columns)) > _BLOCKS:
        side -= 1
    return side


def _panel(rows: int, columns: int) -> tuple[float, float]:
    """Width and height of a map: square cells, unless the array is so long that a side would vanish."""
    ratio = min(3.0, max(1 / 3, columns / rows))
    return (_PANEL, _PANEL / ratio) if ratio >= 1 else (max(_PANEL * ratio, 160.0), _PANEL)


def _cells(
    grid: np.ndarray, low: float, high: float, *, at: tuple[float, float], size: tuple[float, float]
) -> str:
    """One map: a path per colour level, in which neighbours of the same level are one bar."""
    rows, columns = grid.shape
    levels = np.where(np.isfinite(grid), (grid - low) / (high - low) * (_LEVELS - 1) + 0.5, -1.0).astype(int)
    levels = np.minimum(levels, _LEVELS - 1)
    paths: defaultdict[int, list[str]] = defaultdict(list)
    for row in range(rows):
        starts = [0, *(np.flatnonzero(np.diff(levels[row])) + 1).tolist(), columns]
        for start, end in pairwise(starts):
            level = int(levels[row, start])
            if level >= 0:
                paths[level].append(f"M{start} {row}h{end - start}v1h-{end - start}")
    scale = f"translate({at[0]:.0f} {at[1]:.0f}) scale({size[0] / columns:.5g} {size[1] / rows:.5g})"
    drawn = "\n".join(f'<path fill="{_shade(k / (_LEVELS - 1))}" d="{"".join(d)}"/>' for k, d in sorted(paths.items()))
    frame = f'<rect class="frame" width="{columns}" height="{rows}"/>'
    return f'<g transform="{scale}" shape-rendering="crispEdges">\n{frame}\n{drawn}\n</g>'


def _colour_bar(low: float, high: float, *, at: tuple[float, float], height: float) -> str:
    step = height / _LEVELS
    x, y = at
    bars = [
        f'<rect x="{x:.0f}" y="{y + height - (k + 1) * step:.2f}" width="12" height="{step + 0.5:.2f}" '
        f'fill="{_shade(k / (_LEVELS - 1))}"/>'
        for k in range(_LEVELS)
    ]
    ticks = [
        _text(x + 18, y + height * (1 - part) + 4, formats.figure(low + part * (high - low)), "soft")
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return "\n".join([*bars, *ticks, _text(x, y - 14, "µS", "")])


def _shade(part: float) -> str:
    """The colour at a part (0..1) of the scale."""
    place = part * (len(_SCALE) - 1)
    index = min(int(place), len(_SCALE) - 2)
    ends = [[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in _SCALE[index : index + 2]]
    mixed = (round(a + (place - index) * (b - a)) for a, b in zip(*ends, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _text(x: float, y: float, words: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
