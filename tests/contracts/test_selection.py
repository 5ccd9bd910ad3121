"""What every selection scheme, and every answer to a partial pulse, promises. To add one, add one line to its list."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memlearn.arrays.selection import MEMBERS as SCHEMES
from memlearn.arrays.selection import AbstractSelection, Floating, HalfVoltage, OneTransistor, ThirdVoltage
from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import MEMBERS as LAWS
from memlearn.devices import (
    AbstractDevice,
    BinarySwitch,
    ConstantStep,
    JumpTable,
    OneSided,
    Pulse,
    SoftBounds,
    Stanford,
)
from memlearn.devices.effects import CycleToCycle, StuckCells
from memlearn.devices.response import MEMBERS as RESPONSES
from memlearn.devices.response import AbstractResponse, PowerResponse, SinhResponse, ThresholdResponse
from memlearn.devices.vteam import VTEAM

CASES = [HalfVoltage(), ThirdVoltage(), OneTransistor(), Floating()]
ANSWERS = [SinhResponse(), SinhResponse(steepness=0.5), PowerResponse(exponent=3.0), ThresholdResponse(exponent=2.0)]
SHAPE = (1, 1, 6, 7)


def one(size: int, *selected: int) -> Tensor:
    return torch.tensor([[k in selected for k in range(size)]])


def test_every_member_is_in_the_lists():
    assert {type(case) for case in CASES} == set(SCHEMES.values())
    assert {type(case) for case in ANSWERS} == set(RESPONSES.values())


@pytest.fixture(params=CASES, ids=lambda case: case.kind)
def scheme(request: pytest.FixtureRequest) -> AbstractSelection:
    return request.param


class TestSelection:
    def test_selected_cells_get_the_pulse_and_others_less(self, scheme: AbstractSelection):
        rows, columns = one(5, 1, 4), one(6, 0)
        share = scheme.nominal(rows, columns)[0]
        both = rows[0][:, None] & columns[0]
        assert bool((share[both] == 1).all()) and float(share[~both].abs().max()) <= 0.75

    def test_energy_is_power_times_time_of_what_the_cells_see(self, scheme: AbstractSelection):
        rows, columns, g = one(4, 2), one(3, 1), torch.rand(4, 3, dtype=torch.float64) * 1e-5
        across = 1.5 * scheme.nominal(rows, columns)[0]
        expected = float((g * across**2).sum() * 2e-8)
        assert float(scheme.energy(g, rows, columns, voltage=-1.5, width=2e-8)) == pytest.approx(expected, rel=1e-12)
        with pytest.raises(InputError, match="must be a time"):
            scheme.energy(g, rows, columns, voltage=1.0, width=-1.0)

    def test_exposures_are_the_cells_under_voltage(self, scheme: AbstractSelection):
        rows, columns = torch.cat([one(5, 1), one(5, 0, 3)]), torch.cat([one(6, 2), one(6, 4, 5)])
        found, share = scheme.exposures(rows, columns), scheme.nominal(rows, columns)
        assert found.selected == 1 + 4 and sum(found) == int((share != 0).sum())


class TestBookkeeping:
    """Energies and disturbs of one selected cell, as systems.md 3.6 derives them."""

    def energies(self, m: int, n: int) -> tuple[float, float]:
        """Of V/2 and V/3, in units of width V^2 G."""
        g = torch.ones(m, n, dtype=torch.float64)
        both = (HalfVoltage(), ThirdVoltage())
        found = [float(s.energy(g, one(m, 0), one(n, 0), voltage=1.0, width=1.0)) for s in both]
        return found[0], found[1]

    @pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 3), (4, 4), (7, 30), (64, 64)])
    def test_closed_forms(self, m: int, n: int):
        half, third = self.energies(m, n)
        assert half == pytest.approx(1 + (m + n - 2) / 4, rel=1e-12)
        assert third == pytest.approx(1 + (m * n - 1) / 9, rel=1e-12)

    def test_a_selected_cell_of_its_own_conductance(self):
        g = torch.full((5, 8), 2e-6, dtype=torch.float64)
        g[0, 0] = 1e-4
        found = float(HalfVoltage().energy(g, one(5, 0), one(8, 0), voltage=2.0, width=1e-8))
        assert found == pytest.approx(1e-8 * 4 * (1e-4 + 11 * 2e-6 / 4), rel=1e-12)

    def test_v_third_is_cheaper_up_to_three_by_three_and_dearer_from_four_by_four(self):
        for size in (2, 3):
            assert self.energies(size, size)[1] < self.energies(size, size)[0]
        for size in (4, 5, 16):
            assert self.energies(size, size)[1] > self.energies(size, size)[0]

    def test_the_ratio_tends_to_two_ninths_of_the_lines(self):
        half, third = self.energies(1024, 1024)
        assert third / half == pytest.approx(2 * 1024 / 9, rel=2e-3)

    def test_disturb_counts(self):
        m, n = 5, 7
        step = one(m, 1), one(n, 2)
        assert HalfVoltage().exposures(*step) == (1, m + n - 2, 0)
        assert ThirdVoltage().exposures(*step) == (1, m + n - 2, (m - 1) * (n - 1))
        assert OneTransistor().exposures(*step) == (1, 0, 0)
        assert Floating().exposures(*step) == (1, m + n - 2, (m - 1) * (n - 1))
        used = torch.ones(m, n, dtype=torch.bool)
        used[4], used[:, 6] = False, False
        assert HalfVoltage().exposures(*step, used) == (1, m + n - 4, 0)

    def test_half_select_stress_falls_to_two_thirds(self):
        level = [float(s.nominal(one(4, 0), one(4, 0))[0, 0, 1:].abs().max()) for s in (HalfVoltage(), ThirdVoltage())]
        assert level[1] / level[0] == pytest.approx(2 / 3)

    def test_floating_lines_divide_the_voltage(self):
        m, n = 6, 9
        share = Floating().nominal(one(m, 0), one(n, 0))[0]
        assert float(share[0, 1]) == pytest.approx((m - 1) / (m + n - 1))
        assert float(share[1, 0]) == pytest.approx((n - 1) / (m + n - 1))
        assert float(share[1, 1]) == pytest.approx(-1 / (m + n - 1))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.kind}-{ANSWERS.index(a)}")
def test_answers_rise_from_nothing_to_the_whole(answer: AbstractResponse):
    factor = answer.factor(torch.linspace(0, 1, 101, dtype=torch.float64))
    assert float(factor[0]) == 0 and float(factor[-1]) == pytest.approx(1) and bool((factor.diff() >= 0).all())


def test_sinh_is_what_it_says():
    share = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    assert torch.allclose(
        SinhResponse(steepness=4.0).factor(share), torch.sinh(4 * share) / torch.sinh(torch.tensor(4.0))
    )


def answering(kind: str) -> AbstractDevice:
    """A law with an answer of its own, or with the power of two."""
    law = LAWS[kind]()
    assert isinstance(law, AbstractDevice)
    return law.replace(voltage_response=PowerResponse(exponent=2.0))


@pytest.mark.parametrize("kind", LAWS)
class TestPartialPulses:
    def moved(self, law: AbstractDevice, up: bool, share: float | None, pulses: int = 1) -> Tensor:
        state = law.init(SHAPE, Stream.root(4), torch.float64)
        before = state.conductance.clone()
        given = None if share is None else torch.full(SHAPE, share, dtype=torch.float64)
        plan = Counts(torch.full(SHAPE, pulses if up else -pulses, dtype=torch.int32), None, given)
        kept = state.parameters.clone()
        law.pulse(state, plan, Stream.root(5), 3)
        assert torch.equal(state.parameters, kept)
        return state.conductance - before

    def test_the_whole_voltage_is_the_whole_pulse(self, kind: str):
        law = answering(kind)
        for up in (True, False):
            assert torch.allclose(self.moved(law, up, 1.0), self.moved(law, up, None), rtol=1e-9, atol=1e-18)

    def test_a_part_moves_less_and_nothing_moves_nothing(self, kind: str):
        law = answering(kind)
        for up in (True, False):
            full, part, none = (float(self.moved(law, up, s, 5).abs().sum()) for s in (1.0, 0.8, 0.0))
            assert none < 1e-9 * full and part <= full * (1 + 1e-9)
            assert part < full or kind in ("one_sided", "binary_switch")

    def test_disturb_is_the_mean_step_uncounted(self, kind: str):
        law = answering(kind)
        for up in (True, False):
            state = law.init(SHAPE, Stream.root(4), torch.float64)
            before = state.conductance.clone()
            shares = torch.full((2, *SHAPE), 0.6, dtype=torch.float64)
            shares[:, ..., 3:] = 0
            law.disturb(state, shares, up, Stream.root(6), 0)
            way = (state.conductance - before) * (1 if up else -1)
            assert not bool(way[..., 3:].any()) and not bool(state.counters.any())
            if kind == "jump_table":
                assert float(way[..., :3].mean()) > 0
            else:
                assert bool((way[..., :3] >= 0).all())


def test_steps_scale_with_the_answer():
    law = SoftBounds(voltage_response=SinhResponse(steepness=6.0))
    move = TestPartialPulses().moved
    ratio = move(law, True, 0.7) / move(law, True, None)
    assert torch.allclose(
        ratio, torch.full(SHAPE, float(SinhResponse(steepness=6.0).factor(torch.tensor(0.7)))).double()
    )


def test_small_steps_add_up_and_a_negative_share_pushes_back():
    law = ConstantStep(voltage_response=PowerResponse())
    state = law.init(SHAPE, Stream.root(1), torch.float64)
    shares = torch.stack([torch.full(SHAPE, 0.5), torch.full(SHAPE, 0.25), torch.full(SHAPE, -0.5)]).double()
    law.disturb(state, shares, True, Stream.root(1), 0)
    assert torch.allclose(state.conductance, torch.full(SHAPE, law.middle + 0.25 * law.mean_step).double(), rtol=1e-9)
    twice = law.init(SHAPE, Stream.root(1), torch.float64)
    law.disturb(twice, shares[:1], False, Stream.root(1), 0, times=torch.full((1, *SHAPE), 3.0))
    assert torch.allclose(twice.conductance, torch.full(SHAPE, law.middle - 1.5 * law.mean_step).double(), rtol=1e-9)


def test_thresholds_of_voltage_laws_decide():
    law = VTEAM()  # 0.3 V up, with a threshold of 0.2 V
    cases = (law, 0.6, False), (law, 0.75, True), (Stanford(), 0.5, False), (Stanford(), 0.95, True)
    for each, share, moves in cases:
        state = each.init(SHAPE, Stream.root(1), torch.float64)
        before = state.conductance.clone()
        each.disturb(state, torch.full((1, *SHAPE), share).double(), True, Stream.root(1), 0)
        assert bool((state.conductance > before).all()) is moves


def test_a_third_of_a_pulse_of_other_height_may_cross_the_other_threshold():
    law = VTEAM()  # a third of its -0.3 V up, turned round, is 0.1 V: far beyond v_off = 0.02 V
    state = law.init(SHAPE, Stream.root(1), torch.float64)
    before = state.conductance.clone()
    law.disturb(state, torch.full((1, *SHAPE), -1 / 3).double(), True, Stream.root(1), 0)
    assert bool((state.conductance < before).all())


def test_stuck_cells_stay_and_noise_that_is_not_relative_does_not_disturb():
    law = ConstantStep(
        voltage_response=PowerResponse(), faults=StuckCells(anywhere=1.0), cycle_to_cycle=CycleToCycle(range_spread=0.1)
    )
    state = law.init(SHAPE, Stream.root(1), torch.float64)
    before = state.conductance.clone()
    law.disturb(state, torch.full((1, *SHAPE), 0.5).double(), True, Stream.root(1), 0)
    assert torch.equal(state.conductance, before)


def test_a_reset_happens_in_full_or_not_at_all():
    law = OneSided(voltage_response=PowerResponse(exponent=1.0))
    move = TestPartialPulses().moved
    assert torch.equal(move(law, False, 0.6), move(law, False, None)) and not bool(move(law, False, 0.4).any())


def test_waiting_times_are_known_at_any_voltage():
    law = BinarySwitch(
        time_constant=1e-3,
        voltage_scale=0.1,
        up_pulse=Pulse(voltage=1.0, width=1e-7),
        down_pulse=Pulse(voltage=-1.0, width=1e-7),
    )
    law.check_partial()
    wide = (1, 1, 200, 200)
    state = law.init(wide, Stream.root(1), torch.float64)
    half = torch.full(wide, 0.9, dtype=torch.float64)
    law.pulse(state, Counts(torch.ones(wide, dtype=torch.int32), None, half), Stream.root(2), 0)
    expected = 1 - torch.exp(torch.tensor(-1e-4 * torch.e**9.0))
    assert float((state.conductance > law.middle).double().mean()) == pytest.approx(float(expected), abs=0.015)


def test_laws_without_an_answer_refuse():
    for law in (ConstantStep(), JumpTable()):
        with pytest.raises(InputError, match="voltage_response"):
            law.check_partial()
    with pytest.raises(InputError, match="must have the shape of the cells"):
        law = ConstantStep(voltage_response=PowerResponse())
        plan = Counts(torch.ones(SHAPE, dtype=torch.int32), None, torch.ones(3))
        law.pulse(law.init(SHAPE, Stream.root(0)), plan, Stream.root(0), 0)
