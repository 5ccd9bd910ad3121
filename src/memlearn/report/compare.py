"""A comparison for the terminal, as Markdown, as CSV: one line a row, means over its seeds unless told otherwise."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from ..core.errors import DataError
from . import formats
from .chart import with_unit
from .tables import Grid

COMPARE = "compare.json"
_PASSES = {"forward": "F", "backward": "B", "update": "U", "verify": "V", "calibration": "C", "transfer": "T",
           "standby": "S"}

Rows = Sequence[Mapping[str, Any]]


class Column(NamedTuple):
    """One column: its head, the figure and what of it is shown, and how."""

    head: str
    figure: str
    of: str
    """`mean` or `worst` of the row's runs."""
    show: Callable[[Any], str]


def _unit(unit: str) -> Callable[[float | None], str]:
    return lambda value: formats.MISSING if value is None else with_unit(value, unit, digits=3)


COLUMNS = (
    Column("Accuracy, mean", "test_accuracy", "mean", formats.percent),
    Column("Worst", "test_accuracy", "worst", formats.percent),
    Column("Gap to float (points)", "float_gap", "mean", formats.points),
    Column("Pulses per cell, mean", "pulses_per_cell_mean", "mean", formats.figure),
    Column("99 %", "pulses_per_cell_p99", "mean", formats.figure),
    Column("Max", "pulses_per_cell_max", "worst", formats.count),
    Column("Writes eliminated", "writes_eliminated", "mean", formats.percent),
    Column("Energy", "energy", "mean", _unit("J")),
    Column("Time", "latency", "mean", _unit("s")),
    Column("Area (mm²)", "area", "mean", lambda area: formats.figure(None if area is None else 1e6 * area)),
    Column("Digital bits per weight", "digital_bits_per_weight", "mean", formats.figure),
    Column("per neuron", "digital_bits_per_neuron", "mean", formats.figure),
    Column("Lifetime (trainings)", "lifetime_runs", "worst", formats.figure),
)
SPLIT = "Energy by pass"


def read_compare(folder: Path) -> dict[str, Any]:
    """The compare.json of a comparison's folder.

    Raises:
        DataError: it is missing or damaged.
    """
    path = Path(folder) / COMPARE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found["rows"], list):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        remedy = "Write it with `memlearn compare A.toml B.toml --out DIR`."
        raise DataError(f"{path}: is missing or no comparison. {remedy}") from None
    return found


def spanned(rows: Rows) -> bool:
    """Whether each row combines two names, such as a rule and a device."""
    return bool(rows) and all(len(row["parts"]) == 2 for row in rows)


def part(row: Mapping[str, Any], index: int) -> str:
    """A row's first or second name, without the name of its axis."""
    name = row["parts"][index]
    return name.partition("=")[2] or name


def label(row: Mapping[str, Any]) -> str:
    """A row's name as a reader wants it."""
    return f"{part(row, 0)} on {part(row, 1)}" if len(row["parts"]) == 2 else row["name"]


def grid(rows: Rows) -> Grid:
    """The table; what no row knows has no column."""
    columns = [c for c in COLUMNS if any(row[c.of].get(c.figure) is not None for row in rows)]
    split = any(row["energy_by_pass"] for row in rows)
    heads = [c.head for c in columns]
    at = heads.index("Energy") + 1 if split and "Energy" in heads else None
    if at is not None:
        heads.insert(at, SPLIT)
    lines = []
    for row in rows:
        cells = [c.show(row[c.of].get(c.figure)) for c in columns]
        if at is not None:
            cells.insert(at, _shares(row["energy_by_pass"]))
        lines.append((label(row), cells))
    return Grid("Row", heads, lines)


def compare_tables(found: Mapping[str, Any], width: int | None) -> list[Table]:
    """The table for a terminal, in parts beside which the names stand where it is wider than that.

    Arguments:
        found: what `memlearn compare` wrote.
        width: letters of a line; None: all columns in one table.
    """
    rows = found["rows"]
    shown, two = grid(rows), spanned(rows)
    names = [[part(row, 0), part(row, 1)] if two else [label(row)] for row in rows]
    runs = [str(len(row["runs"])) for row in rows]
    cells = [line if row["runs"] else [""] * len(line) for row, (_, line) in zip(rows, shown.rows, strict=True)]
    columns = [("runs", runs), *zip(shown.columns, map(list, zip(*cells, strict=True)), strict=True)]
    heads = ["rule", "device"] if two else ["row"]
    taken = sum(max(map(len, (head, *(name[i] for name in names)))) + 2 for i, head in enumerate(heads))
    parts: list[list[tuple[str, list[str]]]] = [[]]
    left = math.inf if width is None else width - taken
    for column in columns:
        needed = max(map(len, (*_folded(column[0]).split("\n"), *column[1]))) + 2
        if needed > left and parts[-1] and width is not None:
            parts.append([])
            left = width - taken
        parts[-1].append(column)
        left -= needed
    return [_table(heads, names, columns) for columns in parts]


def _table(heads: list[str], names: list[list[str]], columns: list[tuple[str, list[str]]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(Text(head), no_wrap=True, vertical="bottom")
    for head, _ in columns:
        table.add_column(Text(_folded(head)), justify="right", no_wrap=True)
    for i, name in enumerate(names):
        table.add_row(*map(Text, name), *(Text(cells[i]) for _, cells in columns))
    return table


def _folded(head: str) -> str:
    """A head in short lines."""
    return "\n".join(textwrap.wrap(head, 10, break_long_words=False))


def refused(rows: Rows) -> list[str]:
    """The rows that cannot run, each with its reason."""
    return [f"{label(row)}: {row['stopped']}" for row in rows if row["stopped"]]


def markdown(found: Mapping[str, Any]) -> str:
    """The table for a page in Markdown."""
    rows = found["rows"]
    shown, two = grid(rows), spanned(rows)
    heads = [*(("Rule", "Device") if two else ("Row",)), "Runs", *shown.columns]
    lines = [heads, ["---"] * (2 if two else 1) + ["---:"] * (1 + len(shown.columns))]
    for row, (name, cells) in zip(rows, shown.rows, strict=True):
        names = [part(row, 0), part(row, 1)] if two else [name]
        told = cells if row["runs"] else ["cannot run" if row["stopped"] else "", *[""] * (len(cells) - 1)]
        lines.append([*names, str(len(row["runs"])), *told])
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def as_csv(found: Mapping[str, Any]) -> str:
    """Every figure of every run, one run a line, in SI units and fractions."""
    out = io.StringIO(newline="")
    runs = [(row, run) for row in found["rows"] for run in row["runs"]]
    names = [n for n in (runs[0][1] if runs else {}) if n != "energy_by_pass"]
    passes = list(dict.fromkeys(name for _, run in runs for name in run["energy_by_pass"]))
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["row", "rule", "device", *names, *(f"energy_{name}" for name in passes)])
    for row, run in runs:
        split = [run["energy_by_pass"].get(name) for name in passes]
        table.writerow([row["name"], row["rule"], row["device"], *(run[name] for name in names), *split])
    return out.getvalue()


def _shares(by_pass: Mapping[str, float]) -> str:
    """The energy of each pass in percent of all: F 40 B 30 U 30."""
    total = sum(by_pass.values())
    if not total:
        return formats.MISSING
    percents = {name: round(100 * value / total) for name, value in by_pass.items()}
    return " ".join(f"{_PASSES.get(name, name)} {value}" for name, value in percents.items() if value)
