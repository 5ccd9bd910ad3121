"""What every device law promises. To add a law, add one line to CASES."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats
from torch import Tensor

from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts, PulsePlan, Trains
from memlearn.devices import (
    MEMBERS,
    VTEAM,
    AbstractDevice,
    BinarySwitch,
    Capacitor,
    ConstantStep,
    DeviceState,
    ExponentialStep,
    JumpTable,
    LinearStep,
    NeuroSimCurve,
    OneSided,
    PiecewiseStep,
    PowerStep,
    SoftBounds,
    SoftBoundsReference,
    Stanford,
)
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells

CASES = [
    ConstantStep(),
    SoftBounds(),
    SoftBounds(mix_up=0.3, mix_down=0.8, asymmetry=-0.2),
    LinearStep(slope_up=0.4, slope_down=-0.5, asymmetry=0.1),
    PowerStep(exponent_up=2.0, exponent_down=0.5),
    ExponentialStep(),
    NeuroSimCurve(label_up=1.75, label_down=1.46, pulses_down=80),
    VTEAM(states=100_000),  # short pulses: the change is then as linear in the cell's rate as these tests ask
    Stanford(states=100_000),
    PiecewiseStep(nodes_up=(1.6, 1.3, 0.9, 0.5), asymmetry=-0.1),
    JumpTable(),
    Capacitor(),
    OneSided(),
    BinarySwitch(probability_up=0.2, probability_down=0.4),
    SoftBoundsReference(reference="none"),  # else bounds and steps are those of a difference: tests/oracles
]
PLACED = {"piecewise_step", "jump_table", "one_sided"}
"""Laws whose step follows the place between the cell's own bounds, so that those move the step at mid-range."""

LEVELS = 200
"""Values of what a law draws, over which its mean is taken: exact for tables whose probabilities they hit."""
SHAPE = (2, 3, 5, 7)
MANY = (1, 1, 100, 1000)
ROOT, OTHER = Stream.root(17), Stream.root(18)
IMPERFECT = {
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "cycle_to_cycle": CycleToCycle(spread=0.3),
    "faults": StuckCells(high=0.1, low=0.1, anywhere=0.1),
}


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for 1e5 numbers costs more than it saves."""
    torch.set_num_threads(1)


@pytest.fixture(params=CASES, ids=lambda law: law.kind)
def law(request: pytest.FixtureRequest) -> AbstractDevice:
    return request.param


@pytest.fixture
def imperfect(law: AbstractDevice) -> AbstractDevice:
    return law.replace(states=16, **IMPERFECT)


def copy(state: DeviceState) -> DeviceState:
    return DeviceState(*(tensor.clone() for tensor in state))


def equal(a: DeviceState, b: DeviceState) -> bool:
    return all(torch.equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))


def counts(shape: tuple[int, ...], n: int) -> Counts:
    return Counts(torch.full(shape, n, dtype=torch.int32))


def mixed_counts(shape: tuple[int, ...]) -> Counts:
    """Counts of both signs and zeros."""
    return Counts((torch.arange(math.prod(shape)).reshape(shape) * 7 % 23 - 11).int())


def mixed_trains(shape: tuple[int, ...]) -> Trains:
    """Two samples of trains of both signs."""
    rows = torch.arange(2 * shape[0] * shape[2]).reshape(2, -1) * 37 % 256
    columns = torch.arange(2 * shape[1] * shape[3]).reshape(2, -1) * 91 % 256
    return Trains(rows | (rows % 2) << 31, columns | (columns % 3 // 2) << 31, 8)


def draws(law: AbstractDevice, state: DeviceState, up: bool) -> Iterator[np.ndarray]:
    """The changes of each cell, where it is now, at equally likely values of what the law draws; one if it does not."""
    columns, table = [column.numpy() for column in state.parameters.unbind(-1)], law.noise.table
    more = () if table is None else (table.astype(columns[0].dtype),)
    grid = [((k + 0.5) / LEVELS,) for k in range(LEVELS)] if law.kernels.drawn else [()]
    for drawn in grid:
        lot = (np.full(state.conductance.shape, u) for u in drawn)
        step = law.kernels.step(state.conductance.numpy(), columns, up, *more, *lot)
        yield np.broadcast_to(step, state.conductance.shape)


def mean_step(law: AbstractDevice, state: DeviceState, up: bool) -> Tensor:
    """The law's mean change of each cell, where it is now."""
    return torch.from_numpy(np.mean([*draws(law, state, up)], axis=0))


