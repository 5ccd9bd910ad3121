"""Components: what they refuse, how they say it, and what survives a round trip."""
# Wrong input is the subject here.
# pyright: reportCallIssue=false, reportArgumentType=false, reportAbstractUsage=false, reportUnhashable=false

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, field_validator, model_validator

from memlearn.core.component import Component, choice, describe, kind_of, members, quantity, setting, unit_of
from memlearn.core.errors import InputError


class Lamp(Component):
    """The abstract class of the family."""

    @abstractmethod
    def power(self) -> float: ...


class Bulb(Lamp):
    """A lamp with a filament."""

    kind: Literal["bulb"] = "bulb"
    resistance: float = quantity(529.0, unit="ohm", doc="hot resistance", gt=0)
    turns: int = quantity(64, unit="1", doc="turns of the filament", ge=2, le=1000)
    share: float = quantity(0.5, unit="1", doc="share of the light that is visible", ge=0, lt=1)
    warm_up: float | None = quantity(None, unit="s", doc="time to full light", ge=0)
    socket: Literal["E27", "B22"] = setting("E27", doc="thread of the socket")
    frosted: bool = setting(False, doc="frosted glass")
    spectrum: tuple[float, ...] = quantity((0.2, 0.8), unit="1", doc="relative power a band")

    sources: ClassVar[tuple[str, ...]] = ("Edison 1880",)

    def power(self) -> float:
        return 230.0**2 / self.resistance


class Tube(Lamp):
    """A lamp with a gas."""

    kind: Literal["tube"] = "tube"
    length: float = quantity(unit="m", doc="length", gt=0)
    low: float = quantity(1.0, unit="V", doc="holding voltage")
    high: float = quantity(2.0, unit="V", doc="ignition voltage")

    @model_validator(mode="after")
    def _ordered(self) -> Tube:
        if self.low >= self.high:
            raise InputError("low", self.low, f"must lie below high = {self.high}", "Lower low.")
        return self

    def power(self) -> float:
        return self.length


LAMPS = members(globals(), Lamp)
AnyLamp = choice(LAMPS)


class Room(Component):
    """A component of components."""

    lamp: AnyLamp = setting(Bulb(), doc="the lamp")
    spare: AnyLamp | None = setting(None, doc="a second lamp")
    others: tuple[AnyLamp, ...] = setting((), doc="more lamps")
    desk: Bulb = setting(Bulb(), doc="the desk's lamp")
    name: str = setting("", doc="what the door says")

    @field_validator("name")
    @classmethod
    def _spoken(cls, name: str) -> str:
        if name.isdigit():
            raise ValueError("A number is no Name")
        return name


class House(Component):
    """A component of components of components."""

    room: Room = setting(Room(), doc="the only room")


def refusal(make: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        make()
    return caught.value


# What is accepted.


def test_defaults_are_the_declared_ones():
    bulb = Bulb()
    assert (bulb.kind, bulb.resistance, bulb.turns, bulb.socket) == ("bulb", 529.0, 64, "E27")
    assert bulb.warm_up is None and bulb.frosted is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resistance", 1),  # a whole number is a number
        ("resistance", np.float64(3.5)),
        ("turns", 2),
        ("turns", 1000),
        ("share", 0),
        ("share", 0.999),
        ("warm_up", None),
        ("warm_up", 0.0),
        ("spectrum", ()),
        ("spectrum", (1, 2.5)),
    ],
)
def test_right_values_are_kept(name: str, value: Any):
    assert getattr(Bulb(**{name: value}), name) == value


