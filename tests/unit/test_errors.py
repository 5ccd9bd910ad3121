"""Errors: their text, their parts, and that they survive the way between processes."""

from __future__ import annotations

import copy

import pytest

from memlearn.core.errors import DataError, InputError, MemlearnError, nearest


def test_an_input_error_has_four_parts():
    error = InputError("rate", 3, "must lie in [0, 1]", "Divide by 100.")
    assert (error.argument, error.value, error.allowed) == ("rate", 3, "must lie in [0, 1]")
    assert error.remedy == "Divide by 100."
    assert str(error) == "rate = 3: must lie in [0, 1]. Divide by 100."


@pytest.mark.parametrize(
    ("allowed", "remedy", "text"),
    [
        ("must be odd", "", "n = 2: must be odd"),
        ("must be odd.", "", "n = 2: must be odd."),
        ("must be odd.", "Add one.", "n = 2: must be odd. Add one."),
        ("must be odd", "Add one. ", "n = 2: must be odd. Add one."),
    ],
)
def test_sentences_end_once(allowed: str, remedy: str, text: str):
    assert str(InputError("n", 2, allowed, remedy)) == text


def test_text_values_are_quoted():
    assert str(InputError("name", "a b", "unknown")) == "name = 'a b': unknown"


@pytest.mark.parametrize(("length", "shortened"), [(118, False), (119, True), (100_000, True)])
def test_long_values_are_shortened(length: int, shortened: bool):
    text = str(InputError("name", "x" * length, "too long"))
    assert ("..." in text) == shortened and len(text) < 200
    assert (f"({length + 2} characters)" in text) == shortened
    assert text.endswith(": too long")


def test_the_family_of_errors():
    error = InputError("n", 2, "must be odd")
    assert isinstance(error, MemlearnError) and isinstance(error, ValueError)
    assert issubclass(DataError, MemlearnError) and not issubclass(DataError, ValueError)
    with pytest.raises(MemlearnError, match=r"truncated"):
        raise DataError("mnist.gz is truncated")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_errors_can_be_copied(duplicate):
    error = duplicate(InputError("rate", [3, 4], "must lie in [0, 1]", "Divide."))
    assert isinstance(error, InputError) and str(error) == "rate = [3, 4]: must lie in [0, 1]. Divide."
    assert (error.argument, error.value) == ("rate", [3, 4])
    assert (error.allowed, error.remedy) == ("must lie in [0, 1]", "Divide.")


def test_nearest_names_the_closest_word_and_all():
    assert nearest("tubs", ["tube", "bulb"]) == "Did you mean 'tube'? Allowed: bulb, tube."


def test_nearest_is_silent_when_nothing_is_near():
    assert nearest("xyzzy", ["tube", "bulb"]) == "Allowed: bulb, tube."


def test_nearest_of_nothing():
    assert nearest("tube", []) == "Nothing is allowed here."


def test_nearest_takes_any_iterable_once():
    assert nearest("bulbs", (word for word in ("tube", "bulb"))).startswith("Did you mean 'bulb'?")
