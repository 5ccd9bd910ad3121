"""The shapes of tables: one column per trace, one row per reading, two branches, before and after one pulse."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ...core.errors import DataError, InputError, nearest
from .asked import Parts, Reading, is_number, say
from .table import Sheet, empty

_WORDS = {"up": True, "down": False, "+": True, "-": False, "ltp": True, "ltd": False, "set": True, "reset": False,
          "pot": True, "dep": False, "potentiation": True, "depression": False, "p": True, "d": False}  # fmt: skip
_FEW_ROWS = 5
"""Rows per device below which rows before and after a pulse are not told apart by device."""


def two_columns(sheet: Sheet, how: Reading) -> Parts:
    """One column of readings after up pulses, one after down pulses: two traces of one device."""
    if not (how.up_column and how.down_column):
        raise InputError("up_column", how.up_column, "needs down_column too, and the other way round")
    values, ups = [], []
    for name, option, way in ((how.up_column, "up_column", True), (how.down_column, "down_column", False)):
        column = _whole(sheet, sheet.index(name, option))
        values.append(column)
        ups.append(np.full(column.size, way))
    return Parts(values, ups, [np.ones(v.size, np.int64) for v in values], ["device", "device"], None)


def pairs(sheet: Sheet, how: Reading, roles: dict[str, list[int]], notes: list[str]) -> Parts:
    """Two columns with the readings before and after one pulse: every row is a trace of two readings."""
    if not (how.before and how.after):
        raise InputError("before", how.before, "needs after too, and the other way round")
    chosen = [sheet.index(how.before, "before"), sheet.index(how.after, "after")]
    if chosen[0] == chosen[1]:
        raise InputError("after", how.after, "is the column of the readings before the pulse", "Name two columns.")
    both = np.stack([sheet.numbers(k) for k in chosen], axis=1)
    rows = np.flatnonzero(~np.isnan(both).any(axis=1))
    if not rows.size:
        raise DataError(f"{sheet.path}: no row has a reading both before and after its pulse.")
    if rows.size < len(both):
        notes.append(f"{len(both) - rows.size} row(s) without a reading before or after the pulse are left out.")
    up = direction(sheet, how, roles, rows, notes)
    counts = np.ones(rows.size, np.int64)
    names = ["device"] * rows.size
    if roles["device"] and not how.same_device:
        column = sheet.cells[roles["device"][0]]
        names = [column[i] for i in rows]
    if rows.size < _FEW_ROWS * len(set(names)):
        names = ["device"] * rows.size
        notes.append("Too few pulses per device to see differences: all rows are taken for pulses on one device.")
    elif len(set(names)) == 1:
        notes.append("All rows are taken for pulses on one device (a device column says otherwise).")
    voltage = sheet.numbers(roles["read"][0])[rows] if roles["read"] else None
    return Parts(
        list(both[rows]),
        [np.array([way, way]) for way in up],
        [np.array([1, count]) for count in counts],
        names,
        None if voltage is None else [np.array([v, v]) for v in voltage],
    )


def _bridged(
    sheet: Sheet, name: str, rows: np.ndarray, values: np.ndarray, up: np.ndarray, pulses: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(places kept, direction, pulses): a missing reading leaves its pulse to the next one, where both go one way.

    Raises:
        DataError: a hole at which the direction turns; the reading there is what tells the two apart.
    """
    kept, pulses, waiting = [], pulses.copy(), 0
    for i, value in enumerate(values):
        if np.isnan(value):
            if kept:  # before the first reading nobody asks
                waiting += int(pulses[i])
            continue
        if waiting and up[kept[-1] + 1 : i + 1].any() != up[kept[-1] + 1 : i + 1].all():
            row = sheet.first_row + int(rows[np.flatnonzero(np.isnan(values))[0]])
            text = "and the pulses around it go both ways. Take that part of the trace out of the file"
            raise DataError(f"{sheet.path}, row {row}, column '{name}': no number, but there are some below, {text}.")
        pulses[i] += waiting
        waiting = 0
        kept.append(i)
    if len(kept) < len(values):
        say(notes, "Missing readings were passed over: their pulses count towards the next reading.")
    places = np.array(kept, np.int64)
    return places, up[places], pulses[places]


def _ended(sheet: Sheet, column: int) -> np.ndarray:
    """A column without its empty end; NaN where a cell is empty.

    Raises:
        DataError: nothing in it.
    """
    numbers = sheet.numbers(column)
    given = np.flatnonzero(~np.isnan(numbers))
    name = sheet.names[column]
    if not given.size:
        raise DataError(f"{sheet.path}: column '{name}' is empty.")
    return numbers[: given[-1] + 1]


def _whole(sheet: Sheet, column: int) -> np.ndarray:
    """The same without holes.

    Raises:
        DataError: an empty cell with a number behind it, or nothing at all.
    """
    numbers, name = _ended(sheet, column), sheet.names[column]
    if np.isnan(numbers).any():
        row = sheet.first_row + int(np.flatnonzero(np.isnan(numbers))[0])
        text = "A missing reading changes which pulse belongs to which step: delete the whole row or the trace."
        raise DataError(f"{sheet.path}, row {row}, column '{name}': no number, but there are some below. {text}")
    return numbers


