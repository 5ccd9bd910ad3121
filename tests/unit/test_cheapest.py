"""The energy of writes, and the choice of windows."""

from __future__ import annotations

import pytest
import torch

from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.cost import write_energy
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.base import Pulse
from memlearn.experiment.cheapest import Programming, cheapest, programmings
from memlearn.experiment.config import Experiment
from memlearn.programming import Targets
from memlearn.programming.schemes import WriteVerify
from memlearn.tile import Array, Tile

UP, DOWN = Pulse(voltage=2.0, width=50e-9), Pulse(voltage=-1.5, width=100e-9)


def test_energy_by_hand():
    # A pulse moves a cell by 1 uS: 11 -> 14 uS takes pulses at 11, 12 and 13 uS; its partner goes down from 11, 10, 9.
    device = ConstantStep(g_min=2e-6, g_max=20e-6, states=18, up_pulse=UP, down_pulse=DOWN)
    tile = Tile(1, 1, array=Array(device=device), stream=Stream.root(0), dtype=torch.float64)
    tile.initialise(torch.zeros(1, 1, dtype=torch.float64))
    tile.ledger = ledger = Ledger()
    tile.program(Targets(torch.full((1, 1), 6 / 18, dtype=torch.float64), None, False, WriteVerify(tolerance=0.02)))
    exact = 4.0 * 50e-9 * 36e-6 + 2.25 * 100e-9 * 30e-6
    assert write_energy(ledger, device) == pytest.approx(exact, rel=1e-9)
    assert write_energy(ledger, device, layer="other") == 0
    assert ledger.total(Event.DOSE_UP, during=Pass.UPDATE) == 36 * 10**9
    assert write_energy(ledger, device.replace(down_pulse=Pulse(voltage=-1.5))) is None


def experiment(**changes: object) -> Experiment:
    device = SoftBounds(states=60, up_pulse=UP, down_pulse=DOWN).table()
    table: dict[str, object] = {"network": {"hidden": [12]}, "device": device, "start": {"epochs": 2, "batch": 20}}
    table |= changes
    return Experiment.from_table(table)


def test_a_wider_window_costs_less_and_the_cheapest_that_is_good_enough_is_taken():
    found = programmings(experiment(), tolerances=(0.02, 0.2), orders=("row",))
    ways = {(one.tolerance, one.tolerance_low): one for one in found}
    fine, coarse = ways[0.02, 0.02], ways[0.2, 0.2]
    assert fine.energy is not None and coarse.energy is not None
    assert coarse.energy < fine.energy and coarse.pulses < fine.pulses and coarse.slots < fine.slots
    assert cheapest(found, loss=1.0) == coarse
    best = max(found, key=lambda one: one.accuracy)
    assert cheapest(found, loss=0.0).accuracy == best.accuracy


def test_pulses_decide_where_energy_is_unknown():
    ways = [Programming(0.1, 0.1, "row", 0.9, None, pulses, 5) for pulses in (30, 20, 40)]
    assert cheapest(ways).pulses == 20


def test_what_is_missing_is_named():
    with pytest.raises(InputError, match=r"experiment\.start"):
        programmings(experiment(start=None))
    with pytest.raises(InputError, match="validation"):
        programmings(experiment(data={"kind": "digits", "validation": 0}))
    with pytest.raises(InputError, match="found"):
        cheapest([])
