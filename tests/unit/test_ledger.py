"""The ledger: what is counted where, and that nothing is lost on the way to a file and back."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memlearn.core.ledger import Event, Ledger, Pass


def filled() -> Ledger:
    ledger = Ledger()
    ledger.count("hidden", Pass.FORWARD, Event.ADC, 10)
    ledger.count("hidden", Pass.FORWARD, Event.ADC, 5)
    ledger.count("hidden", Pass.BACKWARD, Event.ADC, 7)
    ledger.count("output", Pass.FORWARD, Event.ADC, 100)
    ledger.count("output", Pass.UPDATE, Event.PULSE, 3)
    return ledger


def test_an_empty_ledger():
    ledger = Ledger()
    assert ledger.total(Event.PULSE) == 0 and list(ledger) == [] and ledger.state() == {}


@pytest.mark.parametrize(
    ("layer", "during", "total"),
    [
        (None, None, 122),
        ("hidden", None, 22),
        ("output", None, 100),
        (None, Pass.FORWARD, 115),
        (None, Pass.BACKWARD, 7),
        ("hidden", Pass.FORWARD, 15),
        ("hidden", Pass.UPDATE, 0),
        ("missing", None, 0),
    ],
)
def test_totals_by_layer_and_pass(layer: str | None, during: Pass | None, total: int):
    assert filled().total(Event.ADC, layer=layer, during=during) == total


def test_the_unnamed_layer_is_a_layer():
    ledger = filled()
    ledger.count("", Pass.FORWARD, Event.ADC, 2)
    assert ledger.total(Event.ADC, layer="") == 2 and ledger.total(Event.ADC) == 124


def test_nothing_leaves_no_trace():
    ledger = Ledger()
    ledger.count("hidden", Pass.FORWARD, Event.DAC, 0)
    assert list(ledger) == []


def test_counts_become_plain_integers():
    ledger = Ledger()
    ledger.count("hidden", Pass.UPDATE, Event.PULSE, torch.tensor(3, dtype=torch.int32))  # type: ignore[arg-type]
    ((_, n),) = ledger
    assert type(n) is int and n == 3


def test_counts_do_not_overflow():
    ledger = Ledger()
    for _ in range(2):
        ledger.count("hidden", Pass.UPDATE, Event.PULSE, 2**63)
    assert ledger.total(Event.PULSE) == 2**64


def test_iteration_is_sorted_and_typed_as_text():
    keys = [key for key, _ in filled()]
    assert keys == sorted(keys) and keys[0] == ("hidden", "backward", "adc.conversion")


def test_clear_forgets():
    ledger = filled()
    ledger.clear()
    assert ledger.state() == {}


def test_state_is_plain_data_keyed_by_path():
    state = filled().state()
    assert state["hidden/forward/adc.conversion"] == 15
    assert json.loads(json.dumps(state)) == state


def test_load_replaces():
    ledger = Ledger()
    ledger.count("old", Pass.FORWARD, Event.DAC, 1)
    ledger.load(filled().state())
    assert ledger.state() == filled().state()


def test_a_loaded_ledger_counts_on():
    ledger = Ledger()
    ledger.load(filled().state())
    ledger.count("hidden", Pass.FORWARD, Event.ADC, 1)
    assert ledger.total(Event.ADC, layer="hidden", during=Pass.FORWARD) == 16


def test_load_does_not_keep_the_callers_table():
    state = filled().state()
    ledger = Ledger()
    ledger.load(state)
    ledger.count("hidden", Pass.FORWARD, Event.ADC, 1)
    assert state == filled().state()


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=8), st.sampled_from(Pass), st.sampled_from(Event)), st.integers(1, 2**70), max_size=8
    )
)
def test_state_survives_a_file_for_any_layer_name(counts: dict[tuple[str, Pass, Event], int]):
    ledger = Ledger()
    for (layer, during, event), n in counts.items():
        ledger.count(layer, during, event, n)
    again = Ledger()
    again.load(json.loads(json.dumps(ledger.state())))
    assert list(again) == list(ledger)
    assert dict(again) == {(a, b.value, c.value): n for (a, b, c), n in counts.items()}


def test_names_of_events_and_passes_hold_no_separator():
    assert not [name for name in (*Pass, *Event) if "/" in name.value]
    assert len({event.value for event in Event}) == len(Event)