def columns(sheet: Sheet, how: Reading, roles: dict[str, list[int]], notes: list[str]) -> Parts:
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
        if (branches := _branches(sheet, roles["value"])) is not None:
            say(notes, f"Column '{branches[0]}' holds readings after up pulses, '{branches[1]}' after down pulses.")
            return two_columns(sheet, replace(how, up_column=branches[0], down_column=branches[1]))
        first, second = (sheet.names[k] for k in roles["value"])
        text = "two columns and nothing that tells up from down"
        remedy = f"up_column={first}, down_column={second} if one holds each direction; up and down counts otherwise."
        raise InputError("direction", None, f"{sheet.path} has {text}", remedy)
    groups = _groups(sheet, roles) if long else {}
    if not long:
        return _wide(sheet, how, roles, notes)
    return _long(sheet, how, roles, groups, notes)


def _branches(sheet: Sheet, columns: list[int]) -> tuple[str, str] | None:
    """Names of the columns with up and down pulses, where their names say so."""
    found: dict[bool, str] = {}
    for k in columns:
        words = {_WORDS[word] for word in re.split(r"[^a-z]+", sheet.names[k].lower()) if word in _WORDS and word}
        if len(words) == 1:
            found[words.pop()] = sheet.names[k]
    return (found[True], found[False]) if len(found) == 2 else None


def _wide(sheet: Sheet, how: Reading, roles: dict[str, list[int]], notes: list[str]) -> Parts:
    given = [_ended(sheet, k) for k in roles["value"]]
    rows = np.arange(max(v.size for v in given))
    rows = rows[~_idle(sheet, roles, given)[rows]]
    up = direction(sheet, how, roles, rows, notes)
    pulses = _pulses(sheet, roles, rows, notes)
    voltage = sheet.numbers(roles["read"][0]) if roles["read"] else None
    names = [sheet.names[k] for k in roles["value"]]
    parts = Parts([], [], [], [], None if voltage is None else [])
    for name, v in zip(names, given, strict=True):
        own = rows[rows < v.size]
        places, ways, counts = _bridged(sheet, name, own, v[own], up[: own.size], pulses[: own.size], notes)
        parts.values.append(v[own][places])
        parts.up.append(ways)
        parts.pulses.append(counts)
        if voltage is not None and parts.voltage is not None:
            parts.voltage.append(voltage[own][places])
    if how.same_device:
        names = ["device"] * len(names)
    elif len(names) > 1:
        notes.append(f"{len(names)} columns of readings are {len(names)} devices (same_device says otherwise).")
    return parts._replace(devices=names)


def _idle(sheet: Sheet, roles: dict[str, list[int]], given: list[np.ndarray]) -> np.ndarray:
    """(rows,) bool: rows with no reading and no direction, which are no pulses."""
    read = np.zeros(len(sheet.cells[0]), bool)
    for v in given:
        read[: v.size] |= ~np.isnan(v)
    directions = sheet.cells[roles["voltage"][0]] if roles["voltage"] else ["1"] * read.size
    return ~read & np.array([empty(cell) for cell in directions])


def _groups(sheet: Sheet, roles: dict[str, list[int]]) -> dict[tuple[str, str], np.ndarray]:
    """Rows of each (device, trace), in order of appearance."""
    columns = [sheet.cells[roles[role][0]] if roles[role] else None for role in ("device", "trace")]
    rows: dict[tuple[str, str], list[int]] = {}
    for i in range(len(sheet.cells[0])):
        rows.setdefault(tuple("" if c is None else c[i] for c in columns), []).append(i)  # type: ignore[arg-type]
    return {key: np.array(found) for key, found in rows.items()}


def _long(
    sheet: Sheet, how: Reading, roles: dict[str, list[int]], groups: dict[tuple[str, str], np.ndarray], notes: list[str]
) -> Parts:
    numbers = sheet.numbers(roles["value"][0])
    name, idle = sheet.names[roles["value"][0]], _idle(sheet, roles, [numbers])
    voltage = sheet.numbers(roles["read"][0]) if roles["read"] else None
    parts = Parts([], [], [], [], None if voltage is None else [])
    named = bool(roles["device"])
    for (device, trace), rows in groups.items():
        own = rows[~idle[rows]]
        if np.isfinite(numbers[own]).sum() < 2:
            continue
        up, counts = direction(sheet, how, roles, own, notes), _pulses(sheet, roles, own, notes)
        places, up, counts = _bridged(sheet, name, own, numbers[own], up, counts, notes)
        parts.values.append(numbers[own][places])
        parts.up.append(up)
        parts.pulses.append(counts)
        parts.devices.append("device" if how.same_device else device if named else trace)
        if voltage is not None and parts.voltage is not None:
            parts.voltage.append(voltage[own][places])
    single = len(groups) - len(parts.values)
    if single:
        notes.append(f"{single} device(s) or trace(s) with a single reading show no step and are left out.")
    if not named and not how.same_device:
        notes.append("Each trace is a device of its own (same_device says otherwise).")
    return parts


def direction(
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
        say(notes, f"Column '{name}' gives the direction of the pulses.")
    cells = [sheet.cells[column][i].strip().lower() for i in rows]
    if any(cell in _WORDS for cell in cells if not is_number(cell)):
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
        say(notes, "Positive pulses are up (negative_is_up says otherwise).")
    return (numbers > 0) != how.negative_is_up


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
        say(notes, f"Column '{name}' numbers the pulses: up to {int(gaps.max())} of them between two readings.")
    return np.concatenate([[1], gaps]).astype(np.int64)
