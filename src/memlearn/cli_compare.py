"""The command `memlearn compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .cli_watch import say, watching
from .core.errors import InputError
from .experiment import Interrupted, compare
from .report.compare import as_csv, compare_tables, markdown, refused
from .report.compare_page import write_comparison
from .report.folder import write_atomically

_WIDE = 400


def compare_command(
    files: Annotated[
        list[Path], typer.Argument(help="Experiments, sweeps, or a compare.json.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write; new, empty or of a comparison.", show_default=False)
    ],
    seeds: Annotated[
        int | None, typer.Option("--seeds", help="Runs of each row; without it the files' seeds.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the data set's files.", show_default=False)
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the runs; comparisons may share it.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Compare experiments over several seeds in one table and one page; finished runs are kept."""
    if as_json and as_markdown:
        raise InputError("--json, --markdown", True, "give one of them", "Leave the other out.")
    try:
        with watching() as watcher:
            options = {"seeds": seeds, "runs": runs, "data_directory": data, "watcher": watcher.named}
            found = compare(files, out, **options)
    except Interrupted:
        say("The same command goes on with the comparison.")
        raise
    write_atomically(out / "compare.csv", as_csv(found))
    page = write_comparison(out)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif as_markdown:
        typer.echo(markdown(found), nl=False)
    else:
        console = Console()
        tables = compare_tables(found, console.width if console.is_terminal else None)
        for table in tables:
            # Not a terminal's width but the table's own: a file or a pipe takes lines of any length.
            (console if console.is_terminal else Console(width=_WIDE)).print(table)
    for line in refused(found["rows"]):
        say(f"cannot run: {line}")
    say(f"Written to {page}.")
