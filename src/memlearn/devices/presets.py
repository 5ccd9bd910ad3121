"""Device files: a published or measured device as data, with its sources and with what the model leaves out.

name = "my_device"              # snake_case, the file's stem
title = "My device"             # for people
sources = ["..."]               # papers, manuals
deviations = ["..."]            # where the model departs from the published record, in plain words
[device]                        # the law and its settings, SI units
kind = "soft_bounds"
states = 100
[record]                        # published facts that the model does not use; "unknown" where nobody has stated them
endurance_cycles = "unknown"
[residuals]                     # how far the model is from the record
curve = 0.01

Only `[device]` is required. The files that come with memlearn are its presets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..core.component import kind_of
from ..core.errors import DataError, InputError, nearest
from ..core.files import read_toml
from .base import AbstractDevice

_FOLDER = Path(__file__).parent / "presets"
_KEYS = ("name", "title", "sources", "deviations", "device", "record", "residuals")
_CHOICES = ("preset", "file")


class Preset(NamedTuple):
    """A device file, read."""

    name: str
    """snake_case."""
    title: str
    """For people."""
    device: AbstractDevice
    """The law with its settings."""
    sources: tuple[str, ...]
    """Papers and manuals."""
    deviations: tuple[str, ...]
    """Where the model departs from the published record."""
    record: dict[str, Any]
    """Published facts that the model does not use; "unknown" where nobody has stated them."""
    residuals: dict[str, float]
    """How far the model is from the published record, by name."""


def presets() -> list[str]:
    """Names of the presets, in order."""
    return sorted(file.stem for file in _FOLDER.glob("*.toml"))


def load(path_or_name: str | Path) -> Preset:
    """Read a preset, or a device file of your own.

    Arguments:
        path_or_name: the name of a preset, or the path of a file; a text with a folder or with `.toml` is a path.

    Raises:
        InputError: there is no such preset, or a setting of the device is wrong; the text names the file.
        DataError: the file is missing, is no TOML, or holds something else than a device.
    """
    text = str(path_or_name)
    if isinstance(path_or_name, Path) or text.endswith(".toml") or Path(text).name != text:
        return _read(Path(path_or_name))
    if text not in presets():
        remedy = f"{nearest(text, presets())} A file of your own: give its path, with .toml."
        raise InputError("preset", text, "is none of the presets", remedy)
    return _read(_FOLDER / f"{text}.toml")


def resolved(table: Mapping[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """A device table in which `preset = "..."` or `file = "..."` is replaced by the settings that it stands for.

    Arguments:
        table: as in an experiment; further keys change settings of the preset, nested tables key by key.
        folder: that `file` is relative to; None for the current folder.

    Raises:
        InputError, DataError: as `load`; both keys at once; another `kind` than the preset's.
    """
    given = [key for key in _CHOICES if key in table]
    if not given:
        return dict(table)
    if len(given) > 1:
        raise InputError("device.file", table["file"], "stands beside a preset", "Leave one of the two out.")
    key = given[0]
    value = table[key]
    if not isinstance(value, str) or not value:
        raise InputError(f"device.{key}", value, "must be a name" if key == "preset" else "must be a path")
    preset = load((folder or Path()) / value if key == "file" else value)
    changes = {name: setting for name, setting in table.items() if name != key}
    base = preset.device.table()
    if changes.get("kind", base["kind"]) != base["kind"]:
        allowed = f"but {preset.name} is a {base['kind']}"
        raise InputError("device.kind", changes["kind"], allowed, "Leave kind out, or leave the preset out.")
    return _merged(base, changes)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, tables within tables too."""
    new = dict(base)
    for key, value in changes.items():
        below = new.get(key)
        new[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return new


def _read(file: Path) -> Preset:
    table = read_toml(file)
    for key in table:
        if key not in _KEYS:
            raise InputError(f"{file}: {key}", table[key], "unknown key of a device file", nearest(key, _KEYS))
    name = _typed(file, table, "name", str, file.stem)
    return Preset(
        name=name,
        title=_typed(file, table, "title", str, name),
        device=_device(file, table),
        sources=_texts(file, table, "sources"),
        deviations=_texts(file, table, "deviations"),
        record=_typed(file, table, "record", dict, {}),
        residuals=_numbers(file, table),
    )


def _device(file: Path, table: Mapping[str, Any]) -> AbstractDevice:
    settings = table.get("device")
    if not isinstance(settings, dict):
        raise DataError(f"{file}: has no table [device]. It holds the law and its settings.")
    kinds = _kinds(AbstractDevice.__subclasses__())
    kind = settings.get("kind")
    if kind not in kinds:
        allowed = "is required" if kind is None else "unknown kind"
        raise InputError(f"{file}: device.kind", kind, allowed, nearest(str(kind or ""), kinds))
    try:
        return kinds[kind].from_table(settings)
    except InputError as error:
        raise InputError(f"{file}: device.{error.argument}", error.value, error.allowed, error.remedy) from None


def _kinds(classes: Iterable[type[AbstractDevice]]) -> dict[str, type[AbstractDevice]]:
    """Every law that has been defined, the user's own among them; of two with one name, the older."""
    found: dict[str, type[AbstractDevice]] = {}
    for cls in classes:
        kind = kind_of(cls)
        if kind:
            found.setdefault(kind, cls)
        for name, below in _kinds(cls.__subclasses__()).items():
            found.setdefault(name, below)
    return found


def _typed(file: Path, table: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind) or value == "":
        word = {str: "a text", dict: "a table", list: "a list"}[kind]
        raise InputError(f"{file}: {key}", value, f"must be {word}")
    return value


def _texts(file: Path, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = _typed(file, table, key, list, [])
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise InputError(f"{file}: {key}", values, "must be a list of sentences")
    return tuple(values)


def _numbers(file: Path, table: Mapping[str, Any]) -> dict[str, float]:
    values = _typed(file, table, "residuals", dict, {})
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{file}: residuals.{name}", value, "must be a number")
    return {name: float(value) for name, value in values.items()}
