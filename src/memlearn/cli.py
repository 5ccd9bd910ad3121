"""The command line: `memlearn run`, `resume`, `report`, `sweep`, `list`, `show`, `schema`, and groups of commands."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from . import cells, compensation, datasets, devices, learning, periphery, programming
from .arrays import mapping, wires
from .cli_bench import app as bench_app
from .cli_chip import app as chip_app
from .cli_chip import opened
from .cli_compare import compare_command
from .cli_device import app as device_app
from .cli_examples import FIRST, with_examples
from .cli_watch import say, watching
from .cli_wires import Bit, Sense, Sides, Source, Word, line_settings, show_wires
from .cli_wires import app as spice_app
from .core.component import Component, describe, kind_of
from .core.errors import InputError, MemlearnError, nearest
from .core.version import VERSION
from .cost import converters
from .experiment import Interrupted, Override, parse_override, read_experiment, resume, run, schema, sweep
from .experiment.board import Board
from .experiment.files import read_table
from .experiment.networks import MEMBERS as NETWORKS
from .learning import accumulate, credit
from .report import DeviceSheet, find_device, formats, summary_table, write_report
from .report.compare import COMPARE
from .report.compare_page import comparison_figures, write_comparison
from .report.export import comparison_numbers, export, run_figures, run_numbers

FAMILIES: Mapping[str, Mapping[str, type[Component]]] = {
    "devices": devices.MEMBERS,
    "mappings": mapping.MEMBERS,
    "wires": wires.MEMBERS,
    "corrections": compensation.MEMBERS,
    "cells": cells.MEMBERS,
    "neurons": periphery.NEURONS,
    "drivers": periphery.DRIVERS,
    "senses": periphery.SENSES,
    "writers": programming.MEMBERS,
    "credits": credit.MEMBERS,
    "accumulators": accumulate.MEMBERS,
    "rules": learning.MEMBERS,
    "networks": NETWORKS,
    "datasets": datasets.MEMBERS,
    "converters": converters.MEMBERS,
}
PRESETS, EXPERIMENTS, DEMO = "presets", "experiments", "demo_digits.toml"
BOARD = "tensorboard"


class Commands(TyperGroup):
    """Every command's errors come out as one readable block, and its exit status is 0 only on success."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Interrupted as stop:
            say(str(stop))
            raise typer.Exit(128 + stop.signal_number) from None
        except KeyboardInterrupt:
            say("Stopped.")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            raise
        except (MemlearnError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            say(f"Error: {error}", style="red")
            raise typer.Exit(1) from None


app = typer.Typer(cls=Commands, invoke_without_command=True, pretty_exceptions_enable=False)

Folder = Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", help="Folder to write; new or empty.", show_default=False)]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder with the data set's files.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run; other files stay.")]
OnChips = Annotated[
    list[str] | None,
    typer.Option("--chip", help="An array that is real: NAME=COMMAND of its driver.", show_default=False),
]
OnBoard = Annotated[bool, typer.Option("--tensorboard", help="Write curves for TensorBoard into OUT/tensorboard.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Train neural networks inside simulated memristor crossbars."""
    if context.invoked_subcommand is None:
        print(FIRST, end="")
        raise typer.Exit(2)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier one is replaced.")] = Path("demo"),
    epochs: Annotated[int | None, typer.Option(help="Fewer or more than the 60 of it.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Train on embedded digits, in under a minute and without a download, and write a page about it."""
    changes = [] if epochs is None else [Override("training.epochs", epochs)]
    with watching() as watcher:
        figures = run(read_experiment(_demo(), overrides=changes).experiment, out, overwrite=True, watcher=watcher)
    page = write_report([out])
    _show_figures(figures, as_json)
    say(f"The page about it: {page}")
    say(f"Change a setting: memlearn run {out / 'config.json'} --out other --set device.kind=soft_bounds")


@app.command("run")
def run_command(  # noqa: PLR0913  (what a run can be asked)
    experiment: Annotated[Path, typer.Argument(help="TOML file, or the config.json of a run.", show_default=False)],
    out: Out,
    data: DataFolder = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the file's seed.", show_default=False)] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: KEY=VALUE, KEY dotted.", show_default=False)
    ] = None,
    chips: OnChips = None,
    tensorboard: OnBoard = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train an experiment and write its run folder."""
    overrides = [parse_override(text) for text in settings or []]
    described = read_experiment(experiment, overrides=overrides, seed=seed)
    for note in described.notes:
        say(note)
    with watching() as watcher:
        heard = Board(out / BOARD, watcher) if tensorboard else watcher
        options = {"data_directory": data, "overwrite": overwrite, "watcher": heard, "chips": opened(chips)}
        figures = run(described.experiment, out, **options)
    _show_figures(figures, as_json)
    say(f"Written to {out}. For figures: memlearn report {out}")


@app.command("resume")
def resume_command(
    folder: Folder, chips: OnChips = None, tensorboard: OnBoard = False, as_json: AsJson = False
) -> None:
    """Go on with a run that was stopped or killed."""
    with watching() as watcher:
        heard = Board(folder / BOARD, watcher) if tensorboard else watcher
        figures = resume(folder, watcher=heard, chips=opened(chips))
    _show_figures(figures, as_json)


@app.command()
def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Run folders, or folders of sweeps or of a comparison.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write; without it report.html in the first folder.", show_default=False)
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Folder for every figure as SVG.", show_default=False)] = None,
    pdf: Annotated[Path | None, typer.Option(help="Folder for every figure as PDF.", show_default=False)] = None,
    csv: Annotated[Path | None, typer.Option(help="Folder for the numbers as CSV.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write one page with figures that opens without a network, and its figures and numbers as files."""
    if (folders[0] / COMPARE).is_file():
        if len(folders) > 1:
            raise InputError("folders", str(folders[0]), "is a comparison", "Report it alone.")
        page = write_comparison(folders[0], out)
        figures, tables = comparison_figures(folders[0]), comparison_numbers(folders[0])
    else:
        runs = [run for folder in folders for run in _runs(folder)]
        page = write_report(runs, out or folders[0] / "report.html")
        figures, tables = (run_figures(runs) if svg or pdf else {}), (run_numbers(runs) if csv else {})
    files = [page, *export(svg=svg, pdf=pdf, csv=csv, figures=figures, tables=tables)]
    if as_json:
        print(json.dumps({"page": str(page), "files": [str(file) for file in files[1:]]}, indent=2))
    else:
        print(*files, sep="\n")


@app.command("sweep")
def sweep_command(
    file: Annotated[Path, typer.Argument(help="TOML file of the sweep.", show_default=False)],
    out: Out,
    data: DataFolder = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run variants of an experiment; what is finished is kept, what was interrupted goes on."""
    try:
        with watching() as watcher:
            summary = sweep(file, out, data_directory=data, overwrite=overwrite, watcher=watcher.named)
    except Interrupted:
        say("The same command goes on with the sweep.")
        raise
    if as_json:
        print(json.dumps(summary, indent=2))
    else:
        Console().print(_sweep_table(summary))


app.command("compare")(compare_command)


@app.command("list")
def list_command(
    family: Annotated[str | None, typer.Argument(help="One family only.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the components and presets that an experiment file can name, and the experiments at hand."""
    names = [*FAMILIES, PRESETS, EXPERIMENTS]
    if family is not None and family not in names:
        raise InputError("family", family, "unknown family", nearest(family, names))
    rows = [
        *((name, kind, _first_line(cls)) for name, members in FAMILIES.items() for kind, cls in members.items()),
        *((PRESETS, name, devices.load(name).title) for name in devices.presets() if family in (None, PRESETS)),
        *((EXPERIMENTS, file.name, _about(file)) for file in _experiments() if family in (None, EXPERIMENTS)),
    ]
    rows = [row for row in rows if family in (None, row[0])]
    if as_json:
        print(json.dumps([{"family": row[0], "kind": row[1], "what": row[2]} for row in rows], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("family", no_wrap=True)
    table.add_column("kind", overflow="fold", no_wrap=family != EXPERIMENTS)
    table.add_column("what it is")
    for row in rows:
        table.add_row(row[0], row[1], Text(row[2]))
    Console().print(table)


@app.command()
def show(  # noqa: PLR0913  (what a device or wires can be asked)
    family: Annotated[str, typer.Argument(help="device, rule, ...", show_default=False)],
    name: Annotated[
        str | None, typer.Argument(help="Its kind; of a device also a preset or a file.", show_default=False)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Of a device, or wires: page to write.", show_default=False)] = None,
    svg: Annotated[Path | None, typer.Option(help="Of a device: picture to write.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of a device, or wires: of the simulated cells.")] = 0,
    size: Annotated[
        str | None, typer.Option(help="Of wires: lines of an array, N or ROWSxCOLUMNS.", show_default=False)
    ] = None,
    r_word_line: Word = None,
    r_bit_line: Bit = None,
    r_source: Source = None,
    r_sense: Sense = None,
    double_sided: Sides = None,
    as_json: AsJson = False,
) -> None:
    """Show a component: its settings with unit, range and meaning, and its sources.

    Of a device also its curves; of wires what they take away from an array of random cells.
    """
    plural = family if family in FAMILIES else f"{family.removesuffix('y')}{'ies' if family.endswith('y') else 's'}"
    if plural not in FAMILIES:
        raise InputError("family", family, "unknown family", nearest(family, FAMILIES))
    members = FAMILIES[plural]
    changes = line_settings(r_word_line, r_bit_line, r_source, r_sense, double_sided)
    if plural == "wires" and name in (None, "resistive") and (size or changes or html or as_json or not name):
        show_wires(changes, size or "128", seed=seed, html=html, as_json=as_json)
        return
    if size or changes:
        raise InputError("--size, --r-word-line, ...", name, "belong to wires", "memlearn show wires --size 256")
    if name is None:
        raise InputError("name", None, f"which of the {plural}?", f"One of {', '.join(members)}.")
    if plural == "devices":
        _show_device(DeviceSheet(find_device(name), seed=seed), html=html, svg=svg, as_json=as_json)
        return
    if html or svg:
        raise InputError("--html, --svg", name, "only a device has a page", "Leave the option out.")
    if name not in members:
        raise InputError("name", name, f"is none of the {plural}", nearest(name, members))
    if as_json:
        cls = members[name]
        told = {"kind": name, "what": inspect.getdoc(cls), "settings": list(_settings_of(cls))}
        print(json.dumps({**told, "sources": list(cls.sources)}, indent=2))
        return
    _show_component(name, members[name])


app.add_typer(chip_app, name="chip")
app.add_typer(device_app, name="device")


def _show_component(name: str, cls: type[Component]) -> None:
    print(f"{name}: {inspect.getdoc(cls)}\n")
    for row in _settings_of(cls):
        unit = "" if row["unit"] in ("", "1") else f" {row['unit']}"
        bounds = f", {row['range']}" if row["range"] else ""
        print(f"{row['name']} = {row['default']}{unit}  ({row['type']}{bounds})\n    {row['meaning']}")
    if cls.sources:
        print("\nSources:", *cls.sources, sep="\n  ")


def _show_device(sheet: DeviceSheet, *, html: Path | None, svg: Path | None, as_json: bool) -> None:
    """Print the sheet of a device, and write what was asked for."""
    written = sheet.write(html=html, svg=svg)
    if as_json:
        print(json.dumps(sheet.data(), indent=2, allow_nan=False))
        return
    if sheet.preset.name in devices.MEMBERS:
        _show_component(sheet.preset.name, type(sheet.device))
        print(f"\n{sheet.figures_text()}")
    else:
        print(sheet.text())
    for path in written:
        say(f"Written to {path}.")


app.add_typer(bench_app, name="bench")
app.add_typer(spice_app, name="spice")


@app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of experiment files."""
    print(json.dumps(schema(), indent=2))


with_examples(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Arguments:
        arguments: without the program's name; None takes them from the system.

    Returns:
        The exit status: 0 on success only.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="memlearn")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    return 0


def _show_figures(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        Console().print(summary_table([figures], names=[figures.get("name", "this run")]))


def _sweep_table(summary: Mapping[str, Any]) -> Table:
    table = Table("case", "runs", "test, mean", "test, worst", "float, mean", "pulses per cell, mean", box=None)
    for case in summary["cases"]:
        mean, worst = case["mean"], case["worst"]
        table.add_row(
            Text(case["name"]),
            str(len(case["runs"])),
            *(formats.percent(f) for f in (mean["test_accuracy"], worst["test_accuracy"], mean["float_test_accuracy"])),
            formats.figure(mean["pulses_per_cell_mean"]),
        )
    return table


def _runs(folder: Path) -> list[Path]:
    """The run folders of a sweep, or the folder itself."""
    file = folder / "sweep.json"
    if not file.is_file():
        return [folder]
    try:
        return [folder / run["folder"] for case in json.loads(file.read_text())["cases"] for run in case["runs"]]
    except (ValueError, KeyError, TypeError):
        raise InputError("folder", str(folder), "its sweep.json is damaged", "Run the sweep again.") from None


def _about(file: Path) -> str:
    """An experiment or a sweep in a sentence; a file that is broken must not hide the others."""
    try:
        table = read_table(file)
    except MemlearnError as error:
        return str(error)
    return str(table.get("description") or (f"sweep of {table['base']}" if "base" in table else ""))


def _first_line(cls: type[Component]) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _settings_of(cls: type[Component], prefix: str = "") -> Iterator[dict[str, str]]:
    """The settings of a component, those of its plain parts included; parts that come in kinds are named only."""
    for row in describe(cls):
        part = cls.model_fields[row["name"]].annotation
        if isinstance(part, type) and issubclass(part, Component) and kind_of(part) is None:
            yield from _settings_of(part, f"{prefix}{row['name']}.")
        else:
            yield {**row, "name": f"{prefix}{row['name']}"}


def _demo() -> Path:
    """The demonstration: beside this file where memlearn is installed, else that of the sources."""
    installed = Path(__file__).parent / "experiment" / DEMO
    return installed if installed.is_file() else Path(__file__).parents[2] / EXPERIMENTS / DEMO


def _experiments() -> list[Path]:
    """Those of the current folder, or else those that came with the sources."""
    for folder in (Path(EXPERIMENTS), Path(__file__).parents[2] / EXPERIMENTS):
        if folder.is_dir():
            return sorted(folder.glob("*.toml"))
    return []
