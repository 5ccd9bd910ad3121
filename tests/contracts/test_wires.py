"""What every kind of wires, and every selector, promises. To add one, add one line to its list."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn.arrays.selectors import MEMBERS as SELECTORS
from memlearn.arrays.selectors import AbstractSelector, CurrentTable, Ohmic, Sinh, ThresholdSelector
from memlearn.arrays.wires import MEMBERS as WIRES
from memlearn.arrays.wires import AbstractWires, IdealWires, Matrices, ResistiveWires

CASES = [
    IdealWires(),
    ResistiveWires(),
    ResistiveWires(r_word_line=0.0, r_bit_line=3.0),
    ResistiveWires(r_source=200.0, r_sense=40.0, double_sided="both"),
    ResistiveWires(reads="forward", solver="hybrid"),
    ResistiveWires(reads="none", writes="exact"),
]
LAWS = [Ohmic(), Ohmic(r_access=2e4), Sinh(), ThresholdSelector(), CurrentTable()]
SIZES = [(1, 1), (1, 5), (6, 1), (4, 9)]


def cells(*shape: int) -> Tensor:
    return torch.tensor(np.random.default_rng(0).uniform(1e-6, 1e-4, shape))


@pytest.fixture(params=CASES, ids=lambda wires: f"{wires.kind}-{CASES.index(wires)}")
def wires(request: pytest.FixtureRequest) -> AbstractWires:
    return request.param


@pytest.fixture(params=LAWS, ids=lambda law: f"{law.kind}-{LAWS.index(law)}")
def law(request: pytest.FixtureRequest) -> AbstractSelector:
    return request.param


def test_every_member_is_in_the_lists():
    assert {type(case) for case in CASES} == set(WIRES.values())
    assert {type(case) for case in LAWS} == set(SELECTORS.values())


class TestWires:
    def test_both_directions_at_once_are_each_of_them(self, wires: AbstractWires):
        for g in (cells(2, 4, 9), cells(70, 70)):
            for heat in (False, True):
                for transposed, found in enumerate(wires.sights(g, (False, True), heat=heat)):
                    assert torch.equal(found.matrix, wires.transfer(g, transposed=bool(transposed)))

    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_currents_are_products_with_the_transfer_matrix(self, wires: AbstractWires, size: tuple[int, int]):
        g, v = cells(2, 3, *size), torch.rand(2, 1, 5, size[0], dtype=torch.float64)
        assert torch.allclose(wires.currents(g, v), v @ wires.transfer(g), rtol=1e-12)
        e = torch.rand(1, 3, 5, size[1], dtype=torch.float64)
        back = wires.currents_transposed(g, e)
        assert torch.allclose(back, e @ wires.transfer(g, transposed=True).mT, rtol=1e-12)
        assert wires.currents(g, v).shape == (2, 3, 5, size[1]) and back.shape == (2, 3, 5, size[0])

    def test_no_line_gives_more_than_its_cells_would(self, wires: AbstractWires):
        g = cells(4, 9)
        for transposed in (False, True):
            found = wires.transfer(g, transposed=transposed)
            assert bool((found >= 0).all()) and bool((found.sum(0) <= g.sum(0) * (1 + 1e-12)).all())

    def test_type_and_arrays_stay(self, wires: AbstractWires):
        g = cells(2, 4, 3).float()
        found = wires.transfer(g)
        assert found.dtype == torch.float32 and torch.equal(found[1], wires.transfer(g[1]))

    def test_what_is_remembered_is_what_would_be_solved(self, wires: AbstractWires):
        g, kept = cells(3, 4, 5), Matrices(wires)
        for change in (None, 1, None, 2):
            if change is not None:
                g[change, 2, 3] *= 1.5
            for transposed in (False, True):
                assert torch.equal(kept(g, transposed), wires.transfer(g, transposed=transposed))
        assert torch.equal(kept(g[:2], False), wires.transfer(g[:2]))

    def test_remembered_power_is_what_the_sources_deliver(self, wires: AbstractWires):
        g, kept = cells(3, 4, 5), Matrices(wires)
        for change in (None, 1, None):
            if change is not None:
                g[change, 2, 3] *= 1.5
            for transposed, lines in enumerate((4, 5)):
                volts = torch.rand(3, 6, lines, dtype=torch.float64)
                assert torch.equal(kept.power(g, volts, bool(transposed)),
                                   wires.power(g, volts, transposed=bool(transposed)))  # fmt: skip


class TestStaleReads:
    def test_an_array_is_solved_at_every_so_many_changes(self):
        exact, g = ResistiveWires(), cells(2, 6, 5)
        kept, first = Matrices(ResistiveWires(refresh_every=3), g), exact.transfer(g)
        assert torch.equal(kept(g, False), first) and kept.staleness() == (0, 0.0, 0.0)
        for change in (1, 2, 3):
            g = g.clone()
            g[1, 2, 3] *= 1.5
            both = kept(g, False), kept(g, False)  # a second look at the same cells is no change
            fresh = exact.transfer(g)
            assert torch.equal(both[0], both[1])
            assert torch.equal(both[0][0], first[0]) and torch.equal(both[0][1], (fresh if change == 3 else first)[1])
        error = float((first[1] - fresh[1]).norm() / fresh[1].norm())
        assert kept.staleness() == (1, pytest.approx(error), pytest.approx(error)) and error > 0.01

    def test_what_is_stale_is_saved_with_the_cells(self):
        wires, g = ResistiveWires(r_source=50.0, refresh_every=4), cells(2, 6, 5)
        one = Matrices(wires, g)
        one(g, False), one(g, True)
        changed = g * 1.1
        stale = one(changed, True)
        other = Matrices(wires, g)
        other.load_state_dict(one.state_dict())
        assert torch.equal(other(changed, True), stale)
        for _ in range(3):
            changed = changed * 1.1
            for transposed in (False, True):
                assert torch.equal(one(changed, transposed), other(changed, transposed))
        assert one.staleness() == other.staleness() and one.staleness().solutions == 4

    def test_exact_wires_keep_nothing_in_the_state(self):
        kept = Matrices(ResistiveWires(), cells(2, 3))
        kept(cells(2, 3), False)
        assert not kept.state_dict() and kept.staleness() is None


class TestSelectors:
    def test_current_is_odd_and_rises(self, law: AbstractSelector):
        v = np.linspace(-1.3, 1.3, 53)
        current = law.current(np.full(53, 2e-5), v)
        assert np.allclose(current, -current[::-1], rtol=1e-12, atol=1e-20) and (np.diff(current) > 0).all()

    def test_slope_is_the_derivative(self, law: AbstractSelector):
        g, v = np.full(40, 3e-5), np.linspace(-1.2, 1.21, 40)
        numeric = (law.current(g, v + 1e-6) - law.current(g, v - 1e-6)) / 2e-6
        assert np.allclose(law.slope(g, v), numeric, rtol=1e-5, atol=1e-12)

    def test_current_is_proportional_to_the_conductance_where_it_bends(self, law: AbstractSelector):
        if law.linear:
            assert np.allclose(
                law.current(np.array(3e-5), np.array(0.7)), law.slope(np.array(3e-5), np.array(0.0)) * 0.7
            )
        else:
            one, three = (law.current(np.array(g), np.array(0.7)) for g in (1e-5, 3e-5))
            assert three == pytest.approx(3 * one, rel=1e-12)

    def test_a_whole_pulse_is_a_whole_and_half_of_it_at_most_half(self, law: AbstractSelector):
        pulse = 1.0
        found = law.share(np.array([-1.0, 0.0, 0.5, 1.0]), pulse)
        assert found[1] == 0 and found[3] == 1 and found[0] == -1 and 0 <= found[2] <= 0.5
