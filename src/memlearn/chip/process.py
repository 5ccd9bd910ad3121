"""A chip behind a program of the user's: started, asked over its input and output, started again when it dies."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .base import ChipError
from .exchange import DESCRIPTION, Form
from .folder import SAMPLE, FolderChip

LOG = "driver.log"


class ProcessChip(FolderChip):
    """A driver program that reads requests from its standard input, a line of JSON each, and answers likewise.

    The lines only say that files lie ready in the folder of the exchange, whose name is the command's last argument. A
    driver that dies is started again and asked the same: a request has a key, by which a driver that keeps a journal
    knows what it has done already. `tell` hears of it, and driver.log in the folder keeps it.

    Arguments:
        command: the program and its arguments; the folder is added to them.
        folder: of the exchange.
        form: of the arrays that are sent, "npz" or "csv".
        timeout: s, that a request, or the start, may take.
        restarts: how often a driver may die during one request before it is given up.

    Raises:
        ChipError: the program cannot be started, or does not say what chip it has.
    """

    patience = 5.0
    """s, that a driver may take to end by itself."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path | str,
        *,
        form: Form = "npz",
        timeout: float = 600.0,
        restarts: int = 2,
    ) -> None:
        if isinstance(command, str) or not command:
            raise InputError("command", command, "must be a list of words", "Split it: ['python', 'driver.py'].")
        if restarts < 0:
            raise InputError("restarts", restarts, "must not be negative")
        self.command, self.restarts = [*map(str, command), str(folder)], restarts
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        try:
            super().__init__(folder, form=form, timeout=timeout)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """Of the driver at work."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """Kill the driver, as a crash would; the next request starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Close the driver's input, which tells it to end; a driver that stays is terminated."""
        self._end(self.patience)

    def _end(self, patience: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        for end in (None, process.terminate, process.kill):
            if end is not None:
                end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience if end is None else self.patience)
                break

    def _open(self) -> None:
        (self.exchange.folder / DESCRIPTION).unlink(missing_ok=True)  # an earlier driver's
        self._start("start")

    def _describe(self) -> None:
        """It has been taken over with the first line."""

    def _wait(self, number: int, what: str) -> None:
        """Ring, and wait until the driver says that the answer lies there."""
        died = 0
        while not self.exchange.answered(number):
            if self._process is None:
                self._start(f"request {number} ({what})")
            if self._ring(number) and self._answer(number, what):
                return
            how, died = self._buried(), died + 1
            happened = f"{self.name}: the driver {how} during request {number} ({what})"
            self._note(happened)
            if died > self.restarts:
                found = f"the driver {how}" + (f", {died} times in this request" if died > 1 else "")
                raise self._error(number, what, found, self._advice(number))
            self.tell(f"{happened}; it is started again, and asked the same.")

    def _ring(self, number: int) -> bool:
        """Tell the driver that a request lies ready; False where nobody listens any more."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"id": number, "request": f"{number:06d}.request.json"}) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def _answer(self, number: int, what: str) -> bool:
        """Wait for the line that says so; False where the driver has died, and left no answer."""
        while True:
            told = self._line(f"request {number} ({what})")
            if told is None:
                return self.exchange.answered(number)
            if told.get("id") == number:
                if self.exchange.answered(number):
                    return True
                found, remedy = (
                    "no answer lies there, though the driver says so",
                    "It must write the answer's head first.",
                )
                raise self._error(number, what, found, remedy)

    def _line(self, request: str) -> dict[str, Any] | None:
        """The next line of JSON from the driver; None at its end."""
        end = time.monotonic() + self.timeout
        while True:
            try:
                text = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                remedy = (
                    f"It is ended now. Nothing is lost: what was done is in its journal, and the same command goes on "
                    f"with this request. Raise the timeout for a slower instrument; look at {self._log}."
                )
                self._end(0)
                raise ChipError(self.name, request, f"no answer within {self.timeout:g} s", remedy) from None
            if text is None:
                return None
            with contextlib.suppress(ValueError):
                told = json.loads(text)
                if isinstance(told, dict):
                    return told
            self._note(f"driver: {text.rstrip()}")  # a print of its own

    def _start(self, request: str) -> None:
        """Start the driver, and hear what chip it has."""
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    start_new_session=True,  # Ctrl-C is for the one who asks: it stops between two requests
                )
        except OSError as error:
            found = f"{self.command[0]} cannot be started ({error.strerror or error})"
            remedy = "Check the command, and that the folder can be written."
            raise ChipError(self.name, request, found, remedy) from None
        self._process, self._lines = process, queue.Queue()
        threading.Thread(target=_listen, args=(process, self._lines), daemon=True).start()
        told = self._line(request)
        if told is None:
            how = self._buried()
            raise ChipError(self.name, request, f"the driver {how} before it said what chip it has", self._advice())
        try:
            self._take(told)
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            found = f"the driver's first line says no chip ({error!r})"
            raise ChipError(self.name, request, found, f"It must be {SAMPLE}.") from None

    def _buried(self) -> str:
        """How the driver that has closed its output ended."""
        process, self._process = self._process, None
        assert process is not None
        try:
            status = process.wait(self.patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return "closed its output"
        if status >= 0:
            return f"ended with status {status}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
        return f"was ended by signal {-status}"

    def _advice(self, number: int | None = None) -> str:
        """Where to look, and what is kept."""
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        said = f" It last wrote: {last[0][:200]}" if last else ""
        if number is None:
            return f"Look at {self._log}.{said}"
        return (
            f"Look at {self._log}.{said} Requests up to {number - 1} are answered and kept, and the driver's journal "
            "knows how far this one is: the same command, or `memlearn resume`, goes on with it."
        )

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:
            log.write(text + "\n")

    @property
    def _log(self) -> Path:
        return self.exchange.folder / LOG


def _listen(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Pass on what a driver writes, until its end."""
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        for line in process.stdout:
            lines.put(line)
    lines.put(None)
