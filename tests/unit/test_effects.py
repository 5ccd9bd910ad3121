"""Settings of effects: what is refused, what is said, and what reads see through a series resistance."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memlearn.core.component import Component
from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.devices import ConstantStep
from memlearn.devices.effects import Drift, Endurance, FaultyLines, FlickerNoise, Relaxation, Retention
from memlearn.devices.effects.base import arrhenius
from memlearn.tile import Array, Tile

ROOT = Stream.root(3)


@pytest.mark.parametrize(
    ("cls", "settings", "argument", "message"),
    [
        (
            FlickerNoise,
            {"fastest": 1.0, "slowest": 0.1},
            "fastest",
            r"must lie below slowest = 0\.1 s\. Exchange them\?",
        ),
        (Relaxation, {"times": ()}, "times", r"must ascend from above 0 s\. Sort them\."),
        (Relaxation, {"times": (0.0,)}, "times", "must ascend"),
        (
            Relaxation,
            {"times": (2.0, 1.0), "shift": ((0.0,),) * 2, "spread": ((0.0,),) * 2},
            "times",
            "must ascend",
        ),
        (Relaxation, {"times": (1.0, 2.0)}, "shift", "must have one row of coefficients for each of the 2 times"),
        (Relaxation, {"spread": ((),)}, "spread", "must have one row of coefficients for each of the 1 times"),
        (Relaxation, {"statistics": "hfox"}, "statistics", "input should be 'none', 'own'"),
        (Retention, {"time_constant": 0.0}, "time_constant", "greater than 0"),
        (Retention, {"rest": 1.2}, "rest", "less than or equal to 1"),
        (Endurance, {"lifetime": -1.0}, "lifetime", "greater than 0"),
        (Drift, {"start_time": 0.0}, "start_time", "greater than 0"),
        (FaultyLines, {"rate": 1.5}, "rate", "less than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(cls: type[Component], settings: dict[str, Any], argument: str, message: str):
    with pytest.raises(InputError, match=message) as error:
        cls(**settings)
    assert error.value.argument == argument


def test_series_resistance_shrinks_the_on_off_ratio_as_stated():
    # 12.5 at 1 kohm becomes 1.72 behind 15 kohm (reference figures): (R_off + R) / (R_on + R).
    device = ConstantStep(g_min=80e-6, g_max=1e-3, series_resistance=15e3)
    state = device.init((1, 1, 1, 2), ROOT, torch.float64)
    cells = torch.tensor([1e-3, 80e-6], dtype=torch.float64)
    state.conductance.copy_(cells)
    on, off = device.visible(state).flatten().tolist()
    assert on == pytest.approx(1 / (1e3 + 15e3), rel=1e-12) and off == pytest.approx(1 / (12.5e3 + 15e3), rel=1e-12)
    assert round(on / off, 2) == 1.72
    assert torch.equal(state.conductance.flatten(), cells)


def test_a_resistance_that_hides_states_is_noted():
    assert ConstantStep(g_min=80e-6, g_max=1e-3, series_resistance=249.0).notes == []
    (note,) = ConstantStep(g_min=80e-6, g_max=1e-3, series_resistance=15e3).notes
    assert note == (
        "device.series_resistance is 15 of the lowest cell resistance; above 0.25 it hides states: reads see an on/off "
        "ratio of 1.72 instead of 12.5."
    )
    assert len(ConstantStep(g_min=0.0, g_max=1e-3, series_resistance=15e3).notes) == 1


def test_arrhenius_neither_overflows_nor_matters_at_the_reference():
    assert arrhenius(0.7, 300.0, 300.0) == 1.0 and arrhenius(0.0, 900.0, 300.0) == 1.0
    assert arrhenius(100.0, 1e6, 300.0) < float("inf") and arrhenius(100.0, 1.0, 300.0) == 0.0


def test_an_effect_at_rest_takes_no_memory():
    for effect in ({}, {"retention": Retention(spread=0.3)}, {"flicker": FlickerNoise(fastest=1e-3)}):
        assert ConstantStep(**effect).init((1, 1, 2, 2), ROOT).memory.shape[-1] == 0


def test_tiles_with_unused_cells_read_through_every_effect():
    noisy = ConstantStep(
        flicker=FlickerNoise(absolute=1e-6), retention=Retention(time_constant=1.0, rest=0.5), series_resistance=1e3
    )
    tile = Tile(
        3, 5, array=Array(device=noisy).replace(crossbar=Array().crossbar.replace(rows=2, columns=4)), stream=ROOT
    )
    tile.relax(0.5)
    seen = noisy.visible(tile.state)
    unused = ~tile.used()
    assert unused.any() and not seen[unused].any() and (seen[~unused] > 0).all()
    assert tile.read(torch.rand(2, 3, generator=torch.Generator().manual_seed(0))).isfinite().all()
