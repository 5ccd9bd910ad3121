"""What every weight cell promises. To add one, add one line to CASES."""

from __future__ import annotations

import pytest
import torch

from memlearn.cells import MEMBERS, AbstractCell, Carry, Hidden, MajorMinor, SecondArray, Single, Volatile
from memlearn.compound import AnyTile, make_tile, physical, weight_step
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Factors
from memlearn.devices import Capacitor, ConstantStep
from memlearn.devices.effects import CycleToCycle
from memlearn.periphery import ADC, DAC
from memlearn.programming import DeterministicTrains, Targets, WriteAddress
from memlearn.programming.schemes import WriteVerify
from memlearn.tile import Array, Crossbar, Periphery, Port, Tile

QUIET = Capacitor(states=100, slope_up=0.0, slope_down=0.0, cycle_to_cycle=CycleToCycle())
EXACT = Port(drive=DAC(bits=None), sense=ADC(bits=None, output_range=1000.0))
READS = {"drive": EXACT.drive, "sense": EXACT.sense}
CASES = [
    Single(),
    MajorMinor(),
    MajorMinor(gain=4.0, update="both"),
    MajorMinor(gain=4.0, update="by_threshold"),
    MajorMinor(update="minor", minor_device=ConstantStep(states=1000)),
    Carry(),
    Carry(digits=3, base=4, carry_every=3),
    Carry(base=5, carry_every=2, verify=WriteVerify(), low_device=ConstantStep(states=200, g_max=5e-6)),
    Volatile(transfer_every=2, fast=QUIET),
    Volatile(transfer_every=3, inversion=False, keep_rest=True, gain=1.0, fast=QUIET),
    SecondArray(**READS, buffer="none", gamma=0.3, transfer_every=2),
    SecondArray(**READS, chopper="regular", period=2, reference="dynamic", gamma=0.5),
    SecondArray(**READS, arrays=2, gamma=0.5, slower=2, buffer="average", chopper="random", output_flip=0.5),
    Hidden(),
    Hidden(weights="ternary", look_every=2, hysteresis=0.02),
]
DEVICE = ConstantStep(states=64)


@pytest.fixture(params=CASES, ids=lambda cell: f"{cell.kind}-{CASES.index(cell)}")
def cell(request: pytest.FixtureRequest) -> AbstractCell:
    return request.param


@pytest.fixture(params=[cell for cell in CASES if not cell.jumps], ids=lambda cell: f"{cell.kind}-{CASES.index(cell)}")
def smooth(request: pytest.FixtureRequest) -> AbstractCell:
    """A cell whose weight is what is set, to the last bit, and moves with every pulse."""
    return request.param


