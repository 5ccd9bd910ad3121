"""Zero shifting against what a cell's law says of its symmetric point, and its pulses against the cells' counters."""

from __future__ import annotations

import pytest
import torch

from memlearn.arrays.mapping import ReferenceColumn
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.devices import SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning.calibrate import ZeroShifting, zero_shift
from memlearn.tile import Array, Crossbar, Tile


def cells(states: float, noise: float = 0.0, spread: float = 0.3, seed: int = 0) -> Tile:
    device = SoftBounds(
        g_min=10e-6,
        g_max=30e-6,
        states=states,
        cycle_to_cycle=CycleToCycle(spread=noise),
        device_to_device=DeviceToDevice(step=0.0, upper_bound=spread, lower_bound=spread, balance=spread / 2),
    )
    array = Array(device=device, crossbar=Crossbar(mapping=ReferenceColumn(w_max=0.6)))
    return Tile(60, 40, array=array, stream=Stream.root(seed))


def points(tile: Tile) -> torch.Tensor:
    """Where the steps up and down of every cell are equal, in weights: two lines cross."""
    device, part = tile.array.device, tile.parameters_[0, 0, :-1, :-1]
    above, below = part[..., 1] - device.middle, device.middle - part[..., 0]
    up, down = part[..., 3], part[..., 5]  # slopes
    return (up * above - down * below) / (up + down) * (2 * 0.6 / device.range)


def test_cells_without_noise_end_on_their_symmetric_points():
    tile = cells(200)
    tile.initialise(torch.full((60, 40), 0.4))
    found = zero_shift(tile, ZeroShifting(tolerance=0.0001))
    assert found.settled and found.pairs < 2000 and points(tile).std() > 0.04
    # What is left of the way after the last look, and the curvature of a single step.
    assert (found.reference - points(tile)).abs().max() < 0.02 * 0.6


@pytest.mark.parametrize(("states", "noise"), [(20, 0.3), (100, 1.0)])
def test_the_error_floor_is_that_of_noise_against_slope(states: float, noise: float):
    tile = cells(states, noise, spread=0.0)
    tile.initialise(torch.full((60, 40), 0.4))
    found = zero_shift(tile, ZeroShifting())
    step = 2 * 0.6 / states
    slope = step / 0.6  # the contraction of one pulse, (D / tau) / D times D
    floor = noise * step / (2 * slope) ** 0.5
    # 2400 cells; the mean of two reads with a pulse between them takes a little of it away, of order slope.
    assert float(found.reference.std()) == pytest.approx(floor, rel=0.08)
    assert abs(float(found.reference.mean())) < 5 * floor / 2400**0.5 + 0.01 * step


def test_pulses_are_counted_as_those_of_a_calibration():
    tile, ledger = cells(20, 0.3), Ledger()
    tile.ledger, tile.name = ledger, "fast"
    found = zero_shift(tile, ZeroShifting(pairs=10, look_every=10))
    assert found.pairs == 10 and found.pulses == 2 * 10 * 60 * 40 == int(tile.counters[..., 0].sum())
    assert ledger.total(Event.PULSE) == ledger.total(Event.PULSE, during=Pass.CALIBRATION) == found.pulses
    assert ledger.total(Event.CELL_READ, during=Pass.CALIBRATION) == 3 * (60 * 40 + 60)  # before, and twice a look
    assert tile.ledger is ledger


def test_a_copy_has_its_own_error():
    exact, copied = (zero_shift(cells(20), ZeroShifting(copy_error=error)).reference for error in (0.0, 0.05))
    assert float((copied - exact).std()) == pytest.approx(0.05 * 0.6, rel=0.06)
