"""Components: frozen, validated settings that carry units, ranges, meanings and sources.

A component *is* its own configuration. The same class serves the Python user (`SoftBounds(states=64)`), the TOML
file (`kind = "soft_bounds"`), the JSON schema and the documentation page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .errors import InputError, nearest

_UNIT = "unit"


def quantity(
    default: Any = ...,
    *,
    unit: str,
    doc: str,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> Any:
    """A number field with its unit, its range and one line of meaning.

    Arguments:
        default: the value when none is given; `...` makes the field required.
        unit: SI unit, "1" for a pure number.
        doc: one line of meaning.
        gt, ge, lt, le: open and closed bounds of the range.
    """
    return Field(default, description=doc, gt=gt, ge=ge, lt=lt, le=le, json_schema_extra={_UNIT: unit})


def setting(default: Any = ..., *, doc: str) -> Any:
    """A field that is no number (a choice, a switch, another component), with one line of meaning."""
    return Field(default, description=doc)


class Component(BaseModel):
    """Base of all settings: frozen, strict about types, hostile to unknown names and to NaN.

    A concrete component declares `kind: Literal["its_toml_name"]`, gives every field a `quantity` or a `setting`, and
    names the publications that it follows in `sources`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    sources: ClassVar[tuple[str, ...]] = ()

    def __init__(self, /, **settings: Any) -> None:  # positional only: a table may hold a key named "self"
        known = type(self).model_fields
        for name, value in settings.items():
            if name not in known:
                raise InputError(name, value, f"unknown setting of {type(self).__name__}", nearest(name, known))
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise _readable(error, type(self), settings) from None

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, validated again."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def table(self) -> dict[str, Any]:
        """The settings as plain nested data, as they stand in a TOML file; `from_table` reads it back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The component that a TOML table describes (lists become tuples); errors name the dotted key."""
        return cls(**_tuples(dict(table)))


def _tuples(value: Any) -> Any:
    """TOML knows only arrays; settings are immutable, so arrays become tuples."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(item) for item in value)
    return value


def members(namespace: Mapping[str, Any], base: type[Component]) -> dict[str, type[Component]]:
    """The concrete components of a family, by their TOML name, from the names that its folder exports.

    Arguments:
        namespace: `globals()` of the family's `__init__`.
        base: the family's abstract class.
    """
    found = [v for v in namespace.values() if isinstance(v, type) and issubclass(v, base)]
    return {kind: cls for cls in found if (kind := kind_of(cls))}


def kind_of(cls: type[Component]) -> str | None:
    """The TOML name of a concrete component, None for an abstract one."""
    field = cls.model_fields.get("kind")
    return str(field.default) if field is not None and isinstance(field.default, str) else None


def choice(family: Mapping[str, type[Component]]) -> Any:
    """The annotation of a field that takes any member of a family, told apart by `kind`."""
    classes = tuple(family.values())
    if len(classes) == 1:
        return classes[0]
    return Annotated[Union[classes], Field(discriminator="kind")]  # noqa: UP007  (built from a tuple)


def describe(cls: type[Component]) -> list[dict[str, str]]:
    """One row per field (name, type, default, unit, range, meaning), for `memlearn list` and the docs."""
    return [
        {
            "name": name,
            "type": _type_name(field.annotation),
            "default": "required" if field.is_required() else _short(field.default),
            "unit": unit_of(field),
            "range": " and ".join(_bounds(field)),
            "meaning": field.description or "",
        }
        for name, field in cls.model_fields.items()
        if name != "kind"
    ]


def unit_of(field: FieldInfo) -> str:
    """The unit of a quantity, empty for a setting."""
    extra = field.json_schema_extra
    return str(extra.get(_UNIT, "")) if isinstance(extra, Mapping) else ""


def _bounds(field: FieldInfo) -> list[str]:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [(sign, getattr(mark, name, None)) for mark in field.metadata for name, sign in signs.items()]
    return [f"{sign} {bound:g}" for sign, bound in found if bound is not None]


def _short(value: Any) -> str:
    if isinstance(value, Component):
        return kind_of(type(value)) or type(value).__name__
    return f"{value:g}" if isinstance(value, float) else str(value)


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    parts = [_type_name(part) for part in get_args(annotation) if part is not Ellipsis]
    if parts:
        return f"tuple of {', '.join(parts)}" if get_origin(annotation) is tuple else " or ".join(parts)
    return "none" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def _readable(error: ValidationError, cls: type[Component], settings: Mapping[str, Any]) -> InputError:
    """The first of pydantic's complaints, as one sentence that names the dotted key."""
    first = error.errors(include_url=False)[0]
    where = ".".join(_path(first["loc"], settings)) or cls.__name__
    kind, given, context = first["type"], first["input"], first.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, InputError):
        inner = f"{where}.{cause.argument}" if first["loc"] else cause.argument
        return InputError(inner, cause.value, cause.allowed, cause.remedy)
    if kind == "missing":
        return InputError(where, None, "is required", f"Give {where} a value.")
    if kind == "union_tag_invalid":
        words = [w.strip().strip("'") for w in str(context["expected_tags"]).split(",")]
        return InputError(f"{where}.kind", context["tag"], "unknown kind", nearest(str(context["tag"]), words))
    if kind == "union_tag_not_found":
        return InputError(f"{where}.kind", None, "is required", 'Say which kind, for instance kind = "...".')
    if kind == "model_type":
        return InputError(where, given, f"must be a {context['class_name']} or a table of its settings")
    if kind == "model_attributes_type":
        return InputError(where, given, "must be a table or a component", f'Write {where} = {{kind = "..."}}.')
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]  # only the first letter: the rest may quote what the user must write
    others = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return InputError(where, given, message + others)


def _path(location: tuple[str | int, ...], settings: Any) -> list[str]:
    """The keys that the user wrote; pydantic mixes the `kind` of each union member into its locations."""
    path: list[str] = []
    here: Any = settings
    for part in location:
        kind = here.get("kind") if isinstance(here, Mapping) else getattr(here, "kind", None)
        if path and part == kind:
            continue
        path.append(str(part))
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            here = None
    return path
