"""A text table as columns: comma, tab, semicolon or blanks, header or none, plain or gzip, ragged ends."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...core.errors import DataError, InputError, nearest

_SEPARATORS = (",", "\t", ";")
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
    rows = _rows(Path(path))
    shown = str(path)
    first = rows[0][1]
    # A header names things: none of its cells is a number, or most are not while the row below has numbers there.
    names = [cell for cell in first if cell]
    header = bool(names) and sum(_number(cell) is None for cell in names) > 0.5 * len(names)
    body = rows[1:] if header else rows
    if not body:
        raise DataError(f"{shown}: a header and nothing below it.")
    width = max(len(cells) for _, cells in body)
    names = [*first, *(f"column {k + 1}" for k in range(len(first), width))] if header else _numbered(width)
    names = [name or f"column {k + 1}" for k, name in enumerate(names)][:width]
    columns = tuple(tuple(cells[k] if k < len(cells) else "" for _, cells in body) for k in range(width))
    return Sheet(shown, tuple(names), columns, header, body[0][0])


def _numbered(width: int) -> list[str]:
    return [str(k + 1) for k in range(width)]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every line that holds something; comments (#) are skipped."""
    text = _text(path)
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise DataError(f"{path} is empty.")
    sample = [line for _, line in lines[:20]]
    counts = {separator: min(line.count(separator) for line in sample) for separator in _SEPARATORS}
    best = max(counts, key=lambda separator: counts[separator])
    if not counts[best]:
        best = max(_SEPARATORS, key=lambda separator: sum(line.count(separator) for line in sample))
    if not any(best in line for line in sample):
        return [(i, line.split()) for i, line in lines]
    cells = csv.reader((line for _, line in lines), delimiter=best)
    return [(i, [cell.strip() for cell in row]) for (i, _), row in zip(lines, cells, strict=False)]


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
        return raw.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{path} is a damaged gzip file.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text table; save it as CSV.") from None


def _number(cell: str) -> float | None:
    """The number in a cell, NaN for an empty one, None for something else."""
    if cell.strip().lower() in _EMPTY:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None
