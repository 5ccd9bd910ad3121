"""From a table to traces: which column is what, in which unit, and which way each pulse went.

What is not said is guessed where only one reading makes sense, and every guess is stated; where two make sense, the
error says which option decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ...core.errors import DataError, InputError, nearest
from .table import Sheet, read_sheet
from .traces import Traces, in_siemens

CONDUCTANCE = {"S": 1.0, "mS": 1e-3, "uS": 1e-6, "nS": 1e-9, "pS": 1e-12}
CURRENT = {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "nA": 1e-9, "pA": 1e-12}
RESISTANCE = {"ohm": 1.0, "kohm": 1e3, "Mohm": 1e6}
UNITS = (*CONDUCTANCE, *CURRENT, *RESISTANCE, "1")
_NAMED = {
    "time": r"(time|t)(_m?s)?|timestamp",
    "voltage": r"(pulse|write|program|prog|set|bias|gate)?_?(v|volt|voltage|vpulse|v_pulse|amplitude|sign)(_m?v)?"
    r"|(pulse|write|prog)_?(v|volt|voltage|sign|amplitude|polarity)\w*|direction|dir|polarity",
    "read": r"(read|sense)_?(v|volt|voltage)\w*|v_?(read|sense)\w*",
    "device": r"device(_?(id|name|nr|no))?|cell(_?(id|name))?|address|addr|sample",
    "trace": r"trace(_?(id|name))?|cycle(_?(id|nr|no))?|run|repeat|sweep",
    "pulse": r"(pulse|step|pulse_?(nr|no|number|index|count)|n|index|i)",
}
_UNIT_IN_NAME = re.compile(r"(?:^|[\s_(\[/])([munpµμ]?S|[munpµμ]?A|[kM]?[oO]hms?|[kM]?Ω)(?:$|[\s_)\]\d])")
_WORDS = {"up": True, "down": False, "+": True, "-": False, "ltp": True, "ltd": False, "set": True, "reset": False,
          "pot": True, "dep": False, "potentiation": True, "depression": False, "p": True, "d": False}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How a table is to be read; None means: guess, and say so.

    Arguments:
        values: columns of the measured quantity; names, or numbers from 1.
        unit: of the values, one of S mS uS nS pS, A mA uA nA pA, ohm kohm Mohm, or 1 for normalised weights.
        read_voltage: V, when the values are currents: a number, or the name of a column.
        direction: column that tells up from down: a signed voltage, a sign, or words.
        negative_is_up: a negative voltage raises the conductance.
        up, down: pulses up, then down, again and again, when no column tells the direction.
        up_column, down_column: two columns, readings after up pulses and readings after down pulses.
        device: column with the name of the device (long form).
        trace: column with the name of the trace of that device (long form).
        pulse: column with the number of the pulse; gaps are several pulses between two readings.
        same_device: the traces are repeats on one device, not one device each.
        read_before: a row holds the reading before its pulse, not after it.
        window: S: conductances that dimensionless values span; 2e-6 to 20e-6 unless given.
    """

    values: tuple[str, ...] = ()
    unit: str | None = None
    read_voltage: str | float | None = None
    direction: str | None = None
    negative_is_up: bool = False
    up: int | None = None
    down: int | None = None
    up_column: str | None = None
    down_column: str | None = None
    device: str | None = None
    trace: str | None = None
    pulse: str | None = None
    same_device: bool = False
    read_before: bool = False
    window: tuple[float, float] | None = None


class _Parts(NamedTuple):
    """Traces before their unit is known."""

    values: list[np.ndarray]
    up: list[np.ndarray]
    pulses: list[np.ndarray]
    devices: list[str]
    voltage: list[np.ndarray] | None


def read_traces(path: str | Path, how: Reading | None = None) -> Traces:
    """Read measured pulse traces from a table.

    Arguments:
        path: comma, tab or semicolon separated, plain or .gz, with a header or without.
        how: what is not to be guessed.

    Raises:
        InputError: an option that does not fit the table, or that the table needs.
        DataError: the file is missing or holds no pulse traces.
    """
    how = how or Reading()
    sheet = read_sheet(path)
    roles = _roles(sheet, how)
    notes: list[str] = []
    if how.up_column or how.down_column:
        parts = _two_columns(sheet, how)
    else:
        parts = _columns(sheet, how, roles, notes)
    return _traces(sheet, how, roles, parts, notes)


Role = Literal["time", "voltage", "read", "device", "trace", "pulse", "value"]