def make(cell: AbstractCell, inputs: int = 5, outputs: int = 3, rows: int = 1024) -> AnyTile:
    periphery, crossbar = Periphery(forward=EXACT, backward=EXACT), Crossbar(rows=rows, columns=rows)
    array = Array(device=DEVICE, periphery=periphery, cell=cell, crossbar=crossbar)
    options = {"stream": Stream.root(3), "dtype": torch.float64, "backend": "reference"}
    return make_tile(inputs, outputs, array=array, **options)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Uniform within -1 .. 1."""
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def test_every_member_is_tested():
    assert {type(cell) for cell in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractCell) for member in MEMBERS.values())
    assert all(member.sources for member in MEMBERS.values() if member is not Single)


class TestSettings:
    """What can be said without any array."""

    def test_gains_add_up_to_one(self, cell):
        parts = cell.settled(DEVICE).parts()
        assert parts[0].gain == 1 or sum(part.gain for part in parts) == pytest.approx(1, rel=1e-14)
        assert len({part.name for part in parts}) == len(parts) and not any("." in part.name for part in parts)

    def test_settling_is_done_once(self, cell):
        once = cell.settled(DEVICE)
        assert once.settled(ConstantStep(states=200)) == once
        assert type(cell).from_table(once.table()) == once

    def test_plain_data_and_back(self, cell):
        assert type(cell).from_table(cell.table()) == cell

    def test_signs_and_routes_have_an_entry_for_each_part(self, cell):
        settled, plan = cell.settled(DEVICE), Counts(torch.tensor([[3, -40]]))
        for writes in range(6):
            assert set(settled.signs(writes)) <= {-1, 1}
            memory = settled.memory(1, 2)
            assert len(settled.signs(writes)) == len(settled.route(plan, writes, memory)) == len(settled.parts())

    def test_the_step_is_known_before_the_arrays_are(self, cell):
        tile = make(cell)
        assert weight_step(Array(device=DEVICE, cell=cell)) == pytest.approx(tile.weight_step, rel=1e-12)


@pytest.mark.parametrize("rows", [1024, 4])
class TestReads:
    """On ideal devices, wires and converters parts are not there."""

    def test_forward_and_back(self, cell, rows):
        tile, weight = make(cell, rows=rows), 0.9 * numbers(5, 3)
        tile.initialise(weight)
        assert torch.allclose(tile.weight(), cell.shown(weight, 1.0), atol=1e-12)
        for _ in range(3):  # past a change of sign
            x, e = numbers(4, 5, seed=1), numbers(4, 3, seed=2)
            assert torch.allclose(tile.read(x), x @ tile.weight(), atol=1e-12)
            assert torch.allclose(tile.read_transposed(e), e @ tile.weight().T, atol=1e-12)
            tile.write(Counts((3 * numbers(5, 3, seed=3)).int()))

    def test_a_read_is_the_sum_of_the_parts(self, cell, rows):
        tile = make(cell, rows=rows)
        arrays, settled = physical("x", tile), cell.settled(DEVICE)
        for n, part in enumerate(arrays.values()):
            part.initialise(numbers(5, 3, seed=n))
        x, signs = numbers(4, 5, seed=9), settled.signs(0)
        apart = [s * p.gain * t.read(x) for s, p, t in zip(signs, settled.parts(), arrays.values(), strict=True)]
        assert torch.allclose(tile.read(x), sum(apart), atol=1e-12)


class TestWrites:
    """Pulses, and what happens after them."""

    def test_one_pulse_is_one_step(self, smooth):
        tile = make(smooth)
        before = tile.weight()
        tally = tile.write(Counts(torch.eye(5, 3, dtype=torch.int32)))
        step = tile.weight_step  # of its own weight, which is shown in part
        step *= smooth.gamma**smooth.arrays if isinstance(smooth, SecondArray) else 1
        assert torch.allclose(tile.weight() - before, torch.eye(5, 3).double() * step, atol=1e-12)
        assert tally.pulses > 0 and tally.cells > 0

    @pytest.mark.parametrize("most", [1, 20])
    def test_counts_and_trains_agree(self, smooth, most):
        factors = Factors(numbers(1, 5), numbers(1, 3, seed=1))
        moved, counts = [], torch.zeros(5, 3, dtype=torch.int32)
        for dense in (False, True):
            tile = make(smooth)
            writer = DeterministicTrains(learning_rate=most * tile.weight_step, rounding="nearest")
            plan = writer.plan(factors, WriteAddress(tile.weight_step, 1.0, Stream.root(0), 0))
            if dense:
                both = plan.rows[0, :, None] & plan.columns[0] & 0x7FFFFFFF
                sign = 1 - 2 * ((plan.rows[0, :, None] ^ plan.columns[0]) >> 31)
                counts = (both.apply_(lambda word: word.bit_count()) * sign).int()
                plan = Counts(counts)
            before = tile.weight()
            tile.write(plan)
            moved.append(tile.weight() - before)
        trains, dense = moved
        assert trains.abs().max() > 0
        if isinstance(smooth, MajorMinor) and smooth.update == "by_threshold":
            # A count is the number of thresholds passed, not of pulses: each above the first is a pulse of the major.
            large, gain = counts.abs() > 1, smooth.settled(DEVICE).gain
            assert large.any() == (most > 1)
            trains = trains.where(~large, (counts - counts.sign()) * gain * tile.weight_step)
        assert torch.allclose(trains, dense, atol=1e-9)

    def test_everything_is_counted(self, cell):
        tile = make(cell)
        ledger, arrays = Ledger(), physical("layer", tile)
        for name, part in arrays.items():
            part.ledger, part.name = ledger, name
        for n in range(6):
            tile.read(numbers(2, 5))
            tile.write(Counts(8 * torch.ones(5, 3, dtype=torch.int32) * (1 if n < 4 else -1)))
        sent = sum(int(part.counters[..., 0].sum()) for part in arrays.values())
        assert ledger.total(Event.PULSE) == sent > 0
        plans = cell.settled(DEVICE).parts()
        driven = sum(part.cells for plan, part in zip(plans, arrays.values(), strict=True) if not plan.hidden)
        assert ledger.total(Event.CELL_READ) >= 6 * 2 * driven and tile.cells == sum(p.cells for p in arrays.values())
        assert {key[0] for key, _ in ledger} <= set(arrays)

    def test_closed_loop_reaches_the_target(self, smooth):
        tile, wanted = make(smooth), 0.8 * numbers(5, 3, seed=4)
        scheme = WriteVerify(tolerance=0.02)
        tally, heard = tile.program(Targets(wanted, None, False, scheme, heard=True))
        # The finest part brings it within its own window, which is no wider than that of a single array.
        assert (tile.weight() - wanted).abs().max() < 0.05 and tally.pulses > 0
        assert torch.allclose(heard, tile.weight(), atol=1e-12)
        before, moved = tile.weight(), torch.zeros(5, 3)
        moved[0, 0] = 0.2
        tile.program(Targets(moved, None, True, scheme))
        change = tile.weight() - before
        assert abs(float(change[0, 0]) - 0.2) < 0.05 and change.flatten()[1:].abs().max() < 1e-12


class TestHidden:
    """Shown weights follow what is behind them."""

    def test_they_show_the_sign_and_change_only_where_it_does(self):
        tile = make(Hidden(scheme=WriteVerify(tolerance=0.01)))
        shown, hidden = physical("x", tile).values()
        tile.initialise(torch.tensor([[0.3, -0.3, 0.01]]).double().expand(5, 3))
        assert torch.equal(tile.weight().sign(), hidden.weight().sign())
        ledger = shown.ledger = Ledger()
        tile.write(Counts(torch.tensor([[-1, -1, -1]]).int().expand(5, 3)))
        assert torch.allclose(hidden.weight()[0], torch.tensor([0.3, -0.3, 0.01]).double() - hidden.weight_step)
        assert torch.allclose(tile.weight()[0], torch.tensor([1.0, -1.0, -1.0]).double(), atol=0.05)
        assert ledger.total(Event.CELL_WRITE) == 2 * 5  # both cells of the five weights that changed their sign

    def test_small_ones_are_zeros_and_borders_are_not_crossed_for_nothing(self):
        tile = make(Hidden(weights="ternary", hysteresis=0.1, zero_below=0.5), inputs=1)
        tile.initialise(torch.tensor([[0.9, -0.6, 0.3]]).double())  # half of their mean size: 0.3
        before = tile.weight()
        assert before.tolist() == [[1.0, -1.0, 1.0]]
        for pulse, kept in ((-1, True), (-4, False)):
            tile.write(Counts(torch.tensor([[0, 0, pulse]]).int()))
            assert torch.allclose(tile.weight(), before, atol=0.3) == kept
        assert abs(float(tile.weight()[0, 2])) < 0.3

    def test_programming_sets_what_is_behind(self):
        tile, wanted = make(Hidden()), torch.tensor([[0.4, -0.2, 0.1]]).double().expand(5, 3)
        _, heard = tile.program(Targets(wanted, None, False, WriteVerify(tolerance=0.02), heard=True))
        hidden = physical("x", tile)["x.hidden"]
        assert (hidden.weight() - wanted).abs().max() < 0.05 and torch.equal(tile.weight().sign(), wanted.sign())
        assert heard is not None and torch.allclose(heard, hidden.weight())


def test_state_travels(cell):
    tile, other = make(cell), make(cell)
    for _ in range(3):
        tile.write(Counts(torch.ones(5, 3, dtype=torch.int32)))
    other.load_state_dict({key: value.clone() for key, value in tile.state_dict().items()})
    for one in (tile, other):
        one.write(Counts(-torch.ones(5, 3, dtype=torch.int32)))
    assert torch.equal(tile.weight(), other.weight())


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="base"):
        Carry(base=40).settled(DEVICE)
    with pytest.raises(InputError, match=r"array\.cell"):
        Tile(2, 2, array=Array(cell=Carry()), stream=Stream.root(0))
