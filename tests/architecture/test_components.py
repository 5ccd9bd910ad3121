"""What holds of every component of the package, whoever wrote it: meanings, units, kinds, sources, round trips."""

from __future__ import annotations

import importlib
import json
import re
from collections import defaultdict
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

from memlearn.core.component import Component, describe, kind_of, quantity, setting, unit_of
from tests.architecture.package import bases_of, components, concrete, is_concrete, label, module_names

MEMBERS = [cls for cls in concrete() if bases_of(cls)]
WITH_DEFAULTS = [cls for cls in concrete() if not any(field.is_required() for field in cls.model_fields.values())]


def is_number(annotation: Any) -> bool:
    """True for int and float, also optional or annotated; a switch is no number."""
    if get_origin(annotation) is Annotated:
        return is_number(get_args(annotation)[0])
    if get_origin(annotation) in (None, Literal, tuple, list, dict):
        return annotation in (int, float)
    return any(is_number(part) for part in get_args(annotation))


def fields_without(cls: type[Component]) -> tuple[list[str], list[str]]:
    """The fields that lack a meaning, and the numbers that lack a unit; `kind` explains itself."""
    fields = {name: field for name, field in cls.model_fields.items() if name != "kind"}
    silent = [name for name, field in fields.items() if not (field.description or "").strip()]
    bare = [name for name, field in fields.items() if is_number(field.annotation) and not unit_of(field)]
    return silent, bare


@pytest.mark.parametrize("name", module_names())
def test_every_module_imports(name: str):
    importlib.import_module(name)


@pytest.mark.parametrize("cls", components(), ids=label)
def test_every_field_has_a_meaning_and_every_number_a_unit(cls: type[Component]):
    silent, bare = fields_without(cls)
    assert not silent, f"{label(cls)}: no description: {silent}; use quantity(...) or setting(...)"
    assert not bare, f"{label(cls)}: a number without a unit: {bare}; use quantity(..., unit=...)"


@pytest.mark.parametrize("cls", components(), ids=label)
def test_every_setting_is_frozen_and_strict(cls: type[Component]):
    config = cls.model_config
    assert config.get("frozen") and config.get("strict") and config.get("extra") == "forbid", label(cls)
    assert config.get("allow_inf_nan") is False and config.get("validate_default"), label(cls)


@pytest.mark.parametrize("cls", [c for c in concrete() if "kind" in c.model_fields], ids=label)
def test_kind_is_one_literal_name(cls: type[Component]):
    field = cls.model_fields["kind"]
    assert get_origin(field.annotation) is Literal, f"{label(cls)}: kind must be a Literal"
    assert get_args(field.annotation) == (field.default,), f"{label(cls)}: kind's only value must be its default"
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.default), f"{field.default!r} is not snake_case"


@pytest.mark.parametrize("cls", concrete(), ids=label)
def test_every_component_says_what_it_is(cls: type[Component]):
    assert (cls.__dict__.get("__doc__") or "").strip(), f"{label(cls)} has no docstring of its own"
    assert all(row["meaning"] and row["type"] for row in describe(cls))


@pytest.mark.parametrize("cls", MEMBERS, ids=label)
def test_every_member_has_a_kind_and_a_source(cls: type[Component]):
    assert kind_of(cls), f"{label(cls)} is a member of a family and has no kind"
    documented = (cls.__dict__.get("__doc__") or "").strip()
    assert cls.sources or documented, f"{label(cls)} names neither a source nor what it is"
    assert all(isinstance(source, str) and source.strip() for source in cls.sources), label(cls)


def test_kinds_are_unique_within_a_family():
    families = defaultdict(list)
    for cls in MEMBERS:
        families[bases_of(cls)[-1], kind_of(cls)].append(label(cls))
    assert not [names for names in families.values() if len(names) > 1]


@pytest.mark.parametrize("cls", WITH_DEFAULTS, ids=label)
def test_defaults_survive_a_round_trip(cls: type[Component]):
    made = cls()
    table = json.loads(json.dumps(made.table(), allow_nan=False))
    again = cls.from_table(table)
    assert again == made and hash(again) == hash(made)
    assert again.table() == made.table()
    assert made.replace() == made


@pytest.mark.parametrize("cls", concrete(), ids=label)
def test_the_json_schema_exports(cls: type[Component]):
    schema = json.loads(json.dumps(cls.model_json_schema()))
    assert set(schema.get("properties", {})) == set(cls.model_fields)
    assert schema["additionalProperties"] is False


# The readers above, held to known cases: a check that finds nothing must be able to find something.


def test_members_are_told_from_bases_and_engines():
    class Base(Component):
        __module__ = "memlearn.family.base"

    class Engine(Base):
        pass

    class Member(Engine):
        kind: Literal["member"] = "member"

    class Forgot(Engine):
        pass

    class Settings(Component):
        pass

    found = [cls for cls in (Base, Engine, Member, Forgot, Settings) if is_concrete(cls)]
    assert found == [Member, Forgot, Settings]
    assert [bases_of(cls) for cls in found] == [[Base], [Base], []]


def test_the_field_check_sees_what_is_missing():
    class Bad(Component):
        bare: int = setting(1, doc="a number without a unit")
        silent: float | None = quantity(None, unit="m", doc="")
        switch: bool = setting(True, doc="no number")
        good: Annotated[float, "note"] = quantity(1.0, unit="V", doc="fine")
        shape: tuple[int, ...] = setting((1,), doc="no number either")

    assert fields_without(Bad) == (["silent"], ["bare"])