def centred(law: AbstractDevice, state: DeviceState) -> DeviceState:
    """Cells where their law takes its step at mid-range."""
    if law.kind not in PLACED:
        return state
    return state._replace(conductance=(state.parameters[..., 0] + state.parameters[..., 1]) / 2)


def middle_step(law: AbstractDevice, up: bool) -> float:
    """The law's mean change at mid-range, S, as its settings say."""
    return law.mean_step * (1 + (law.asymmetry if up else -law.asymmetry)) * law.middle_factor(up)


def placed(law: AbstractDevice, where: str) -> DeviceState:
    """Many equal cells, in double precision, at mid-range or at a bound."""
    state = law.init(MANY, ROOT, torch.float64)
    column = {"lower": 0, "upper": 1}.get(where)
    if column is not None:
        state.conductance.copy_(state.parameters[..., column])
    return state


def ways(law: AbstractDevice) -> tuple[bool, ...]:
    """Polarities whose steps the law's spreads act on."""
    return (True,) if law.one_sided else (True, False)


def relative_error(measured: Tensor, true: float) -> float:
    return abs(float(measured) / true - 1)


def test_every_member_is_tested():
    assert {type(law) for law in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractDevice) and member.sources for member in MEMBERS.values())


class TestState:
    """What `init` makes."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_shapes_and_types(self, imperfect, dtype):
        state = imperfect.init(SHAPE, ROOT, dtype)
        assert state.conductance.shape == SHAPE and state.counters.shape == (*SHAPE, 2)
        assert state.parameters.shape[:-1] == SHAPE and state.parameters.shape[-1] >= 2
        assert state.conductance.dtype == state.parameters.dtype == dtype and state.counters.dtype == torch.int32
        assert not state.counters.any() and all(tensor.is_contiguous() for tensor in state)
        assert all(tensor.isfinite().all() for tensor in state)

    def test_ideal_cells_start_in_the_middle_of_the_nominal_range(self, law):
        state = law.init(SHAPE, ROOT, torch.float64)
        assert (state.conductance == law.middle).all()
        for column, bound in ((0, law.g_min), (1, law.g_max)):
            exact = torch.full(SHAPE, bound, dtype=torch.float64)
            assert torch.allclose(state.parameters[..., column], exact, rtol=1e-14, atol=1e-15 * law.range)
        for up in (True, False):
            step = mean_step(law, state, up)
            assert torch.allclose(step, torch.full_like(step, middle_step(law, up)), rtol=1e-12, atol=0)

    def test_equal_streams_make_equal_cells(self, imperfect):
        assert equal(imperfect.init(SHAPE, ROOT), imperfect.init(SHAPE, Stream.root(17)))
        assert not equal(imperfect.init(SHAPE, ROOT), imperfect.init(SHAPE, OTHER))

    def test_cells_are_the_same_in_both_precisions(self, imperfect):
        single, double = imperfect.init(SHAPE, ROOT), imperfect.init(SHAPE, ROOT, torch.float64)
        assert torch.allclose(single.parameters.double(), double.parameters, rtol=1e-4, atol=1e-10)

    def test_every_step_is_positive_and_every_range_open(self, law):
        wild = law.replace(device_to_device=DeviceToDevice(step=2, upper_bound=2, lower_bound=2, balance=3))
        state = wild.init((1, 1, 100, 100), ROOT)
        lower, upper = state.parameters[..., 0], state.parameters[..., 1]
        assert (0 <= lower).all() and (lower < upper).all()
        for up in ways(law):
            assert state.parameters.isfinite().all() and (mean_step(wild, state, up) >= 0).all()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("plan", [mixed_counts(SHAPE), mixed_trains(SHAPE)], ids=["counts", "trains"])
class TestPulse:
    """What `pulse` does, whatever the law."""

    def test_bounds_are_respected(self, imperfect, plan, backend):
        state = imperfect.replace(states=3).init(SHAPE, ROOT)
        for event in range(10):
            state, _ = imperfect.pulse(state, plan, ROOT, event, backend=backend)
            assert (state.conductance >= state.parameters[..., 0]).all()
            assert (state.conductance <= state.parameters[..., 1]).all()

    def test_equal_addresses_give_equal_outcomes(self, imperfect, plan, backend):
        start = imperfect.init(SHAPE, ROOT)
        first, again, later, elsewhere = (
            imperfect.pulse(copy(start), plan, stream, event, backend=backend)[0]
            for stream, event in ((ROOT, 3), (ROOT, 3), (ROOT, 4), (OTHER, 3))
        )
        assert equal(first, again)
        assert not torch.equal(first.conductance, later.conductance)
        assert not torch.equal(first.conductance, elsewhere.conductance)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_types_are_kept_and_only_cells_and_counters_change(self, imperfect, plan, backend, dtype):
        start = imperfect.init(SHAPE, ROOT, dtype)
        end, tally = imperfect.pulse(copy(start), plan, ROOT, 0, backend=backend)
        assert [t.dtype for t in end] == [t.dtype for t in start] and [t.shape for t in end] == [t.shape for t in start]
        assert torch.equal(end.parameters, start.parameters) and not torch.equal(end.conductance, start.conductance)
        assert tally.pulses == end.counters[..., 0].sum() and tally.cells == (end.counters[..., 0] > 0).sum()

    def test_state_is_changed_in_place(self, imperfect, plan, backend):
        state = imperfect.init(SHAPE, ROOT)
        end, _ = imperfect.pulse(state, plan, ROOT, 0, backend=backend)
        assert all(a is b for a, b in zip(state, end, strict=True))

    def test_stuck_cells_never_move_but_are_counted(self, imperfect, plan, backend):
        start = imperfect.init(SHAPE, ROOT)
        stuck = start.parameters[..., 0] == start.parameters[..., 1]
        end, _ = imperfect.pulse(copy(start), plan, ROOT, 0, backend=backend)
        healthy = imperfect.replace(faults=StuckCells())
        other, _ = healthy.pulse(healthy.init(SHAPE, ROOT), plan, ROOT, 0, backend=backend)
        assert stuck.any() and torch.equal(end.conductance[stuck], start.conductance[stuck])
        assert end.counters[stuck].any() and torch.equal(end.counters, other.counters)
        assert torch.equal(end.conductance[~stuck], other.conductance[~stuck])

    def test_saved_cells_go_on_as_if_never_saved(self, imperfect, plan, backend, tmp_path: Path):
        state, _ = imperfect.pulse(imperfect.init(SHAPE, ROOT), plan, ROOT, 0, backend=backend)
        save_file(state._asdict(), tmp_path / "cells.safetensors")
        loaded = DeviceState(**load_file(tmp_path / "cells.safetensors"))
        assert equal(loaded, state)
        ends = [imperfect.pulse(cells, plan, ROOT, 1, backend=backend) for cells in (state, loaded)]
        assert equal(ends[0][0], ends[1][0]) and ends[0][1] == ends[1][1]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("n", [1, 3])
def test_direction_is_that_of_the_sign(law, backend, n):
    for sign in (1, -1):
        end, _ = law.pulse(law.init(SHAPE, ROOT), counts(SHAPE, sign * n), ROOT, 0, backend=backend)
        moved = end.conductance - law.middle
        assert ((moved.mean() if law.kernels.drawn else moved).sign() == sign).all()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_zero_pulses_change_nothing(imperfect, backend):
    start = imperfect.init(SHAPE, ROOT)
    trains = mixed_trains(SHAPE)
    silent = trains._replace(rows=trains.rows & 1 << 31)
    nobody = Trains(trains.rows[:0], trains.columns[:0], 8)
    for plan in (counts(SHAPE, 0), silent, nobody):
        end, tally = imperfect.pulse(copy(start), plan, ROOT, 0, backend=backend)
        assert equal(end, start) and tally == (0, 0)


@pytest.mark.parametrize(
    ("plan", "argument"),
    [
        (counts((2, 3, 5, 6), 1), "plan.pulses"),
        (counts((210,), 1), "plan.pulses"),
        (Trains(torch.ones(2, 9, dtype=torch.int64), torch.ones(2, 21, dtype=torch.int64), 1), "plan.rows"),
        (Trains(torch.ones(2, 10, dtype=torch.int64), torch.ones(2, 20, dtype=torch.int64), 1), "plan.columns"),
        (Trains(torch.ones(2, 10, dtype=torch.int64), torch.ones(1, 21, dtype=torch.int64), 1), "plan.columns"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(law: AbstractDevice, plan: PulsePlan, argument: str):
    state = law.init(SHAPE, ROOT)
    for backend in ("reference", "cpu"):
        with pytest.raises(InputError, match="must have") as error:
            law.pulse(state, plan, ROOT, 0, backend=backend)
        assert error.value.argument == argument
    assert equal(state, law.init(SHAPE, ROOT))


def test_a_state_whose_memory_is_scattered_is_refused(law):
    state = law.init((1, 1, 4, 4), ROOT)
    turned = state._replace(conductance=state.conductance.mT)
    with pytest.raises(InputError, match=r"must be contiguous\. Call \.contiguous\(\)"):
        law.pulse(turned, counts((1, 1, 4, 4), 1), ROOT, 0)


def test_a_reversed_range_is_refused():
    for member in MEMBERS.values():
        with pytest.raises(InputError, match=r"must lie below g_max") as error:
            member(g_min=3e-6, g_max=3e-6)
        assert error.value.argument == "g_min"


def one_cell(law: AbstractDevice, state: DeviceState, up: bool) -> np.ndarray:
    """Equally likely changes of cells that are all alike."""
    first = DeviceState(*(tensor[:1, :1, :1, :1] for tensor in state))
    return np.concatenate([step.ravel() for step in draws(law, first, up)])


def mixture(x: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Distribution of steps x (1 + 0.3 z) at x."""
    return np.mean([stats.norm.cdf((x - step) / (0.3 * abs(step))) for step in steps], axis=0)


