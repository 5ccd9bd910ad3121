"""Experiment files: TOML as people write it, JSON as runs record it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import DataError
from ..core.files import read_text, read_toml
from ..devices.presets import resolved
from .config import Experiment
from .tables import Override, overridden


class Described(NamedTuple):
    """An experiment, and what the reader should be told about how it came about."""

    experiment: Experiment
    notes: list[str]


def read_experiment(path: Path, *, overrides: Sequence[Override] = (), seed: int | None = None) -> Described:
    """The experiment of a file (TOML, or the config.json of a run), with some settings changed.

    Arguments:
        path: the file; a `file` of its device is relative to it.
        overrides: dotted keys and values; `device.preset` and `device.file` take the place of the whole device.
        seed: instead of the file's.

    Raises:
        DataError: the file is missing, unreadable or no TOML.
        InputError: a setting is unknown, of the wrong type, or out of range.
    """
    table, others = _with_device(read_table(path), overrides, Path(path).parent)
    table, notes = overridden(Experiment, table, others)
    if seed is not None:
        table["seed"] = seed
    experiment = Experiment.from_table(table)
    return Described(experiment, notes + experiment.device.notes)


def read_table(path: Path) -> dict[str, Any]:
    """The table in a TOML or JSON file.

    Raises:
        DataError: the file is missing, unreadable, or not what its name says.
    """
    path = Path(path)
    if path.suffix != ".json":
        return read_toml(path)
    try:
        table = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is no valid JSON: {error}. Correct the file there.") from None
    if not isinstance(table, dict):
        raise DataError(f"{path}: holds no table of settings. Write an experiment, or take the config.json of a run.")
    return table


def _with_device(
    table: dict[str, Any], overrides: Sequence[Override], folder: Path
) -> tuple[dict[str, Any], list[Override]]:
    """The table with the device that a preset or a device file stands for, and the overrides that are left to make."""
    chosen = [change for change in overrides if change.key in ("device.preset", "device.file")]
    device = {chosen[-1].key.removeprefix("device."): chosen[-1].value} if chosen else table.get("device")
    if isinstance(device, Mapping):
        table = {**table, "device": resolved(device, folder)}
    return table, [change for change in overrides if change not in chosen]
