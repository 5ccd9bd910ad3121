"""The figures of a page as files for papers, and its numbers as tables that any program reads."""

from __future__ import annotations

import csv as tables_as_csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from . import figures as drawing
from . import spent
from .canvas import Pdf, Svg
from .compare import as_csv, read_compare
from .figures import Figure
from .folder import Run, read_layer, read_runs, write_atomically
from .html import device_figures
from .layers import layer_figures
from .static import drawn, size
from .wires import layer_wires

_SIDE = 200


def export(
    *, svg: Path | None, pdf: Path | None, csv: Path | None, figures: Mapping[str, Figure], tables: Mapping[str, str]
) -> list[Path]:
    """Write what is wanted; folders are made.

    Arguments:
        svg: folder for one file a figure; None: not wanted.
        pdf: the same.
        csv: folder for the tables.
        figures: by file name without its ending.
        tables: texts, by file name without its ending.

    Returns:
        The files.

    Raises:
        InputError: a folder is a file.
    """
    for name, folder in (("svg", svg), ("pdf", pdf), ("csv", csv)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise InputError(f"--{name}", str(folder), "is a file", "Name a folder.")
    written = []
    for folder, kind, ending in ((svg, Svg, "svg"), (pdf, Pdf, "pdf")):
        if folder is None:
            continue
        for name, figure in figures.items():
            width, height = size(figure)
            content = drawn(figure, kind(width, height, f"{figure.title}. {figure.caption}"), width, height)
            written.append(write_atomically(folder / f"{name}.{ending}", content))
    if csv is not None:
        written += [write_atomically(csv / f"{name}.csv", text) for name, text in tables.items()]
    return written


def run_figures(folders: Sequence[Path]) -> dict[str, Figure]:
    """Every figure of the page of runs, but those of the slider, whose ends are the maps before and after training.

    Raises:
        DataError: a file of a run is missing or damaged.
    """
    runs = read_runs(folders)
    trade = drawing.accuracy_against_wear(runs)
    found = _named([*drawing.learning_curves(runs), *([trade] if trade else [])], "")
    for i, run in enumerate(runs):
        prefix = f"{_slug(run.label)}-" if len(runs) > 1 else ""
        found |= _named([*spent.bars(run.result.cost), *device_figures(run)], prefix)
        for layer in run.result.layers:
            arrays = read_layer(run.folder, layer.name)
            shown = [*layer_figures(arrays, index=i, side=_SIDE), *layer_wires(run.config, arrays, _SIDE)]
            found |= _named(shown, f"{prefix}{_slug(layer.name)}-")
    return found


def run_numbers(folders: Sequence[Path]) -> dict[str, str]:
    """Tables of runs: figures, epochs, layers, counted events, costs; a line names its run.

    Raises:
        DataError: a file of a run is missing or damaged.
    """
    runs = read_runs(folders)
    plain = {"writes_eliminated", "versions", "layers", "ledger", "sources", "choices", "cost"}
    return {
        "figures": _table(runs, lambda run: [run.result.model_dump(exclude=plain)]),
        "epochs": _table(runs, lambda run: [epoch.model_dump() for epoch in run.history]),
        "layers": _table(runs, lambda run: [layer.model_dump() for layer in run.result.layers]),
        "events": _table(runs, lambda run: [_event(key, n) for key, n in run.result.ledger.items()]),
        **{
            what: _table(runs, lambda run, what=what: (run.result.cost or {}).get(what, {}).get("parts", []))
            for what in ("energy", "latency", "area")
            if any(run.result.cost for run in runs)
        },
    }


def comparison_numbers(folder: Path) -> dict[str, str]:
    """The table of a comparison, a line a run.

    Raises:
        DataError: the folder holds no comparison.
    """
    return {"compare": as_csv(read_compare(folder))}


def _event(key: str, n: float) -> dict[str, Any]:
    layer, during, event = (["", "", *key.rsplit("/", 2)])[-3:]
    return {"layer": layer, "pass": during, "event": event, "count": n}


def _table(runs: Sequence[Run], rows: Any) -> str:
    found = [{"run": run.label, **row} for run in runs for row in rows(run)]
    out = io.StringIO(newline="")
    heads = list(dict.fromkeys(key for row in found for key in row)) or ["run"]
    table = tables_as_csv.DictWriter(out, heads, lineterminator="\n")
    table.writeheader()
    table.writerows(found)
    return out.getvalue()


def _named(shown: Sequence[Figure], prefix: str) -> dict[str, Figure]:
    return {f"{prefix}{_slug(figure.title)}": figure for figure in shown}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "figure"
