"""The report: one HTML page that holds its figures, its data and its scripts, and loads nothing."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import MemlearnError
from ..devices import Preset
from ..experiment import Experiment
from . import figures, formats, spent, summary, tables
from .chart import as_figure
from .device import DeviceSheet
from .folder import Layer, Run, read_layer, read_runs, write_atomically
from .layers import layer_figures
from .page import plots, script
from .page import render as render_page
from .through import layer_through
from .wires import layer_wires

_SIDE = 200
_SMALLEST_SIDE = 40
_MAPS = 3
"""Maps of a layer: conductance before and after, pulses."""
_BLOCKS = 450_000
"""Blocks of all maps together; at six bytes each they stay below 3 MB."""


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report of one or several runs as a single page that opens without a network.

    Arguments:
        folders: run folders, as `memlearn run` writes them; several are compared.
        out: the file to write, `report.html` in the first folder unless given.

    Returns:
        The path of the page.

    Raises:
        InputError: when no folder is given, or `out` is a folder.
        DataError: when a file of a run is missing, truncated, or not what its name says.
    """
    runs = read_runs(folders)
    return write_atomically(Path(out) if out is not None else runs[0].folder / "report.html", render(runs))


def render(runs: Sequence[Run]) -> str:
    """The page as text.

    Arguments:
        runs: what `read_runs` returned.

    Raises:
        DataError: when the arrays of a layer are missing or damaged.
    """
    single = len(runs) == 1
    side = _side(sum(len(run.result.layers) for run in runs))
    curves = figures.learning_curves(runs)
    trade = figures.accuracy_against_wear(runs)
    return render_page(
        "page.html.jinja",
        title=runs[0].label if single else f"{len(runs)} runs compared",
        description=str(runs[0].config.get("description") or "") if single else "",
        paragraph=summary.paragraph(runs),
        headlines=summary.headlines(runs[0].result) if single else [],
        comparison=tables.comparison([run.result for run in runs], [run.label for run in runs]),
        curves=plots([*curves, *([trade] if trade else [])], "run"),
        sections=[_section(run, index=i, side=side) for i, run in enumerate(runs)],
        colours=figures.COLOURS,
    )


def _section(run: Run, *, index: int, side: int) -> dict[str, Any]:
    """What the page says about one run."""
    layers = []
    for i, layer in enumerate(run.result.layers):
        arrays = read_layer(run.folder, layer.name)
        drawn = layer_figures(arrays, index=index, side=side) + layer_wires(run.config, arrays, side)
        name = f"run-{index}-layer-{i}"
        through = _through(run, layer, name, index)
        if through is not None:  # it shows what the first three do, and more
            weights, wear = drawn[3]._replace(wide=True), drawn[4:6]
            drawn = [*wear, weights, *drawn[6:]]
        own = {"name": _heading(layer.name), "size": _size(layer), "figures": plots(drawn, name)}
        layers.append({**own, "through": through})
    source = shlex.quote(str(run.folder / "config.json"))
    target = shlex.quote(f"{run.folder.resolve().name}-again")
    return {
        "label": run.label,
        "paragraph": summary.paragraph([run]),
        "layers": layers,
        "device": plots(device_figures(run), f"run-{index}-device"),
        "spent": plots(spent.bars(run.result.cost), f"run-{index}-cost"),
        "components": spent.component_table(run.result.cost),
        "sensitivity": spent.sensitivity_table(run.result.cost),
        "cost_notes": spent.notes(run.result.cost),
        "layer_table": tables.layer_table(run.result),
        "writes": tables.writes_table(run.result),
        "ledger": tables.ledger_table(run.result),
        "record": tables.record_table(run),
        "sources": run.result.sources,
        "command": f"memlearn run {source} --out {target}",
        "config": json.dumps(run.config, indent=2, ensure_ascii=False),
    }


def _through(run: Run, layer: Layer, name: str, index: int) -> dict[str, Any] | None:
    """The slider of a layer and the two figures that it moves; None where the run has kept nothing to move through."""
    each = run.result.images // run.result.epochs if run.result.images and run.result.epochs else None
    found = layer_through(run.folder, layer.name, each, figures.colour(index))
    if found is None:
        return None
    return {"id": f"{name}-through", "figures": plots(found.figures, f"{name}-through"), "frames": script(found.frames),
            "labels": found.frames["labels"]}


def device_figures(run: Run) -> list[figures.Figure]:
    """The curves of the run's device; none where its settings are of another version."""
    try:
        device = Experiment.from_table(run.config).device
    except MemlearnError:
        return []
    sheet = DeviceSheet(Preset(device.kind, "", device, (), (), {}, {}))
    return [as_figure(panel) for panel in sheet.panels[:2]]


def _side(layers: int) -> int:
    """Blocks along the side of a map, so that all maps of the page together stay small."""
    return max(_SMALLEST_SIDE, min(_SIDE, math.isqrt(_BLOCKS // max(1, _MAPS * layers))))


def _heading(name: str) -> str:
    return name if name.lower().startswith("layer") else f"Layer {name}"


def _size(layer: Layer) -> str:
    if layer.inputs is None or layer.outputs is None:
        return ""
    size = f"{formats.many(layer.inputs, 'input')}, {formats.many(layer.outputs, 'output')}"
    return size if layer.cells is None else f"{size}, {formats.many(layer.cells, 'cell')}"
