"""The tables of a report as plain grids of text, and the comparison of runs for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from . import formats
from .chart import with_unit
from .folder import Result, Run, as_result

_GAP = "\N{NO-BREAK SPACE}"
_ACROSS = 4
"""Up to so many runs stand side by side, one figure a line; more runs take one line each."""
_BRIEF = {
    "Test accuracy": "Test",
    "Float test accuracy": "Float",
    "Gap to float (points)": "Gap",
    "Pulses per cell, mean": "Pulses/cell",
    "Pulses per cell, max": "Max",
    "Energy": "Energy",
    "Time in hardware": "Time",
    "Area": "Area",
}
"""What fits a line of a terminal when every run has only one."""


class Grid(NamedTuple):
    """A table: `corner` heads the column of row names, `columns` the cells of each row; `of_runs` says where runs are.

    `of_runs` is "columns" or "rows" when these are the runs of a comparison, in order, else "".
    """

    corner: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]
    of_runs: str = ""


def gap(result: Result) -> float | None:
    """Test accuracy minus that of the float yardstick, as a fraction; None without a yardstick."""
    if result.test_accuracy is None or result.float_test_accuracy is None:
        return None
    return result.test_accuracy - result.float_test_accuracy


def _saved(result: Result) -> float | None:
    """Writes saved in the first epoch, of writing every weight at every step."""
    return None if result.writes_eliminated is None else result.writes_eliminated.first_epoch.all_cells


def _cost(result: Result, what: str, unit: str) -> str:
    if result.cost is None:
        return formats.MISSING
    total = result.cost[what]["total"]
    return f"{1e6 * total:.3g}{_GAP}mm²" if what == "area" else with_unit(total, unit, digits=3)


_FIGURES: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("Test accuracy", lambda r: formats.percent(r.test_accuracy)),
    ("Float test accuracy", lambda r: formats.percent(r.float_test_accuracy)),
    ("Gap to float (points)", lambda r: formats.points(gap(r))),
    ("Validation accuracy", lambda r: formats.percent(r.validation_accuracy)),
    ("Pulses per cell, mean", lambda r: formats.figure(r.pulses_per_cell_mean)),
    ("Pulses per cell, max", lambda r: formats.count(r.pulses_per_cell_max)),
    ("Cells pulsed per step", lambda r: formats.share(r.cells_pulsed_per_step)),
    ("Writes eliminated, first epoch", lambda r: formats.percent(_saved(r))),
    ("Images to first failure", lambda r: formats.count(r.images_to_first_failure)),
    ("Energy", lambda r: _cost(r, "energy", "J")),
    ("Time in hardware", lambda r: _cost(r, "latency", "s")),
    ("Area", lambda r: _cost(r, "area", "m²")),
    ("ADC conversions", lambda r: formats.count(r.adc_conversions)),
    ("DAC conversions", lambda r: formats.count(r.dac_conversions)),
    ("Comparisons", lambda r: formats.count(r.comparisons)),
    ("Digital bits per weight", lambda r: formats.figure(r.digital_bits_per_weight)),
    ("Digital bits per neuron", lambda r: formats.figure(r.digital_bits_per_neuron)),
    ("Device", lambda r: r.device or formats.MISSING),
    ("Mapping", lambda r: r.mapping or formats.MISSING),
    ("Backward method", lambda r: r.backward_method or formats.MISSING),
    ("Update method", lambda r: r.update_method or formats.MISSING),
    ("Set automatically", lambda r: ", ".join(f"{k} = {v:g}" for k, v in r.choices.items()) or formats.MISSING),
    ("Epochs", lambda r: formats.exact(r.epochs)),
    ("Simulated in", lambda r: formats.seconds(r.train_seconds)),
    ("Seed", lambda r: formats.MISSING if r.seed is None else str(r.seed)),
)

_EVENTS = {
    "dac.conversion": "DAC conversions",
    "adc.conversion": "ADC conversions",
    "comparator.comparison": "Comparisons",
    "winner_take_all.decision": "Winner-take-all decisions",
    "line.drive": "Line drives",
    "cell.read": "Cell reads",
    "cell.pulse": "Pulses",
    "cell.pulsed": "Cells pulsed",
    "cell.half_selected": "Cells half-selected",
    "cell.unselected": "Unselected cells under voltage",
    "line.train_slot": "Train slots",
    "cell.write": "Cells programmed",
    "cell.single_read": "Single-cell reads",
    "line.read_slot": "Read slots",
    "cell.given_up": "Cells given up",
    "cell.dose_up_fS": "Conductances before pulses up (fS)",
    "cell.dose_down_fS": "Conductances before pulses down (fS)",
    "line.gain": "Gains of correction circuits",
    "digital.add": "Digital additions",
    "neuron.stored_bit": "Bits stored at neurons",
}


def comparison(results: Sequence[Result], names: Sequence[str]) -> Grid:
    """Every figure of every run; few runs stand side by side, many take one line each."""
    heads = [head for head, _ in _FIGURES]
    if len(results) <= _ACROSS:
        return Grid("", list(names), [(head, [show(r) for r in results]) for head, show in _FIGURES], "columns")
    rows = [(name, [show(r) for _, show in _FIGURES]) for name, r in zip(names, results, strict=True)]
    return Grid("Run", heads, rows, "rows")


def layer_table(result: Result) -> Grid:
    """Size and wear of each layer."""
    columns = ["Inputs", "Outputs", "Cells", "Pulses", "Per cell, mean", "99th percentile", "Max"]
    rows = [
        (
            layer.name,
            [
                formats.exact(layer.inputs),
                formats.exact(layer.outputs),
                formats.exact(layer.cells),
                formats.exact(layer.pulses_total),
                formats.figure(layer.pulses_per_cell_mean),
                formats.figure(layer.pulses_per_cell_p99),
                formats.exact(layer.pulses_per_cell_max),
            ],
        )
        for layer in result.layers
    ]
    return Grid("Layer", columns, rows)


def writes_table(result: Result) -> Grid:
    """Weights written in the first epoch and in the run, and what that saves of three baselines."""
    saved = result.writes_eliminated
    if saved is None:
        return Grid("", [], [])
    limit = "a fraction" if saved.threshold is None else f"{saved.threshold:g}"
    names = {
        "all_cells": "Every weight at every step",
        "nonzero_gradient": "Weights whose gradient is not zero",
        "threshold": f"Weights whose gradient reaches {limit} of the layer's largest",
    }
    columns, rows = [], [("Written by the run", list[str]()), *((name, list[str]()) for name in names.values())]
    for head, span in (("first epoch", saved.first_epoch), ("run", saved.run)):
        columns += [f"Writes, {head}", "Writes saved", "Pulses saved", "Delay saved"]
        rows[0][1].extend([formats.count(span.counts.get("written")), *[formats.MISSING] * 3])
        for kind, (_, cells) in zip(names, rows[1:], strict=True):
            shares = getattr(span, kind), span.pulses.get(kind), span.delay.get(kind)
            cells.extend([formats.count(span.counts.get(kind)), *map(formats.percent, shares)])
    return Grid("Against", columns, rows)


def ledger_table(result: Result) -> Grid:
    """Counted events, one row per layer and pass, and their sums."""
    counts: dict[str, dict[str, float]] = {}
    for key, n in result.ledger.items():
        layer, during, event = (["", "", *key.rsplit("/", 2)])[-3:]
        counts.setdefault(f"{layer}, {during}".strip(", "), {})[event] = n
    found = {event for row in counts.values() for event in row}
    events = [e for e in _EVENTS if e in found] + sorted(found - set(_EVENTS))
    rows = [(where, [formats.count(row.get(event)) for event in events]) for where, row in counts.items()]
    if len(rows) > 1:
        sums = [formats.count(sum(row.get(event, 0) for row in counts.values())) for event in events]
        rows.append(("Sum", sums))
    return Grid("Layer, pass", [_EVENTS.get(event, event) for event in events], rows)


def record_table(run: Run) -> Grid:
    """Where the run came from: folder, backend, seed, versions."""
    result = run.result
    rows = [
        ("Run folder", [str(run.folder)]),
        ("Backend", [result.backend or formats.MISSING]),
        ("Seed", [formats.MISSING if result.seed is None else str(result.seed)]),
        *((name, [str(version)]) for name, version in result.versions.items()),
    ]
    return Grid("", [""], rows)


def summary_table(
    results: Sequence[Result | Mapping[str, Any]], *, names: Sequence[str] | None = None, title: str | None = None
) -> Table:
    """The comparison of runs as a table for the terminal; many runs show only their main figures.

    Arguments:
        results: the figures of each run, as result.json holds them.
        names: one name per run; without them the runs are numbered.
        title: a line above the table.

    Raises:
        DataError: when a figure has the wrong type.
    """
    checked = [as_result(figures, origin=f"results[{i}]") for i, figures in enumerate(results)]
    labels = list(names) if names is not None else _numbered(len(checked))
    grid = comparison(checked, labels)
    table = Table(title=None if title is None else Text(title), title_justify="left")
    table.add_column(Text(grid.corner), no_wrap=grid.of_runs == "columns", overflow="fold")
    shown = [i for i, column in enumerate(grid.columns) if grid.of_runs == "columns" or column in _BRIEF]
    for i in shown:
        head = grid.columns[i]
        table.add_column(Text(head if grid.of_runs == "columns" else _BRIEF[head]), justify="right", overflow="fold")
    for head, cells in grid.rows:
        table.add_row(Text(head), *(Text(cells[i]) for i in shown))
    return table


def _numbered(n: int) -> list[str]:
    return ["this run"] if n == 1 else [f"run {i}" for i in range(1, n + 1)]