# What is refused, and how.


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("turns", "64", "integer"),
        ("turns", True, "integer"),
        ("turns", 1.5, "integer"),
        ("turns", 64.0, "integer"),
        ("turns", None, "integer"),
        ("turns", np.int64(64), "integer"),
        ("turns", 1, "greater than or equal to 2"),
        ("turns", 1001, "less than or equal to 1000"),
        ("resistance", "529", "number"),
        ("resistance", True, "number"),
        ("resistance", None, "number"),
        ("resistance", [1.0], "number"),
        ("resistance", 0, "greater than 0"),
        ("resistance", -1e-30, "greater than 0"),
        ("resistance", float("nan"), "finite"),
        ("resistance", float("inf"), "finite"),
        ("share", 1, "less than 1"),
        ("share", -0.001, "greater than or equal to 0"),
        ("share", float("-inf"), "finite"),
        ("warm_up", -1.0, "greater than or equal to 0"),
        ("warm_up", float("nan"), "finite"),
        ("warm_up", "soon", "number"),
        ("frosted", 1, "boolean"),
        ("frosted", "yes", "boolean"),
        ("spectrum", [0.5], "tuple"),
        ("spectrum", 0.5, "tuple"),
        ("kind", "tube", "'bulb'"),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: Any, says: str):
    error = refusal(lambda: Bulb(**{name: value}))
    assert error.argument == name and says in error.allowed
    assert str(error).startswith(f"{name} = ")
    assert error.value is value or error.value == value or value != value


@pytest.mark.parametrize(("value", "where"), [((0.1, "x"), "spectrum.1"), ((float("nan"),), "spectrum.0")])
def test_elements_are_refused_by_position(value: tuple[Any, ...], where: str):
    assert refusal(lambda: Bulb(spectrum=value)).argument == where


def test_choices_are_quoted_as_they_are_written():
    error = refusal(lambda: Bulb(socket="e27"))
    assert error.argument == "socket" and "'E27' or 'B22'" in str(error)


def test_a_message_keeps_its_capitals():
    assert refusal(lambda: Room(name="12")).allowed == "a number is no Name"


def test_several_faults_are_counted():
    assert "(2 more)" in str(refusal(lambda: Bulb(turns=1, share=3.0, frosted=1)))


def test_an_unknown_name_gets_the_nearest():
    error = refusal(lambda: Bulb(resistence=1.0))
    assert error.argument == "resistence" and error.value == 1.0
    assert "Did you mean 'resistance'?" in error.remedy and "turns" in error.remedy and "Bulb" in error.allowed


def test_an_unknown_name_unlike_any_gets_the_list():
    error = refusal(lambda: Bulb(xyzzy=1.0))
    assert "Did you mean" not in str(error) and "Allowed: frosted, kind, resistance" in error.remedy


def test_an_unknown_name_is_told_before_a_wrong_value():
    assert refusal(lambda: Bulb(turns="x", tunrs=3)).argument == "tunrs"


def test_a_key_named_self_is_an_unknown_name():
    assert refusal(lambda: Bulb.from_table({"self": 1})).argument == "self"


def test_a_required_setting_is_asked_for():
    error = refusal(Tube)
    assert (error.argument, error.value, error.allowed) == ("length", None, "is required")
    assert "Give length a value" in error.remedy


def test_a_rule_between_settings_speaks_for_itself():
    error = refusal(lambda: Tube(length=1.0, low=3.0))
    assert (error.argument, error.value, error.remedy) == ("low", 3.0, "Lower low.")


def test_defaults_are_validated_too():
    class Broken(Component):
        count: int = quantity(0, unit="1", doc="a default outside its own range", ge=1)

    assert refusal(Broken).argument == "count"


# Where it is refused: dotted keys.