def _roles(sheet: Sheet, how: Reading) -> dict[str, list[int]]:
    """Columns by role: what the options say, then what the names say; everything else is a value."""
    asked = {
        "voltage": how.direction, "device": how.device, "trace": how.trace, "pulse": how.pulse,
        "read": how.read_voltage if isinstance(how.read_voltage, str) and not _is_number(how.read_voltage) else None,
    }  # fmt: skip
    options = {"voltage": "direction", "read": "read_voltage"}
    found: dict[str, list[int]] = {role: [] for role in (*_NAMED, "value")}
    taken: set[int] = set()
    for role, name in asked.items():
        if name is not None:
            found[role] = [sheet.index(str(name), options.get(role, role))]
            taken.update(found[role])
    values = [sheet.index(name, "values") for name in how.values]
    for k, name in enumerate(sheet.names):
        if k in taken or k in values:
            continue
        role = next((r for r, pattern in _NAMED.items() if re.fullmatch(pattern, name.strip().lower())), None)
        if role is None and not values:
            found["value"].append(k)
        elif role is not None and asked.get(role) is None and not found[role]:
            found[role].append(k)
    found["value"] = values or found["value"]
    return found


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text.strip().lower()) is not None


def _two_columns(sheet: Sheet, how: Reading) -> _Parts:
    """One column of readings after up pulses, one after down pulses: two traces of one device."""
    if not (how.up_column and how.down_column):
        raise InputError("up_column", how.up_column, "needs down_column too, and the other way round")
    values, ups = [], []
    for name, option, way in ((how.up_column, "up_column", True), (how.down_column, "down_column", False)):
        column = _whole(sheet, sheet.index(name, option))
        values.append(column)
        ups.append(np.full(column.size, way))
    return _Parts(values, ups, [np.ones(v.size, np.int64) for v in values], ["device", "device"], None)


def _whole(sheet: Sheet, column: int) -> np.ndarray:
    """A column without its empty end.

    Raises:
        DataError: an empty cell with a number behind it, or nothing at all.
    """
    numbers = sheet.numbers(column)
    given = np.flatnonzero(~np.isnan(numbers))
    name = sheet.names[column]
    if not given.size:
        raise DataError(f"{sheet.path}: column '{name}' is empty.")
    numbers = numbers[: given[-1] + 1]
    if np.isnan(numbers).any():
        row = sheet.first_row + int(np.flatnonzero(np.isnan(numbers))[0])
        text = "A missing reading changes which pulse belongs to which step: delete the whole row or the trace."
        raise DataError(f"{sheet.path}, row {row}, column '{name}': no number, but there are some below. {text}")
    return numbers


def _columns(sheet: Sheet, how: Reading, roles: dict[str, list[int]], notes: list[str]) -> _Parts:
    """Wide form (one column per trace) or long form (a column names the device or the trace)."""
    if not roles["value"]:
        raise InputError("values", how.values, f"no column of {sheet.path} is left for the readings", "Name it.")
    bad = [sheet.names[k] for k in roles["value"] if not sheet.numeric(k)]
    if bad and not how.values:
        text = "Name the columns with the readings (values), and the device or trace column if there is one."
        raise DataError(f"{sheet.path}: column '{bad[0]}' holds words. {text}")
    long = bool(roles["device"] or roles["trace"])
    if long and len(roles["value"]) > 1:
        names = ", ".join(sheet.names[k] for k in roles["value"])
        text = f"could be any of {names}"
        raise InputError("values", None, f"{sheet.path} has one row per reading, and the readings {text}", "Name one.")
    if not long and len(roles["value"]) == 2 and not roles["voltage"] and how.up is None:
        first, second = (sheet.names[k] for k in roles["value"])
        text = "two columns and nothing that tells up from down"
        remedy = f"up_column={first}, down_column={second} if one holds each direction; up and down counts otherwise."
        raise InputError("direction", None, f"{sheet.path} has {text}", remedy)
    groups = _groups(sheet, roles) if long else {}
    if not long:
        return _wide(sheet, how, roles, notes)
    return _long(sheet, how, roles, groups, notes)


