"""What the command line says while something runs: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from .experiment import Tick, Watcher
from .report import formats
from .report.chart import with_unit


class Speaker(Watcher):
    """Where nobody watches: one line an epoch."""

    name = ""

    def named(self, name: str) -> Watcher:
        """Speak for this run of a sweep from now on."""
        self.name = f"{name}: "
        return self

    def epoch(self, record: dict[str, Any], epochs: int) -> None:
        """One line."""
        say(f"{self.name}{_epoch_line(record, epochs)}")

    def note(self, text: str) -> None:
        """The sentence."""
        say(f"{self.name}{text}")


class _Bar(Speaker):
    """On a terminal: a bar with accuracy, pulses, energy and the time that is left."""

    energy_every = 2.0

    def __init__(self, progress: Progress) -> None:
        self._progress, self._last = progress, ""
        self._task = progress.add_task("", start=False, total=None)

    def named(self, name: str) -> Watcher:
        """A new bar for each run."""
        self._progress.reset(self._task, start=False)
        return super().named(name)

    def tick(self, tick: Tick) -> None:
        """Move the bar."""
        done, total = (tick.epoch - 1) * tick.images + tick.image, tick.epochs * tick.images
        if not self._progress.tasks[0].started:
            self._progress.start_task(self._task)
            self._progress.update(self._task, total=total)
        text = f"{self.name}epoch {tick.epoch}/{tick.epochs}, {formats.count(tick.pulses)} pulses"
        text += "" if tick.energy is None else f", {with_unit(tick.energy, 'J', digits=3)}"
        text += f", training {tick.accuracy:.1%}"
        self._progress.update(self._task, completed=done, total=total, description=f"{text}{self._last}")

    def epoch(self, record: dict[str, Any], epochs: int) -> None:
        """Keep the validation accuracy in view."""
        accuracy = record["validation_accuracy"]
        self._last = "" if accuracy is None else f", validation {accuracy:.1%}"


@contextmanager
def watching() -> Iterator[Speaker]:
    """Whoever hears of the progress of runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Speaker()
        return
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


def say(text: str, *, style: str = "") -> None:
    """Print to the terminal, not into what a pipe takes; never wrapped, so that a path can be copied."""
    Console(stderr=True).print(Text(text, style=style), soft_wrap=True)


def _epoch_line(record: Mapping[str, Any], epochs: int) -> str:
    parts = [f"epoch {record['epoch']}/{epochs}: training {record['train_accuracy']:.2%}"]
    if record["validation_accuracy"] is not None:
        parts.append(f"validation {record['validation_accuracy']:.2%}")
    parts.append(f"{formats.count(record['pulses_total'])} pulses")
    if record.get("energy") is not None:
        parts.append(with_unit(record["energy"], "J", digits=3))
    if record.get("float_validation_accuracy") is not None:
        parts.append(f"float {record['float_validation_accuracy']:.2%}")
    return f"{', '.join(parts)}, {record['seconds']:.2f} s"