@pytest.mark.parametrize(
    ("table", "argument", "says"),
    [
        ({"lmap": {}}, "lmap", "Did you mean 'lamp'?"),
        ({"lamp": {"kind": "bulb", "turns": "x"}}, "lamp.turns", "integer"),
        ({"lamp": {"kind": "bulb", "trns": 3}}, "lamp.trns", "Did you mean 'turns'?"),
        ({"lamp": {"kind": "tube"}}, "lamp.length", "is required"),
        ({"lamp": {"kind": "tube", "length": 1.0, "low": 5.0}}, "lamp.low", "must lie below high"),
        ({"lamp": {"kind": "tubes", "length": 1.0}}, "lamp.kind", "Did you mean 'tube'?"),
        ({"lamp": {"kind": "xyzzy"}}, "lamp.kind", "Allowed: bulb, tube."),
        ({"lamp": {"turns": 3}}, "lamp.kind", "is required"),
        ({"lamp": "bulb"}, "lamp", "must be a table or a component"),
        ({"lamp": 3}, "lamp", 'Write lamp = {kind = "..."}'),
        ({"lamp": None}, "lamp", "must be a table or a component"),
        ({"spare": {"kind": "bulb", "share": 2.0}}, "spare.share", "less than 1"),
        ({"spare": {"kind": "tub"}}, "spare.kind", "Did you mean 'tube'?"),
        ({"others": [{"kind": "bulb"}, {"kind": "tube", "length": -1.0}]}, "others.1.length", "greater than 0"),
        ({"others": [{"kind": "candle"}]}, "others.0.kind", "unknown kind"),
        ({"others": [{"kind": "bulb", "spectrum": [0.1, "x"]}]}, "others.0.spectrum.1", "number"),
        ({"others": {"kind": "bulb"}}, "others", "tuple"),
        ({"desk": {"turns": 1}}, "desk.turns", "greater than or equal to 2"),
        ({"desk": {"kind": "tube"}}, "desk.kind", "'bulb'"),
        ({"desk": {"self": 1}}, "desk.self", "unknown setting of Bulb"),
        ({"desk": "bulb"}, "desk", "must be a Bulb or a table of its settings"),
    ],
)
def test_errors_name_the_dotted_key(table: dict[str, Any], argument: str, says: str):
    error = refusal(lambda: Room.from_table(table))
    assert error.argument == argument and says in str(error)
    deep = refusal(lambda: House.from_table({"room": table}))
    assert deep.argument == f"room.{argument}" and str(deep).startswith(f"room.{argument} = ")


def test_a_component_of_the_wrong_class_is_refused():
    assert "must be a Bulb" in str(refusal(lambda: Room(desk=Tube(length=1.0))))


def test_a_component_as_its_own_value_is_accepted():
    tube = Tube(length=1.2)
    assert Room(lamp=tube).lamp is tube and Room(others=(tube, Bulb())).others[0] is tube


# Frozen, replaced, compared, copied.


def test_components_are_frozen():
    bulb = Bulb()
    with pytest.raises(ValidationError, match="frozen"):
        bulb.turns = 3
    with pytest.raises(ValidationError, match="frozen"):
        del bulb.turns
    assert bulb.turns == 64


def test_replace_changes_a_copy():
    bulb = Bulb(share=0.25)
    other = bulb.replace(turns=100)
    assert (other.turns, other.share, bulb.turns) == (100, 0.25, 64)
    assert isinstance(other, Bulb) and other != bulb and bulb.replace() == bulb


def test_replace_validates():
    assert refusal(lambda: Bulb().replace(turns=1)).argument == "turns"
    assert "Did you mean 'turns'?" in str(refusal(lambda: Bulb().replace(trns=3)))
    assert refusal(lambda: Tube(length=1.0).replace(high=0.5)).argument == "low"


def test_replace_takes_components():
    assert Room().replace(desk=Bulb(turns=3)).desk.turns == 3


def test_equal_settings_are_equal_and_hash_alike():
    assert Room(lamp=Tube(length=1.0)) == Room(lamp=Tube(length=1.0))
    assert len({Room(), Room(), Room(name="study")}) == 2
    assert copy.deepcopy(Room()) == Room()


def test_settings_are_given_by_name():
    with pytest.raises(TypeError):
        Bulb(529.0)  # type: ignore[call-arg]


# Tables.