def _wide(sheet: Sheet, how: Reading, roles: dict[str, list[int]], notes: list[str]) -> _Parts:
    values = [_whole(sheet, k) for k in roles["value"]]
    longest = max(v.size for v in values)
    rows = np.arange(longest)
    direction = _direction(sheet, how, roles, rows, notes)
    pulses = _pulses(sheet, roles, rows, notes)
    voltage = sheet.numbers(roles["read"][0]) if roles["read"] else None
    names = [sheet.names[k] for k in roles["value"]]
    if how.same_device:
        names = ["device"] * len(values)
    elif len(values) > 1:
        notes.append(f"{len(values)} columns of readings are {len(values)} devices (same_device says otherwise).")
    return _Parts(
        values,
        [direction[: v.size] for v in values],
        [pulses[: v.size] for v in values],
        names,
        None if voltage is None else [voltage[: v.size] for v in values],
    )


def _groups(sheet: Sheet, roles: dict[str, list[int]]) -> dict[tuple[str, str], np.ndarray]:
    """Rows of each (device, trace), in order of appearance."""
    columns = [sheet.cells[roles[role][0]] if roles[role] else None for role in ("device", "trace")]
    rows: dict[tuple[str, str], list[int]] = {}
    for i in range(len(sheet.cells[0])):
        rows.setdefault(tuple("" if c is None else c[i] for c in columns), []).append(i)  # type: ignore[arg-type]
    return {key: np.array(found) for key, found in rows.items()}


def _long(
    sheet: Sheet, how: Reading, roles: dict[str, list[int]], groups: dict[tuple[str, str], np.ndarray], notes: list[str]
) -> _Parts:
    numbers = sheet.numbers(roles["value"][0])
    if np.isnan(numbers).any():
        row = sheet.first_row + int(np.flatnonzero(np.isnan(numbers))[0])
        raise DataError(f"{sheet.path}, row {row}, column '{sheet.names[roles['value'][0]]}': no number.")
    voltage = sheet.numbers(roles["read"][0]) if roles["read"] else None
    parts = _Parts([], [], [], [], None if voltage is None else [])
    named = bool(roles["device"])
    for (device, trace), rows in groups.items():
        if rows.size < 2:
            continue
        parts.values.append(numbers[rows])
        parts.up.append(_direction(sheet, how, roles, rows, notes))
        parts.pulses.append(_pulses(sheet, roles, rows, notes))
        parts.devices.append("device" if how.same_device else device if named else trace)
        if voltage is not None and parts.voltage is not None:
            parts.voltage.append(voltage[rows])
    single = len(groups) - len(parts.values)
    if single:
        notes.append(f"{single} device(s) or trace(s) with a single reading show no step and are left out.")
    if not named and not how.same_device:
        notes.append("Each trace is a device of its own (same_device says otherwise).")
    return parts


def _direction(
    sheet: Sheet, how: Reading, roles: dict[str, list[int]], rows: np.ndarray, notes: list[str]
) -> np.ndarray:
    """(rows,) bool: up."""
    if how.up is not None or how.down is not None:
        up, down = how.up or 0, how.down or 0
        if up < 0 or down < 0 or up + down == 0:
            raise InputError("up, down", (how.up, how.down), "must be numbers of pulses, not both 0")
        return np.arange(rows.size) % (up + down) < up
    if not roles["voltage"]:
        remedy = "Give direction (a column), up and down (counts), or up_column and down_column."
        raise InputError("direction", None, f"nothing in {sheet.path} tells up pulses from down pulses", remedy)
    column = roles["voltage"][0]
    name = sheet.names[column]
    if how.direction is None:
        _say(notes, f"Column '{name}' gives the direction of the pulses.")
    cells = [sheet.cells[column][i].strip().lower() for i in rows]
    if any(cell in _WORDS for cell in cells if not _is_number(cell)):
        wrong = next((cell for cell in cells if cell not in _WORDS), None)
        if wrong is not None:
            raise InputError("direction", wrong, f"is no direction in column '{name}'", nearest(wrong, _WORDS))
        return np.array([_WORDS[cell] for cell in cells])
    numbers = sheet.numbers(column)[rows]
    if np.isnan(numbers).any():
        raise DataError(f"{sheet.path}: column '{name}' has empty cells; every pulse needs its direction.")
    if (numbers >= 0).all() and (numbers == 0).any() and set(np.unique(numbers)) <= {0.0, 1.0}:
        return (numbers > 0) != how.negative_is_up
    if (numbers == 0).any():
        raise DataError(f"{sheet.path}: column '{name}' holds zeros among voltages; a pulse of 0 V has no direction.")
    if how.direction is None and not how.negative_is_up:
        _say(notes, "Positive pulses are up (negative_is_up says otherwise).")
    return (numbers > 0) != how.negative_is_up


