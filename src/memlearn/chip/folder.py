"""A chip that is asked through files: by hand, or by any program that reads and writes a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..core.errors import DataError, InputError
from .base import Chip, ChipError, Reached
from .exchange import DESCRIPTION, Exchange, Form
from .messages import Arrays, Size, answered, asked, described

SAMPLE = '{"name": "...", "rows": 16, "columns": 16, "g_min": 2e-6, "g_max": 2e-5}, conductances in S'
"""How a chip is described."""


class FolderChip(Chip):
    """Requests go into a folder, numbered, and answers are waited for there.

    The folder is the record: a request that was answered is not asked again after `rewind`, and one that was under way
    when the program ended is finished first. The page docs/chip.md shows the files.

    Arguments:
        folder: of the exchange. The one who answers writes `chip.json` there: name, rows, columns, g_min and g_max (S).
        form: of the arrays that are sent, "csv" or "npz"; answers may come in either.
        timeout: s, that an answer may take.
        poll: s, between two looks.

    Raises:
        ChipError: no `chip.json` within the timeout, or it is damaged.
        DataError: the folder cannot be written.
    """

    def __init__(self, folder: Path | str, *, form: Form = "npz", timeout: float = 600.0, poll: float = 0.02) -> None:
        if form not in ("npz", "csv"):
            raise InputError("form", form, "must be 'npz' or 'csv'")
        for argument, value in (("timeout", timeout), ("poll", poll)):
            if not value > 0:
                raise InputError(argument, value, "must be above zero")
        self.exchange = Exchange(Path(folder), form)
        self.timeout, self.poll = timeout, poll
        self.name = f"chip in {self.exchange.folder}"
        self._position = self.exchange.last()
        self._open()
        self._describe()

    @property
    def position(self) -> int:
        """Number of the last request that was answered."""
        return self._position

    def rewind(self, position: int) -> None:
        """Requests that were answered after this one are answered from the folder when they are asked again."""
        self._position = position

    def forget(self, position: int) -> None:
        """Remove the files of requests up to this one."""
        self.exchange.forget(position)

    def read(self, voltages: np.ndarray) -> np.ndarray:
        """As `Chip.read`."""
        return self._exchange("read", {"voltages": voltages})["currents"]

    def read_transposed(self, voltages: np.ndarray) -> np.ndarray:
        """As `Chip.read_transposed`."""
        return self._exchange("read_transposed", {"voltages": voltages})["currents"]

    def conductances(self, cells: np.ndarray) -> np.ndarray:
        """As `Chip.conductances`."""
        return self._exchange("conductances", {"cells": cells})["conductances"]

    def program(self, cells: np.ndarray, targets: np.ndarray, *, tolerance: float, max_pulses: int) -> Reached:
        """As `Chip.program`."""
        settings = {"tolerance": float(tolerance), "max_pulses": int(max_pulses)}
        return Reached(**self._exchange("program", {"cells": cells, "targets": targets}, settings))

    def pulse(self, counts: np.ndarray) -> None:
        """As `Chip.pulse`."""
        self._exchange("pulse", {"counts": counts})

    def _exchange(self, do: str, arrays: Arrays, settings: dict[str, float] | None = None) -> dict[str, np.ndarray]:
        """Ask, wait, check."""
        size, settings = Size(self.rows, self.columns), settings or {}
        sent = asked(do, size, arrays, settings)
        if do == "program":  # what nobody looks at must not make two requests of one
            sent["targets"] = np.where(sent["cells"], sent["targets"], 0.0)
        number, what = self._position + 1, described(do, sent)
        before = self.exchange.request(number - 1)
        if before is not None and not self.exchange.answered(number - 1):
            self._wait(number - 1, "left from before")
        try:
            self.exchange.ask(number, do, sent, settings)
        except DataError as error:
            if not str(error).startswith("was another"):
                raise
            remedy = (
                f"The run takes another way than before. Restore its settings; or remove {self.exchange.folder}, to go "
                "on from what the chip holds now."
            )
            raise self._error(number, what, str(error), remedy) from None
        self._wait(number, what)
        try:
            found = answered(do, size, self.exchange.answer(number, do), sent)
        except ValueError as error:
            self.exchange.reject(number)
            remedy = "The answer is set aside as rejected; when the driver is right, the same command asks again."
            raise self._error(number, what, str(error), remedy) from None
        self._position = number
        return found

    def _open(self) -> None:
        """Whatever must happen before the chip is described."""

    def _wait(self, number: int, what: str) -> None:
        """Until an answer lies there."""
        if not self._until(lambda: self.exchange.answered(number)):
            path = f"{self.exchange.folder}/{number:06d}.answer.json"
            remedy = (
                f"Is the program that answers at work? The request stays: once {path} is there, the same command goes "
                "on. Raise the timeout for a slower instrument."
            )
            raise self._error(number, what, f"no answer within {self.timeout:g} s", remedy)

    def _until(self, done: Callable[[], bool]) -> bool:
        """Look again and again; False when the time is over."""
        end = time.monotonic() + self.timeout
        while not done():
            if time.monotonic() > end:
                return False
            time.sleep(self.poll)
        return True

    def _describe(self) -> None:
        """Take over what the one who answers says of the chip."""
        path = self.exchange.folder / DESCRIPTION
        if not self._until(path.exists):
            remedy = f"Write {path}: {SAMPLE}."
            raise ChipError(self.name, "description", f"no {DESCRIPTION} within {self.timeout:g} s", remedy)
        try:
            self._take(json.loads(path.read_text(encoding="utf-8-sig")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = f"Write {path}: {SAMPLE}."
            raise ChipError(self.name, "description", f"{DESCRIPTION} is damaged ({error!r})", remedy) from None

    def _take(self, told: dict[str, object]) -> None:
        """Name, size and range.

        Raises:
            ValueError, KeyError, TypeError: they are none.
        """
        rows, columns = told["rows"], told["columns"]
        g_min, g_max = float(told["g_min"]), float(told["g_max"])  # type: ignore[arg-type]
        if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0):
            raise ValueError(f"rows {rows!r}, columns {columns!r}")
        if not 0 <= g_min < g_max < np.inf:
            raise ValueError(f"g_min {g_min}, g_max {g_max}")
        self.name = str(told.get("name", self.name))
        self.rows, self.columns, self.g_min, self.g_max = rows, columns, g_min, g_max

    def _error(self, number: int, what: str, found: str, remedy: str) -> ChipError:
        return ChipError(self.name, f"request {number} ({what})", found, remedy)
