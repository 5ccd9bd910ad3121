"""The command group `memlearn bench`: time the kernels; a kernel that is wrong is not timed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .core.errors import InputError
from .experiment.bench import bench_train
from .experiment.bench_cases import RULES
from .experiment.bench_costs import NETWORKS, TURNS, bench_costs
from .experiment.bench_pulses import LAWS, bench_pulses
from .experiment.bench_wires import RECTANGLES, RESISTANCES, SIZES, bench_wires
from .experiment.bench_wires_training import PASSES, bench_wires_training
from .experiment.bench_wires_training import RULES as TRAINED

DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Folder with the data set's files.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]

app = typer.Typer(no_args_is_help=True, help="Time the kernels; a kernel that is wrong is not timed.")


@app.callback()
def bench() -> None:
    """Time the kernels; a kernel that is wrong is not timed."""


@app.command("train")
def bench_train_command(
    rule: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(RULES)}; several times for several.", show_default=False),
    ] = None,
    network: Annotated[str, typer.Option(help="mlp (784-256-128-10) or cnn (LeNet 1-6-16, 120-84-10).")] = "mlp",
    backward: Annotated[
        str, typer.Option(help="Error of convolutions: rewired, or copy for a second array.")
    ] = "rewired",
    device: Annotated[str, typer.Option(help="Kind of a device law.")] = "constant_step",
    batch: Annotated[
        list[int] | None,
        typer.Option(help="Images between two writes; may be given several times.", show_default=False),
    ] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Time training inside arrays as a multiple of plain PyTorch, one thread, both in this run."""
    options = {"network": network, "backward": backward, "device": device, "batches": tuple(batch or ()), "data": data}
    records = []
    for record in bench_train(tuple(rule or RULES), **options):  # type: ignore[arg-type]
        records.append(record)
        if as_json:
            typer.echo(json.dumps(record))
        else:
            Console().print(_bench_table(record))
    if not as_json:
        Console().print(_bench_summary(records))


@app.command("pulse-update")
def bench_pulses_command(
    law: Annotated[
        list[str] | None, typer.Option(help="Kind of a device law; may be given several times.", show_default=False)
    ] = None,
    size: Annotated[int, typer.Option(help="Word lines and bit lines of the array.")] = 384,
    seconds: Annotated[float, typer.Option(help="Time spent on each number, s.")] = 0.3,
    as_json: AsJson = False,
) -> None:
    """Time the pulses of device laws: counts and trains, with and without noise, by density; beside the limits."""
    table = Table(
        title="Pulses on one core (per core of two), per cell visited, bytes a pulse", title_justify="left", box=None
    )
    for heading in ("law", "noise", "plan", "density", "ns/pulse", "", "ns/cell", "x limit", "bytes"):
        table.add_column(heading, justify="left" if heading in ("law", "noise", "plan") else "right")
    record: dict[str, Any] = {}
    for record in bench_pulses(tuple(law or LAWS), size=size, seconds=seconds):
        if as_json:
            typer.echo(json.dumps(record))
        table.add_row(
            *(record["law"], "on" if record["noise"] else "off", record["plan"], f"{record['density']:.1%}"),
            *(f"{record['ns_per_pulse']:.1f}", f"({record['ns_per_pulse_per_core_of_two']:.1f})"),
            *(f"{record['ns_per_cell']:.2f}", f"{record['times_the_limit']:.1f}", f"{record['bytes_per_pulse']:.0f}"),
        )
    if not as_json:
        table.caption = (
            f"The limit is the longer of the bytes touched at {record['gbyte_per_s']:g} GB/s, a copy as large as the "
            f"cells, and the normal numbers drawn at {record['ns_per_normal']:g} ns each; both measured in this run."
        )
        table.caption_justify = "left"
        Console().print(table)


