"""Binary switches against the laws of chance: reference/devices.md, section 2.10."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Drive
from memlearn.devices import BinarySwitch, Pulse
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.devices.state import DeviceState

ROOT = Stream.root(11)
MANY = (1, 1, 100, 1000)
CELLS = math.prod(MANY)


def pulsed(law: BinarySwitch, n: int, state: DeviceState | None = None, drive: Drive | None = None, event: int = 0):
    """Cells after n pulses."""
    state = law.init(MANY, ROOT, torch.float64) if state is None else state
    return law.pulse(state, Counts(torch.full(MANY, n, dtype=torch.int32), drive), ROOT, event)[0]


def switched(law: BinarySwitch, n: int, drive: Drive | None = None) -> int:
    """How many of the cells, all at the other level before, are switched by n pulses."""
    column = 1 if n > 0 else 0
    state = law.init(MANY, ROOT, torch.float64)
    state.conductance.copy_(state.parameters[..., 1 - column])
    return int(((pulsed(law, n, state, drive).conductance > law.middle) == (n > 0)).sum())


def likely(found: int, p: float) -> bool:
    """Not surprising at 5 sigma."""
    return abs(found - CELLS * p) <= 5 * math.sqrt(CELLS * p * (1 - p)) + 1e-9


@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize(("up", "down"), [(0.2, 0.6), (0.003, 0.01), (1.0, 1e-5)])
def test_waiting_is_geometric(n, up, down):
    law = BinarySwitch(probability_up=up, probability_down=down)
    assert likely(switched(law, n), -math.expm1(n * math.log1p(-up)) if up < 1 else 1.0)
    assert likely(switched(law, -n), -math.expm1(n * math.log1p(-down)))


@pytest.mark.parametrize("n", [1, 3, 10_000])
def test_a_certain_switch_goes_to_its_own_level_at_once(n):
    law = BinarySwitch(device_to_device=DeviceToDevice(upper_bound=0.2, lower_bound=0.2))
    state = law.init((1, 1, 5, 8), ROOT, torch.float64)
    state = law.pulse(state, Counts(torch.full((1, 1, 5, 8), n, dtype=torch.int32)), ROOT, 0)[0]
    assert torch.allclose(state.conductance, state.parameters[..., 1], rtol=1e-14) and state.conductance.std() > 0
    state = law.pulse(state, Counts(torch.full((1, 1, 5, 8), -n, dtype=torch.int32)), ROOT, 1)[0]
    assert torch.allclose(state.conductance, state.parameters[..., 0], rtol=1e-14) and law.mean_step == 0.5 * law.range


def test_one_pulse_at_mid_range_has_the_stated_mean_and_variance():
    law = BinarySwitch(probability_up=0.3, probability_down=0.1)
    for sign, p in ((1, 0.3), (-1, 0.1)):
        moved = sign * (pulsed(law, sign).conductance - law.middle) / (0.5 * law.range)
        assert float(moved.mean()) == pytest.approx(p, rel=0.03)
        assert float(moved.var()) == pytest.approx(p * (1 - p), rel=0.03)
        assert law.middle_factor(sign > 0) * law.mean_step == pytest.approx(p * 0.5 * law.range)


def test_outcomes_of_neighbours_and_of_pulses_are_independent():
    law = BinarySwitch(probability_up=0.5, probability_down=0.5)
    state, rows = law.init(MANY, ROOT, torch.float64), []
    for event in range(4):
        state.conductance.copy_(state.parameters[..., 0])
        state = pulsed(law, 1, state, event=event)
        rows.append((state.conductance > law.middle).double().flatten())
    rows += [rows[0].roll(1), rows[0].roll(1000)]
    assert (torch.corrcoef(torch.stack(rows)) - torch.eye(6)).abs().max() < 5 / math.sqrt(CELLS)


def test_voltage_shortens_the_wait_exponentially():
    # p = 1 - exp(-t / tau), tau = tau0 exp(-|V| / v0): 1 us of 2 V is 0.1 e^(2/0.5) x 1e-6 / 1e-5 waiting times.
    law = BinarySwitch(
        time_constant=1e-3,
        voltage_scale=0.5,
        up_pulse=Pulse(voltage=2.0, width=1e-6),
        down_pulse=Pulse(voltage=-1.0, width=2e-5),
    )
    chances = [-math.expm1(-1e-3 * math.exp(4)), -math.expm1(-2e-2 * math.exp(2))]
    assert [law.probability(True), law.probability(False)] == pytest.approx(chances, rel=1e-12)
    assert likely(switched(law, 1), chances[0]) and likely(switched(law, -1), chances[1])
    drive = Drive(1.0, 1e-5, -2.5, 1e-6)
    chances = [-math.expm1(-1e-2 * math.exp(2)), -math.expm1(-1e-3 * math.exp(5))]
    assert likely(switched(law, 1, drive), chances[0]) and likely(switched(law, -1, drive), chances[1])
    widths = torch.zeros(MANY)
    widths[..., ::2] = 1.0
    state = pulsed(law, 1, drive=Drive(1.0, widths, 1.0, 1.0))
    assert (
        torch.allclose(state.conductance[..., ::2], torch.tensor(law.g_max).double())
        and (state.conductance[..., 1::2] == law.middle).all()
    )


def test_spread_of_the_step_is_one_of_speed():
    law = BinarySwitch(
        probability_up=0.2,
        asymmetry=0.5,
        device_to_device=DeviceToDevice(step=0.4, distribution="log_normal"),
    )
    state = law.init(MANY, ROOT, torch.float64)
    p = state.parameters[..., 2].numpy().ravel()
    speed = np.log1p(-p) / np.log1p(-0.2) / 1.5
    assert stats.kstest(np.log(speed) / 0.4, "norm").pvalue > 1e-3
    state.conductance.copy_(state.parameters[..., 0])
    hit = (pulsed(law, 1, state).conductance.numpy().ravel() > law.middle).astype(float)
    assert (hit - p).mean() == pytest.approx(0, abs=5 * 0.5 / math.sqrt(CELLS))
    assert np.corrcoef(hit, p)[0, 1] == pytest.approx(p.std() / hit.std(), abs=0.015)


def test_cycle_noise_makes_switches_incomplete():
    law = BinarySwitch(cycle_to_cycle=CycleToCycle(spread=0.1))
    state = law.init(MANY, ROOT, torch.float64)
    state.conductance.copy_(state.parameters[..., 0])
    short = ((law.g_max - pulsed(law, 1, state).conductance) / law.range).numpy().ravel()
    assert np.count_nonzero(short == 0) == pytest.approx(CELLS / 2, rel=0.02)
    assert stats.kstest(short[short > 0] / 0.1, "halfnorm").pvalue > 1e-3


def test_what_a_switch_cannot_take_is_refused():
    with pytest.raises(
        InputError, match=r"voltage_scale.* is required beside the other one\. State both, or neither\."
    ):
        BinarySwitch(time_constant=1.0)
    with pytest.raises(InputError, match="time_constant.* is required beside the other one"):
        BinarySwitch(voltage_scale=1.0)
    with pytest.raises(InputError, match=r"plan\.drive.* must be None without a time_constant"):
        pulsed(BinarySwitch(), 1, drive=Drive(1.0, 1.0, 1.0, 1.0))
