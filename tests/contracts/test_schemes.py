"""What every programming scheme promises. To add one, add one line to CASES."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memlearn.arrays.mapping import OneSidedPair
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.devices import VTEAM, AbstractDevice, ConstantStep, DeviceState, LinearStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells
from memlearn.learning import Parts, Rule, siamese
from memlearn.nn import Conv2d, Linear
from memlearn.programming import ClosedLoop, Levels, Program, Targets, WriteAddress
from memlearn.programming.schemes import (
    MEMBERS,
    AbstractScheme,
    GateCompliance,
    GateRamp,
    IncrementalStepPulses,
    Known,
    Order,
    Programmed,
    Proportional,
    Ramp,
    ReadWrite,
    WriteVerify,
)
from memlearn.tile import Array, Crossbar, Tile

CASES = [
    GateCompliance(spread=0.01),
    GateRamp(tolerance=0.03),
    GateRamp(tolerance=0.03, max_pulses=7),
    IncrementalStepPulses(
        tolerance=0.1, up=Ramp(start=0.22, step=0.01), down=Ramp(start=0.025, step=0.002, maximum=0.1)
    ),
    IncrementalStepPulses(tolerance=0.1, max_pulses=4),
    Proportional(),
    ReadWrite(),
    ReadWrite(by="width"),
    WriteVerify(tolerance_low=0.1),
    WriteVerify(tolerance=0.05),
    WriteVerify(tolerance=0.05, max_pulses=3),
    WriteVerify(tolerance=0.05, max_pulses=90, erase=True),
]
SHAPE = (2, 1, 5, 7)
BAD = {
    "states": 30,
    "cycle_to_cycle": CycleToCycle(spread=0.4, range_spread=0.003),
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.1, lower_bound=0.1, balance=0.2),
    "faults": StuckCells(high=0.1, low=0.1),
    "read_noise": ReadNoise(relative=0.02, absolute=5e-8),
}
DEVICES = [
    ConstantStep(states=100),
    SoftBounds(**BAD),
    LinearStep(slope_up=0.5, slope_down=0.4, series_resistance=2e3, **BAD),
]

VOLTAGE_DEVICES = [VTEAM(states=100), VTEAM(**BAD), VTEAM(states=40, alpha_on=2.0)]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


@pytest.fixture(params=CASES, ids=repr)
def scheme(request: pytest.FixtureRequest) -> AbstractScheme:
    return request.param


@pytest.fixture(params=DEVICES, ids=lambda device: device.kind)
def device(request: pytest.FixtureRequest, scheme: AbstractScheme) -> AbstractDevice:
    """A law that the scheme can write; those that choose a voltage or a width get one with such an axis."""
    voltages = isinstance(scheme, IncrementalStepPulses) or getattr(scheme, "by", "") == "width"
    return VOLTAGE_DEVICES[DEVICES.index(request.param)] if voltages else request.param


def fresh(device: AbstractDevice, dtype: torch.dtype = torch.float32) -> DeviceState:
    return device.init(SHAPE, Stream.root(3), dtype)


def order(device: AbstractDevice, state: DeviceState, chosen: Tensor | None = None) -> Order:
    """Targets all over the range, two of three cells chosen."""
    g = state.conductance
    places = torch.linspace(0.1, 0.9, g.numel(), dtype=g.dtype).reshape(SHAPE)
    if chosen is None:
        chosen = torch.arange(g.numel()).reshape(SHAPE) % 3 != 0
    return Order(device.g_min + places * device.range, chosen, Stream.root(8), 5)


def same(a: DeviceState | Programmed, b: DeviceState | Programmed, tolerance: float = 0.0) -> bool:
    """To the bit; with a tolerance, conductances may differ by so much, and numbers of pulses may not."""

    def equal(x: Tensor | None, y: Tensor | None) -> bool:
        if x is None or y is None:
            return x is y
        close = tolerance > 0 and x.is_floating_point()
        return torch.allclose(x, y, rtol=0, atol=tolerance) if close else torch.equal(x, y)

    return all(equal(x, y) for x, y in zip(a, b, strict=True))


def test_every_member_is_tested():
    assert {type(case) for case in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractScheme) and member.sources for member in MEMBERS.values())


class TestContract:
    """Inherited by every scheme."""

    def test_settings_make_the_round_trip(self, scheme):
        assert type(scheme).from_table(scheme.table()) == scheme
        assert Program.from_table({"scheme": scheme.table()}).scheme == scheme
        with pytest.raises(InputError, match="pulse_energy"):
            type(scheme)(pulse_energy=1.0)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_backends_do_the_same(self, scheme, device, dtype):
        ends, outcomes = [], []
        for backend in ("reference", "cpu"):
            state = fresh(device, dtype)
            outcomes.append(scheme.program(device, state, order(device, state), backend))
            ends.append(state)
        # Two libraries' powers may differ in the last place of single precision, by the processor.
        powers = isinstance(device, VTEAM) and dtype == torch.float32
        tolerance = 1e-6 * device.range if powers else 0.0
        assert same(*ends, tolerance) and same(*outcomes, tolerance)

    @pytest.mark.parametrize("backend", ["reference", "cpu"])
    def test_cells_that_are_not_chosen_are_left_alone(self, scheme, device, backend):
        start, state = fresh(device), fresh(device)
        wanted = order(device, state)
        done = scheme.program(device, state, wanted, backend)
        spared = ~wanted.chosen
        assert torch.equal(state.conductance[spared], start.conductance[spared]) and not state.counters[spared].any()
        assert not done.pulses[spared].any() and not done.reads[spared].any() and not done.failed[spared].any()
        assert torch.equal(state.counters[..., 0], done.pulses) and done.pulses.any()

    def test_nothing_chosen_changes_nothing(self, scheme, device):
        start, state = fresh(device), fresh(device)
        done = scheme.program(device, state, order(device, state, torch.zeros(SHAPE, dtype=torch.bool)), "cpu")
        assert same(start, state) and not done.pulses.any() and not done.reads.any()

    def test_bounds_and_stuck_cells_hold(self, scheme, device):
        start, state = fresh(device), fresh(device)
        scheme.program(device, state, order(device, state), "cpu")
        lower, upper = state.parameters[..., 0], state.parameters[..., 1]
        assert (state.conductance >= lower).all() and (state.conductance <= upper).all()
        stuck = lower == upper
        assert torch.equal(state.conductance[stuck], start.conductance[stuck])

    def test_a_tile_counts_what_was_done_and_stays_in_step(self, scheme, device):
        tile = Tile(6, 4, array=Array(device=device), stream=Stream.root(1))
        tile.ledger = Ledger()
        wanted = torch.linspace(-0.8, 0.8, 24).reshape(6, 4)
        tally, reached = tile.program(Targets(wanted, torch.zeros(6, 4), False, scheme, "row", heard=True))
        assert tile.ledger.total(Event.PULSE, during=Pass.UPDATE) == tally.pulses == int(tile.counters[..., 0].sum())
        assert tile.ledger.total(Event.CELL_WRITE) == 48 and int(tile.events[2]) == scheme.events
        assert reached is not None and reached.shape == wanted.shape
        before = tile.weight()
        tally, _ = tile.program(Targets(wanted, wanted, False, scheme, "row"))
        assert tally == (0, 0) and torch.equal(tile.weight(), before)


class TestWriteVerify:
    """Closed loop."""

    def test_erased_cells_come_from_below(self):
        device = ConstantStep(states=100)
        state, chosen = device.init((1, 1, 2, 3), Stream.root(0)), torch.ones(1, 1, 2, 3, dtype=torch.bool)
        state.conductance.fill_(device.g_min + 0.5 * device.range)
        targets = torch.full_like(state.conductance, device.g_min + 0.2 * device.range)
        plain = WriteVerify(tolerance=0.006).program(device, state, Order(targets, chosen, Stream.root(1), 0), "cpu")
        state.conductance.fill_(device.g_min + 0.5 * device.range)
        scheme = WriteVerify(tolerance=0.006, erase=True)
        done = scheme.program(device, state, Order(targets, chosen, Stream.root(1), 0), "cpu")
        assert (plain.pulses - 30).abs().max() <= 1 and (done.pulses - 50 - 20).abs().max() <= 2
        assert torch.equal(done.reads, done.pulses + 2) and not done.failed.any()
        assert done.dose is not None and (done.dose > 0).all() and scheme.events == 2 * 501

    def test_ideal_cells_end_within_the_window(self):
        device = ConstantStep(states=200)
        state = fresh(device)
        wanted = order(device, state)
        done = WriteVerify(tolerance=0.004).program(device, state, wanted, "cpu")
        away = (state.conductance - wanted.targets).abs()[wanted.chosen]
        assert not done.failed.any() and (away <= 0.004 * device.range * (1 + 1e-5)).all()
        exact = ((wanted.targets - device.middle).abs() / device.mean_step - 0.8).ceil().clamp_min(0)
        assert ((done.pulses - exact)[wanted.chosen].abs() <= 1).all()
        assert torch.equal(done.reads, (done.pulses + 1) * wanted.chosen)

    def test_low_targets_may_have_a_window_of_their_own(self):
        device = ConstantStep(states=1000)
        state = fresh(device)
        wanted = order(device, state)
        done = WriteVerify(tolerance=0.002, tolerance_low=0.05).program(device, state, wanted, "cpu")
        away = ((state.conductance - wanted.targets).abs() / device.range)[wanted.chosen]
        low = (wanted.targets < device.middle)[wanted.chosen]
        assert away[low].max() <= 0.05 * (1 + 1e-5) and away[~low].max() <= 0.002 * (1 + 1e-4)
        assert away[low].max() > 0.04 and not done.failed.any()

    def test_the_dose_is_the_sum_of_the_conductances_before_each_pulse(self):
        device = ConstantStep(states=18, g_min=2e-6, g_max=20e-6)  # a pulse moves a cell by 1 uS
        state = device.init((1, 1, 1, 3), Stream.root(0), torch.float64)
        state.conductance.copy_(torch.tensor([5e-6, 9e-6, 7e-6]))
        targets, chosen = torch.tensor([[[[8e-6, 7e-6, 7e-6]]]]).double(), torch.ones(1, 1, 1, 3, dtype=torch.bool)
        done = WriteVerify(tolerance=0.02).program(device, state, Order(targets, chosen, Stream.root(1), 0), "cpu")
        assert done.dose is not None
        # 5 + 6 + 7 up, 9 + 8 down, nothing.
        assert torch.allclose(done.dose[0, 0, 0], 1e-6 * torch.tensor([[18.0, 0], [0, 17], [0, 0]]).double(), rtol=1e-6)

    def test_cells_out_of_reach_are_given_up_and_say_so(self):
        device = ConstantStep(states=100, faults=StuckCells(low=0.3))
        state = fresh(device)
        wanted = order(device, state)
        done = WriteVerify(tolerance=0.02, max_pulses=60).program(device, state, wanted, "cpu")
        stuck = (state.parameters[..., 0] == state.parameters[..., 1]) & wanted.chosen
        assert stuck.any() and torch.equal(done.failed, stuck & ((wanted.targets - device.g_min) > 0.02 * device.range))
        assert (done.pulses[done.failed] == 60).all() and (done.reads[done.failed] == 61).all()

    def test_a_finer_window_takes_more_pulses(self):
        device = SoftBounds(states=64, cycle_to_cycle=CycleToCycle(spread=0.3))
        sent = []
        for tolerance in (0.1, 0.03, 0.01):
            state = device.init((1, 1, 50, 50), Stream.root(1))
            targets = torch.full_like(state.conductance, device.g_min + 0.8 * device.range)
            everything = Order(targets, torch.ones_like(targets, dtype=torch.bool), Stream.root(2), 0)
            done = WriteVerify(tolerance=tolerance).program(device, state, everything, "cpu")
            assert not done.failed.any()
            sent.append(float(done.pulses.float().mean()))
        assert sent[0] < sent[1] < sent[2]


def test_read_write_inverts_the_nominal_curve():
    for device in (SoftBounds(states=64), LinearStep(states=50, slope_up=0.5, slope_down=-0.3), ConstantStep()):
        state = fresh(device, torch.float64)
        wanted = order(device, state)
        done = ReadWrite().program(device, state, wanted, "cpu")
        away = (state.conductance - wanted.targets).abs()[wanted.chosen]
        assert (away <= 0.76 * 1.5 * device.mean_step).all() and done.reads.sum() == wanted.chosen.sum()


def test_gate_compliance_has_the_stated_spread():
    device = ConstantStep()
    state = device.init((1, 1, 300, 300), Stream.root(1), torch.float64)
    targets = torch.full_like(state.conductance, device.middle)
    everything = Order(targets, torch.ones_like(targets, dtype=torch.bool), Stream.root(2), 0)
    GateCompliance(spread=0.02).program(device, state, everything, "cpu")
    away = (state.conductance - targets) / device.range
    assert abs(float(away.mean())) < 3e-4 and float(away.std()) == pytest.approx(0.02, rel=0.02)
    assert (state.counters[..., 0] == 2).all()


@pytest.mark.parametrize("parallel", ["cell", "row", "column", "array"])
def test_time_follows_from_what_is_written_at_once(parallel):
    tile = Tile(3, 2, array=Array(device=ConstantStep(states=100)), stream=Stream.root(1))
    tile.ledger = Ledger()
    wanted = torch.tensor([[0.2, 0.0], [0.1, -0.3], [0.0, 0.0]])
    tile.program(Targets(wanted, torch.zeros(3, 2), False, ReadWrite(), parallel))
    pulses = [[10, 10, 0, 0], [5, 5, 15, 15], [0, 0, 0, 0]]
    assert tile.counters[0, 0, :, :, 0].tolist() == pulses
    turns = {"cell": 60, "row": 10 + 15, "column": 10 + 10 + 15 + 15, "array": 15}
    assert tile.ledger.total(Event.TRAIN_SLOT) == turns[parallel]


def test_closed_loop_moves_weights_by_the_change_wanted():
    tile = Tile(5, 3, array=Array(device=ConstantStep(states=2000)), stream=Stream.root(1))
    wanted = torch.linspace(-0.3, 0.3, 15).reshape(5, 3)
    plan = ClosedLoop(learning_rate=0.5, scheme=WriteVerify(tolerance=3e-4)).plan(wanted, address())
    before = tile.weight()
    tile.program(plan)
    assert torch.allclose(tile.weight() - before, 0.5 * wanted, atol=1.3e-3)


def test_a_plain_closed_loop_programs_what_has_not_changed_too():
    weight, before = torch.full((2, 2), 0.5), torch.tensor([[0.5, 0.5], [0.0, 0.5]])
    written = []
    for cells in ("changed", "all"):
        tile = Tile(2, 2, array=Array(device=ConstantStep(states=200)), stream=Stream.root(1))
        tile.ledger = Ledger()
        tile.program(Program(cells=cells).plan(Levels(before, weight, False), address()))
        written.append(tile.ledger.total(Event.CELL_WRITE))
    assert written == [2, 8]


class TestRisingAmplitude:
    """Incremental step pulses."""

    def test_a_ramp_is_its_numbers(self):
        pulses = torch.tensor([0, 1, 5, 100])
        assert torch.allclose(
            Ramp(start=0.5, step=0.1, maximum=1.2).voltages(0.3, pulses), torch.tensor([0.5, 0.6, 1.0, 1.2])
        )
        assert torch.allclose(Ramp(step=0.1).voltages(-0.3, pulses[:2]), torch.tensor([-0.3, -0.4]))

    def test_slow_and_fast_cells_need_fewer_pulses_than_identical_ones(self):
        device = VTEAM(states=200, device_to_device=DeviceToDevice(step=0.5, distribution="log_normal"))
        sent = []
        for scheme in (WriteVerify(tolerance=0.05), IncrementalStepPulses(tolerance=0.05, up=Ramp(step=0.02))):
            state = device.init((1, 1, 20, 20), Stream.root(1))
            targets = torch.full_like(state.conductance, device.g_min + 0.85 * device.range)
            everything = Order(targets, torch.ones_like(targets, dtype=torch.bool), Stream.root(2), 0)
            done = scheme.program(device, state, everything, "cpu")
            assert not done.failed.any() and ((state.conductance - targets).abs() <= 0.0501 * device.range).all()
            sent.append(done.pulses.float())
        assert sent[1].mean() < 0.5 * sent[0].mean() and sent[1].max() < 0.5 * sent[0].max()

    @pytest.mark.parametrize("scheme", [IncrementalStepPulses(), ReadWrite(by="width")], ids=lambda s: s.kind)
    def test_laws_without_a_voltage_are_refused(self, scheme):
        with pytest.raises(InputError, match="constant_step has no such axis") as error:
            Rule(nn.Sequential(Linear(3, 2, array=Array(), seed=0)), Parts(writer=ClosedLoop(scheme=scheme)))
        assert error.value.argument == "scheme" and "vteam" in str(error.value)
        state = fresh(ConstantStep())
        with pytest.raises(InputError, match="no such axis"):
            scheme.program(ConstantStep(), state, order(ConstantStep(), state), "cpu")


class TestGateRamp:
    """Incremental gate voltage."""

    def test_pulses_are_a_reset_and_the_steps_of_the_gate(self):
        device = ConstantStep()
        state = fresh(device, torch.float64)
        wanted = order(device, state)
        done = GateRamp(tolerance=0.006, spread=0.0).program(device, state, wanted, "cpu")
        assert not done.failed.any()
        # 110 steps open the gate, the first pulse allows g_min; cells that are there already get none.
        steps = ((wanted.targets - device.g_min) / device.range - 0.006) * 110
        sent = wanted.chosen & (done.pulses > 0)
        assert sent.sum() > 40 and ((done.pulses - (2 + steps.ceil()))[sent].abs() <= 1).all()

    def test_finer_steps_take_more_pulses(self):
        device, sent = ConstantStep(), []
        for step in (0.1, 0.01):
            state = fresh(device)
            wanted = order(device, state)
            done = GateRamp(tolerance=0.06, gate_step=step).program(device, state, wanted, "cpu")
            assert not done.failed.any()
            sent.append(done.pulses[wanted.chosen].float().mean())
        assert sent[1] > 5 * sent[0]

    def test_a_gate_that_closes_is_refused(self):
        with pytest.raises(InputError, match="above first"):
            GateRamp(first=1.0, last=1.0)


class TestProportional:
    """The ideal write."""

    def test_noise_is_that_of_the_single_pulses(self):
        device = ConstantStep(states=100, cycle_to_cycle=CycleToCycle(spread=0.3, range_spread=0.001))
        state = device.init((1, 1, 200, 200), Stream.root(1), torch.float64)
        before, like = state.conductance.clone(), torch.ones_like(state.conductance)
        pulses, size = 4 * like.int(), 2e-7 * like
        known = Known(pulses, size)
        everything = Order(before + 3e-7, like.bool(), Stream.root(2), 0, known)
        Proportional().program(device, state, everything, "cpu")
        moved = state.conductance - before
        expected = ((0.3 * 2e-7) ** 2 + 4 * (0.001 * device.range) ** 2) ** 0.5
        assert float(moved.mean()) == pytest.approx(3e-7, rel=0.01)
        assert float(moved.std()) == pytest.approx(expected, rel=0.02)
        assert (state.counters[..., 0] == 4).all()


def test_a_width_stands_for_a_burst_with_its_fraction():
    device = VTEAM(states=60)
    ends = []
    for scheme in (ReadWrite(by="width"), ReadWrite()):
        state = fresh(device, torch.float64)
        wanted = order(device, state)
        done = scheme.program(device, state, wanted, "cpu")
        ends.append((state.conductance - wanted.targets).abs()[wanted.chosen] / device.range)
        assert (done.pulses <= 1).all() == (scheme.by == "width")
    # What is left is how far a straight line between two pulses of the nominal curve is from the curve.
    assert ends[0].max() < 0.1 * ends[1].max() and ends[0].max() < 2e-3


def test_targets_of_a_one_sided_pair_leave_the_other_cell_at_rest():
    crossbar = Crossbar(mapping=OneSidedPair(refresh_every=0))
    tile = Tile(4, 3, array=Array(device=ConstantStep(states=200), crossbar=crossbar), stream=Stream.root(1))
    wanted = torch.linspace(-0.7, 0.7, 12).reshape(4, 3)
    tile.program(Targets(wanted, None, False, WriteVerify(tolerance=0.004), "row"))
    assert torch.allclose(tile.weight(), wanted, atol=0.01)
    place = (tile.conductance[0, 0] - 2e-6) / 18e-6
    assert (torch.minimum(place[:, 0::2], place[:, 1::2]) <= 0.0041).all()


def address() -> WriteAddress:
    return WriteAddress(0.01, 1.0, Stream.root(4), 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_targets_that_are_no_numbers_are_refused(value):
    tile = Tile(2, 2, array=Array(), stream=Stream.root(1))
    with pytest.raises(InputError, match="must be finite") as error:
        tile.program(Targets(torch.tensor([[value, 0.0], [0.0, 0.0]]), None, False, WriteVerify(), "row"))
    assert error.value.argument == "plan.weight"


@pytest.mark.parametrize("backward", ["rewired", "copy"])
def test_a_convolution_learns_by_levels_in_all_its_arrays(backward):
    layer = Conv2d(2, 3, 3, array=Array(device=ConstantStep(states=500)), seed=1, backward=backward, copies=2)
    model = torch.nn.Sequential(layer, torch.nn.ReLU(), Conv2d(3, 2, 3, array=Array(), seed=2, backward=backward))
    rule = siamese(model, levels=9, learning_rate=5.0)
    before = layer.tile.weight()
    for seed in range(3):
        images = torch.rand(4, 2, 7, 7, generator=torch.Generator().manual_seed(seed))
        model(images).square().mean().backward()
        assert rule.step().pulses > 0
        rule.zero_grad()
    levels = rule.memory["0"]
    assert levels is not None and not torch.equal(layer.tile.weight(), before)
    for replica in layer.replicas.values():
        assert torch.allclose(replica.tile.weight(), replica.arrange(levels[1]), atol=0.3 / 8 + 1e-6)
    assert torch.allclose(layer.tile.weight(), levels[1], atol=0.3 / 8 + 1e-6)
