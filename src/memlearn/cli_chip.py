"""The command group `memlearn chip`: drivers of instruments."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .chip import ProcessChip, Tried, check
from .core.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Chips behind drivers.")


@app.callback()
def chip() -> None:
    """Chips behind drivers."""


@app.command("check")
def check_command(
    command: Annotated[str, typer.Argument(help="Driver and its arguments, in quotes.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option(help="Of the exchange; a temporary one otherwise.", show_default=False)
    ] = None,
    cells: Annotated[int, typer.Option(help="Cells that are pulsed and programmed.")] = 16,
    voltage: Annotated[float, typer.Option(help="V, of a fully driven line.")] = 0.2,
    tolerance: Annotated[float, typer.Option(help="Programming window, relative to the range.")] = 0.02,
    max_pulses: Annotated[int, typer.Option(help="After which a cell is given up.")] = 500,
    timeout: Annotated[float, typer.Option(help="s, that a request may take.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Try all that a driver must do: reads, transposed reads, pulses, programming, being killed. It moves cells."""
    how = Tried(voltage=voltage, cells=cells, tolerance=tolerance, max_pulses=max_pulses)
    with tempfile.TemporaryDirectory() as temporary:
        driven = ProcessChip(words(command), folder or Path(temporary) / "exchange", timeout=timeout)
        about = {"chip": driven.name, "rows": driven.rows, "columns": driven.columns}
        about |= {"g_min": driven.g_min, "g_max": driven.g_max}
        with driven:
            findings = list(check(driven, how))
    right = all(finding.right for finding in findings)
    if as_json:
        told = [{**finding._asdict(), "right": bool(finding.right)} for finding in findings]
        typer.echo(json.dumps({**about, "right": right, "findings": told}, indent=2))
    else:
        size = f"{driven.rows} x {driven.columns} cells, {driven.g_min:g} to {driven.g_max:g} S"
        table = Table("what", "found", "", title=Text(f"{driven.name}: {size}"), box=None, pad_edge=False)
        for finding in findings:
            table.add_row(finding.what, finding.found, "ok" if finding.right else "WRONG")
        Console().print(table)
    if not right:
        raise typer.Exit(1)


def opened(options: Sequence[str] | None) -> dict[str, partial[ProcessChip]]:
    """What `--chip NAME=COMMAND` asks for: by name, what starts the driver in a folder.

    Raises:
        InputError: an option is not of that form, or a name comes twice.
    """
    found: dict[str, partial[ProcessChip]] = {}
    for option in options or ():
        name, equals, command = option.partition("=")
        if not (name and equals and command.strip()):
            raise InputError("--chip", option, "must be NAME=COMMAND", "NAME is an array, such as layer1.")
        if name in found:
            raise InputError("--chip", option, f"{name} has a driver already")
        found[name] = partial(ProcessChip, words(command))
    return found


def words(command: str) -> list[str]:
    """A command as a shell reads it.

    Raises:
        InputError: its quotes do not close, or it is empty.
    """
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise InputError("command", command, f"cannot be split into words ({error})") from None
    if not found:
        raise InputError("command", command, "must name a program")
    return found
