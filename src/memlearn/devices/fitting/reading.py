"""From a table to traces: which column is what, in which unit, and which way each pulse went.

What is not said is guessed where only one reading makes sense, and every guess is stated; where two make sense, the
error says which option decides.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.errors import DataError, InputError, nearest
from .asked import Parts, Reading, is_number
from .layout import columns, pairs, two_columns
from .table import Sheet, read_sheet
from .traces import Traces, in_siemens

CONDUCTANCE = {"S": 1.0, "mS": 1e-3, "uS": 1e-6, "nS": 1e-9, "pS": 1e-12}
CURRENT = {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "nA": 1e-9, "pA": 1e-12}
RESISTANCE = {"ohm": 1.0, "kohm": 1e3, "Mohm": 1e6}
UNITS = (*CONDUCTANCE, *CURRENT, *RESISTANCE, "1")
_VOLTS = r"(v|volt|volts|voltage|bias|amplitude|amp)"
_NAMED = {
    "time": r"(time|t|elapsed)(_?m?s)?|timestamp|date",
    "voltage": rf"(pulse|write|program|prog|set|bias|gate|applied|p|w)?_?({_VOLTS}|sign)(_v)?"
    r"|v_?(pulse|write|prog|set|gate|p|w)(_v)?|(pulse|write|prog)_?(sign|polarity|type|direction)"
    r"|direction|dir|polarity|operation|op|mode|ltp_?ltd",
    "read": rf"(read|sense|r)_?{_VOLTS}(_v)?|v_?(read|sense|r)(_v)?",
    "device": r"(device|dev|cell|sample)(_?(id|name|nr|no|number|index))?|address|addr",
    "trace": r"(trace|cycle|run|repeat|sweep)(_?(id|nr|no|number|index))?",
    "pulse": r"(pulses?|step)(_?(id|nr|no|num|number|index|count))?|n|no|index|i",
}
_UNIT_IN_NAME = re.compile(
    r"(?:^|[\s_(\[/])([munpµμ]?(?:S|A)|(?:micro|nano|milli|pico)?[sS]iemens|[kM]?[oO]hms?|[kM]?[ΩΩ])(?:$|[\s_)\]\d])"
)
_SMALL_LETTERS = re.compile(r"(?:g|cond\w*|i|curr\w*)_([munp]?[sa])|(?:r|res\w*)_(k?ohm)")
_PREFIXES = {"micro": "u", "nano": "n", "milli": "m", "pico": "p"}
_BRACKETS = re.compile(r"[(\[{][^)\]}]*[)\]}]|/.*$")
_MILLIVOLTS = re.compile(r"(?:^|[\s_(\[/])mV(?:$|[\s_)\]])")


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
    notes = list(sheet.notes)
    if how.up_column or how.down_column:
        parts = two_columns(sheet, how)
    elif how.before or how.after:
        parts = pairs(sheet, how, roles, notes)
    else:
        parts = columns(sheet, how, roles, notes)
    return _traces(sheet, how, roles, parts, notes)


Role = Literal["time", "voltage", "read", "device", "trace", "pulse", "value"]


def _roles(sheet: Sheet, how: Reading) -> dict[str, list[int]]:
    """Columns by role: what the options say, then what the names say; everything else is a value."""
    asked = {
        "voltage": how.direction, "device": how.device, "trace": how.trace, "pulse": how.pulse,
        "read": how.read_voltage if isinstance(how.read_voltage, str) and not is_number(how.read_voltage) else None,
    }  # fmt: skip
    options = {"voltage": "direction", "read": "read_voltage"}
    found: dict[str, list[int]] = {role: [] for role in (*_NAMED, "value")}
    taken: set[int] = set()
    for role, name in asked.items():
        if name is not None:
            found[role] = [sheet.index(str(name), options.get(role, role))]
            taken.update(found[role])
    named = [(name, "values") for name in how.values]
    named += [(name, option) for name, option in ((how.before, "before"), (how.after, "after")) if name is not None]
    values = [sheet.index(name, option) for name, option in named]
    for k, name in enumerate(sheet.names):
        if k in taken or k in values:
            continue
        # "I (A)" is a current and no index.
        measured = _unit_of(name) is not None
        role = None if measured else next((r for r, form in _NAMED.items() if re.fullmatch(form, _plain(name))), None)
        if role is None and not values:
            found["value"].append(k)
        elif role is not None and asked.get(role) is None and not found[role]:
            found[role].append(k)
    found["value"] = values or _likeliest(sheet, found["value"])
    return found


def _plain(name: str) -> str:
    """A column's name without its unit, in small letters and underscores: "Pulse Voltage (V)" is pulse_voltage."""
    bare = re.sub(r"[^a-z0-9+-]+", "_", _BRACKETS.sub("", name).lower()).strip("_")
    return re.sub(r"_mv$", "_v", bare)


