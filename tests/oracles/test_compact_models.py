"""VTEAM and the Stanford/PKU model against their differential equations, solved by SciPy, and against closed forms.

The right-hand sides below are written from the published equations, in SI units, not from the code.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Drive, Trains
from memlearn.devices import VTEAM, AbstractDevice, ConstantStep, Pulse, Stanford
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, StuckCells
from memlearn.devices.voltage import VoltageDriven

STREAM = Stream.root(6)
PULSES = [1, 2, 10, 100, 1000, 10_000]
CHARGE_OVER_BOLTZMANN = 1 / 8.617333262e-5


def pulsed(law: AbstractDevice, start: np.ndarray, n: int, drive: Drive | None = None) -> np.ndarray:
    """Conductances after n pulses (down for negative n) from `start`, double precision."""
    state = law.init((1, 1, 1, start.size), STREAM, torch.float64)
    state.conductance.copy_(torch.from_numpy(start).reshape(1, 1, 1, -1))
    plan = Counts(torch.full((1, 1, 1, start.size), n, dtype=torch.int32), drive=drive)
    return law.pulse(state, plan, STREAM, 0)[0].conductance.numpy().reshape(-1)


def places(law: AbstractDevice) -> np.ndarray:
    """States over the range, dense near the lower bound, where conductances change by large factors."""
    parts = np.concatenate([np.geomspace(1e-3, 0.1, 4), np.linspace(0.2, 0.99, 6)])
    return law.g_min + parts * law.range


# VTEAM.


def vteam(law: VTEAM, g: float, voltage: float, seconds: float) -> float:
    """Conductance after a time, by the solver."""
    on, off = 1 / law.g_max, 1 / law.g_min

    def speed(_: float, x: np.ndarray) -> list[float]:
        inside = 0 < x[0] < law.d
        if voltage >= law.v_off and (inside or x[0] <= 0):
            return [law.k_off * (voltage / law.v_off - 1) ** law.alpha_off]
        if voltage <= law.v_on and (inside or x[0] >= law.d):
            return [law.k_on * (voltage / law.v_on - 1) ** law.alpha_on]
        return [0.0]

    linear = law.resistance == "linear"
    x0 = law.d * ((1 / g - on) / (off - on) if linear else math.log(1 / g / on) / math.log(off / on))
    solved = solve_ivp(speed, (0, seconds), [x0], rtol=1e-10, atol=1e-22, max_step=seconds / 200)
    x = min(max(solved.y[0, -1], 0.0), law.d) / law.d
    return 1 / (on + (off - on) * x) if linear else 1 / (on * (off / on) ** x)


@pytest.mark.parametrize("resistance", ["linear", "exponential"])
@pytest.mark.parametrize(
    ("voltage", "seconds"), [(-0.25, 5e-11), (-0.3, 1e-9), (-1.0, 1e-12), (0.03, 5e-7), (1.0, 2e-9)]
)
def test_vteam_follows_its_equation(resistance, voltage, seconds):
    law = VTEAM(resistance=resistance)
    for g in places(law)[::3]:
        drive = Drive(voltage, seconds, 0.0, 0.0) if voltage < 0 else Drive(0.0, 0.0, voltage, seconds)
        found = pulsed(law, np.array([g]), 1 if voltage < 0 else -1, drive)[0]
        assert found == pytest.approx(vteam(law, g, voltage, seconds), rel=1e-6)


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("resistance", ["linear", "exponential"])
def test_vteam_after_many_pulses_is_its_closed_form(n, resistance):
    # R, or ln R, moves by rate x width x n, and stops at its ends.
    law = VTEAM(
        resistance=resistance, up_pulse=Pulse(voltage=-0.35, width=1e-13), down_pulse=Pulse(voltage=0.05, width=4e-10)
    )
    start, on, off = places(law), 1 / law.g_max, 1 / law.g_min
    up, down = 10 * 0.75**3 * 1e-13 / 3e-9 * n, 5e-4 * 1.5 * 4e-10 / 3e-9 * n
    if resistance == "linear":
        ends = np.maximum(1 / start - up * (off - on), on), np.minimum(1 / start + down * (off - on), off)
    else:
        ends = np.maximum((off / on) ** -up / start, on), np.minimum((off / on) ** down / start, off)
    assert pulsed(law, start, n) == pytest.approx(1 / ends[0], rel=1e-6)
    assert pulsed(law, start, -n) == pytest.approx(1 / ends[1], rel=1e-6)


# Stanford/PKU.


def stanford(law: Stanford, g: float, voltage: float, seconds: float) -> float:
    """Conductance after a time, by the solver; bounds end it."""
    at_zero = law.current_scale * math.sinh(law.read_voltage / law.voltage_scale) / law.read_voltage

    def gap_of(conductance: float) -> float:
        return law.gap_scale * math.log(at_zero / conductance)

    def gamma(gap: float) -> float:
        return law.gamma0 - law.beta * (gap / 1e-9) ** 3

    low, high = gap_of(law.g_max) * 1e9, gap_of(law.g_min) * 1e9

    def speed(_: float, y: np.ndarray) -> list[float]:
        gap = min(max(y[0], low - 0.05), 2.7) * 1e-9  # where a trial step of the solver lands far beyond the end
        current = law.current_scale * math.exp(-gap / law.gap_scale) * math.sinh(voltage / law.voltage_scale)
        heat = CHARGE_OVER_BOLTZMANN / (law.ambient + abs(voltage * current) * law.thermal_resistance)
        field = gamma(gap) * law.hop * voltage / law.thickness
        return [-law.velocity * math.exp(-law.activation * heat) * math.sinh(field * heat) * 1e9]

    def weak(_: float, y: np.ndarray) -> float:
        return gamma(y[0] * 1e-9) * abs(voltage) / law.thickness - law.f_min

    start = gap_of(g) * 1e9
    if weak(0.0, np.array([start])) < 0:
        return g
    ends = [lambda _, y: y[0] - low, lambda _, y: y[0] - high, weak]
    for end in ends:
        end.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(speed, (0, seconds), [start], method="LSODA", rtol=1e-10, atol=1e-12, events=ends)
    gap = min(max(float(found.y[0, -1]), low), high)
    return at_zero * math.exp(-gap * 1e-9 / law.gap_scale)


@pytest.mark.parametrize("voltage", [1.0, 1.1, 1.25, 1.5, 2.0])
@pytest.mark.parametrize("seconds", [1e-12, 1e-10, 1e-8, 1e-6])
def test_stanford_follows_its_equation(voltage, seconds):
    law = Stanford()
    start = places(law)[::2]
    up = pulsed(law, start, 1, Drive(voltage, seconds, 0.0, 0.0))
    down = pulsed(law, start, -1, Drive(0.0, 0.0, -voltage, seconds))
    for k, g in enumerate(start):
        for found, true in (
            (up[k], stanford(law, g, voltage, seconds)),
            (down[k], stanford(law, g, -voltage, seconds)),
        ):
            assert abs(found - true) <= 1e-5 * abs(true - g) + 1e-9 * g


@pytest.mark.parametrize("n", PULSES)
def test_many_pulses_of_stanford_are_one_long_pulse(n):
    law = Stanford(up_pulse=Pulse(voltage=1.5, width=2e-13), down_pulse=Pulse(voltage=-1.5, width=2e-13))
    start = places(law)
    for sign in (1, -1):
        found = pulsed(law, start, sign * n)
        for k in (1, 8):
            true = stanford(law, start[k], sign * 1.5, 2e-13 * n)
            assert abs(found[k] - true) <= 1e-5 * abs(true - start[k]) + 1e-9 * start[k]


@pytest.mark.parametrize(
    "law", [VTEAM(), VTEAM(resistance="exponential"), Stanford()], ids=["linear", "exponential", "gap"]
)
def test_two_pulses_of_a_width_are_one_of_twice_that_width(law):
    start, own = places(law), law.drive
    twice = Drive(own.up_voltage, 2 * own.up_width, own.down_voltage, 2 * own.down_width)
    for sign in (1, -1):
        two, one = pulsed(law, start, 2 * sign), pulsed(law, start, sign, twice)
        assert np.abs(two - one).max() < 1e-6 * np.abs(one - start).max()


@pytest.mark.parametrize("law", [VTEAM(), Stanford()], ids=lambda law: law.kind)
class TestVoltageAxis:
    """What both models promise about amplitude and width."""

    def test_below_threshold_nothing_moves(self, law):
        start = places(law)
        for share in (0.0, 0.5, 0.99):
            # Of Stanford the strongest field is at the smallest gap.
            least = law.f_min * law.thickness / law.gamma0 if isinstance(law, Stanford) else None
            up, down = (least, -least) if least else (law.v_on, law.v_off)
            drive = Drive(share * up, 1.0, share * down, 1.0)
            assert np.array_equal(pulsed(law, start, 1, drive), start)
            assert np.array_equal(pulsed(law, start, -1, drive), start)

    def test_more_voltage_or_time_moves_further(self, law):
        middle, own = np.array([law.middle]), law.drive
        for sign in (1, -1):
            by_time = [
                pulsed(law, middle, sign, Drive(*(v * (k if i % 2 else 1) for i, v in enumerate(own))))[0]
                for k in (0.5, 1, 2)
            ]
            by_voltage = [
                pulsed(law, middle, sign, Drive(*(v * (1 if i % 2 else k) for i, v in enumerate(own))))[0]
                for k in (0.95, 1, 1.05)
            ]
            assert (np.diff(by_time) * sign > 0).all() and (np.diff(by_voltage) * sign > 0).all()

    def test_a_width_that_is_not_given_makes_the_stated_step(self, law):
        for states in (8, 100, 5000.5):
            found = law.replace(states=states)
            moved = pulsed(found, np.array([found.middle]), 1)[0] - found.middle
            assert moved == pytest.approx(found.range / states, rel=1e-5)
            assert found.mean_step == found.range / states
            assert found.middle_factor(True) == pytest.approx(1, abs=1e-5) == found.middle_factor(False)

    def test_given_widths_make_the_step(self, law):
        own = law.drive
        given = law.replace(
            up_pulse=Pulse(voltage=own.up_voltage, width=0.5 * own.up_width),
            down_pulse=Pulse(voltage=own.down_voltage, width=0.25 * own.down_width),
        )
        steps = [abs(pulsed(given, np.array([law.middle]), sign)[0] - law.middle) for sign in (1, -1)]
        assert given.mean_step == pytest.approx(0.5 * sum(steps), rel=1e-9)
        assert [given.mean_step * given.middle_factor(up) for up in (True, False)] == pytest.approx(steps, rel=1e-9)
        assert given.mean_step < 0.5 * law.mean_step

    def test_a_drive_holds_for_each_cell_and_for_trains(self, law):
        own, shape = law.drive, (1, 1, 2, 3)
        width = torch.arange(6, dtype=torch.float64).reshape(shape) * own.up_width
        drive = Drive(own.up_voltage, width, own.down_voltage, own.down_width)
        ends = []
        for plan in (
            Counts(torch.ones(shape, dtype=torch.int32), drive=drive),
            Trains(torch.ones(1, 2, dtype=torch.int64), torch.ones(1, 3, dtype=torch.int64), 1, drive=drive),
        ):
            ends.append(law.pulse(law.init(shape, STREAM, torch.float64), plan, STREAM, 0)[0].conductance)
        assert torch.equal(*ends) and (ends[0].flatten().diff() > 0).all() and ends[0].flatten()[0] == law.middle

    def test_cells_differ_by_their_rate(self, law):
        # A cell that is twice as fast does in one pulse what the nominal cell does in a pulse of twice the width.
        own, spread = law.drive, DeviceToDevice(step=0.3)
        state = law.replace(device_to_device=spread).init((1, 1, 1, 50), STREAM, torch.float64)
        size = torch.Size((1, 1, 1, 50))
        factor = spread.step_factor(size, STREAM, state.conductance)
        unlike, _ = law.replace(device_to_device=spread).pulse(
            state, Counts(torch.ones(size, dtype=torch.int32)), STREAM, 0
        )
        drive = Drive(own.up_voltage, own.up_width * factor, own.down_voltage, own.down_width)
        alike, _ = law.pulse(
            law.init(size, STREAM, torch.float64), Counts(torch.ones(size, dtype=torch.int32), drive=drive), STREAM, 0
        )
        assert torch.allclose(unlike.conductance, alike.conductance, rtol=1e-9, atol=0)

    def test_stuck_cells_stay(self, law):
        stuck = law.replace(faults=StuckCells(anywhere=1.0))
        state = stuck.init((1, 1, 3, 3), STREAM)
        before = state.conductance.clone()
        for sign in (1, -1):
            state, _ = stuck.pulse(state, Counts(torch.full((1, 1, 3, 3), sign * 50, dtype=torch.int32)), STREAM, 0)
        assert torch.equal(state.conductance, before)

    def test_noise_is_that_of_every_law(self, law):
        noisy = law.replace(cycle_to_cycle=CycleToCycle(spread=0.2))
        state = noisy.init((1, 1, 200, 200), STREAM, torch.float64)
        state, _ = noisy.pulse(state, Counts(torch.ones(1, 1, 200, 200, dtype=torch.int32)), STREAM, 0)
        moved = (state.conductance - law.middle) / law.mean_step
        assert float(moved.mean()) == pytest.approx(1, abs=0.01) and float(moved.std()) == pytest.approx(0.2, rel=0.02)

    @pytest.mark.parametrize(
        ("change", "argument", "words"),
        [
            ({"up_pulse": Pulse(width=1e-9)}, "up_pulse.voltage", "is required"),
            ({"down_pulse": Pulse()}, "down_pulse.voltage", "is required"),
            ({"g_min": 0.0}, "g_min", "must be > 0"),
        ],
    )
    def test_a_missing_voltage_is_said(self, law, change, argument, words):
        with pytest.raises(InputError, match=words) as error:
            law.replace(**change)
        assert error.value.argument == argument

    def test_a_voltage_against_its_direction_is_refused(self, law):
        own = law.drive
        for name, voltage in (("up_pulse", own.down_voltage), ("down_pulse", own.up_voltage)):
            with pytest.raises(InputError, match="must be (positive|negative)") as error:
                law.replace(**{name: Pulse(voltage=voltage)})
            assert error.value.argument == f"{name}.voltage"
        wrong: list[tuple[str, Any]] = [
            ("up_voltage", -own.up_voltage),
            ("down_voltage", -own.down_voltage),
            ("up_width", -1e-9),
            ("down_width", math.nan),
        ]
        for name, value in wrong:
            with pytest.raises(InputError) as error:
                pulsed(law, np.array([law.middle]), 1, own._replace(**{name: value}))
            assert error.value.argument == f"plan.drive.{name}"

    def test_a_pulse_that_moves_nothing_is_refused(self, law):
        with pytest.raises(InputError, match="does not move a cell at mid-range") as error:
            law.replace(up_pulse=Pulse(voltage=0.9 * law.threshold(True)))
        assert error.value.argument == "up_pulse.voltage"


def test_a_drive_on_a_law_without_a_voltage_axis_is_refused():
    with pytest.raises(InputError, match="has no voltage axis"):
        pulsed(ConstantStep(), np.array([5e-6]), 1, Drive(1.0, 1e-9, -1.0, 1e-9))


def test_conductance_and_gap_of_stanford_are_inverse_and_as_published():
    # Values that MemTorch ships: 542 ohm at a gap of 0.2 nm and 218,586 ohm at 1.7 nm, read at 0.1 V.
    law = Stanford()
    assert 1 / law.conductance_at(0.2e-9) == pytest.approx(542, rel=1e-3)
    assert 1 / law.conductance_at(1.7e-9) == pytest.approx(218_586, rel=1e-3)
    for gap in (0.2e-9, 0.9e-9, 1.7e-9):
        assert law.gap_at(law.conductance_at(gap)) == pytest.approx(gap, rel=1e-12)


def test_a_range_beyond_gap_zero_and_a_gap_out_of_reach_are_refused():
    with pytest.raises(InputError, match="the conductance at gap 0") as error:
        Stanford(g_max=0.1)
    assert error.value.argument == "g_max"
    with pytest.raises(InputError, match="opens the gap to") as error:
        _ = Stanford(states=2, g_min=4e-6, g_max=1e-4, down_pulse=Pulse(voltage=-1.136)).drive
    assert error.value.argument == "down_pulse.voltage"


def test_both_models_are_voltage_driven():
    assert all(isinstance(law, VoltageDriven) and law.drive_columns for law in (VTEAM(), Stanford()))