@app.command("wires")
def bench_wires_command(
    sizes: Annotated[str, typer.Option(help="Lines of square arrays, between commas.")] = ",".join(map(str, SIZES)),
    rectangular: Annotated[
        str, typer.Option(help="Other arrays: word lines x bit lines, between commas; none for none.")
    ] = ",".join(f"{rows}x{columns}" for rows, columns in RECTANGLES),
    resistance: Annotated[str, typer.Option(help="Ohm, of a segment, between commas.")] = ",".join(
        f"{r:g}" for r in RESISTANCES
    ),
    threads: Annotated[str, typer.Option(help="Numbers of threads, between commas.")] = "1",
    no_sparse: Annotated[bool, typer.Option("--no-sparse", help="Leave the sparse direct solution out.")] = False,
    seconds: Annotated[float, typer.Option(help="Time spent on each number, s.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Time resistive wires beside a sparse direct solution: transfer matrix, a further read, one input by lines."""
    table = Table(title="Wires", title_justify="left", box=None, pad_edge=False)
    for heading in ("method", "array", "inputs", "ohm", "threads", "ms", "sparse ms", "x", "error", "MB"):
        table.add_column(heading, justify="left" if heading in ("method", "array") else "right")
    found = bench_wires(
        tuple(_whole("sizes", text) for text in _parts(sizes)),
        rectangles=tuple(_rectangle(text) for text in _parts(rectangular)),
        resistances=tuple(_real("resistance", text) for text in _parts(resistance)),
        threads=tuple(_whole("threads", text) for text in _parts(threads)),
        sparse=not no_sparse,
        seconds=seconds,
    )
    for record in found:
        if as_json:
            typer.echo(json.dumps(record))
        direct, faster = record["sparse_direct_ms"], record["speedup"]
        table.add_row(
            record["method"],
            f"{record['rows']} x {record['columns']}",
            *(f"{record['inputs']}", f"{record['r_line']:g}", f"{record['threads']}", f"{record['ms']:.3g}"),
            *("" if value is None else f"{value:.4g}" for value in (direct, faster)),
            *(f"{record['max_relative_error']:.1e}", f"{record['peak_mb']:.1f}"),
        )
    if not as_json:
        table.caption = "Medians; processor time, with several threads time by the clock."
        table.caption_justify = "left"
        Console().print(table)


@app.command("wires-training")
def bench_wires_training_command(
    rule: Annotated[
        list[str] | None,
        typer.Option(help=f"{' or '.join(TRAINED)}; may be given several times.", show_default=False),
    ] = None,
    passes: Annotated[
        list[str] | None,
        typer.Option(help=f"What sees the wires: {', '.join(PASSES)}; several times for several.", show_default=False),
    ] = None,
    size: Annotated[int, typer.Option(help="Word lines and bit lines of a tile.")] = 128,
    r_on: Annotated[float, typer.Option("--r-on", help="Ohm, of the cells.")] = 1e4,
    steps: Annotated[int, typer.Option(help="Steps that are timed.")] = 9,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Time a step of training with resistive wires beside the same step with ideal lines, one thread, in this run."""
    table = Table(title="A step of training", title_justify="left", box=None, pad_edge=False)
    for heading in ("rule", "wires in", "tiles", "batch", "ideal ms", "ms", "x", "x of means"):
        table.add_column(heading, justify="left" if heading in ("rule", "wires in") else "right", no_wrap=True)
    options = {"size": size, "r_on": r_on, "steps": steps, "data": data}
    for record in bench_wires_training(tuple(rule or TRAINED), passes=tuple(passes or PASSES), **options):  # type: ignore[arg-type]
        if as_json:
            typer.echo(json.dumps(record))
        where = "both reads" if record["passes"] == "reads" else f"all, {record['passes']} {record['writes']}"
        table.add_row(
            *(record["rule"], where, f"{record['tiles']}", f"{record['batch']}", f"{record['ideal_ms']:.3g}"),
            *(f"{record['ms']:.4g}", f"{record['times']:.1f}", f"{record['times_mean']:.1f}"),
        )
    if not as_json:
        table.caption = f"Processor time, one thread, medians of {steps} steps; cells of {r_on:g} ohm and more."
        table.caption_justify = "left"
        Console().print(table)


@app.command("costs")
def bench_costs_command(
    rule: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(RULES)}; several times for several.", show_default=False),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(NETWORKS)}; all where none is given.", show_default=False)
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(help="Images between two writes; may be given several times.", show_default=False),
    ] = None,
    turns: Annotated[int, typer.Option(help="Timed turns of each.")] = TURNS,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Time training with its accounts, counting alone, and without a ledger, in this run: what accounting costs."""
    table = Table(title="Accounting, multiples of training without a ledger", title_justify="left", box=None)
    for heading in ("rule", "network", "batch", "path", "us a sample, off", "counted", "measured", "range", "fastest"):
        table.add_column(heading, justify="left" if heading in ("rule", "network", "path") else "right")
    found = bench_costs(tuple(rule or ()), network=network, batches=tuple(batch or ()), turns=turns, data=data)
    for record in found:
        if as_json:
            typer.echo(json.dumps(record))
        low, high = record["measured_range"]
        table.add_row(
            *(record["rule"], record["network"], f"{record['batch']}", record["path"]),
            *(f"{record['us_per_sample']['off']:.4g}", f"{record['counted']:.3f}", f"{record['measured']:.3f}"),
            *(f"{low:.3f} to {high:.3f}", f"{record['fastest']:.3f}"),
        )
    if not as_json:
        table.caption = f"Processor time, one thread; medians of {turns} turns; the range is that of single turns."
        table.caption_justify = "left"
        Console().print(table)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip() not in ("", "none")]


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(name, text, "must be whole numbers between commas", "128,256, for instance.") from None


def _real(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(name, text, "must be numbers between commas", "1,10, for instance.") from None


def _rectangle(text: str) -> tuple[int, int]:
    rows, _, columns = text.partition("x")
    return _whole("rectangular", rows), _whole("rectangular", columns)


def _bench_table(record: Mapping[str, Any]) -> Table:
    """Where the time of one case goes."""
    low, high = record["ratio_range"]
    title = f"{record['rule']}, {record['network']}, {record['device']}, batch {record['batch']}, by {record['path']}"
    title += f": {record['ratio']:.2f} x PyTorch ({low:.2f} to {high:.2f}), {record['us_per_sample']:.0f} us against"
    table = Table(
        title=f"{title} {record['torch_us_per_sample']:.0f} us", title_justify="left", box=None, pad_edge=False
    )
    for heading in ("stage", "share", "us a sample", "x limit", "what the limit counts"):
        table.add_column(heading, justify="left" if heading in ("stage", "what the limit counts") else "right")
    for name, stage in record["stages"].items():
        times = "" if stage["times_the_limit"] is None else f"{stage['times_the_limit']:.1f}"
        table.add_row(name, f"{stage['share']:.0%}", f"{stage['us_per_sample']:.1f}", times, stage["limit"])
    table.caption = f"One sample pulses {record['cells_pulsed_by_one_sample']:.3%} of the cells."
    table.caption_justify = "left"
    return table


def _bench_summary(records: Sequence[Mapping[str, Any]]) -> Table:
    """All cases in one table: multiples of plain PyTorch by rule and batch."""
    batches = sorted({record["batch"] for record in records})
    table = Table(title="Training, multiples of plain PyTorch", title_justify="left", box=None, pad_edge=False)
    table.add_column("rule")
    for batch in batches:
        table.add_column(f"batch {batch}", justify="right")
    table.add_column("path")
    found = {(record["rule"], record["batch"]): record for record in records}
    for rule in dict.fromkeys(record["rule"] for record in records):
        row = [found.get((rule, batch)) for batch in batches]
        ratios = ["" if record is None else f"{record['ratio']:.2f}" for record in row]
        table.add_row(rule, *ratios, next(record["path"] for record in row if record is not None))
    limits = records[-1]["limits"] if records else {}
    table.caption = "This machine, one core: " + ", ".join(f"{v:g} {k.replace('_', ' ')}" for k, v in limits.items())
    table.caption_justify = "left"
    return table
