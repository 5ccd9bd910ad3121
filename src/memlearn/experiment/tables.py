"""Tables of settings, walked beside the components that they describe: overrides, changes of kind, the word "none"."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic.fields import FieldInfo

from ..core.component import Component, kind_of
from ..core.errors import InputError, nearest

NONE = "none"
AUTO = "auto"
"""The same, where none means that a value follows from others."""


class Override(NamedTuple):
    """One change: a dotted key and its new value."""

    key: str
    value: Any


def parse_override(text: str) -> Override:
    """`a.b=c` as a key and a value; the value is read as TOML, and a bare word is a string.

    Raises:
        InputError: there is no "=", or an empty key.
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(part.strip() for part in parts):
        raise InputError("--set", text, "must look like key=value", "For instance: --set training.epochs=3")
    return Override(".".join(part.strip() for part in parts), _value(value.strip()))


def overridden(
    cls: type[Component], table: Mapping[str, Any], overrides: Sequence[Override]
) -> tuple[dict[str, Any], list[str]]:
    """A table with some settings changed.

    Where an override changes a `kind`, the settings that only the old kind has are dropped, and those that both kinds
    inherit from the same class stay.

    Arguments:
        cls: what the table describes.
        table: as in a TOML file; it is not changed.
        overrides: in any order; of two with the same key the later one holds.

    Returns:
        The new table, and one sentence for each table that lost settings.

    Raises:
        InputError: a key does not exist.
    """
    new, notes = copy.deepcopy(dict(table)), []
    ordered = [o for o in overrides if o.key.split(".")[-1] == "kind"]
    ordered.sort(key=lambda override: override.key.count("."))
    for change in ordered:
        path = change.key.split(".")[:-1]
        dropped = _change_kind(cls, new, path, change, written=_written(table, path))
        if dropped:
            what = f"dropped {', '.join(dropped)}, which the new kind does not share"
            notes.append(f"{change.key} = {change.value}: {what}.")
    for change in [o for o in overrides if o not in ordered]:
        *path, last = change.key.split(".")
        owner, node = _walk(cls, new, path, change)
        if owner is not None and last not in owner.model_fields:
            allowed = f"{owner.__name__} has no setting {last!r}"
            raise InputError(change.key, change.value, allowed, nearest(last, owner.model_fields))
        node[last] = change.value
    return new, notes


def flattened(table: Mapping[str, Any], prefix: str = "") -> list[Override]:
    """Nested tables as dotted keys."""
    found: list[Override] = []
    for key, value in table.items():
        path = f"{prefix}{key}"
        found += flattened(value, f"{path}.") if isinstance(value, Mapping) else [Override(path, value)]
    return found


def with_nones(cls: type[Component], table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with None for "none" wherever a setting may be None and no word; TOML has no null."""
    new: dict[str, Any] = {}
    for key, value in table.items():
        field = cls.model_fields.get(key)
        if field is not None and value in (NONE, AUTO) and _optional(field.annotation):
            value = None
        elif field is not None and isinstance(value, Mapping):
            child = _class_of(field, value)
            value = value if child is None else with_nones(child, value)
        new[key] = value
    return new


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _walk(
    cls: type[Component], table: dict[str, Any], path: Sequence[str], change: Override
) -> tuple[type[Component] | None, dict[str, Any]]:
    """The table at a path and the class that it describes; tables that are not there yet are made of the defaults."""
    here: type[Component] | None = cls
    for depth, part in enumerate(path):
        field = here.model_fields.get(part) if here is not None else None
        if here is not None and field is None:
            allowed = f"{here.__name__} has no setting {part!r}"
            raise InputError(change.key, change.value, allowed, nearest(part, here.model_fields))
        if table.get(part) in (None, NONE):
            default = field.get_default(call_default_factory=True) if field is not None else None
            table[part] = default.table() if isinstance(default, Component) else {}
        child, dotted = table[part], ".".join(path[: depth + 1])
        if field is not None and not _components(field.annotation):
            raise InputError(change.key, change.value, f"{dotted} is a single setting", f"Set {dotted} itself.")
        if not isinstance(child, dict):
            raise InputError(dotted, child, "must be a table", "Correct the file.")
        here = _class_of(field, child) if field is not None else None
        table = child
    return here, table


def _change_kind(
    cls: type[Component], table: dict[str, Any], path: list[str], change: Override, *, written: Mapping[str, Any]
) -> list[str]:
    """Set the kind at a path and drop what does not fit; names of the settings in `written` that were dropped."""
    owner, _ = _walk(cls, table, path[:-1], change)
    old, node = _walk(cls, table, path, change)
    field = owner.model_fields[path[-1]] if owner is not None and path else None
    choices = {kind_of(c): c for c in (_components(field.annotation) if field is not None else [])}
    choices.pop(None, None)
    if not choices:
        what = owner.__name__ if old is None and owner else (old or cls).__name__
        raise InputError(change.key, change.value, f"{what} comes in one kind only", "Leave it out.")
    new = choices.get(change.value)
    if new is None:
        words = [str(name) for name in choices]
        raise InputError(change.key, change.value, "unknown kind", nearest(str(change.value), words))
    if old is new:
        return []
    shared = {name for base in new.__mro__ if old and base in old.__mro__ for name in getattr(base, "model_fields", ())}
    kept = {name: value for name, value in written.items() if name in shared and name != "kind"}
    node.clear()
    node.update({"kind": change.value, **copy.deepcopy(kept)})
    return [name for name in written if name not in kept and name != "kind"]


def _written(table: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    """What the user's own table says at a path; empty where it says nothing."""
    here: Any = table
    for part in path:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def _class_of(field: FieldInfo, table: Mapping[str, Any]) -> type[Component] | None:
    """Which component a table describes: the only one possible, or the one of its `kind`; without one, the default."""
    found = _components(field.annotation)
    if len(found) == 1:
        return found[0]
    if "kind" not in table:
        default = type(field.get_default(call_default_factory=True))
        return default if default in found else None
    return next((cls for cls in found if kind_of(cls) == table["kind"]), None)


def _components(annotation: Any) -> list[type[Component]]:
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return [annotation]
    return [cls for part in get_args(annotation) for cls in _components(part)]


def _optional(annotation: Any) -> bool:
    parts = get_args(annotation)
    return type(None) in parts and str not in parts
