"""Pairs of one-sided cells on a tile: nothing is pulsed down but by a refresh, and a refresh keeps the weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memlearn.arrays.mapping import OneSidedPair
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Trains
from memlearn.devices import OneSided
from memlearn.devices.effects import ReadNoise, StuckCells
from memlearn.tile import Array, Crossbar, Tile

INPUTS, OUTPUTS = 7, 5
CELLS = INPUTS * OUTPUTS * 2


def tile(mapping: dict[str, Any] | None = None, backend: Any = "cpu", **device: Any) -> Tile:
    """A layer on four tiles, two of them not full, with small nearly equal steps."""
    law = OneSided(**{"states": 100, "boost": 0.5, "decay": 1.0, **device})
    crossbar = Crossbar(mapping=OneSidedPair(**{"refresh_every": 4, **(mapping or {})}), rows=4, columns=6)
    made = Tile(INPUTS, OUTPUTS, array=Array(device=law, crossbar=crossbar), stream=Stream.root(3), backend=backend)
    made.ledger = Ledger()
    made.initialise(weights())
    return made


def weights() -> Tensor:
    return torch.linspace(-0.4, 0.4, INPUTS * OUTPUTS).reshape(INPUTS, OUTPUTS)


def see_saw(made: Tile, n: int, times: int) -> None:
    """Up and down again by n pulses: both cells of each pair rise, the weight hardly moves."""
    for k in range(times):
        made.write(Counts(torch.full((INPUTS, OUTPUTS), n if k % 2 == 0 else -n, dtype=torch.int32)))


def total(made: Tile, event: Event) -> int:
    assert made.ledger is not None
    return made.ledger.total(event, during=Pass.UPDATE)


def test_without_a_refresh_cells_only_rise_and_weights_get_stuck():
    made = tile({"refresh_every": 0})
    before = made.conductance.clone()
    see_saw(made, 20, 20)
    assert (made.conductance >= before).all() and made.weight().abs().max() < 0.05
    assert total(made, Event.CELL_READ) == 0 and total(made, Event.PULSE) == 20 * 20 * INPUTS * OUTPUTS


def test_trains_of_either_sign_raise_one_cell_of_each_pair():
    made, signs = tile(), torch.arange(OUTPUTS) % 2
    before, weight = made.conductance.clone(), made.weight()
    made.write(Trains(torch.full((1, INPUTS), 0b1111), (signs << 31 | 0b11)[None], 4))
    moved = made.conductance - before
    assert (moved >= 0).all() and int((moved > 0).sum()) == INPUTS * OUTPUTS
    assert ((made.weight() - weight).sign() == 1 - 2 * signs).all()
    assert total(made, Event.PULSE) == 2 * INPUTS * OUTPUTS and total(made, Event.TRAIN_SLOT) == 4


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_refresh_resets_worn_pairs_and_keeps_their_weights(backend):
    made = tile(backend=backend)
    see_saw(made, 20, 3)
    places = (made.conductance - made.array.device.g_min) / made.array.device.range
    worn = (places[..., 0::2].maximum(places[..., 1::2]) > 0.75) & (places[..., 0::2].minimum(places[..., 1::2]) > 0.25)
    twin = tile({"refresh_every": 0}, backend)
    see_saw(twin, 20, 4)
    made.write(Counts(torch.full((INPUTS, OUTPUTS), -20, dtype=torch.int32)))
    after = (made.conductance - made.array.device.g_min) / made.array.device.range
    lower = after[..., 0::2].minimum(after[..., 1::2])[made.used()[..., 0::2]]
    assert not worn.all() and int((lower < 0.01).sum()) > 5  # reset cells that hold no difference stay at their level
    step = 1.5 / 100  # the largest pulse of this device, of the range
    assert (made.weight() - twin.weight()).abs().max() <= 0.5 * step + 0.01 + step
    assert (made.weight() - twin.weight()).abs().max() > 0


def test_all_pulses_and_reads_of_a_refresh_are_counted():
    made = tile()
    see_saw(made, 30, 4)
    assert total(made, Event.PULSE) == int(made.counters[..., 0].sum()) > 4 * 30 * INPUTS * OUTPUTS
    # The first look is at every cell, those of the rewriting at pairs.
    looks = total(made, Event.CELL_READ)
    assert looks > CELLS and (looks - CELLS) % 2 == 0 and total(made, Event.ADC) == looks
    assert 2 * INPUTS <= total(made, Event.DAC) < looks
    before = total(made, Event.PULSE), looks
    made.write(Counts(torch.zeros(INPUTS, OUTPUTS, dtype=torch.int32)))
    assert (total(made, Event.PULSE), total(made, Event.CELL_READ)) == before  # not due


def test_a_refresh_without_worn_pairs_only_looks():
    made = tile()
    made.conductance.copy_(made.conductance.clamp_max(4e-6))
    before = made.conductance.clone()
    for _ in range(4):
        made.write(Counts(torch.zeros(INPUTS, OUTPUTS, dtype=torch.int32)))
    assert torch.equal(made.conductance, before) and total(made, Event.CELL_READ) == CELLS


def test_stuck_cells_end_a_refresh_at_its_limit():
    made = tile({"refresh_pulses": 7}, faults=StuckCells(high=1.0))
    made.conductance.copy_(made.conductance * made.used())
    made.write(Counts(torch.zeros(INPUTS, OUTPUTS, dtype=torch.int32)))
    pulses = total(made, Event.PULSE)
    for _ in range(3):
        made.write(Counts(torch.zeros(INPUTS, OUTPUTS, dtype=torch.int32)))
    assert pulses == 0 and 0 < total(made, Event.PULSE) <= CELLS + 7 * INPUTS * OUTPUTS


def test_a_refresh_sees_read_noise_and_repeats_itself():
    ends = []
    for noise in (0.0, 0.02, 0.02):
        made = tile(read_noise=ReadNoise(relative=noise), reset_cycle_spread=0.01)
        see_saw(made, 30, 4)
        ends.append(made.conductance.clone())
    assert torch.equal(ends[1], ends[2]) and not torch.equal(ends[0], ends[1])


def test_an_interrupted_tile_refreshes_when_it_would_have():
    made, twin = tile(), tile()
    see_saw(made, 30, 3)
    twin.load_state_dict(made.state_dict())
    for one in (made, twin):
        one.write(Counts(torch.full((INPUTS, OUTPUTS), -30, dtype=torch.int32)))
    assert torch.equal(made.conductance, twin.conductance) and int(twin.events[4]) == 4
    assert total(twin, Event.CELL_READ) == total(made, Event.CELL_READ) > 0
