"""A text table as columns: comma, tab, semicolon or blanks, header or none, plain or gzip, ragged ends, preambles."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from ...core.errors import DataError, InputError, nearest

_SEPARATORS = (";", "\t", ",")
"""In this order: between semicolons a comma is a decimal one."""
_COMMENTS = ("#", "%", "//")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_UNIT_CELL = re.compile(r"[\[(]?\s*([munpµμkM]?(S|A|V|s|Hz|[oO]hms?|Ω|Siemens)|1|-|a\.?u\.?|%|K|°C)?\s*[\])]?")
_EMPTY = {"", "nan", "na", "n/a", "null", "none", "-"}


class Sheet(NamedTuple):
    """Named columns of text cells, all of one length; an empty string is an empty cell."""

    path: str
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    header: bool
    """The names stand in the file."""
    first_row: int
    """Line of the file that the first cell stands in."""
    notes: tuple[str, ...] = ()
    """What was taken for granted in reading it."""

    def index(self, name: str, option: str) -> int:
        """Which column a user means: its name, or its number from 1.

        Raises:
            InputError: there is none.
        """
        if name in self.names:
            return self.names.index(name)
        if re.fullmatch(r"\d+", name) and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        raise InputError(option, name, f"is no column of {self.path}", nearest(name, self.names))

    def numbers(self, column: int) -> np.ndarray:
        """A column as numbers, NaN where a cell is empty.

        Raises:
            DataError: a cell that is no number, with its row.
        """
        found = np.empty(len(self.cells[column]))
        for i, cell in enumerate(self.cells[column]):
            value = _number(cell)
            if value is None:
                where = f"{self.path}, row {self.first_row + i}, column '{self.names[column]}'"
                raise DataError(f"{where}: {cell!r} is no number.")
            found[i] = value
        return found

    def numeric(self, column: int) -> bool:
        """True when every cell of a column is a number or empty."""
        return all(_number(cell) is not None for cell in self.cells[column])


def read_sheet(path: str | Path) -> Sheet:
    """Read a table.

    Raises:
        DataError: the file is missing, unreadable, empty, or holds no table.
    """
    notes: list[str] = []
    rows, shown = _rows(Path(path), notes), str(path)
    first, header, body = _headed(rows, notes)
    if not body:
        raise DataError(f"{shown}: a header and nothing below it.")
    width = max(len(cells) for _, cells in body)
    names = [*first, *(f"column {k + 1}" for k in range(len(first), width))] if header else _numbered(width)
    names = [name or f"column {k + 1}" for k, name in enumerate(names)][:width]
    columns = tuple(tuple(cells[k] if k < len(cells) else "" for _, cells in body) for k in range(width))
    return Sheet(shown, tuple(names), columns, header, body[0][0], tuple(notes))


def _numbered(width: int) -> list[str]:
    return [str(k + 1) for k in range(width)]


Rows = list[tuple[int, list[str]]]


def _headed(rows: Rows, notes: list[str]) -> tuple[list[str], bool, Rows]:
    """(names, whether they stand in the file, rows below): what an instrument wrote above the table is left out."""
    usual = Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    start = next((i for i, (_, cells) in enumerate(rows) if len(cells) >= usual and _numeric(cells)), None)
    if start is None or start == 0:
        # A header names things: none of its cells is a number, or most are not while the row below has numbers there.
        first = rows[0][1]
        given = [cell for cell in first if cell]
        header = bool(given) and sum(_number(cell) is None for cell in given) > 0.5 * len(given)
        return first, header, rows[1:] if header else rows
    top, names = start - 1, rows[start - 1][1]
    if start > 1 and all(_UNIT_CELL.fullmatch(cell) for cell in names) and len(rows[start - 2][1]) > 0.5 * usual:
        top, units = start - 2, names
        names = [*rows[top][1], *[""] * (len(units) - len(rows[top][1]))]
        names = [f"{name} ({unit.strip('[]() ')})" if unit else name for name, unit in zip(names, units, strict=False)]
    if len(names) < 0.5 * usual:  # the line above has nothing to do with the columns
        top, names = start, []
    if top > 0:
        notes.append(f"{top} line(s) above the table were left out.")
    return names, bool(names), rows[start:]


def _numeric(cells: list[str]) -> bool:
    """A row of data: numbers, or words of which at most half are not."""
    given = [cell for cell in cells if not empty(cell)]
    words = sum(_number(cell) is None for cell in given)
    return bool(given) and words <= 0.5 * len(given)


def _rows(path: Path, notes: list[str]) -> Rows:
    """(line number, cells) of every line that holds something; comments are skipped."""
    text = _text(path)
    numbered = enumerate(text.splitlines(), 1)
    lines = [(i, line) for i, line in numbered if line.strip() and not line.lstrip().startswith(_COMMENTS)]
    if not lines:
        raise DataError(f"{path} is empty.")
    sample = [line for _, line in lines[:200]]
    best = next((s for s in _SEPARATORS if median(line.count(s) for line in sample) >= 1), None)
    best = best or next((s for s in _SEPARATORS if any(s in line for line in sample)), None)
    if best is None:
        return [(i, line.split()) for i, line in lines]
    cells = csv.reader((line for _, line in lines), delimiter=best)
    rows = [(i, [cell.strip() for cell in row]) for (i, _), row in zip(lines, cells, strict=False)]
    if best == "," or not any(_DECIMAL_COMMA.fullmatch(cell) for _, row in rows for cell in row):
        return rows
    notes.append("Commas within numbers are decimal commas.")
    return [(i, [c.replace(",", ".") if _DECIMAL_COMMA.fullmatch(c) else c for c in row]) for i, row in rows]


def _text(path: Path) -> str:
    if path.is_dir():
        raise InputError("traces", str(path), "is a folder", "Name a file in it.")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{path} is a damaged gzip file.") from None
    if raw[:4] == b"PK\x03\x04":
        raise DataError(f"{path} is a workbook or an archive; save the sheet with the pulses as CSV.")
    for encoding in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if "\0" not in text and (encoding != "utf-16" or any(c in "0123456789" for c in text)):
                return text
    raise DataError(f"{path} is no text table; save it as CSV.")


def empty(cell: str) -> bool:
    """Nothing in it, or a word for nothing."""
    return cell.strip().lower() in _EMPTY


def _number(cell: str) -> float | None:
    """The number in a cell, NaN for an empty one, None for something else."""
    if empty(cell):
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None
