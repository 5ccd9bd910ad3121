"""Comparisons: several experiments, each with several seeds, in one table; what is finished is never run twice.

A file is an experiment, a sweep (every case of it is a row: rules x devices, for instance), or the compare.json of an
earlier comparison, which runs again to the last bit. Runs lie in folders named by a digest of their settings, so that a
comparison that was stopped, changed or enlarged takes up whatever is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import DataError, InputError, MemlearnError
from ..cost import Cost
from . import storage, sweep
from .compared import row_figures
from .config import Experiment
from .costs import bill_from
from .files import read_experiment, read_table
from .run import resume, run
from .versions import changes, versions
from .watch import Watcher

FORMAT = 1
_KEPT = 16
"""Digits of a digest that name a folder."""


class Row(NamedTuple):
    """One row of the table: an experiment that is run with every seed."""

    name: str
    parts: tuple[str, ...]
    """Of a sweep: the names that span it, such as a rule and a device; else the name alone."""
    experiment: Experiment

    def seeded(self, seed: int) -> Experiment:
        """One run of it."""
        return self.experiment.replace(seed=seed)


def compare(
    files: Sequence[Path],
    out: Path,
    *,
    seeds: int | None = None,
    runs: Path | None = None,
    data_directory: Path | None = None,
    watcher: Callable[[str], Watcher] | None = None,
) -> dict[str, Any]:
    """Run every row with every seed, and keep the table in compare.json.

    All experiments are checked before the first one starts. A row whose rule cannot work with its device or converters
    is kept with the reason in place of figures.

    Arguments:
        files: experiments, sweeps, or one compare.json.
        out: the comparison's folder; what is finished in it is kept, what was interrupted goes on.
        seeds: runs of each row, with seeds from 0; None takes the files' own seeds.
        runs: folder of the run folders, which comparisons may share; None takes `out`/runs.
        data_directory: folder of the data set's files.
        watcher: makes the one that hears of a run's progress, from the run's name.

    Returns:
        The table, as compare.json holds it. But for the folders' names it depends on the experiments alone.

    Raises:
        InputError, DataError, Interrupted: as `run`.
    """
    out, watch = Path(out), watcher or (lambda _: Watcher())
    runs = Path(runs) if runs is not None else out / "runs"
    storage.check_listed(out, storage.COMPARE)
    rows, every = rows_of(files, seeds)
    known: dict[str, dict[str, Any]] = {}
    stopped: dict[str, str] = {}
    storage.make(out)
    for row in rows:
        for seed in every[row.name]:
            storage.write_json(out / storage.COMPARE, _table(rows, every, known, stopped))
            experiment = row.seeded(seed)
            observer = watch(f"{row.name}, seed {seed}")
            try:
                known[digest(experiment)] = _figures(experiment, runs, data_directory, observer)
            except InputError as error:
                stopped[row.name] = str(error)
                observer.note(f"left out: {error}")
                break
    if len(stopped) == len(rows):
        raise InputError("files", [str(f) for f in files], "no row can run", next(iter(stopped.values())))
    found = _table(rows, every, known, stopped)
    storage.write_json(out / storage.COMPARE, found)
    return found


def rows_of(files: Sequence[Path], seeds: int | None) -> tuple[list[Row], dict[str, list[int]]]:
    """The rows of some files, in order, and the seeds of each by its name.

    Raises:
        DataError: a file cannot be read.
        InputError: there is none, a setting is wrong, or `seeds` is no positive number.
    """
    if not files:
        raise InputError("files", [], "at least one experiment is needed", "memlearn compare A.toml B.toml --out DIR")
    if seeds is not None and seeds < 1:
        raise InputError("seeds", seeds, "must be at least 1", "For instance: --seeds 5")
    rows: list[Row] = []
    every: dict[str, list[int]] = {}
    for file in files:
        for row, own in _rows(Path(file)):
            name, n = row.name, 1
            while row.name in every:
                n += 1
                row = row._replace(name=f"{name} ({n})")
            rows.append(row)
            every[row.name] = own if seeds is None else list(range(seeds))
    return rows, every


def digest(experiment: Experiment) -> str:
    """What a run is known by: all settings but names, descriptions and assumptions on costs."""
    return experiment.replace(name="run", description="", reproduces="", cost=Cost()).digest()[:_KEPT]


def _rows(file: Path) -> list[tuple[Row, list[int]]]:
    """The rows that a file stands for, with its own seeds."""
    table = read_table(file)
    if "rows" in table and "format" in table:
        return _recorded(table, file)
    if "base" not in table:
        experiment = read_experiment(file).experiment
        return [(Row(experiment.name, (experiment.name,), experiment), [experiment.seed])]
    found: dict[str, tuple[Row, list[int]]] = {}
    for item in sweep.plan(file, Path()):
        row = Row(item.case.name, item.case.parts or (item.case.name,), item.experiment)
        found.setdefault(item.case.name, (row, []))[1].append(item.seed)
    return list(found.values())


def _recorded(table: Mapping[str, Any], file: Path) -> list[tuple[Row, list[int]]]:
    """The rows of a compare.json."""
    if table["format"] != FORMAT:
        raise DataError(f"{file}: was written by another version of memlearn. Compare the experiments anew.")
    try:
        return [
            (Row(row["name"], tuple(row["parts"]), Experiment.from_table(row["experiment"])), list(row["seeds"]))
            for row in table["rows"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(f"{file}: is damaged ({error!r}). Compare the experiments anew.") from None


def _figures(experiment: Experiment, runs: Path, data: Path | None, watcher: Watcher) -> dict[str, Any]:
    """The figures of a run: what is there, what is left to do of it, or all of it."""
    folder = runs / digest(experiment)
    if _holds(folder, experiment):
        try:
            finished = (folder / storage.RESULT).exists()
            figures = resume(folder, watcher=Watcher() if finished else watcher)
            figures = _priced(figures, experiment.cost)
            if other := changes(figures["versions"], versions()):
                watcher.note(f"{folder} was run with other versions ({other}); remove it to run it again.")
            return figures
        except DataError as error:  # killed before its first checkpoint, or damaged
            watcher.note(f"{error} It is run again.")
    return run(experiment, folder, data_directory=data, overwrite=True, watcher=watcher)


def _priced(figures: dict[str, Any], cost: Cost) -> dict[str, Any]:
    """The figures with the bill of these assumptions, which the run need not have been made with."""
    if not figures.get("cost") or figures["cost"]["assumptions"] == cost.table():
        return figures
    found = bill_from(figures, cost)
    return figures if found is None else {**figures, "cost": found.table(sensitive=False)}


def _holds(folder: Path, experiment: Experiment) -> bool:
    if not any((folder / name).exists() for name in (storage.CHECKPOINT, storage.RESULT)):
        return False
    try:
        return digest(Experiment.from_table(read_table(folder / storage.CONFIG))) == digest(experiment)
    except MemlearnError:  # whatever is wrong with it, it is not the planned one
        return False


def _table(
    rows: Sequence[Row],
    every: Mapping[str, list[int]],
    known: Mapping[str, Mapping[str, Any]],
    stopped: Mapping[str, str],
) -> dict[str, Any]:
    """What is known so far."""
    shown = []
    for row in rows:
        digests = {seed: digest(row.seeded(seed)) for seed in every[row.name]}
        results = [(seed, name, known[name]) for seed, name in digests.items() if name in known]
        shown.append(
            {
                "name": row.name,
                "parts": list(row.parts),
                "rule": row.experiment.rule.kind,
                "device": row.experiment.device.kind,
                "seeds": every[row.name],
                "stopped": stopped.get(row.name),
                **row_figures(results),
                "experiment": row.experiment.table(),
            }
        )
    return {
        "format": FORMAT,
        "versions": versions(),
        "planned": sum(map(len, every.values())),
        "finished": sum(len(row["runs"]) for row in shown),
        "rows": shown,
        "sources": list(dict.fromkeys(s for figures in known.values() for s in figures.get("sources", ()))),
    }
