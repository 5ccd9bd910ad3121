"""Curves of a run for TensorBoard, which is an optional extra: pip install 'memlearn[tensorboard]'."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .watch import Tick, Watcher

_SCALARS = (
    "train_loss", "train_accuracy", "validation_accuracy", "float_train_accuracy", "float_validation_accuracy",
    "pulses_total", "cells_pulsed_per_step", "energy", "seconds",
)


class Board(Watcher):
    """Writes event files beside what another watcher shows.

    Arguments:
        folder: of the event files; it is made with the first epoch.
        other: hears of everything too.

    Raises:
        InputError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, other: Watcher) -> None:
        self._folder, self._other, self._writer = folder, other, None
        self.energy_every = other.energy_every
        self._make = _maker()

    def tick(self, tick: Tick) -> None:
        """Pass it on."""
        self._other.tick(tick)

    def epoch(self, record: dict[str, Any], epochs: int) -> None:
        """One point on every curve."""
        if self._writer is None:
            self._writer = self._make(str(self._folder))
        for name in _SCALARS:
            if record.get(name) is not None:
                self._writer.add_scalar(name, record[name], record["epoch"])
        self._writer.flush()
        self._other.epoch(record, epochs)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._other.note(text)


def _maker() -> Any:
    """What makes a writer of event files."""
    if importlib.util.find_spec("tensorboard") is None:
        remedy = "pip install 'memlearn[tensorboard]', or leave the option out."
        raise InputError("--tensorboard", True, "needs the package tensorboard", remedy)
    # By name: torch's own module for it cannot be imported without the package.
    return importlib.import_module("torch.utils.tensorboard.writer").SummaryWriter
