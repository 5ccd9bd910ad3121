"""What every correction of wire resistance promises. To add one, add one line to the list."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from memlearn.arrays.wires import ResistiveWires
from memlearn.compensation import (
    MEMBERS,
    AbstractCorrection,
    AdaptedProgramming,
    ArrayGain,
    ColumnGain,
    Cost,
    DoubleSided,
    LineRestore,
    Mapped,
    Pairing,
    Predistortion,
    Tiling,
    output_error,
    start,
)
from memlearn.tile import Array, Crossbar

CASES = [
    AdaptedProgramming(),
    AdaptedProgramming(drive="inputs", headroom=0.4, cut=0.1),
    ArrayGain(),
    ColumnGain(),
    ColumnGain(bits=10, largest=8.0, fit="least_squares"),
    DoubleSided(),
    DoubleSided(lines="drive"),
    LineRestore(),
    LineRestore(fit="sums", bits=8, largest=8.0),
    LineRestore(lines="columns", rounds=1),
    Pairing(),
    Predistortion(),
    Predistortion(headroom=0.3, rounds=3),
    Tiling(rows=8, columns=8),
]
LINES = ResistiveWires(r_word_line=3.0, r_bit_line=5.0, r_source=150.0, r_sense=80.0)
BARE = ResistiveWires(r_word_line=1e-3, r_bit_line=1e-3)


@pytest.fixture(params=CASES, ids=lambda one: f"{one.kind}-{CASES.index(one)}")
def correction(request: pytest.FixtureRequest) -> AbstractCorrection:
    return request.param


def drawn(*shape: int, wires: ResistiveWires = LINES) -> tuple[Mapped, Tensor]:
    """Arrays with a missing row and column, and inputs to test them with."""
    generator = torch.Generator().manual_seed(1)
    target = 5e-6 + 9e-5 * torch.rand(*shape, generator=generator, dtype=torch.float64)
    target[..., -1, :] = 0
    target[..., -1] = 0
    inputs, others = torch.rand(2, 40, shape[-2], generator=generator, dtype=torch.float64)
    return start(target, wires, inputs=inputs, g_min=1e-6, g_max=1e-4), others


def test_every_member_is_in_the_list():
    assert {type(case) for case in CASES} == set(MEMBERS.values())


def test_reads_come_nearer_to_the_target(correction: AbstractCorrection):
    mapped, others = drawn(24, 14)
    before, after = output_error(mapped, others), output_error(correction.correct(mapped), others)
    unchanged = isinstance(correction, Pairing | Tiling)  # their work is done when the array is built
    assert after == before if unchanged else after < 0.9 * before


def test_wires_without_resistance_need_no_correction(correction: AbstractCorrection):
    mapped, others = drawn(9, 6, wires=BARE)
    done = correction.correct(mapped)
    scaled = done.cost.signal if done.cost.shared_gains else 1.0  # a share of the range is given up in any case
    assert torch.allclose(done.conductance, mapped.target * scaled, rtol=1e-3, atol=1e-7 if scaled < 1 else 0)
    coarse = 2e-2 if getattr(correction, "bits", None) else 1e-3
    assert torch.allclose(done.read(others), mapped.ideal(others), rtol=0.02 if scaled < 1 else coarse)


def test_arrays_are_corrected_one_by_one(correction: AbstractCorrection):
    mapped, _ = drawn(2, 1, 9, 7)
    together = correction.correct(mapped)
    for k in range(2):
        alone = correction.correct(mapped._replace(target=mapped.target[k, 0], conductance=mapped.conductance[k, 0],
                                                   row_gain=mapped.row_gain[k, 0],
                                                   column_gain=mapped.column_gain[k, 0]))  # fmt: skip
        assert torch.allclose(together.matrix()[k, 0], alone.matrix(), rtol=1e-6, atol=1e-15)


def test_cells_stay_in_their_range_and_where_they_are(correction: AbstractCorrection):
    mapped, _ = drawn(24, 14)
    found = correction.correct(mapped).conductance
    used = mapped.target > 0
    assert bool((found[~used] == 0).all()) and float(found[used].min()) >= 1e-6 and float(found.max()) <= 1e-4
    assert correction.acts == "mapping" or torch.equal(found, mapped.conductance)


def test_costs_are_counted_and_add_up(correction: AbstractCorrection):
    mapped, _ = drawn(24, 14)
    once = correction.correct(mapped).cost
    assert all(n >= 0 for n in once) and 0 < once.signal <= 1 and str(once)
    before = Cost(drivers=3, signal=0.5)
    added = correction.correct(mapped._replace(cost=before)).cost
    assert added.drivers == once.drivers + 3 and added.signal == pytest.approx(0.5 * once.signal)
    free = isinstance(correction, Pairing | Tiling)  # of tiles that are cut, see tests/unit/test_compensation.py
    assert (once == Cost()) == free


def test_what_is_built_is_built_once(correction: AbstractCorrection):
    array = Array(crossbar=Crossbar(wires=LINES))
    built = correction.built(array)
    assert correction.built(built) == built
    assert (built != array) == (correction.acts == "array")
