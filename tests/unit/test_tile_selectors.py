"""Selectors inside tiles: reads and writes are those of `solve` and `write_voltages` with the same selector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memlearn import wires
from memlearn.arrays.selectors import AbstractSelector, Ohmic, Sinh, ThresholdSelector
from memlearn.arrays.wires import ResistiveWires
from memlearn.compensation import ColumnGain, correct
from memlearn.core.errors import InputError
from memlearn.core.ledger import Amount, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import ConstantStep
from memlearn.devices.base import Pulse
from memlearn.devices.effects import ReadNoise
from memlearn.devices.response import PowerResponse
from memlearn.experiment import run
from memlearn.periphery import ADC, DAC
from memlearn.tile import Array, Crossbar, Periphery, Port, Tile
from tests.end_to_end.small import small

EXACT = Port(drive=DAC(bits=None), sense=ADC(bits=None))
LINES: dict[str, Any] = {"r_word_line": 40.0, "r_bit_line": 70.0, "r_source": 120.0, "r_sense": 30.0}
VOLT = ConstantStep(
    voltage_response=PowerResponse(), g_max=4e-5, up_pulse=Pulse(voltage=1.0), down_pulse=Pulse(voltage=-1.0)
)
LAWS = [Ohmic(r_access=2e4), Sinh(a=6.0), ThresholdSelector(v_threshold=0.3, width=0.03)]


def tile(selector: AbstractSelector | None, *, device: ConstantStep = VOLT, **changes: Any) -> Tile:
    lines = ResistiveWires(**{**LINES, **changes}, selector=selector)  # type: ignore[arg-type]
    array = Array(
        device=device,
        crossbar=Crossbar(wires=lines, rows=8, columns=8, read_voltage=0.5),
        periphery=Periphery(forward=EXACT, backward=EXACT),
    )
    made = Tile(11, 3, array=array, stream=Stream.root(3), dtype=torch.float64)
    made.initialise(torch.rand(11, 3, generator=torch.Generator().manual_seed(5)) * 1.6 - 0.8)
    return made


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_reads_are_the_networks(law: AbstractSelector):
    it, drawn = tile(law), torch.Generator().manual_seed(1)
    x, e = (torch.rand(3, n, dtype=torch.float64, generator=drawn) for n in (11, 3))
    # What the sense stage takes for 1 is what a cell carries at full drive, by the selector's law.
    unit = it.array.crossbar.mapping.unit_current(0.5, it.array.device.range)
    unit *= float(law.current(np.ones(()), np.full((), 0.5))) / 0.5 if not law.linear else 1
    rows = torch.nn.functional.pad(0.5 * x, (0, 1)).reshape(3, 2, 6)
    columns = torch.stack([0.5 * e, -0.5 * e], -1).flatten(-2)
    forward, back = 0.0, []
    for k in range(2):
        current = wires.solve(it.conductance[k, 0], rows[:, k], selector=law, **LINES)
        forward = forward + current[:, 0::2] - current[:, 1::2]
        back.append(wires.solve(it.conductance[k, 0], columns, selector=law, read="transposed", **LINES))
    assert torch.allclose(it.read(x), forward / unit, rtol=1e-7, atol=1e-10)
    assert torch.allclose(it.read_transposed(e), torch.cat(back, 1)[:, :11] / unit, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_lines_without_resistance_leave_the_law(law: AbstractSelector):
    nothing = dict.fromkeys(LINES, 0.0)
    it, x = tile(law, **nothing), torch.rand(2, 11, dtype=torch.float64)
    seen = it.conductance[:, 0].flatten(0, 1)[:11].numpy()
    current = law.current(seen[None], 0.5 * x[:, :, None].numpy()).sum(1)
    found = torch.from_numpy(current[:, 0::2] - current[:, 1::2])
    assert torch.allclose(it.read(x) * it.unit_current, found, rtol=1e-9)


def test_sources_deliver_what_they_send_into_the_lines():
    law = Sinh(a=6.0)
    it, x = tile(law), torch.rand(4, 11, dtype=torch.float64)
    it.ledger = Ledger(measures=True)
    it.read(x)
    rows, sent = torch.nn.functional.pad(0.5 * x, (0, 1)).reshape(4, 2, 6), 0.0
    for k in range(2):
        word = wires.solve(it.conductance[k, 0], rows[:, k], selector=law, return_node_voltages=True, **LINES)[1]
        sent += float((rows[:, k] * (rows[:, k] - word[..., 0])).sum()) / 160.0
    amounts = {key: value for key, value in it.ledger.amounts().items() if Amount.READ_HEAT.value in str(key)}
    assert len(amounts) == 1 and next(iter(amounts.values())) == pytest.approx(sent, rel=1e-6)
    assert Pass.FORWARD.value in str(next(iter(amounts)))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_writes_are_the_networks(law: AbstractSelector):
    """One step: what arrives across cell and selector, as a part of what the whole pulse would be to the cell."""
    it = tile(law, writes="exact", r_sense=120.0)
    before, pulses = it.conductance.clone(), torch.zeros(2, 1, 6, 6, dtype=torch.int32)
    pulses[0, 0, 2, [1, 4]] = 1
    it.pulse(Counts(pulses))
    select = (torch.arange(6) == 2)[None], (pulses[0, 0, 2] > 0)[None]
    lines = {"r_word_line": 40.0, "r_bit_line": 70.0, "r_word_driver": 120.0, "r_bit_driver": 120.0}
    volts = wires.write_voltages(before[0, 0], *select, 1.0, selector=law, tolerance=1e-11, **lines)[0]
    if isinstance(law, ThresholdSelector):
        part = law.current(np.ones(()), volts.numpy()) / law.current(np.ones(()), np.ones(()))
        volts = torch.from_numpy(part)
    moved = (before[0, 0] + it.array.device.mean_step * volts).clamp(2e-6, 4e-5)
    assert float((it.conductance[0, 0] - moved).abs().max()) < 1e-5 * it.array.device.mean_step
    assert torch.equal(it.conductance[1], before[1])


def test_a_threshold_keeps_half_selected_cells_from_moving():
    moved = []
    for law in (None, ThresholdSelector(v_threshold=0.6, width=0.02)):
        it = tile(law, writes="exact")
        before, pulses = it.conductance.clone(), torch.zeros(2, 1, 6, 6, dtype=torch.int32)
        pulses[:, :, 2, 1] = 1
        it.pulse(Counts(pulses))
        moved.append(float((it.conductance - before).abs()[:, :, 3:].max()) / it.array.device.mean_step)
    assert moved[0] > 0.3 and moved[1] < 0.01


def test_noise_of_single_cells_and_gains_that_need_a_matrix():
    it = tile(Sinh(), device=VOLT.replace(read_noise=ReadNoise(relative=0.1)))
    x = torch.rand(1, 11, dtype=torch.float64).expand(30, 11)
    seen = it.read(x)
    assert float(seen.std(0).min()) > 0 and torch.allclose(seen.mean(0), tile(Sinh()).read(x[:1])[0], atol=0.3)
    with pytest.raises(InputError, match="bend the currents"):
        correct(tile(Sinh()), (ColumnGain(),), x)


def test_the_pulse_needs_a_voltage():
    with pytest.raises(InputError, match="up_pulse"):
        tile(Sinh(), writes="exact", device=ConstantStep(voltage_response=PowerResponse()))


@pytest.mark.parametrize("selector", [{"kind": "ohmic", "r_access": 5e3}, {"kind": "sinh", "a": 3.0}], ids=str)
def test_experiments_train_through_them(selector: dict[str, Any], tmp_path: Path):
    lines = {"kind": "resistive", "writes": "exact", "selection": {"kind": "one_transistor"}, "selector": selector}
    found = run(
        small(
            network={"hidden": []},
            device={"kind": "constant_step", "states": 200, "voltage_response": {"kind": "sinh", "steepness": 5.0},
                    "up_pulse": {"voltage": 1.0}, "down_pulse": {"voltage": -1.0}},
            rule={"kind": "manhattan"},
            crossbar={"rows": 64, "columns": 64, "wires": lines},
            data={"train_limit": 64},
            training={"epochs": 1},
        ),
        tmp_path / "run",
    )  # fmt: skip
    assert found["test_accuracy"] > 0.2 and found["pulses_total"] > 0
