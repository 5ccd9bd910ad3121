"""What holds of every chip: a simulator, a folder that somebody fills, a process. To add one: a line in CHIPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from memlearn.chip import Chip, FolderChip, ProcessChip, SimulatedChip
from memlearn.core.errors import InputError
from memlearn.tile import Array
from tests.chips import COLUMNS, ROWS, command, watching


@contextmanager
def simulated(_: Path) -> Iterator[Chip]:
    yield SimulatedChip(ROWS, COLUMNS, array=Array(), backend="reference")


@contextmanager
def folder(place: Path, form: str) -> Iterator[Chip]:
    with watching(place / "exchange", place / "cells.npz"):
        yield FolderChip(place / "exchange", form=form, timeout=30, poll=0.001)  # type: ignore[arg-type]


@contextmanager
def process(place: Path) -> Iterator[Chip]:
    with ProcessChip(command(place), place / "exchange", timeout=30) as chip:
        yield chip


CHIPS: dict[str, Callable[[Path], AbstractContextManager[Chip]]] = {
    "simulated": simulated,
    "folder, csv": lambda place: folder(place, "csv"),
    "folder, npz": lambda place: folder(place, "npz"),
    "process": process,
}
EVERY = np.ones((ROWS, COLUMNS), bool)


@pytest.fixture(params=CHIPS)
def chip(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chip]:
    with CHIPS[request.param](tmp_path) as opened:
        yield opened


def drawn(*shape: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=1)).uniform(-0.2, 0.2, shape)


def spread(chip: Chip) -> np.ndarray:
    """Targets over the whole range, all different, and not in order."""
    return chip.g_min + (chip.g_max - chip.g_min) * (np.arange(48) * 7 % 48 / 47).reshape(ROWS, COLUMNS)


def test_it_says_what_it_is(chip: Chip):
    assert (chip.rows, chip.columns) == (ROWS, COLUMNS)
    assert (chip.g_min, chip.g_max) == (2e-6, 20e-6)
    assert chip.name and chip.position == 0


def test_programming_reaches_targets_and_counts(chip: Chip):
    span, cells = chip.g_max - chip.g_min, EVERY.copy()
    cells[2], cells[:, 3] = False, False
    before, targets = chip.conductances(EVERY), spread(chip)
    done = chip.program(cells, np.where(cells, targets, np.nan), tolerance=0.02 * span, max_pulses=500)
    assert not done.failed[cells].any()
    np.testing.assert_array_less(np.abs(done.conductances - targets)[cells], 0.02 * span)
    after = chip.conductances(EVERY)
    np.testing.assert_allclose(after[cells], done.conductances[cells], rtol=1e-6)
    np.testing.assert_array_equal(after[~cells], before[~cells])
    moved = cells & (np.abs(targets - before) > 0.02 * span)
    assert (done.pulses[moved] > 0).all() and not done.pulses[~cells].any()
    np.testing.assert_array_equal(done.reads[cells], done.pulses[cells] + 1)


def test_reads_are_products_with_the_cells(chip: Chip):
    chip.program(EVERY, spread(chip), tolerance=4e-7, max_pulses=500)
    cells = chip.conductances(EVERY)
    assert len(np.unique(cells)) > 20
    x, y = drawn(5, ROWS), drawn(5, COLUMNS)
    np.testing.assert_allclose(chip.read(x), x @ cells, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(chip.read_transposed(y), y @ cells.T, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(chip.read(0 * x), 0)


def test_a_cell_that_cannot_reach_its_target_is_given_up(chip: Chip):
    cells = np.zeros_like(EVERY)
    cells[1, 2] = cells[3, 4] = True
    targets = np.full(EVERY.shape, chip.g_max)
    targets[3, 4] = chip.conductances(EVERY)[3, 4]
    done = chip.program(cells, targets, tolerance=1e-7, max_pulses=3)
    assert done.failed[1, 2] and done.pulses[1, 2] == 3
    assert not done.failed[3, 4] and done.pulses[3, 4] == 0


def test_pulses_move_the_cells_that_they_name(chip: Chip):
    counts = np.zeros(EVERY.shape, int)
    counts[0, 0], counts[5, 7], counts[2, 3] = 4, 2, -3
    before = chip.conductances(EVERY)
    chip.pulse(counts)
    moved = chip.conductances(EVERY) - before
    assert moved[0, 0] > 1.5 * moved[5, 7] > 0 > moved[2, 3]
    assert not moved[counts == 0].any()


def test_single_reads_say_nothing_of_other_cells(chip: Chip):
    cells = np.zeros_like(EVERY)
    cells[4, 1] = True
    seen = chip.conductances(cells)
    assert seen.shape == EVERY.shape and np.isfinite(seen[4, 1])
    assert seen[4, 1] == chip.conductances(EVERY)[4, 1]


NAN = np.full((2, ROWS), np.nan)
WRONG: dict[str, tuple[Callable[[Chip], object], str]] = {
    "lines": (lambda chip: chip.read(np.zeros((2, ROWS + 1))), r"voltages .* must have \(samples, rows\) = \(2, 6\)"),
    "one sample without its axis": (lambda chip: chip.read(np.zeros(ROWS)), r"voltages .* must have"),
    "the other side": (lambda chip: chip.read_transposed(np.zeros((1, ROWS))), r"\(samples, columns\) = \(1, 8\)"),
    "NaN volts": (lambda chip: chip.read(NAN), "voltages .* NaN or infinity"),
    "words": (lambda chip: chip.read(np.full((1, ROWS), "a")), "voltages .* must hold numbers"),
    "cells": (lambda chip: chip.conductances(EVERY.T), r"cells .* must have \(rows, columns\) = \(6, 8\)"),
    "no mask": (lambda chip: chip.conductances(2.0 * EVERY), "cells .* 0 and 1 only"),
    "half a pulse": (lambda chip: chip.pulse(0.5 * EVERY), "counts .* whole numbers"),
    "NaN target": (
        lambda chip: chip.program(EVERY, np.full(EVERY.shape, np.nan), tolerance=1e-7, max_pulses=9),
        "targets .* NaN or infinity",
    ),
    "no window": (lambda chip: brought(chip, 0.0, 9), "tolerance = 0.0: .*above zero"),
    "no pulse": (lambda chip: brought(chip, 1e-7, 0), "max_pulses = 0: .*above zero"),
}


def brought(chip: Chip, tolerance: float, max_pulses: int) -> object:
    return chip.program(EVERY, EVERY * 1e-5, tolerance=tolerance, max_pulses=max_pulses)


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("kind", ["simulated", "folder, npz"])
def test_what_is_wrong_is_refused_before_anything_happens(kind: str, case: str, tmp_path: Path):
    wrong, text = WRONG[case]
    with CHIPS[kind](tmp_path) as chip:
        with pytest.raises(InputError, match=text):
            wrong(chip)
        assert chip.position == 0 and not list(tmp_path.rglob("*.request.*"))
