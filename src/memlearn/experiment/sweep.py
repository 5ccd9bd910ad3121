"""Sweeps: one experiment in many variants, each with several seeds; what is finished is not run again.

base = "demo_digits.toml"          # relative to the sweep's file
seeds = [0, 1, 2]

[[case]]                           # one variant
name = "rounded"
"device.kind" = "soft_bounds"

[[vary]]                           # an axis: one variant per value, combined with all cases and other axes
name = "states"
"device.states" = [16, 64, 256]
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError, MemlearnError, nearest
from . import storage
from .config import Experiment
from .files import read_experiment, read_table
from .run import resume, run
from .tables import Override, flattened
from .watch import Watcher

_KEYS = ("base", "description", "seeds", "case", "vary")
_ACCURACIES = ("test_accuracy", "validation_accuracy", "float_test_accuracy")
_FIGURES = (*_ACCURACIES, "pulses_per_cell_mean", "pulses_per_cell_max")


class Case(NamedTuple):
    """One variant."""

    name: str
    overrides: tuple[Override, ...]
    parts: tuple[str, ...] = ()
    """Names of the cases and of the axes' values that it combines."""


class Planned(NamedTuple):
    """One run of a sweep."""

    case: Case
    seed: int
    folder: Path
    experiment: Experiment


def sweep(
    file: Path,
    out: Path,
    *,
    data_directory: Path | None = None,
    overwrite: bool = False,
    watcher: Callable[[str], Watcher] | None = None,
) -> dict[str, Any]:
    """Run every case with every seed, each in its own folder, and summarise them in sweep.json.

    All experiments are checked before the first one starts.

    Arguments:
        file: the sweep, as above.
        out: folder of the run folders; what is finished in it is kept, what was interrupted goes on.
        data_directory: folder of the data set's files.
        overwrite: run again what belongs to another version of the experiment.
        watcher: makes the one that hears of a run's progress, from the run's name.

    Returns:
        The summary, as sweep.json holds it.

    Raises:
        InputError, DataError, Interrupted: as `run`.
    """
    out, watch = Path(out), watcher or (lambda _: Watcher())
    planned = plan(Path(file), out)
    storage.check_listed(out, storage.SWEEP)
    for item in planned:
        _check(item, overwrite)
    results: dict[Path, dict[str, Any]] = {}
    storage.make(out)
    # Before the first run: from now on the folder is known as a sweep's.
    storage.write_json(out / storage.SWEEP, _summary(Path(file), out, planned, results))
    for item in planned:
        observer = watch(f"{item.case.name}, seed {item.seed}")
        begun = any((item.folder / name).exists() for name in (storage.CHECKPOINT, storage.RESULT))
        if begun and _recorded(item.folder) == item.experiment:
            results[item.folder] = resume(item.folder, watcher=observer)
        else:
            results[item.folder] = run(
                item.experiment, item.folder, data_directory=data_directory, overwrite=True, watcher=observer
            )
        storage.write_json(out / storage.SWEEP, _summary(Path(file), out, planned, results))
    return _summary(Path(file), out, planned, results)


def plan(file: Path, out: Path) -> list[Planned]:
    """Every run of a sweep, in order.

    Raises:
        DataError: the sweep or its base cannot be read.
        InputError: a key or a setting is wrong; the text names the case.
    """
    table = read_table(file)
    for key in table:
        if key not in _KEYS:
            raise InputError(key, table[key], "unknown setting of a sweep", nearest(key, _KEYS))
    base = table.get("base")
    if not isinstance(base, str):
        raise InputError("base", base, "is required", 'Name the experiment: base = "demo_digits.toml".')
    seeds = table.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise InputError("seeds", seeds, "must be a list of whole numbers", "For instance: seeds = [0, 1, 2].")
    found = []
    for case in cases(table):
        for seed in dict.fromkeys(seeds):
            folder = out / _folder_name(case.name) / f"seed{seed}"
            try:
                described = read_experiment(file.parent / base, overrides=case.overrides, seed=seed)
            except InputError as error:
                argument = f"{case.name}: {error.argument}"
                raise InputError(argument, error.value, error.allowed, error.remedy) from None
            named = described.experiment.replace(name=f"{described.experiment.name} {case.name}")
            found.append(Planned(case, seed, folder, named))
    return found


