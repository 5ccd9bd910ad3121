"""The command group `memlearn spice`, and the picture of `memlearn show wires`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from .arrays import spice
from .arrays.selectors import MEMBERS as SELECTORS
from .arrays.selectors import AbstractSelector
from .arrays.wires import ResistiveWires, solved_ends
from .arrays.wires.circuit import Resistances
from .core.errors import InputError, nearest
from .experiment.files import read_table
from .ops.wires.network import Ends, Network
from .report import WiresSheet
from .report.folder import read_layer

app = typer.Typer(no_args_is_help=True, help="Arrays as SPICE netlists.")

_LARGEST = 128
"""Lines of an array that ngspice solves in minutes; its time grows with their number to the power of 4.6."""

_MOST = 2048
"""Lines of an array that is shown: the exact matrix of more takes minutes and gigabytes."""

Rows = Annotated[int, typer.Option(help="Word lines of a random array.")]
Columns = Annotated[int, typer.Option(help="Bit lines of a random array.")]
Run = Annotated[Path | None, typer.Option("--run", help="Run folder, instead of a random array.", show_default=False)]
Layer = Annotated[str | None, typer.Option(help="Layer of the run, as in result.json.", show_default=False)]
Tile = Annotated[str, typer.Option(help="Tile of the layer: its row and column, from 0.")]
Word = Annotated[float | None, typer.Option("--r-word-line", help="Ohm, of a segment.", show_default=False)]
Bit = Annotated[float | None, typer.Option("--r-bit-line", help="Ohm, of a segment.", show_default=False)]
Source = Annotated[float | None, typer.Option("--r-source", help="Ohm, of a driver.", show_default=False)]
Sense = Annotated[float | None, typer.Option("--r-sense", help="Ohm, of a sense input.", show_default=False)]
Sides = Annotated[str | None, typer.Option("--double-sided", help="none, drive, sense or both.", show_default=False)]
Selector = Annotated[
    list[str] | None,
    typer.Option("--selector", help="Kind of a selector, then its settings KEY=VALUE.", show_default=False),
]
Direction = Annotated[str, typer.Option("--read", help="forward or transposed.")]
Voltage = Annotated[float, typer.Option(help="V, of a fully driven line; lines carry random parts of it.")]
Seed = Annotated[int, typer.Option(help="Of cells and voltages.")]


class Circuit(NamedTuple):
    """One array under one set of voltages."""

    cells: np.ndarray
    wires: ResistiveWires
    selector: AbstractSelector | None
    read: Literal["forward", "transposed"]
    voltages: Ends
    title: str

    @property
    def network(self) -> Network:
        """Its lines and ends."""
        w = self.wires
        lines = Resistances(w.r_word_line, w.r_bit_line, w.r_source, w.r_sense, w.double_sided)
        return lines.network(self.cells.shape[0], self.cells.shape[1], self.read)

    def netlist(self) -> str:
        """For ngspice."""
        return spice.netlist(self.cells, self.network, self.voltages, selector=self.selector, title=self.title)


@app.callback()
def group() -> None:
    """Arrays as SPICE netlists."""


@app.command("export")
def export(  # noqa: PLR0913
    out: Annotated[Path, typer.Option("--out", help="Netlist to write.", show_default=False)],
    rows: Rows = 16,
    columns: Columns = 16,
    run: Run = None,
    layer: Layer = None,
    tile: Tile = "0,0",
    r_word_line: Word = None,
    r_bit_line: Bit = None,
    r_source: Source = None,
    r_sense: Sense = None,
    double_sided: Sides = None,
    selector: Selector = None,
    read: Direction = "forward",
    voltage: Voltage = 0.2,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write an array, random or of a run, with its wires, selectors and drive, as a netlist that ngspice runs."""
    changes = line_settings(r_word_line, r_bit_line, r_source, r_sense, double_sided)
    circuit = _circuit((rows, columns), (run, layer, tile), changes, selector, read, voltage, seed)
    if out.is_dir():
        raise InputError("out", str(out), "is a folder", "Name a file in it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(circuit.netlist(), encoding="utf8")
    if as_json:
        size = circuit.cells.shape
        record = {"file": str(out), "title": circuit.title, "rows": size[0], "columns": size[1], "read": read}
        typer.echo(json.dumps({**record, "run": f"ngspice -b {out}"}))
        return
    _say(f"Written to {out}: {circuit.title}. Run it with: ngspice -b {out}")


@app.command("check")
def check(  # noqa: PLR0913
    rows: Rows = 16,
    columns: Columns = 16,
    run: Run = None,
    layer: Layer = None,
    tile: Tile = "0,0",
    r_word_line: Word = None,
    r_bit_line: Bit = None,
    r_source: Source = None,
    r_sense: Sense = None,
    double_sided: Sides = None,
    selector: Selector = None,
    read: Direction = "forward",
    voltage: Voltage = 0.2,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Have ngspice solve an array, and print the largest difference of its currents from memlearn's."""
    changes = line_settings(r_word_line, r_bit_line, r_source, r_sense, double_sided)
    circuit = _circuit((rows, columns), (run, layer, tile), changes, selector, read, voltage, seed)
    size = circuit.cells.shape
    if max(size) > _LARGEST:
        allowed = f"is more than ngspice solves in minutes, {_LARGEST} lines"
        raise InputError("size", " x ".join(map(str, size)), allowed, "Check a smaller array, or one tile.")
    theirs = spice.run(circuit.netlist(), *size)
    ours = solved_ends(circuit.cells, circuit.network, circuit.voltages, circuit.selector)
    apart = spice.difference(ours, theirs)
    largest = float(np.abs(np.concatenate(theirs)).max())
    if as_json:
        record = {"rows": size[0], "columns": size[1], "read": read, "largest_current": largest}
        typer.echo(json.dumps({**record, "largest_relative_difference": apart}))
        return
    typer.echo(f"{circuit.title}, {read} read")
    typer.echo(f"largest current {largest:.4g} A, largest relative difference from ngspice {apart:.2e}")


def show_wires(changes: dict[str, Any], size: str, *, seed: int, html: Path | None, as_json: bool) -> None:
    """What the lines of a random array take away: printed, and as a page."""
    rows, _, columns = size.partition("x")
    try:
        lines = int(rows), int(columns or rows)
    except ValueError:
        raise InputError("size", size, "must be N or ROWSxCOLUMNS", "256 or 128x64, for instance.") from None
    if not 1 <= min(lines) <= max(lines) <= _MOST:
        raise InputError("size", size, f"must lie between 1 and {_MOST} lines")
    sheet = WiresSheet(ResistiveWires(**changes), *lines, seed=seed)
    typer.echo(json.dumps(sheet.data(), indent=2) if as_json else sheet.text())
    if html is not None:
        _say(f"Written to {sheet.write(html)}.")


def line_settings(*given: Any) -> dict[str, Any]:
    """Settings of lines that were given: word and bit line, source, sense, sides."""
    names = ("r_word_line", "r_bit_line", "r_source", "r_sense", "double_sided")
    return {name: value for name, value in zip(names, given, strict=True) if value is not None}


def _circuit(
    size: tuple[int, int],
    place: tuple[Path | None, str | None, str],
    changes: dict[str, Any],
    selector: list[str] | None,
    read: str,
    voltage: float,
    seed: int,
) -> Circuit:
    if read not in ("forward", "transposed"):
        raise InputError("read", read, "unknown direction", nearest(read, ("forward", "transposed")))
    draw = np.random.Generator(np.random.Philox(seed))
    folder, layer, tile = place
    if folder is None:
        if min(size) < 1:
            raise InputError("rows, columns", size, "must be at least 1")
        cells, wires = draw.uniform(1e-6, 1e-4, size), ResistiveWires(**changes)
        title = f"{size[0]} x {size[1]} random cells, seed {seed}"
    else:
        cells, wires, title = _of_run(folder, layer, tile, changes)
    rows, columns = cells.shape
    if read == "forward":
        driven = voltage * draw.random(rows)
        voltages = Ends(driven, driven, np.zeros(columns), np.zeros(columns))
    else:
        driven = voltage * draw.random(columns)
        voltages = Ends(np.zeros(rows), np.zeros(rows), driven, driven)
    return Circuit(cells, wires, _selector(selector) or wires.selector, read, voltages, title)  # type: ignore[arg-type]


def _of_run(
    folder: Path, layer: str | None, tile: str, changes: dict[str, Any]
) -> tuple[np.ndarray, ResistiveWires, str]:
    """Trained cells of one physical tile, and the lines that the run had."""
    if layer is None:
        raise InputError("layer", None, "must be named when --run is given", "Its name stands in result.json.")
    arrays = read_layer(folder, layer)
    (tall, wide), lines = arrays.tile, arrays.lines
    try:
        i, j = (int(part) for part in tile.split(","))
    except ValueError:
        raise InputError("tile", tile, "must be two whole numbers", "0,0, for instance.") from None
    if not (0 <= i < lines[0] // tall and 0 <= j < lines[1] // wide):
        allowed = f"the layer has {lines[0] // tall} x {lines[1] // wide} tiles"
        raise InputError("tile", tile, allowed, "Counted from 0.")
    cells = np.zeros((tall, wide))
    own = np.nan_to_num(arrays.after[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide])
    cells[: own.shape[0], : own.shape[1]] = own
    given = (read_table(folder / "config.json").get("crossbar") or {}).get("wires") or {}
    if given.get("kind") != "resistive" and not changes:
        raise InputError(
            "run", str(folder), "has ideal wires", "Give some: --r-word-line 1 --r-bit-line 1, for instance."
        )
    wires = ResistiveWires.from_table(given) if given.get("kind") == "resistive" else ResistiveWires()
    return cells, wires.replace(**changes), f"layer {layer} of {folder.resolve().name}, tile {i},{j}"


def _selector(given: list[str] | None) -> AbstractSelector | None:
    if not given:
        return None
    kind, *settings = (part for text in given for part in text.split(","))
    if kind not in SELECTORS:
        raise InputError("selector", kind, "unknown selector", nearest(kind, SELECTORS))
    table: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        try:
            table[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError("selector", setting, "must be KEY=NUMBER", "sinh,a=2, for instance.")
    return SELECTORS[kind].from_table(table)  # type: ignore[return-value]


def _say(text: str) -> None:
    """To the terminal, not into what a pipe takes."""
    Console(stderr=True).print(Text(text), soft_wrap=True)
