"""Closed-loop programming: pulses against tolerance, and what rising amplitudes and rising gates take.

    python experiments/write_verify.py

Two tables. The first is the array of Yao et al., Nature 577:641 (2020): identical pulses, 32 levels 0.58 uS apart, a
window of +-50 nA at 0.2 V, at most 500 pulses. The paper does not state the step or its spread; 32 steps over the range
are the preset's choice, 30 % from pulse to pulse and from cell to cell are this file's.

The second sets the two schemes of Milo et al. (2021) beside identical pulses: amplitude rising by 0.1 V from 0.5 V
(published: 16 pulses), and gate voltage rising by 10 mV (published: 121 pulses, smallest spread), from 50 to 225 uS.
The law of the cells (VTEAM) and its constants are this file's, so that orders and ranking mean something, not digits.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import torch

from memlearn.core.random import Stream
from memlearn.devices import VTEAM, AbstractDevice
from memlearn.devices.base import Pulse
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.devices.presets import load
from memlearn.programming.schemes import (
    AbstractScheme,
    GateRamp,
    IncrementalStepPulses,
    Order,
    Ramp,
    ReadWrite,
    WriteVerify,
)

SPREAD = CycleToCycle(spread=0.3)
MILO_TOLERANCE = 0.03
"""A bit more than half the distance of 19 signed levels on a pair, ten a cell, relative to the range."""


class Outcome(NamedTuple):
    """What programming every cell from its lowest state to a level of its own took."""

    mean: float
    """Pulses a cell."""
    p99: float
    most: int
    given_up: float
    """Share of the cells that were not within the window after the last pulse allowed."""
    spread: float
    """Standard deviation of conductance less target, relative to the range."""


def yao() -> AbstractDevice:
    """The preset, with the spreads that it does not know."""
    return load("hfox_yao2020").device.replace(cycle_to_cycle=SPREAD, device_to_device=DeviceToDevice(step=0.3))


def milo() -> AbstractDevice:
    """50 to 225 uS, fast cells and slow ones; a pulse at the first amplitude of the ramp does almost nothing."""
    return VTEAM(
        g_min=50e-6, g_max=225e-6, v_on=-0.4, v_off=0.4, k_on=-1.0, k_off=1.0, alpha_on=3.0, alpha_off=3.0,
        up_pulse=Pulse(voltage=-1.0, width=1e-10), down_pulse=Pulse(voltage=1.0, width=1e-10),
        cycle_to_cycle=SPREAD, device_to_device=DeviceToDevice(step=0.5, distribution="log_normal"),
    )  # fmt: skip


def programmed(device: AbstractDevice, scheme: AbstractScheme, *, levels: int, cells: int = 4096) -> Outcome:
    """Cells at their lowest state, programmed to `levels` levels all over the range, each level equally often."""
    state = device.init((1, 1, 1, cells), Stream.root(1), torch.float64)
    state.conductance.copy_(state.parameters[..., 0])
    places = (torch.arange(cells) % levels).double().reshape(state.conductance.shape) / (levels - 1)
    order = Order(device.g_min + places * device.range, torch.ones_like(places, dtype=torch.bool), Stream.root(2), 0)
    done = scheme.program(device, state, order, "cpu")
    pulses = done.pulses.double().flatten()
    away = (state.conductance - order.targets) / device.range
    return Outcome(
        float(pulses.mean()), float(pulses.quantile(0.99)), int(pulses.max()), float(done.failed.double().mean()),
        float(away.std()),
    )  # fmt: skip


def against_tolerance(cells: int = 4096) -> dict[float, Outcome]:
    """Window in nA at 0.2 V: what the 32 levels take on the array of Yao et al."""
    device, found = yao(), {}
    for window in (200.0, 100.0, 50.0, 25.0, 12.5):
        scheme = WriteVerify(tolerance=window * 1e-9 / 0.2 / device.range, max_pulses=500)
        found[window] = programmed(device, scheme, levels=32, cells=cells)
    return found


def schemes(cells: int = 4096) -> dict[str, Outcome]:
    """The schemes of Milo et al., and identical pulses beside them."""
    up = Ramp(start=0.5, step=0.1)
    every = {
        "identical pulses, verified": WriteVerify(tolerance=MILO_TOLERANCE),
        "one read, one pulse of chosen width": ReadWrite(by="width"),
        "amplitude rising by 0.1 V (ISPVA)": IncrementalStepPulses(tolerance=MILO_TOLERANCE, up=up, down=up),
        "gate rising by 100 mV (IGVVA-100)": GateRamp(tolerance=MILO_TOLERANCE, gate_step=0.1, first=0.5),
        "gate rising by 10 mV (IGVVA-10)": GateRamp(tolerance=MILO_TOLERANCE, gate_step=0.01, first=0.5),
    }
    return {name: programmed(milo(), scheme, levels=10, cells=cells) for name, scheme in every.items()}


def row(name: str, found: Outcome) -> str:
    """A line of a Markdown table."""
    share, spread = f"{100 * found.given_up:.2f} %", f"{100 * found.spread:.2f} %"
    return f"| {name} | {found.mean:.1f} | {found.p99:.0f} | {found.most} | {share} | {spread} |"


def main() -> None:
    """Print both tables."""
    head = "pulses, mean | 99 % | most | given up | spread of G, of the range |\n|---|---|---|---|---|---|"
    first = [f"| window | {head}", *(row(f"+-{nA:g} nA", found) for nA, found in against_tolerance().items())]
    second = [f"| scheme | {head}", *(row(name, found) for name, found in schemes().items())]
    sys.stdout.write("\n".join([*first, "", *second, ""]))


if __name__ == "__main__":
    main()
