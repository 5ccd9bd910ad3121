"""An array as a SPICE netlist, and ngspice's answer to it: an opinion that owes nothing to our own solvers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ..core.errors import DataError, InputError
from ..ops.wires.network import Ends, Network
from .selectors.base import AbstractSelector

_ACROSS = re.compile(r"^v\(w_(\d+)_(\d+)\)-v\(b_\1_\2\)\s*=\s*([-+0-9.e]+)", re.MULTILINE)
_PRINTED = re.compile(r"^i\(v_(\w+)\)\s*=\s*([-+0-9.eE]+)", re.MULTILINE)


def netlist(
    conductance: np.ndarray,
    network: Network,
    voltages: Ends,
    *,
    selector: AbstractSelector | None = None,
    title: str = "crossbar",
) -> str:
    """The circuit of one array under one set of terminal voltages, with an operating point and its printed currents.

    Nodes w_i_j and b_i_j are the crossings on word line i and bit line j, both from 0; V_left_i, V_right_i, V_top_j and
    V_bottom_j hold the terminals, and the current of each into the array's terminal is printed. A resistance of 0 is a
    source of 0 V; a cell of 0 S is left out.

    Arguments:
        conductance: S, (rows, columns).
        network: lines and ends; ends of infinite resistance are left out.
        voltages: V, of the terminals, (rows,) and (columns,).
        selector: law of the cells; None: ohmic.
        title: first line.
    """
    rows, columns = conductance.shape
    lines = [
        f"* {title}: {rows} x {columns} cells",
        ".options reltol=1e-10 abstol=1e-16 vntol=1e-12 gmin=1e-18 itl1=2000",
    ]
    for i in range(rows):
        for j in range(columns - 1):
            lines.append(_wire(f"w_{i}_{j}", f"w_{i}_{j}", f"w_{i}_{j + 1}", network.word[i]))
    for j in range(columns):
        for i in range(rows - 1):
            lines.append(_wire(f"b_{i}_{j}", f"b_{i}_{j}", f"b_{i + 1}_{j}", network.bit[j]))
    for i in range(rows):
        for j in range(columns):
            lines += _cell(float(conductance[i, j]), i, j, selector)
    printed = []
    for name, resistances, given, node in (
        ("left", network.left, voltages.left, lambda i: f"w_{i}_0"),
        ("right", network.right, voltages.right, lambda i: f"w_{i}_{columns - 1}"),
        ("top", network.top, voltages.top, lambda j: f"b_0_{j}"),
        ("bottom", network.bottom, voltages.bottom, lambda j: f"b_{rows - 1}_{j}"),
    ):
        for k, resistance in enumerate(resistances):
            if np.isfinite(resistance):
                lines.append(_wire(f"{name}_{k}", node(k), f"t_{name}_{k}", resistance))
                lines.append(f"V_{name}_{k} t_{name}_{k} 0 DC {given[k]:.17g}")
                printed.append(f"i(V_{name}_{k})")
    control = [".control", "set numdgt=16", "op", *(f"print {what}" for what in printed), ".endc", ".end"]
    return "\n".join([*lines, *control]) + "\n"


def run(text: str, rows: int, columns: int, *, seconds: float = 600.0) -> Ends:
    """What ngspice makes of a netlist: currents out of the array into the terminals, A; 0 where nothing is attached.

    Arguments:
        text: of `netlist`.
        rows, columns: of the array.
        seconds: s, after which it is given up.

    Raises:
        DataError: ngspice is not installed, failed, or printed something else.
    """
    output = _output(text, seconds)
    found = {name.lower(): float(value) for name, value in _PRINTED.findall(output.lower())}
    wanted = len(re.findall(r"^print i", text, re.MULTILINE))
    if len(found) != wanted:
        raise DataError(f"ngspice printed {len(found)} of {wanted} currents:\n{output[-2000:]}")
    sizes = {"left": rows, "right": rows, "top": columns, "bottom": columns}
    return Ends(*(np.array([found.get(f"{name}_{k}", 0.0) for k in range(n)]) for name, n in sizes.items()))


def cell_voltages(text: str, rows: int, columns: int, *, seconds: float = 600.0) -> np.ndarray:
    """What ngspice makes of the voltages across the cells, word minus bit line, V, (rows, columns).

    Arguments and errors as of `run`.
    """
    places = [(i, j) for i in range(rows) for j in range(columns)]
    printed = "\n".join(f"print v(w_{i}_{j})-v(b_{i}_{j})" for i, j in places)
    output = _output(text.replace("\n.endc", f"\n{printed}\n.endc"), seconds)
    found = {(int(i), int(j)): float(value) for i, j, value in _ACROSS.findall(output.lower())}
    if len(found) != len(places):
        raise DataError(f"ngspice printed {len(found)} of {len(places)} voltages:\n{output[-2000:]}")
    return np.array([found[place] for place in places]).reshape(rows, columns)


def _output(text: str, seconds: float) -> str:
    """What ngspice prints."""
    program = shutil.which("ngspice")
    if program is None:
        raise DataError("ngspice is not installed, or not on the path; on Debian and Ubuntu: apt-get install ngspice")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "array.cir"
        file.write_text(text, encoding="utf8")
        try:
            done = subprocess.run(
                [program, "-b", str(file)], capture_output=True, text=True, timeout=seconds, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"ngspice was still at it after {seconds:.0f} s; check a smaller array") from None
    return done.stdout + done.stderr


def difference(found: Ends, exact: Ends) -> float:
    """Largest difference of a current, relative to the largest."""
    ours, theirs = np.concatenate(found), np.concatenate(exact)
    if ours.shape != theirs.shape:
        raise InputError("found", ours.shape, f"must have the shape of what it is compared with, {theirs.shape}")
    return float(np.abs(ours - theirs).max() / max(float(np.abs(theirs).max()), 1e-300))


def _wire(name: str, first: str, second: str, resistance: float) -> str:
    if resistance == 0:
        return f"V_zero_{name} {first} {second} DC 0"
    return f"R_{name} {first} {second} {resistance:.17g}"


def _cell(conductance: float, i: int, j: int, selector: AbstractSelector | None) -> list[str]:
    if conductance == 0:
        return []
    if selector is None or selector.linear:
        law = conductance if selector is None else float(selector.slope(np.array(conductance), np.array(0.0)))
        return [f"R_cell_{i}_{j} w_{i}_{j} b_{i}_{j} {1 / law:.17g}"]
    current = selector.spice(conductance, f"v(w_{i}_{j})-v(b_{i}_{j})")
    return [f"B_cell_{i}_{j} w_{i}_{j} b_{i}_{j} I={current}"]