def _say(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def _pulses(sheet: Sheet, roles: dict[str, list[int]], rows: np.ndarray, notes: list[str]) -> np.ndarray:
    """(rows,) pulses before each reading: 1, or the gaps of the numbering."""
    ones = np.ones(rows.size, np.int64)
    if not roles["pulse"]:
        return ones
    numbers = sheet.numbers(roles["pulse"][0])[rows]
    gaps = np.diff(numbers)
    # A numbering may start again with every branch or cycle; then a row is one pulse.
    if np.isnan(numbers).any() or (gaps < 0).any() or (gaps != np.round(gaps)).any():
        return ones
    if (gaps != 1).any():
        name = sheet.names[roles["pulse"][0]]
        _say(notes, f"Column '{name}' numbers the pulses: up to {int(gaps.max())} of them between two readings.")
    return np.concatenate([[1], gaps]).astype(np.int64)


def _traces(sheet: Sheet, how: Reading, roles: dict[str, list[int]], parts: _Parts, notes: list[str]) -> Traces:
    """Conductances in S from the values."""
    unit = how.unit or _guessed_unit(sheet, how, roles, parts, notes)
    if unit not in UNITS:
        raise InputError("unit", unit, "is no unit of conductance, current or resistance", nearest(unit, UNITS))
    affine, values = None, parts.values
    if unit == "1":
        affine = in_siemens(values, how.window)
        values = [affine[0] + affine[1] * v for v in values]
        low, high = min(v.min() for v in values), max(v.max() for v in values)
        notes.append(f"Dimensionless values were put into {low:.3g} S to {high:.3g} S (window says otherwise).")
    elif unit in CONDUCTANCE:
        values = [CONDUCTANCE[unit] * v for v in values]
    elif unit in RESISTANCE:
        if any((v <= 0).any() for v in values):
            raise DataError(f"{sheet.path}: a resistance of 0 or less has no conductance.")
        values = [1 / (RESISTANCE[unit] * v) for v in values]
    else:
        values = [CURRENT[unit] * v / _read_voltage(sheet, how, parts, i) for i, v in enumerate(values)]
    if how.read_before:
        parts = _shifted(parts)
    return Traces.of(
        values, parts.up, pulses=parts.pulses, devices=parts.devices, source=sheet.path, assumptions=notes,
        affine=affine,
    )  # fmt: skip


def _shifted(parts: _Parts) -> _Parts:
    """A reading before its pulse: the pulse of a row belongs to the next row's reading."""
    up = [np.concatenate([u[:1], u[:-1]]) for u in parts.up]
    return parts._replace(up=up)


def _guessed_unit(
    sheet: Sheet, how: Reading, roles: dict[str, list[int]], parts: _Parts, notes: list[str]
) -> str:
    """From the names of the columns; values far from 1 are taken for S, others must be said."""
    columns = roles["value"]
    if how.up_column and how.down_column:
        columns = [sheet.index(how.up_column, "up_column"), sheet.index(how.down_column, "down_column")]
    named = {_unit_of(sheet.names[k]) for k in columns}
    if len(named) == 1 and None not in named:
        unit = str(named.pop())
        notes.append(f"Unit {unit}, from the names of the columns.")
        return unit
    units = ", ".join(UNITS)
    raise InputError("unit", None, f"nothing in {sheet.path} says the unit of the readings", f"Give one of {units}.")


def _unit_of(name: str) -> str | None:
    """The unit that a column's name ends with or holds in brackets."""
    match = _UNIT_IN_NAME.search(name)
    if match is None:
        return None
    unit = match[1].replace("µ", "u").replace("μ", "u").replace("Ω", "ohm")
    unit = unit.removesuffix("s") if unit.lower().endswith("ohms") else unit
    return unit.replace("Ohm", "ohm")


def _read_voltage(sheet: Sheet, how: Reading, parts: _Parts, i: int) -> np.ndarray | float:
    if how.read_voltage is not None and (not isinstance(how.read_voltage, str) or _is_number(how.read_voltage)):
        voltage: np.ndarray | float = float(how.read_voltage)
        if voltage == 0:
            raise InputError("read_voltage", how.read_voltage, "must not be 0")
        return voltage
    if parts.voltage is None:
        remedy = "Give read_voltage, in V, or the column that holds it."
        raise InputError("read_voltage", None, "currents need one to become conductances", remedy)
    if not (np.abs(parts.voltage[i]) > 0).all():
        raise DataError(f"{sheet.path}: the read voltage is 0 or missing in some rows.")
    return parts.voltage[i]