def steps_only(law: AbstractDevice) -> None:
    """The moments of a switch, which a bound cuts at every step, are in tests/oracles/test_switches.py."""
    if law.kind == "binary_switch":
        pytest.skip("all or nothing: a bound cuts every step, so these moments are in tests/oracles/test_switches.py")


class TestCycleToCycle:
    """Spread of one pulse, relative to the step, independent per pulse (reference/devices.md, sections 3 and 6)."""

    @pytest.mark.parametrize(("where", "sign"), [("middle", 1), ("middle", -1), ("lower", 1), ("upper", -1)])
    def test_one_pulse_has_the_mean_of_the_law_and_the_stated_variance(self, law, where, sign):
        steps_only(law)
        if sign < 0 and law.one_sided:
            return  # a reset has a spread of its own: tests/oracles
        noisy, start = law.replace(cycle_to_cycle=CycleToCycle(spread=0.3)), placed(law, where)
        steps = one_cell(law, start, sign > 0)
        end, _ = noisy.pulse(copy(start), counts(MANY, sign), ROOT, 0)
        moved = sign * (end.conductance - start.conductance)
        variance = (1 + 0.3**2) * (steps**2).mean() - steps.mean() ** 2
        assert relative_error(moved.mean(), steps.mean()) < 0.01 and relative_error(moved.var(), variance) < 0.03
        assert stats.kstest(moved.flatten().numpy(), lambda x: mixture(x, steps)).pvalue > 1e-3

    @pytest.mark.parametrize(("where", "sign"), [("upper", 1), ("lower", -1)])
    def test_at_the_bound_ahead_only_reversed_steps_remain(self, law, where, sign):
        steps_only(law)
        if sign < 0 and law.one_sided:
            return  # a reset has a spread of its own: tests/oracles
        # Multiplicative noise of spread 1: a step is reversed with probability Phi(-1), else the bound holds.
        noisy, start = law.replace(cycle_to_cycle=CycleToCycle(spread=1.0)), placed(law, where)
        steps = one_cell(law, start, sign > 0)
        step, power = steps.mean(), (steps**2).mean()
        end, _ = noisy.pulse(copy(start), counts(MANY, sign), ROOT, 0)
        moved = sign * (end.conductance - start.conductance)
        if step < 1e-9 * law.range:  # a soft bound: nothing to multiply
            assert moved.abs().max() < 1e-8 * law.range
            return
        tail, density = stats.norm.cdf(-1), stats.norm.pdf(1)
        mean, square = tail - density, 2 * tail - density
        assert (moved <= 0).all() and relative_error((moved < 0).double().mean(), tail) < 0.03
        assert relative_error(moved.mean(), step * mean) < 0.03
        assert relative_error(moved.var(), power * square - (step * mean) ** 2) < 0.05

    def test_pulses_of_one_write_are_independent(self):
        law = ConstantStep(states=1000, cycle_to_cycle=CycleToCycle(spread=0.5))
        for n in (1, 4, 16, 64):
            for plan in (counts(MANY, n), long_train(n)):
                end, _ = law.pulse(law.init(MANY, ROOT, torch.float64), plan, ROOT, 0)
                moved = end.conductance - law.middle
                assert relative_error(moved.mean(), n * law.mean_step) < 0.01
                assert relative_error(moved.var(), n * (0.5 * law.mean_step) ** 2) < 0.03

    def test_events_are_independent(self):
        law = ConstantStep(states=1000, cycle_to_cycle=CycleToCycle(spread=0.5))
        state = law.init(MANY, ROOT, torch.float64)
        for event in range(16):
            state, _ = law.pulse(state, counts(MANY, 1), ROOT, event)
        assert relative_error(state.conductance.var(), 16 * (0.5 * law.mean_step) ** 2) < 0.03


