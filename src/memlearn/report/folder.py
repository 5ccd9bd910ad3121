"""Run folders, read and checked: everything that a report shows comes through here."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open

from ..core.errors import DataError, InputError

_REMEDY = "Write the folder with `memlearn run`, or finish an interrupted run with `memlearn resume`."


class _Record(BaseModel):
    """Figures that a run wrote; what it left out is None, what the report does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


_AnyRecord = TypeVar("_AnyRecord", bound=_Record)


class Epoch(_Record):
    """One line of history.jsonl; accuracies are fractions, `seconds` is the time of the epoch in s."""

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_accuracy: float | None = None
    float_train_accuracy: float | None = None
    float_validation_accuracy: float | None = None
    pulses_total: float | None = None
    cells_pulsed_per_step: float | None = None
    energy: float | None = None
    seconds: float | None = None


class Layer(_Record):
    """The figures of one layer in result.json."""

    name: str
    inputs: int | None = None
    outputs: int | None = None
    cells: float | None = None
    pulses_total: float | None = None
    pulses_per_cell_mean: float | None = None
    pulses_per_cell_p99: float | None = None
    pulses_per_cell_max: float | None = None


class Saved(_Record):
    """What one span of a run saved of three baselines, as fractions; `counts` are weights written."""

    all_cells: float | None = None
    nonzero_gradient: float | None = None
    threshold: float | None = None
    pulses: dict[str, float | None] = {}
    delay: dict[str, float | None] = {}
    counts: dict[str, float] = {}


class Eliminated(_Record):
    """The writes of a run beside those of three baselines."""

    threshold: float | None = None
    parallel: str | None = None
    first_epoch: Saved
    run: Saved


class Result(_Record):
    """The figures of result.json; accuracies and `cells_pulsed_per_step` are fractions, times are in s."""

    test_accuracy: float | None
    validation_accuracy: float | None = None
    float_test_accuracy: float | None = None
    epochs: int | None = None
    train_seconds: float | None = None
    cells: float | None = None
    pulses_total: float | None = None
    pulses_per_cell_mean: float | None = None
    pulses_per_cell_max: float | None = None
    cells_pulsed_per_step: float | None = None
    adc_conversions: float | None = None
    dac_conversions: float | None = None
    comparisons: float | None = None
    digital_bits_per_weight: float | None = None
    digital_bits_per_neuron: float | None = None
    device: str | None = None
    mapping: str | None = None
    backward_method: str | None = None
    update_method: str | None = None
    backend: str | None = None
    choices: dict[str, float] = {}
    seed: int | None = None
    versions: dict[str, Any] = {}
    writes_eliminated: Eliminated | None = None
    endurance: float | None = None
    images_to_first_failure: float | None = None
    layers: tuple[Layer, ...] = ()
    images: int | None = None
    cost: dict[str, Any] | None = None
    ledger: dict[str, float] = {}
    sources: tuple[str, ...] = ()


class Run(NamedTuple):
    """One run folder.

    Fields: `folder` its path, `label` a name that is unique within the report, `config` the resolved experiment,
    `history` the epochs, `result` the figures.
    """

    folder: Path
    label: str
    config: dict[str, Any]
    history: list[Epoch]
    result: Result


