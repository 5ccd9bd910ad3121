"""The command group `memlearn device`: measured pulse data in, device file out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .core.errors import InputError
from .devices.fitting import CHOICES, UNITS, DeviceFit, Reading, fit, read_traces
from .report.device_fit import fit_lines, quantity, write_fit_page

app = typer.Typer(no_args_is_help=True, help="Devices from measured data.")

Column = Annotated[str | None, typer.Option(show_default=False, help="Column, by name or number from 1.")]


@app.callback()
def device() -> None:
    """Devices from measured data."""


@app.command("fit")
def fit_command(  # noqa: PLR0913  (one option per thing that a table may not say)
    traces: Annotated[Path, typer.Argument(help="Table of pulses: CSV or TSV, plain or .gz.", show_default=False)],
    law: Annotated[str, typer.Option(help=f"One of {', '.join(CHOICES)}.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Device file (.toml) to write.", show_default=False)] = None,
    html: Annotated[
        Path | None, typer.Option(help="Page to write; beside --out unless given.", show_default=False)
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option(help="Column with readings; may be given several times.", show_default=False)
    ] = None,
    unit: Annotated[str | None, typer.Option(help=f"Of the readings: {', '.join(UNITS)}.", show_default=False)] = None,
    read_voltage: Annotated[
        str | None, typer.Option(help="V, or the column with it, when readings are currents.", show_default=False)
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help="Column with signed voltage, sign, or words up / down.", show_default=False)
    ] = None,
    negative_is_up: Annotated[bool, typer.Option("--negative-is-up", help="Negative voltages are up.")] = False,
    up: Annotated[int | None, typer.Option(help="Up pulses of a cycle, without a column.", show_default=False)] = None,
    down: Annotated[int | None, typer.Option(help="Down pulses of a cycle.", show_default=False)] = None,
    up_column: Column = None,
    down_column: Column = None,
    before: Annotated[
        str | None, typer.Option(help="Column with the reading before the one pulse of its row.", show_default=False)
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="Column with the reading after it.", show_default=False)
    ] = None,
    device_column: Column = None,
    trace_column: Column = None,
    pulse_column: Column = None,
    same_device: Annotated[
        bool, typer.Option("--same-device", help="Traces are repeats on one device, not one device each.")
    ] = False,
    read_before: Annotated[
        bool, typer.Option("--read-before", help="A row holds the reading before its pulse, not after it.")
    ] = False,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(help="S: lowest and highest conductance that values of unit 1 stand for.", show_default=False),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Where the data come from, for the device file.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the fit as JSON.")] = False,
) -> None:
    """Fit a device law to measured pulses."""
    how = Reading(
        values=tuple(values or ()), unit=unit, read_voltage=read_voltage, direction=direction,
        negative_is_up=negative_is_up, up=up, down=down, up_column=up_column, down_column=down_column,
        device=device_column, trace=trace_column, pulse=pulse_column, before=before, after=after,
        same_device=same_device, read_before=read_before, window=window,
    )  # fmt: skip
    if out is not None and out.suffix != ".toml":
        raise InputError("out", str(out), "must end in .toml", "That is how experiments find a device file.")
    measured = read_traces(traces, how)
    for note in measured.assumptions:
        _say(note)
    found = fit(measured, law)
    test = found.test()
    if as_json:
        record = {**found.summary(), "two_sample_test": {"p_value": test.p_value, "passed": test.passed}}
        typer.echo(json.dumps(record, indent=2))
    else:
        _show(found)
        for line in fit_lines(found, test):
            _say(line)
    if out is not None:
        _say(f"Device file: {found.save(out, sources=tuple(source or ()), test=test)}")
    page = html or (out.with_suffix(".html") if out is not None else None)
    if page is not None:
        _say(f"Page: {write_fit_page(found, page, test=test)}")


def _show(found: DeviceFit) -> None:
    """Parameters, then the laws."""
    console = Console()
    if found.parameters:
        table = Table("parameter", "estimate", "95 % from", "to", "", box=None, pad_edge=False)
        for row in found.parameters:
            ends = ("no limit" if end is None else quantity(end, row.unit) for end in (row.low, row.high))
            table.add_row(Text(row.name), quantity(row.value, row.unit), *ends, Text(row.note))
        console.print(table)
    if found.scores:
        table = Table("law", "held-out log-likelihood", "below the best", "", box=None, pad_edge=False)
        for score in found.scores:
            worse = "" if not score.worse else f"{score.worse:.1f} ± {score.error:.1f}"
            table.add_row(score.law, f"{score.held_out:.1f}", worse, "chosen" if score.chosen else "")
        console.print(table)


def _say(text: str) -> None:
    """To the terminal, not into what a pipe takes."""
    Console(stderr=True).print(Text(text), soft_wrap=True)
