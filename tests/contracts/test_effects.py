"""What every effect promises, whatever law carries it. To add an effect, add one line to CASES."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts, PulsePlan, Trains
from memlearn.devices import MEMBERS as LAWS
from memlearn.devices import AbstractDevice, DeviceState, SoftBounds
from memlearn.devices.effects import (
    MEMBERS,
    AbstractEffect,
    CycleToCycle,
    DeviceToDevice,
    Drift,
    Endurance,
    FaultyLines,
    FlickerNoise,
    Relaxation,
    Retention,
    StuckCells,
    TelegraphNoise,
    WriteNoise,
)

# Field of the device, the effect, and whether it is deterministic once the cells are made and written.
CASES = [
    ("write_noise", WriteNoise(relative=0.05, absolute=1e-7), False),
    ("flicker", FlickerNoise(relative=0.05, fastest=1e-3, slowest=1e3), False),
    ("telegraph", TelegraphNoise(fraction=0.5, relative=0.2, time_high=2.0), False),
    ("relaxation", Relaxation(statistics="hfox_neurram", activation_energy=0.5), False),
    ("relaxation", Relaxation(statistics="cmo_hfox"), False),
    ("relaxation", Relaxation(statistics="rram_tech_b", scale=20e-6), False),
    (
        "relaxation",
        Relaxation(statistics="own", times=(1.0, 100.0), shift=((-0.1,), (-0.3,)), spread=((0,), (0,))),
        True,
    ),
    ("drift", Drift(mean=0.05, cell_spread=0.01, start_time=0.5), True),
    ("drift", Drift(statistics="pcm", start_time=0.5), False),
    ("retention", Retention(time_constant=3.0, rest=0.3, spread=0.3, activation_energy=0.4), True),
    ("endurance", Endurance(lifetime=40.0, spread=0.5, closing=0.5), True),
    ("endurance", Endurance(lifetime=40.0, spread=0.5, distribution="weibull", failure="low"), True),
]

SHAPE = (2, 3, 5, 7)
MANY = (1, 1, 100, 500)
ROOT, OTHER = Stream.root(23), Stream.root(24)
IMPERFECT = {
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "cycle_to_cycle": CycleToCycle(spread=0.3, range_spread=0.01, slope=0.02),
    "faults": StuckCells(low=0.1, lines=FaultyLines(rate=0.3, partial=0.5, cells=3, stride=2)),
}
ALL = {field: effect for field, effect, _ in CASES}


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    torch.set_num_threads(1)


def named(case: tuple[str, AbstractEffect, bool]) -> str:
    index = [c[0] for c in CASES[: CASES.index(case)]].count(case[0])
    return f"{case[0]}{index or ''}"


@pytest.fixture(params=CASES, ids=named)
def case(request: pytest.FixtureRequest) -> tuple[str, AbstractEffect, bool]:
    return request.param


@pytest.fixture
def device(case: tuple[str, AbstractEffect, bool]) -> AbstractDevice:
    """Imperfect cells that carry the effect."""
    return SoftBounds(states=16, **IMPERFECT, **{case[0]: case[1]})


def copy(state: DeviceState) -> DeviceState:
    return DeviceState(*(tensor.clone() for tensor in state))


def equal(a: DeviceState, b: DeviceState) -> bool:
    return all(torch.equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))


def mixed_counts(shape: tuple[int, ...]) -> Counts:
    return Counts((torch.arange(math.prod(shape)).reshape(shape) * 7 % 23 - 11).int())


def mixed_trains(shape: tuple[int, ...]) -> Trains:
    rows = torch.arange(2 * shape[0] * shape[2]).reshape(2, -1) * 37 % 256
    columns = torch.arange(2 * shape[1] * shape[3]).reshape(2, -1) * 91 % 256
    return Trains(rows | (rows % 2) << 31, columns | (columns % 3 // 2) << 31, 8)


def lived(device: AbstractDevice, plan: PulsePlan, shape: tuple[int, ...] = SHAPE, **options: object) -> DeviceState:
    """Cells that have been written, have waited, and have been written again."""
    state = device.init(shape, ROOT, options.pop("dtype", torch.float32))
    for event in range(2):
        state, _ = device.pulse(state, plan, ROOT, event, **options)
        state = device.relax(state, 2.5, OTHER, event)
    state, _ = device.pulse(state, plan, ROOT, 2, **options)
    return state


def test_every_member_is_tested():
    assert {type(effect) for _, effect, _ in CASES} == set(MEMBERS.values())
    for member in MEMBERS.values():
        assert member.sources and not member().active
    assert all(effect.active for _, effect, _ in CASES)


def test_devices_carry_every_effect_at_rest():
    for law in LAWS.values():
        fields = {name for name, field in law.model_fields.items() if isinstance(field.default, AbstractEffect)}
        assert fields == set(ALL)
        device = law()
        if device.plain:
            assert device.init(SHAPE, ROOT).memory.shape == (*SHAPE, 0)


@pytest.mark.parametrize("plan", [mixed_counts(SHAPE), mixed_trains(SHAPE)], ids=["counts", "trains"])
class TestEveryEffect:
    """Under either kind of plan."""

    def test_reference_and_kernel_agree(self, device, plan):
        one, other = (lived(device, plan, backend=backend) for backend in ("reference", "cpu"))
        assert equal(one, other) and torch.equal(device.visible(one), device.visible(other))

    def test_threads_make_no_difference(self, device, plan):
        one = lived(device, plan, threads=1)
        torch.set_num_threads(2)
        assert equal(one, lived(device, plan, threads=2))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_shapes_types_and_bounds(self, device, plan, dtype):
        state = lived(device, plan, dtype=dtype)
        assert all(tensor.is_contiguous() and tensor.isfinite().all() for tensor in state)
        assert state.conductance.dtype == state.memory.dtype == dtype and state.memory.shape[:-1] == SHAPE
        assert (state.conductance >= state.parameters[..., 0]).all()
        assert (state.conductance <= state.parameters[..., 1]).all()
        seen = device.visible(state)
        assert seen.shape == SHAPE and seen.dtype == dtype and (seen >= 0).all() and seen.isfinite().all()

    def test_stuck_cells_stay(self, device, plan):
        start = device.init(SHAPE, ROOT)
        stuck = start.stuck
        end = lived(device, plan)
        assert stuck.any() and not stuck.all()
        assert torch.equal(end.conductance[stuck], start.conductance[stuck])
        assert torch.equal(end.parameters[stuck], start.parameters[stuck])

    def test_unused_cells_conduct_nothing(self, device, plan):
        used = torch.arange(SHAPE[3]) < 5
        state = device.init(SHAPE, ROOT)
        state = DeviceState(state.conductance * used, state.parameters * used[:, None], state.counters, state.memory)
        for event in range(3):
            state, _ = device.pulse(state, plan, ROOT, event)
            state = device.relax(state, 1.0, ROOT, event)
        assert not state.conductance[..., ~used].any() and not device.visible(state)[..., ~used].any()
        assert not state.parameters[..., ~used, :2].any()

    def test_saved_cells_go_on_as_if_never_saved(self, device, plan, tmp_path: Path):
        state = lived(device, plan)
        save_file(state._asdict(), tmp_path / "cells.safetensors")
        loaded = DeviceState(**load_file(tmp_path / "cells.safetensors"))
        ends = []
        for cells in (state, loaded):
            cells = device.relax(cells, 7.0, OTHER, 2, temperature=350.0)
            ends.append(device.pulse(cells, plan, ROOT, 3)[0])
        assert equal(*ends)

    def test_equal_addresses_make_equal_cells(self, device, plan):
        assert equal(lived(device, plan), lived(device, plan))


def test_no_time_changes_nothing(device):
    state = lived(device, mixed_counts(SHAPE))
    before = copy(state)
    assert equal(device.relax(state, 0.0, ROOT, 0), before)


def test_no_pulses_change_nothing(device):
    state = lived(device, mixed_counts(SHAPE))
    before = copy(state)
    silent = Counts(torch.zeros(SHAPE, dtype=torch.int32))
    after, _ = device.pulse(state, silent, ROOT, 3)
    assert equal(after, before)


def test_only_pulsed_cells_feel_a_write(device):
    state = lived(device, mixed_counts(SHAPE))
    before = copy(state)
    pulses = torch.zeros(SHAPE, dtype=torch.int32)
    pulses[0, 0, 0, :3] = 1
    after, _ = device.pulse(state, Counts(pulses), ROOT, 3)
    for a, b in zip(after, before, strict=True):
        assert torch.equal(a[pulses == 0], b[pulses == 0])


def test_reads_of_one_instant_agree(device):
    state = lived(device, mixed_counts(SHAPE))
    before = copy(state)
    reads = [device.conductance(state, ROOT, event) for event in range(2)]
    assert torch.equal(*reads) and torch.equal(reads[0], device.visible(state)) and equal(state, before)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_no_time_runs_backwards(device, seconds):
    with pytest.raises(InputError, match="must be finite, and seconds >= 0") as error:
        device.relax(device.init(SHAPE, ROOT), seconds, ROOT, 0)
    assert error.value.argument == "seconds"


@pytest.mark.parametrize("temperature", [0.0, -3.0, math.nan])
def test_it_is_never_colder_than_possible(device, temperature):
    with pytest.raises(InputError) as error:
        device.relax(device.init(SHAPE, ROOT), 1.0, ROOT, 0, temperature=temperature)
    assert error.value.argument == "temperature"


def test_one_wait_is_two_waits(case):
    """In distribution, away from the bounds; to rounding where an effect is deterministic."""
    field, effect, exact = case
    device = SoftBounds(g_min=1e-6, g_max=60e-6, **{field: effect})
    written, _ = device.pulse(device.init(MANY, ROOT, torch.float64), Counts(torch.ones(MANY).int()), ROOT, 0)
    seen: list[Tensor] = []
    for waits in ([30.0], [0.01, 2.0, 27.99]):
        state = copy(written)
        for event, seconds in enumerate(waits):
            state = device.relax(state, seconds, Stream.root(len(waits)), event, temperature=330.0)
        seen.append(device.visible(state).flatten())
    if exact:
        assert torch.allclose(*seen, rtol=1e-10, atol=0)
        return
    one, two = seen
    scale = float(one.std())
    assert abs(one.mean() - two.mean()) < 5 * scale * math.sqrt(2 / one.numel())
    assert abs(one.std() / two.std() - 1) < 0.03
    grid = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)
    assert (one.quantile(grid) - two.quantile(grid)).abs().max() < 0.08 * scale


class TestTogether:
    """All effects at once, on every law."""

    @pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.__name__)
    @pytest.mark.parametrize("shape", [(1, 1, 3, 5), (1, 2, 7, 11)])
    def test_reference_and_kernel_agree_on_every_law(self, law, shape):
        device = law().replace(**IMPERFECT, **ALL)
        for plan in (mixed_counts(shape), mixed_trains(shape)):
            one, other = (lived(device, plan, shape, backend=backend) for backend in ("reference", "cpu"))
            assert torch.allclose(one.conductance, other.conductance, rtol=1e-5, atol=1e-12)
            assert torch.equal(one.counters, other.counters)
            assert torch.allclose(device.visible(one), device.visible(other), rtol=1e-5, atol=1e-12)

    def test_settings_survive_a_round_trip(self):
        device = SoftBounds(**IMPERFECT, **ALL)
        assert SoftBounds.from_table(device.table()) == device

    def test_each_effect_has_memory_of_its_own(self):
        device = SoftBounds(**ALL)
        state = device.init(SHAPE, ROOT)
        assert state.memory.shape[-1] == sum(effect.width for effect in ALL.values())
        alone = SoftBounds(flicker=ALL["flicker"])
        place = 1
        wide = state.memory[..., place : place + ALL["flicker"].width]
        assert torch.equal(wide, alone.init(SHAPE, ROOT).memory)
