"""What every mapping of weights to cells promises. To add a mapping, add one line to CASES."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn.arrays.mapping import (
    MEMBERS,
    AbstractMapping,
    ComplementaryCrossbar,
    DifferentialPair,
    FrozenPair,
    OneSidedPair,
    ReferenceColumn,
    TernaryPair,
    TwinCrossbar,
)
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Trains
from memlearn.devices import ConstantStep

CASES = [
    DifferentialPair(),
    DifferentialPair(w_max=0.3),
    ReferenceColumn(),
    ReferenceColumn(w_max=2.5),
    OneSidedPair(),
    OneSidedPair(w_max=0.3),
    FrozenPair(),
    FrozenPair(w_max=0.3),
    DifferentialPair(devices=3),
    OneSidedPair(devices=7),
    FrozenPair(devices=2),
    TernaryPair(w_max=0.3),
    TwinCrossbar(w_max=0.3),
    ComplementaryCrossbar(),
]

SIZES = [(1, 1), (1, 5), (5, 1), (4, 3), (7, 8)]
LEADING = [(), (2,), (2, 3)]
G_MIN, G_MAX, VOLTAGE = 2e-6, 20e-6, 0.2
RANGE = G_MAX - G_MIN


@pytest.fixture(params=CASES, ids=lambda mapping: f"{mapping.kind}-{mapping.w_max}-{getattr(mapping, 'devices', 1)}")
def mapping(request: pytest.FixtureRequest) -> AbstractMapping:
    return request.param


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Uniform within -1 .. 1, float64."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape))


def words(*shape: int, seed: int = 0) -> Tensor:
    """Trains with signs."""
    drawn = np.random.default_rng(seed)
    return torch.from_numpy(drawn.integers(0, 1 << 31, shape) & drawn.integers(0, 1 << 31, shape)) | sign(
        torch.from_numpy(drawn.integers(0, 2, shape))
    )


def sign(minus: Tensor) -> Tensor:
    return minus << 31


def test_every_member_is_tested():
    assert {type(mapping) for mapping in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractMapping) and member.sources for member in MEMBERS.values())


@pytest.mark.parametrize("leading", LEADING, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
class TestIdentity:
    """On ideal devices, wires and converters a mapping is not there."""

    def test_forward(self, mapping, size, leading):
        weight, x = mapping.w_max * numbers(*leading, *size), numbers(*leading, 6, size[0], seed=1)
        current = mapping.row_lines(VOLTAGE * x) @ mapping.conductances(weight, G_MIN, G_MAX)
        y = mapping.column_signal(current) / mapping.unit_current(VOLTAGE, RANGE)
        assert y.shape == (*leading, 6, size[1])
        assert torch.allclose(y, x @ weight, rtol=0, atol=1e-12 * mapping.w_max)

    def test_transposed(self, mapping, size, leading):
        weight, e = mapping.w_max * numbers(*leading, *size), numbers(*leading, 6, size[1], seed=1)
        current = mapping.column_lines(VOLTAGE * e) @ mapping.conductances(weight, G_MIN, G_MAX).mT
        y = mapping.row_signal(current) / mapping.unit_current(VOLTAGE, RANGE)
        assert y.shape == (*leading, 6, size[0])
        assert torch.allclose(y, e @ weight.mT, rtol=0, atol=1e-12 * mapping.w_max)

    def test_weights_survive_the_way_to_cells_and_back(self, mapping, size, leading):
        weight = mapping.w_max * numbers(*leading, *size)
        weight.view(-1)[0] = mapping.w_max
        g = mapping.conductances(weight, G_MIN, G_MAX)
        assert g.shape == (*leading, *mapping.physical(*size)) and g.dtype == torch.float64
        assert g.min() > G_MIN * (1 - 1e-12) and g.max() < G_MAX * (1 + 1e-12)
        back = mapping.weight(g, G_MIN, G_MAX)
        assert back.shape == weight.shape and torch.allclose(back, weight, rtol=0, atol=1e-12 * mapping.w_max)

    def test_weights_out_of_range_are_cut(self, mapping, size, leading):
        weight = 3 * mapping.w_max * numbers(*leading, *size)
        back = mapping.weight(mapping.conductances(weight, G_MIN, G_MAX), G_MIN, G_MAX)
        cut = weight.clamp(-mapping.w_max, mapping.w_max)
        assert torch.allclose(back, cut, rtol=0, atol=1e-12 * mapping.w_max)

    def test_one_pulse_moves_every_weight_by_the_step(self, mapping, size, leading):
        g_step, pulses = RANGE / 100, (10 * numbers(*leading, *size)).int()
        weight = 0.5 * mapping.w_max * numbers(*leading, *size, seed=1)
        moved = mapping.conductances(weight, G_MIN, G_MAX) + g_step * mapping.counts(Counts(pulses)).pulses.double()
        exact = weight + mapping.step(g_step, RANGE) * pulses.double()
        assert torch.allclose(mapping.weight(moved, G_MIN, G_MAX), exact, rtol=0, atol=1e-12 * mapping.w_max)


@pytest.mark.parametrize("size", SIZES, ids=str)
class TestLines:
    """Physical sizes, lines in use, and pulses per line and per cell."""

    def test_capacity_is_the_inverse_of_physical(self, mapping, size):
        assert mapping.capacity(*mapping.physical(*size)) == size
        rows, columns = mapping.physical(*size)
        smaller = mapping.capacity(rows - 1, columns)[0], mapping.capacity(rows, columns - 1)[1]
        assert smaller == (size[0] - 1, size[1] - 1)

    def test_no_weight_fits_on_too_few_cells(self, mapping, size):
        least = mapping.physical(1, 1)
        assert min(mapping.capacity(least[0] - 1, 99)) < 1 and min(mapping.capacity(99, least[1] - 1)) < 1

    def test_lines_in_use_are_those_of_the_weights_in_use(self, mapping, size):
        # Weights on unused lines are NaN: masked cells must not hold any, used ones may not miss any finite.
        keep = size[0] // 2 + 1, size[1] // 2 + 1
        rows = (torch.arange(size[0]) < keep[0]).long()
        columns = (torch.arange(size[1]) < keep[1]).long()
        row, column = mapping.lines(rows, columns)
        assert (len(row), len(column)) == mapping.physical(*size)
        assert set(row.tolist()) <= {0, 1} and set(column.tolist()) <= {0, 1}
        weight = torch.where(rows[:, None] * columns == 1, 0.5 * mapping.w_max, math.nan)
        assert mapping.conductances(weight, G_MIN, G_MAX)[row[:, None] * column == 1].isfinite().all()
        assert (row.sum(), column.sum()) == mapping.physical(*keep)

    def test_trains_and_counts_agree(self, mapping, size):
        # A train with one slot per sample, played on cells, is the count of its signed coincidences.
        rows, columns = words(9, 1, size[0]), words(9, 1, size[1], seed=1)
        signs = 1 - 2 * ((rows >> 31)[..., :, None] ^ (columns >> 31)[..., None, :])
        both = (rows[..., :, None] & columns[..., None, :])[:, 0] & 0x7FFFFFFF
        number = both.clone().apply_(lambda word: word.bit_count())
        by_counts = mapping.counts(Counts((signs[:, 0] * number).sum(0).int())).pulses
        lines = mapping.trains(Trains(rows, columns, 31))
        assert lines.slots == 31 and lines.rows.dtype == lines.columns.dtype == torch.int64
        assert (lines.rows.shape[2], lines.columns.shape[2]) == mapping.physical(*size)

        # Steps so small that no bound is met, so that the order does not matter.
        law = ConstantStep(g_min=0.0, g_max=1.0, states=100_000)
        moved = []
        shape = (1, 1, *mapping.physical(*size))
        physical = lines._replace(rows=lines.rows.flatten(1), columns=lines.columns.flatten(1))
        for plan in (Counts(by_counts.reshape(shape)), physical):
            state, tally = law.pulse(law.init(shape, Stream.root(0), torch.float64), plan, Stream.root(0), 0)
            moved.append((state.conductance - law.middle) / law.mean_step)
        assert torch.allclose(moved[0], by_counts.reshape(shape).double(), atol=1e-6)
        if lines.only_up:  # trains of both signs raise both cells, counts are netted before: equal weights
            assert all((step > -1e-9).all() for step in moved)
            moved = [mapping.weight(step, G_MIN, G_MAX) for step in moved]
        assert torch.allclose(moved[1], moved[0], rtol=1e-9, atol=1e-6) and tally.pulses >= by_counts.abs().sum()

    def test_lines_that_do_not_fire_stay_silent(self, mapping, size):
        nothing = Trains(sign(torch.ones(3, 2, size[0]).long()), torch.zeros(3, 2, size[1]).long(), 31)
        lines = mapping.trains(nothing)
        assert not (lines.rows & 0x7FFFFFFF).any() and not (lines.columns & 0x7FFFFFFF).any()
        assert not mapping.counts(Counts(torch.zeros(size, dtype=torch.int32))).pulses.any()
        assert mapping.counts(Counts(torch.ones(size, dtype=torch.int32))).pulses.dtype == torch.int32


def test_a_differential_pair_pushes_and_pulls():
    pair = DifferentialPair()
    assert pair.counts(Counts(torch.tensor([[3, -2]]))).pulses.tolist() == [[3, -3, -2, 2]]
    g = pair.conductances(torch.tensor([[1.0, -1.0, 0.0]]), 0.0, 1.0)
    assert g.tolist() == [[1, 0, 0, 1, 0.5, 0.5]]
    assert pair.column_lines(torch.tensor([0.1, -0.2])).tolist() == pytest.approx([0.1, -0.1, -0.2, 0.2])


def test_a_frozen_pair_pulses_one_cell_of_two():
    pair = FrozenPair(w_max=2.0)
    assert pair.counts(Counts(torch.tensor([[3, -2]]))).pulses.tolist() == [[3, 0, -2, 0]]
    g = pair.conductances(torch.tensor([[2.0, -2.0, 0.0, 1.0]]), 0.0, 1.0)
    assert g.tolist() == [[1, 0.5, 0, 0.5, 0.5, 0.5, 0.75, 0.5]]
    assert pair.step(0.01, 1.0) == DifferentialPair(w_max=2.0).step(0.01, 1.0)


@pytest.mark.parametrize("kind", [DifferentialPair, FrozenPair, OneSidedPair])
def test_several_devices_take_their_turn(kind):
    alone, three = kind(), kind(devices=3)
    pulses, trains = torch.tensor([[4, -1]]), Trains(words(2, 1, 1), words(2, 1, 2, seed=1), 31)
    cells, lines = alone.counts(Counts(pulses)).pulses.view(2, 2), alone.trains(trains).columns.view(2, 2, 2)
    for turn in range(5):
        mine = three.counts(Counts(pulses), turn).pulses.view(2, 3, 2)
        assert torch.equal(mine[:, turn % 3], cells) and mine.abs().sum() == cells.abs().sum()
        fired = three.trains(trains, turn).columns.view(2, 2, 3, 2)
        assert torch.equal(fired[:, :, turn % 3], lines)
        assert fired.count_nonzero() == lines.count_nonzero()
    assert three.step(1.0, 10.0) == pytest.approx(alone.step(1.0, 10.0) / 3, rel=1e-14)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_cells_of_chosen_weights_are_those_that_decide_them(mapping, size):
    weight, lost = mapping.w_max * numbers(*size), numbers(*size, seed=1) > 0
    g = mapping.conductances(weight, G_MIN, G_MAX)
    known = g.masked_fill(~mapping.cells(lost), torch.nan)
    assert torch.allclose(mapping.weight(known, G_MIN, G_MAX)[lost], weight[lost], atol=1e-12)
    for cell in mapping.cells(lost).nonzero().tolist():  # none of them is spare
        without = g.clone()
        without[tuple(cell)] = torch.nan
        assert mapping.weight(without, G_MIN, G_MAX)[lost].isnan().any()


def test_a_ternary_pair_keeps_zeros_low():
    g = TernaryPair().conductances(torch.tensor([[1.0, 0.0, -1.0]]), 0.25, 1.0)
    assert g.tolist() == [[1, 0.25, 0.25, 0.25, 0.25, 1]]


def test_each_sign_of_an_input_meets_a_cell_of_its_own():
    weight, x = torch.tensor([[1.0], [-1.0]]), torch.tensor([0.5, -0.25])
    twin, complementary = TwinCrossbar(), ComplementaryCrossbar()
    assert twin.conductances(weight, 0.0, 1.0).tolist() == [[1, 0.5], [1, 0.5], [0, 0.5], [0, 0.5]]
    assert complementary.conductances(weight, 0.0, 1.0).tolist() == [[1, 0.5], [0, 0.5], [0, 0.5], [1, 0.5]]
    assert twin.row_lines(x).tolist() == [0.5, 0, 0, -0.25]
    assert complementary.row_lines(x).tolist() == [0.5, 0, 0, 0.25]


def test_a_common_shift_of_a_twin_crossbar_cancels_where_inputs_balance():
    weight, x = numbers(6, 3).sign(), torch.tensor([1.0, -1, 1, -1, 1, -1], dtype=torch.float64)
    for mapping, moves in ((TwinCrossbar(), False), (ComplementaryCrossbar(), True)):
        g = mapping.conductances(weight, G_MIN, G_MAX)
        g[:, :-1] += 0.1 * RANGE  # all but the references
        y = mapping.column_signal(mapping.row_lines(x) @ g) / mapping.unit_current(1.0, RANGE)
        assert bool(((y - x @ weight).abs() > 0.1).all()) == moves


def test_references_lie_at_mid_range_and_are_never_pulsed():
    reference = ReferenceColumn(w_max=2.0)
    g = reference.conductances(torch.tensor([[2.0, -2.0], [0.0, 1.0]]), 0.0, 1.0)
    assert g.tolist() == [[1, 0, 0.5], [0.5, 0.75, 0.5], [0.5, 0.5, 0.5]]
    assert reference.counts(Counts(torch.ones(2, 2).int())).pulses.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_a_reference_cell_off_its_place_moves_a_whole_column_or_row():
    reference = ReferenceColumn()
    g = reference.conductances(torch.zeros(2, 3, dtype=torch.float64), 0.0, 1.0)
    g[0, 3] += 0.1  # reference column: seen by a forward read
    g[2, 1] += 0.2  # reference row: seen by a transposed read
    unit, x = reference.unit_current(1.0, 1.0), torch.eye(2, dtype=torch.float64)
    forward = reference.column_signal(reference.row_lines(x) @ g) / unit
    assert torch.allclose(forward, torch.tensor([[-0.2] * 3, [0.0] * 3]).double())
    backward = reference.row_signal(reference.column_lines(torch.eye(3).double()) @ g.mT) / unit
    assert torch.allclose(backward, torch.tensor([[0.0, 0.0], [-0.4, -0.4], [0.0, 0.0]]).double())
    assert torch.allclose(reference.weight(g, 0.0, 1.0), forward)