class LayerArrays(NamedTuple):
    """The arrays of one layer, physical tiles laid side by side.

    Fields: `before` and `after` conductances in S (word lines, bit lines), NaN where a padded tile has no cell;
    `pulses` the counts per cell, same shape, NaN at the same places; `weight` (inputs, outputs); `tile` the rows and
    columns of one tile; `lines` the word lines and bit lines of all tiles. Lines without a cell at the far ends, where
    the last tiles stick out, are cut off.
    """

    before: np.ndarray
    after: np.ndarray
    pulses: np.ndarray
    weight: np.ndarray
    tile: tuple[int, int]
    lines: tuple[int, int]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read run folders, in the order given; runs of the same name are told apart by their folder.

    Raises:
        InputError: when no folder is given.
        DataError: when a file is missing, truncated, or not what its name says.
    """
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise InputError("folders", list(folders), "a report needs at least one run folder", _REMEDY)
    runs = [_read_run(path) for path in paths]
    names = Counter(run.label for run in runs)
    runs = [run._replace(label=f"{run.label} ({run.folder.name})") if names[run.label] > 1 else run for run in runs]
    names = Counter(run.label for run in runs)
    return [
        run._replace(label=f"{run.label} #{i}") if names[run.label] > 1 else run for i, run in enumerate(runs, start=1)
    ]


def read_layer(folder: Path, name: str) -> LayerArrays:
    """Read the arrays of one layer.

    Arguments:
        folder: the run folder.
        name: the layer, as in result.json.

    Raises:
        DataError: when arrays.safetensors is missing or damaged, or does not hold the layer.
    """
    path = Path(folder) / "arrays.safetensors"
    if not path.is_file():
        raise DataError(f"{path} is missing. {_REMEDY}")
    try:
        with safe_open(path, framework="numpy") as file:
            held = set(file.keys())
            wanted = [f"{part}/{name}" for part in ("conductance_initial", "conductance", "pulses", "weight")]
            for key in wanted:
                if key not in held:
                    layers = ", ".join(sorted(k.split("/", 1)[1] for k in held if k.startswith("conductance/")))
                    raise DataError(f"{path} holds no tensor {key!r}; it has the layers: {layers or 'none'}.")
            before, after, pulses, weight = (file.get_tensor(key) for key in wanted)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} is truncated or no safetensors file ({error}). {_REMEDY}") from None
    if after.ndim != 4 or before.shape != after.shape or pulses.shape != after.shape:
        shapes = f"{before.shape}, {after.shape} and {pulses.shape}"
        raise DataError(f"{path}: the conductances and pulses of {name!r} have the shapes {shapes}; expected one shape "
                        "(tile_rows, tile_columns, rows, columns) for all three.")
    counts = np.where(np.isfinite(after), pulses, np.nan)
    maps = [_flat(tiles) for tiles in (before, after, counts)]
    rows, columns = (_used(np.isfinite(maps[1]), axis=axis) for axis in (0, 1))
    cut = [grid[:rows, :columns] for grid in maps]
    return LayerArrays(*cut, weight=weight, tile=after.shape[2:], lines=maps[1].shape)


def as_result(figures: Result | dict[str, Any] | Any, *, origin: str) -> Result:
    """The checked figures of a run.

    Arguments:
        figures: what result.json holds, or what this function returned.
        origin: the file or the argument to name in the error.

    Raises:
        DataError: when a figure has the wrong type.
    """
    return figures if isinstance(figures, Result) else _record(Result, figures, origin)


def write_atomically(path: Path, text: str | bytes) -> Path:
    """Write a file so that a reader sees the old file or the new one, never a part.

    Raises:
        InputError: when the path is a folder.
    """
    if path.is_dir():
        raise InputError("out", str(path), "is a folder", "Name a file in it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text if isinstance(text, bytes) else text.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _read_run(folder: Path) -> Run:
    if not folder.is_dir():
        raise DataError(f"{folder} is no run folder. {_REMEDY}")
    path = folder / "result.json"
    result = _record(Result, _parse(_text(path), path), str(path))
    path = folder / "config.json"
    config = _parse(_text(path), path)
    if not isinstance(config, dict):
        raise DataError(f"{path} holds no table of settings. {_REMEDY}")
    path = folder / "history.jsonl"
    lines = [(i, line) for i, line in enumerate(_text(path).splitlines(), start=1) if line.strip()]
    history = [_record(Epoch, _parse(line, path, line=i), f"{path}, line {i}") for i, line in lines]
    return Run(folder, str(config.get("name") or folder.resolve().name), config, history, result)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} is missing. {_REMEDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}). {_REMEDY}") from None


def _parse(text: str, path: Path, *, line: int | None = None) -> Any:
    where = f"{path}, line {line}," if line else str(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is truncated or no JSON ({error}). {_REMEDY}") from None


def _record(kind: type[_AnyRecord], data: Any, where: str) -> _AnyRecord:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{where}: {key}: {first['msg'].lower()}. {_REMEDY}") from None


def _flat(tiles: np.ndarray) -> np.ndarray:
    """(tile_rows, tile_columns, rows, columns) -> (word lines, bit lines), as the tiles lie on the chip."""
    tile_rows, tile_columns, rows, columns = tiles.shape
    return tiles.transpose(0, 2, 1, 3).reshape(tile_rows * rows, tile_columns * columns).astype(np.float64)


def _used(cells: np.ndarray, *, axis: int) -> int:
    """How many lines to keep so that the last one has a cell; all of them when none has."""
    lines = np.flatnonzero(cells.any(axis=1 - axis))
    return int(lines[-1]) + 1 if lines.size else cells.shape[axis]
