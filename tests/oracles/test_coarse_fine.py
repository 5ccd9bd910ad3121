"""Coarse and fine windows for low and high cells: the published order, as in experiments/coarse_fine.py."""

from __future__ import annotations

import torch

from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.cost import write_energy
from memlearn.devices import SoftBounds
from memlearn.devices.base import Pulse
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise
from memlearn.programming import Targets
from memlearn.programming.schemes import WriteVerify
from memlearn.tile import Array, Tile

DEVICE = SoftBounds(
    g_min=1e-6,
    g_max=40e-6,
    states=200,
    cycle_to_cycle=CycleToCycle(spread=0.3),
    device_to_device=DeviceToDevice(step=0.3, lower_bound=0.01, upper_bound=0.05),
    read_noise=ReadNoise(absolute=2e-8),
    up_pulse=Pulse(voltage=2.0, width=50e-9),
    down_pulse=Pulse(voltage=-1.8, width=50e-9),
)
COARSE, FINE = 0.2, 0.04
"""Half-widths of windows, relative to the target."""


def programmed(low: float, high: float, seed: int) -> tuple[float, float, int]:
    """Rms error of a cell (S), energy (J) and pulses of 60 x 40 binary weights on pairs."""
    weight = torch.randint(0, 2, (60, 40), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    tile = Tile(60, 40, array=Array(device=DEVICE), stream=Stream.root(seed))
    tile.initialise(torch.zeros(60, 40))
    tile.ledger = ledger = Ledger()
    windows = {"tolerance": high * DEVICE.g_max / DEVICE.range, "tolerance_low": low * DEVICE.g_min / DEVICE.range}
    tile.program(Targets(weight, None, False, WriteVerify(**windows)))
    energy = write_energy(ledger, DEVICE)
    assert energy is not None
    wanted = torch.where(tile.conductance > 20e-6, DEVICE.g_max, DEVICE.g_min)
    return float((tile.conductance - wanted).square().mean().sqrt()), energy, ledger.total(Event.PULSE)


def test_coarse_low_and_fine_high_is_cheapest_for_its_error():
    ways = {"F-F": (FINE, FINE), "C-F": (COARSE, FINE), "F-C": (FINE, COARSE), "C-C": (COARSE, COARSE)}
    energy, effort = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    for name, (low, high) in ways.items():
        for seed in range(4):
            error, joules, pulses = programmed(low, high, seed)
            energy[name] += error * joules
            effort[name] += error * pulses
    assert min(energy, key=energy.__getitem__) == min(effort, key=effort.__getitem__) == "C-F"
    assert effort["C-F"] < 0.98 * effort["F-F"] and energy["C-F"] < 0.8 * min(energy["F-C"], energy["C-C"])