def test_table_is_plain_data():
    table = Room(lamp=Tube(length=2.0), others=(Bulb(turns=3),)).table()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["lamp"] == {"kind": "tube", "length": 2.0, "low": 1.0, "high": 2.0}
    assert table["others"][0]["spectrum"] == [0.2, 0.8] and table["spare"] is None


def test_from_table_leaves_the_table_as_it_was():
    table = {"others": [{"kind": "bulb", "spectrum": [0.5]}]}
    assert Room.from_table(table).others[0].spectrum == (0.5,)
    assert table == {"others": [{"kind": "bulb", "spectrum": [0.5]}]}


@given(
    turns=st.integers(2, 1000),
    share=st.floats(0, 1, exclude_max=True),
    warm_up=st.none() | st.floats(0, 1e30),
    spectrum=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple),
    socket=st.sampled_from(["E27", "B22"]),
)
def test_a_table_reads_back_to_the_same_component(**settings: Any):
    bulb = Bulb(**settings)
    room = Room(lamp=bulb, spare=Tube(length=0.1), others=(bulb, Tube(length=3.0)))
    assert Room.from_table(json.loads(json.dumps(room.table(), allow_nan=False))) == room


# Families.


def test_members_are_the_concrete_ones_by_kind():
    assert LAMPS == {"bulb": Bulb, "tube": Tube}
    assert members({"Bulb": Bulb, "Room": Room, "x": 3}, Lamp) == {"bulb": Bulb}
    assert members({}, Lamp) == {}


def test_kind_of():
    class Undecided(Component):
        kind: str

    assert kind_of(Bulb) == "bulb" and kind_of(Lamp) is None and kind_of(Room) is None and kind_of(Undecided) is None


def test_a_choice_of_one_is_the_class():
    assert choice({"bulb": Bulb}) is Bulb


def test_abstract_classes_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Lamp()


def test_the_schema_carries_units_and_refuses_unknown_names():
    schema = Bulb.model_json_schema()
    assert schema["properties"]["resistance"]["unit"] == "ohm"
    assert schema["properties"]["resistance"]["description"] == "hot resistance"
    assert schema["properties"]["resistance"]["exclusiveMinimum"] == 0
    assert schema["additionalProperties"] is False
    assert set(Room.model_json_schema()["properties"]["lamp"]["discriminator"]["mapping"]) == {"bulb", "tube"}


# Descriptions.


def test_describe_gives_a_row_a_field():
    rows = {row["name"]: row for row in describe(Bulb)}
    assert "kind" not in rows and list(rows) == [name for name in Bulb.model_fields if name != "kind"]
    assert rows["turns"] == {
        "name": "turns",
        "type": "int",
        "default": "64",
        "unit": "1",
        "range": ">= 2 and <= 1000",
        "meaning": "turns of the filament",
    }
    assert rows["share"]["range"] == ">= 0 and < 1" and rows["resistance"]["range"] == "> 0"
    assert (rows["warm_up"]["type"], rows["warm_up"]["default"], rows["warm_up"]["range"]) == (
        "float or none",
        "None",
        ">= 0",
    )
    assert rows["socket"]["type"] == "E27 or B22" and rows["socket"]["range"] == rows["socket"]["unit"] == ""
    assert rows["spectrum"]["type"] == "tuple of float"


def test_describe_names_required_settings_and_components():
    assert {row["name"]: row["default"] for row in describe(Tube)} == {"length": "required", "low": "1", "high": "2"}
    rows = {row["name"]: row for row in describe(Room)}
    assert (rows["lamp"]["type"], rows["lamp"]["default"]) == ("Bulb or Tube", "bulb")
    assert rows["spare"]["type"] == "Bulb or Tube or none" and rows["others"]["type"] == "tuple of Bulb or Tube"
    assert describe(House)[0]["default"] == "Room"


def test_unit_of():
    assert unit_of(Bulb.model_fields["resistance"]) == "ohm" and unit_of(Bulb.model_fields["socket"]) == ""