def cases(table: Mapping[str, Any]) -> list[Case]:
    """The variants of a sweep: every case combined with every point of the grid that the axes span.

    Raises:
        InputError: there is none, or a name is missing, used twice, or unfit for a folder.
    """
    explicit = [Case(_name(entry, "case"), tuple(_settings(entry))) for entry in _entries(table, "case")]
    axes = [_axis(entry) for entry in _entries(table, "vary")]
    if not explicit and not axes:
        raise InputError("case", None, "a sweep needs a [[case]] or a [[vary]]", "Write at least one.")
    combined = []
    for point in itertools.product(*([explicit] if explicit else []), *axes):
        overrides = tuple(override for case in point for override in case.overrides)
        names = tuple(case.name for case in point)
        combined.append(Case(", ".join(names), overrides, names))
    folders = [_folder_name(case.name).lower() for case in combined]
    for case, folder in zip(combined, folders, strict=True):
        if folders.count(folder) > 1:
            raise InputError("name", case.name, "is used twice", "Give each case a name of its own.")
    return combined


def _axis(entry: Mapping[str, Any]) -> list[Case]:
    """One case per value; several settings of one axis change together."""
    name, settings = _name(entry, "vary"), _settings(entry)
    lengths = {len(s.value) if isinstance(s.value, list) else 0 for s in settings}
    if len(lengths) != 1 or 0 in lengths:
        given = {s.key: s.value for s in settings}
        raise InputError(
            f"vary {name}", given, "must be lists of equal length", 'For instance: "device.states" = [16, 64].'
        )
    points = zip(*(s.value for s in settings), strict=True)
    keys = [s.key for s in settings]
    return [
        Case(f"{name}={_short(values[0])}", tuple(Override(k, v) for k, v in zip(keys, values, strict=True)))
        for values in points
    ]


def _entries(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(key, entries, f"must be tables [[{key}]]", "Double the brackets.")
    return entries


def _settings(entry: Mapping[str, Any]) -> list[Override]:
    return flattened({key: value for key, value in entry.items() if key != "name"})


def _name(entry: Mapping[str, Any], kind: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not _folder_name(name):
        raise InputError(f"{kind}.name", name, "must be a name with a letter or digit in it", "It names the folder.")
    return name


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _folder_name(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.=+-]+", "_", name).strip("._")


def _recorded(folder: Path) -> Experiment | None:
    """The experiment of a run folder; None where there is none."""
    try:
        return Experiment.from_table(read_table(folder / storage.CONFIG))
    except MemlearnError:  # whatever is wrong with it, it is not the planned one
        return None


def _check(item: Planned, overwrite: bool) -> None:
    """A folder of another experiment is only replaced on request."""
    storage.check_free(item.folder, overwrite=True)
    if (item.folder / storage.CONFIG).exists() and not overwrite and _recorded(item.folder) != item.experiment:
        raise InputError(
            "out", str(item.folder), "holds a run of another experiment", "Name another folder, or give --overwrite."
        )


def _summary(
    file: Path, out: Path, planned: list[Planned], results: Mapping[Path, Mapping[str, Any]]
) -> dict[str, Any]:
    """What is known so far: per case every run, the mean and the worst."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for item in planned:
        runs = grouped.setdefault(item.case.name, [])
        if item.folder in results:
            figures = {name: results[item.folder].get(name) for name in _FIGURES}
            runs.append({"seed": item.seed, "folder": item.folder.relative_to(out).as_posix(), **figures})
    settings = {item.case.name: {o.key: o.value for o in item.case.overrides} for item in planned}
    return {
        "sweep": file.name,
        "planned": len(planned),
        "finished": len(results),
        "cases": [
            {"name": name, "overrides": settings[name], "mean": _mean(runs), "worst": _worst(runs), "runs": runs}
            for name, runs in grouped.items()
        ],
    }


def _mean(runs: list[dict[str, Any]]) -> dict[str, float | None]:
    found = {}
    for name in _FIGURES:
        known = [run[name] for run in runs if run[name] is not None]
        found[name] = sum(known) / len(known) if known else None
    return found


def _worst(runs: list[dict[str, Any]]) -> dict[str, float | None]:
    """The lowest accuracies and the highest wear."""
    found = {}
    for name in _FIGURES:
        known = [run[name] for run in runs if run[name] is not None]
        found[name] = (min if name in _ACCURACIES else max)(known) if known else None
    return found