def _likeliest(sheet: Sheet, columns: list[int]) -> list[int]:
    """Of columns that may be readings those with a unit of conductance, else of resistance, else of current."""
    for units in (CONDUCTANCE, RESISTANCE, CURRENT):
        if chosen := [k for k in columns if _unit_of(sheet.names[k]) in units]:
            return chosen
    return columns


def _traces(sheet: Sheet, how: Reading, roles: dict[str, list[int]], parts: Parts, notes: list[str]) -> Traces:
    """Conductances in S from the values."""
    unit = how.unit or _guessed_unit(sheet, how, roles, notes)
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
        values = [CURRENT[unit] * v / _read_voltage(sheet, how, roles, parts, i) for i, v in enumerate(values)]
    if how.read_before:
        parts = _shifted(parts)
    return Traces.of(
        values, parts.up, pulses=parts.pulses, devices=parts.devices, source=sheet.path, assumptions=notes,
        affine=affine,
    )  # fmt: skip


def _shifted(parts: Parts) -> Parts:
    """A reading before its pulse: the pulse of a row belongs to the next row's reading."""
    up = [np.concatenate([u[:1], u[:-1]]) for u in parts.up]
    return parts._replace(up=up)


def _guessed_unit(
    sheet: Sheet, how: Reading, roles: dict[str, list[int]], notes: list[str]
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
    if len(named) > 1:
        names = ", ".join(f"'{sheet.names[k]}'" for k in columns)
        text = f"the columns {names} of {sheet.path} have different units, or only some have one"
        raise InputError("unit", None, text, f"Name the columns with the readings (values), and the unit: {units}.")
    names = ", ".join(f"'{sheet.names[k]}'" for k in columns[:3])
    text = f"nothing in {sheet.path} says the unit of the readings in {names}"
    raise InputError("unit", None, text, f"Give one of {units}.")


def _unit_of(name: str) -> str | None:
    """The unit that a column's name ends with or holds in brackets."""
    match = _UNIT_IN_NAME.search(name)
    if match is None:
        small = _SMALL_LETTERS.fullmatch(_plain(name))
        return None if small is None else small[2] or small[1].replace("s", "S").replace("a", "A")
    unit = match[1].replace("µ", "u").replace("μ", "u").replace("Ω", "ohm").replace("Ω", "ohm")
    if unit.lower().endswith("siemens"):
        return f"{_PREFIXES.get(unit.lower().removesuffix('siemens'), '')}S"
    unit = unit.removesuffix("s") if unit.lower().endswith("ohms") else unit
    return unit.replace("Ohm", "ohm")


def _read_voltage(
    sheet: Sheet, how: Reading, roles: dict[str, list[int]], parts: Parts, i: int
) -> np.ndarray | float:
    if how.read_voltage is not None and (not isinstance(how.read_voltage, str) or is_number(how.read_voltage)):
        voltage: np.ndarray | float = float(how.read_voltage)
        if voltage == 0:
            raise InputError("read_voltage", how.read_voltage, "must not be 0")
        return voltage
    if parts.voltage is None:
        remedy = "Give read_voltage, in V, or the column that holds it."
        raise InputError("read_voltage", None, "currents need one to become conductances", remedy)
    if not (np.abs(parts.voltage[i]) > 0).all():
        raise DataError(f"{sheet.path}: the read voltage is 0 or missing in some rows.")
    in_millivolts = _MILLIVOLTS.search(sheet.names[roles["read"][0]]) is not None
    return parts.voltage[i] * (1e-3 if in_millivolts else 1.0)
