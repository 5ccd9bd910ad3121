"""Files of a run folder: whole or not at all, and nobody else's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..core.errors import DataError, InputError

CONFIG, HISTORY, RESULT = "config.json", "history.jsonl", "result.json"
ARRAYS, CHECKPOINT, REPORT = "arrays.safetensors", "checkpoint.safetensors", "report.html"
SNAPSHOTS = "snapshots.safetensors"
SWEEP, COMPARE = "sweep.json", "compare.json"
RUN_FILES = (RESULT, HISTORY, ARRAYS, SNAPSHOTS, CHECKPOINT, REPORT, CONFIG)
"""In the order in which they are removed: what says "finished" goes first, what says "ours" last."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill at any moment, finds the old one or the new one, never a part.

    Raises:
        DataError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    part = _part(path)
    try:
        try:
            with part.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{path}: cannot be written ({why}). Make room or choose another --out.") from None


def write_json(path: Path, data: Any) -> None:
    """Plain data as JSON; NaN and infinity are refused."""
    write_bytes(path, (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    write_bytes(path, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records).encode())


def read_json(path: Path, *, remedy: str) -> Any:
    """The data in a JSON file.

    Raises:
        DataError: it is missing, truncated, or no JSON; `remedy` says what to do then.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). {remedy}") from None
    except ValueError as error:
        raise DataError(f"{path}: is truncated or no JSON ({error}). {remedy}") from None


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Make sure that a run may go into a folder, before any work is spent on it; nothing is changed.

    Arguments:
        folder: where the run shall be kept; it need not exist.
        overwrite: whether an earlier run there may be replaced.

    Raises:
        InputError: it is a file, lies in a file, cannot be written, or holds something that must not be replaced.
    """
    present = _present(folder)
    if present and not overwrite:
        shown = ", ".join(present[:4]) + (", ..." if len(present) > 4 else "")
        raise InputError(
            "out",
            str(folder),
            f"is not empty ({shown})",
            "Name another folder, give --overwrite to replace the run in it, or go on with it by `memlearn resume`.",
        )
    if found := [name for name in RUN_FILES if name in present]:
        check_ours(folder, found)


def check_listed(folder: Path, name: str) -> None:
    """Make sure that a sweep or a comparison may go into a folder: a new or empty one, or that of an earlier one.

    Arguments:
        folder: where its files shall lie.
        name: the file by which such a folder is known.

    Raises:
        InputError: it is a file, lies in a file, cannot be written, or holds something else.
    """
    present = _present(folder)
    if present and name not in present:
        raise InputError("out", str(folder), f"is not empty, and holds no {name}", "Name another folder.")


def check_ours(folder: Path, found: list[str]) -> None:
    """Refuse to replace files that only happen to have the names of a run's files.

    Raises:
        InputError: config.json is missing or no experiment.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        ours = isinstance(config, dict) and {"rule", "training", "network"} <= set(config)
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise InputError(
            "out",
            str(folder),
            f"holds {', '.join(found)}, but no experiment in {CONFIG}: memlearn may not have written them",
            "Name another folder, or remove them by hand.",
        )


def claim(folder: Path) -> None:
    """Make the folder, and take away the files of an earlier run; all others stay.

    Raises:
        DataError: the folder cannot be made, or a file not be removed.
    """
    make(folder)
    try:
        for name in RUN_FILES:
            (folder / name).unlink(missing_ok=True)
        clean(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be emptied ({error.strerror or error}). Choose another --out.") from None


def make(folder: Path) -> None:
    """Make a folder, and those that it lies in.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror or error}). Choose another --out.") from None


def clean(folder: Path) -> None:
    """Take away what a kill during a write may have left."""
    for name in RUN_FILES:
        _part(folder / name).unlink(missing_ok=True)


def _present(folder: Path) -> list[str]:
    """Names in a folder that may be written; none where it is still to be made."""
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise InputError("out", str(folder), f"{place} is a file", "Name a folder.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError("out", str(folder), f"{place} cannot be written", "Name a folder of your own.")
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _sync_folder(folder: Path) -> None:
    """The new name must reach the disk too; where folders cannot be opened, the system sees to it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