def long_train(n: int) -> Trains:
    """n pulses up to every cell of MANY, up to 16 a sample: also samples must be independent."""
    per_sample, samples = min(n, 16), max(n // 16, 1)
    word = torch.full((samples, 1), (1 << per_sample) - 1)
    return Trains(word.expand(samples, MANY[2]), word.expand(samples, MANY[3]), per_sample)


class TestDeviceToDevice:
    """Spread of the parameters: moments of 1e5 cells."""

    def test_step_is_normal(self, law):
        steps_only(law)
        spread = law.replace(device_to_device=DeviceToDevice(step=0.2))
        state = spread.init(MANY, ROOT, torch.float64)
        for up in ways(law):
            step = mean_step(spread, state, up) / middle_step(law, up)
            assert relative_error(step.mean(), 1) < 0.01 and relative_error(step.std(), 0.2) < 0.015
            assert stats.kstest(((step - 1) / 0.2).flatten().numpy(), "norm").pvalue > 1e-3

    def test_normal_steps_are_cut_at_zero(self, law):
        steps_only(law)
        spread = law.replace(device_to_device=DeviceToDevice(step=1.0))
        step = mean_step(spread, spread.init(MANY, ROOT, torch.float64), True)
        assert (step >= 0).all() and relative_error((step == 0).double().mean(), stats.norm.cdf(-1)) < 0.03

    def test_step_is_log_normal(self, law):
        steps_only(law)
        spread = law.replace(device_to_device=DeviceToDevice(step=0.78, distribution="log_normal"))
        step = mean_step(spread, spread.init(MANY, ROOT, torch.float64), True) / middle_step(law, True)
        logarithm = step.log()
        assert abs(logarithm.mean()) < 0.01 and relative_error(logarithm.std(), 0.78) < 0.015
        assert abs(stats.skew(logarithm.flatten().numpy())) < 0.03 and (step > 0).all()

    @pytest.mark.parametrize(("which", "column", "sign"), [("lower_bound", 0, -1), ("upper_bound", 1, 1)])
    def test_bounds_are_normal_about_the_nominal_ones(self, law, which, column, sign):
        steps_only(law)
        spread = law.replace(g_min=50e-6, g_max=60e-6, device_to_device=DeviceToDevice(**{which: 0.2}))
        state = spread.init(MANY, ROOT, torch.float64)
        factor = sign * (state.parameters[..., column] - spread.middle) / (0.5 * spread.range)
        assert relative_error(factor.mean(), 1) < 0.01 and relative_error(factor.std(), 0.2) < 0.015
        other = state.parameters[..., 1 - column]
        assert (other == other[0, 0, 0, 0]).all()
        # Bounds move, the step at mid-range does not.
        assert relative_error(mean_step(spread, centred(law, state), True).max(), middle_step(spread, True)) < 1e-12

    def test_conductance_has_no_negative_bound(self, law):
        spread = law.replace(device_to_device=DeviceToDevice(lower_bound=1.0))
        assert spread.init(MANY, ROOT).parameters[..., 0].min() == 0

    def test_balance_spreads_the_ratio_of_up_to_down(self, law):
        steps_only(law)
        spread = law.replace(device_to_device=DeviceToDevice(balance=0.1))
        state = spread.init(MANY, ROOT, torch.float64)
        steps = [mean_step(spread, state, u) / law.mean_step / law.middle_factor(u) for u in ways(law)]
        assert all(torch.allclose(steps[0] + down, torch.full_like(down, 2.0)) for down in steps[1:])
        shift = steps[0] - 1 - law.asymmetry
        assert abs(shift.mean()) < 1e-3 and relative_error(shift.std(), 0.05) < 0.015

    def test_parameters_are_drawn_independently(self, law):
        steps_only(law)
        both = DeviceToDevice(step=0.1, upper_bound=0.1, lower_bound=0.1, balance=0.1)
        spread = law.replace(g_min=50e-6, g_max=60e-6, device_to_device=both)
        state = centred(law, spread.init(MANY, ROOT, torch.float64))
        up, *others = (mean_step(spread, state, u) / law.middle_factor(u) for u in ways(law))
        sizes = [row for down in others for row in (up + down, (up - down) / (up + down))] or [up]
        rows = torch.stack([*sizes, state.parameters[..., 0], state.parameters[..., 1]]).flatten(1)
        assert (torch.corrcoef(rows) - torch.eye(len(rows))).abs().max() < 5 / math.sqrt(math.prod(MANY))


class TestReadNoise:
    """What a read sees."""

    def test_without_noise_a_read_sees_the_conductance(self, law):
        state = law.init(SHAPE, ROOT)
        assert torch.equal(law.conductance(state, ROOT, 0), state.conductance)

    @pytest.mark.parametrize(("relative", "absolute"), [(0.05, 0.0), (0.0, 2e-7), (0.05, 5e-7)])
    def test_moments(self, law, relative, absolute):
        noisy = law.replace(read_noise=ReadNoise(relative=relative, absolute=absolute))
        for where, g in (("middle", law.middle), ("upper", law.g_max)):
            state = placed(law, where)
            before = copy(state)
            seen = noisy.conductance(state, ROOT, 5)
            assert relative_error(seen.mean(), g) < 0.001
            assert relative_error(seen.var(), (relative * g) ** 2 + absolute**2) < 0.03
            assert equal(state, before) and seen.dtype == torch.float64

    def test_every_read_draws_anew(self, law):
        noisy, state = law.replace(read_noise=ReadNoise(relative=0.05)), placed(law, "middle")
        reads = [noisy.conductance(state, stream, event) for stream, event in ((ROOT, 0), (ROOT, 1), (OTHER, 0))]
        rows = torch.stack([(read - law.middle).flatten() for read in reads])
        assert (torch.corrcoef(rows) - torch.eye(3)).abs().max() < 5 / math.sqrt(math.prod(MANY))
        assert torch.equal(reads[0], noisy.conductance(state, ROOT, 0))


class TestStuckCells:
    """Cells that never move."""

    def test_rates_and_places(self, law):
        faulty = law.replace(faults=StuckCells(high=0.02, low=0.05, anywhere=0.1))
        state = faulty.init(MANY, ROOT, torch.float64)
        lower, upper = state.parameters[..., 0], state.parameters[..., 1]
        stuck = lower == upper
        assert torch.equal(state.conductance[stuck], lower[stuck]) and (state.conductance[~stuck] == law.middle).all()
        n, high, low = stuck.numel(), lower == law.g_max, upper == law.g_min
        within = lower[stuck & ~high & ~low]
        for found, rate in ((high.sum(), 0.02), (low.sum(), 0.05), (len(within), 0.1)):
            assert abs(int(found) - rate * n) < 4 * math.sqrt(rate * n)
        assert stats.kstest(((within - law.g_min) / law.range).numpy(), "uniform").pvalue > 1e-3

    def test_all_or_nothing(self, law):
        ends = (StuckCells(high=1.0), law.g_max), (StuckCells(low=1.0), law.g_min), (StuckCells(middle=1.0), law.middle)
        for faults, g in ends:
            assert (law.replace(faults=faults).init(SHAPE, ROOT, torch.float64).conductance == g).all()
        whole = law.replace(faults=StuckCells(high=0.33, low=0.56, anywhere=0.11)).init(SHAPE, ROOT)
        assert torch.equal(whole.parameters[..., 0], whole.parameters[..., 1])

    def test_fractions_beyond_the_whole_are_refused(self):
        with pytest.raises(InputError, match=r"add up to more than 1\. Lower one of them\."):
            StuckCells(high=0.5, low=0.4, anywhere=0.2)
