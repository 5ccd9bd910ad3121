"""What reaches the cells of a write: against Kirchhoff's equations solved directly, a circuit simulator, theory."""

from __future__ import annotations

import shutil
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn import wires
from memlearn.arrays import spice
from memlearn.arrays.selection import AbstractSelection, Floating, HalfVoltage, OneTransistor, ThirdVoltage
from memlearn.arrays.selectors import AbstractSelector, Sinh, ThresholdSelector
from memlearn.arrays.wires.writing import Drivers, Standing, row_by_row
from memlearn.core.errors import ConvergenceError, DataError, InputError
from memlearn.ops.wires import reference
from memlearn.ops.wires.network import Ends, Network

SCHEMES = [HalfVoltage(), ThirdVoltage(), OneTransistor(), Floating()]
LINES: dict[str, Any] = {"r_word_line": 1.7, "r_bit_line": 3.3, "r_word_driver": 40.0, "r_bit_driver": 90.0}
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


def cells(*shape: int, seed: int = 0) -> Tensor:
    """1 to 100 uS, float64."""
    return torch.tensor(np.random.default_rng(seed).uniform(1e-6, 1e-4, shape))


def lines(steps: int, count: int, *, some: float, seed: int) -> Tensor:
    """Selected lines, at least one in each step."""
    drawn = torch.tensor(np.random.default_rng(seed).random((steps, count)))
    return (drawn < some) | (drawn == drawn.min(-1, keepdim=True).values)


def circuit(
    scheme: AbstractSelection, g: Tensor, rows: Tensor, columns: Tensor, settings: dict[str, Any]
) -> tuple[np.ndarray, Network, Ends]:
    """One step (rows,), (columns,) as a circuit, written down a second time."""
    network = Drivers(**settings).network(*g.shape)
    given = scheme.lines(rows, columns)
    word, bit = given.word.numpy(), given.bit.numpy()
    network = network._replace(
        left=np.where(np.isnan(word), np.inf, network.left), bottom=np.where(np.isnan(bit), np.inf, network.bottom),
        right=np.where(np.isnan(word), np.inf, network.right), top=np.where(np.isnan(bit), np.inf, network.top),
    )  # fmt: skip
    live = (g * rows[:, None] if scheme.gated else g).numpy()
    w, b = np.nan_to_num(word), np.nan_to_num(bit)
    return live, network, Ends(w, w, b, b)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.kind)
class TestAgainstDirect:
    @pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (9, 14), (20, 11)], ids=str)
    @pytest.mark.parametrize("sides", ["none", "both"])
    def test_every_cell(self, scheme: AbstractSelection, size: tuple[int, int], sides: Any):
        if isinstance(scheme, Floating) and sides == "both":
            sides = "drive"
        settings: dict[str, Any] = {**LINES, "double_sided": sides}
        g = cells(*size)
        for some in (0.0, 0.4):
            rows, columns = lines(3, size[0], some=some, seed=1), lines(3, size[1], some=some, seed=2)
            found = wires.write_voltages(g, rows, columns, scheme=scheme, tolerance=1e-10, **settings)
            for k in range(3):
                live, network, ends = circuit(scheme, g, rows[k], columns[k], settings)
                exact = reference.solve(live, network, Ends(*(v[None] for v in ends)))
                seen = (exact.word - exact.bit)[0]
                if scheme.gated:
                    seen = seen * rows[k].numpy()[:, None]
                assert np.abs(found[k].numpy() - seen).max() < 1e-8

    def test_no_resistance_is_the_nominal_voltage(self, scheme: AbstractSelection):
        g = torch.full((7, 5), 2e-5, dtype=torch.float64)  # equal cells, of which floating lines come to theirs
        rows, columns = lines(4, 7, some=0.3, seed=3), lines(4, 5, some=0.3, seed=4)
        found = wires.write_voltages(g, rows, columns, 1.7, scheme=scheme, r_word_line=0.0, r_bit_line=0.0)
        assert torch.allclose(found, 1.7 * scheme.nominal(rows, columns), atol=1e-9)

    def test_per_line_values_batches_and_polarity(self, scheme: AbstractSelection):
        g, draw = cells(2, 6, 8), np.random.default_rng(6)
        settings: dict[str, Any] = {
            "r_word_line": torch.tensor(draw.uniform(1, 5, 6)), "r_bit_line": torch.tensor(draw.uniform(1, 5, 8)),
            "r_word_driver": torch.tensor(draw.uniform(0, 90, 6)), "r_bit_driver": torch.tensor(draw.uniform(0, 90, 8)),
        }  # fmt: skip
        rows, columns = lines(3, 6, some=0.3, seed=7), lines(3, 8, some=0.3, seed=8)
        whole = wires.write_voltages(g, rows, columns, torch.tensor([2.0, -1.5, 1.0]), scheme=scheme, **settings)
        assert whole.shape == (2, 3, 6, 8)
        one = wires.write_voltages(g[1], rows[1:2], columns[1:2], scheme=scheme, **settings)
        assert torch.allclose(whole[1, 1], -1.5 * one[0], atol=1e-8)


@needs_ngspice
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.kind)
@pytest.mark.parametrize("selector", [None, Sinh(a=2.0), ThresholdSelector()], ids=lambda s: s.kind if s else "ohmic")
def test_cell_voltages_are_those_of_ngspice(scheme: AbstractSelection, selector: AbstractSelector | None):
    size = (7, 10)
    g, rows, columns = cells(*size), lines(2, 7, some=0.2, seed=11), lines(2, 10, some=0.3, seed=12)
    found = wires.write_voltages(g, rows, columns, 1.2, scheme=scheme, selector=selector, tolerance=1e-10, **LINES)
    for k in range(2):
        live, network, ends = circuit(scheme, g, rows[k], columns[k], LINES)
        text = spice.netlist(live, network, Ends(*(1.2 * v for v in ends)), selector=selector)
        theirs = spice.cell_voltages(text, *size) * (rows[k].numpy()[:, None] if scheme.gated else 1)
        assert np.abs(found[k].numpy() - theirs).max() < 1e-6 * 1.2


def one_cell(size: int, row: int, column: int) -> tuple[Tensor, Tensor]:
    """Masks of one step that selects one cell."""
    return (torch.arange(size) == row)[None], (torch.arange(size) == column)[None]


@pytest.mark.parametrize(
    ("low", "high", "r", "scheme", "near", "far"),
    [
        (1e-6, 1e-4, 1.0, HalfVoltage(), 0.78, 0.68),
        (1e-4, 1e-4, 1.0, HalfVoltage(), 0.64, 0.53),
        (1e-5, 1e-5, 1.0, HalfVoltage(), 0.94, 0.92),
        (1e-6, 1e-4, 1.0, ThirdVoltage(), 0.82, 0.74),
        (1e-4, 1e-4, 10.0, HalfVoltage(), 0.76, 0.20),
        (1e-5, 1e-5, 10.0, HalfVoltage(), 0.95, 0.78),
    ],
)
def test_the_table_of_the_reference(
    low: float, high: float, r: float, scheme: AbstractSelection, near: float, far: float
):
    """64 x 64 cells, 100 ohm from driver to first node: parasitics, section 11, to its two digits."""
    g = torch.tensor(np.random.default_rng(0).uniform(low, high, (64, 64)))
    settings: dict[str, Any] = {"r_word_line": r, "r_bit_line": r, "r_word_driver": 100 - r, "r_bit_driver": 100 - r}
    for (row, column), wanted in (((63, 0), near), ((0, 63), far)):
        found = wires.write_voltages(g, *one_cell(64, row, column), scheme=scheme, **settings)
        assert float(found[0, row, column]) == pytest.approx(wanted, abs=0.006)


class TestCheckerboard:
    """A checkerboard written row by row into a passive array: what arrives depends on place and on what is there."""

    SETTINGS: ClassVar[dict[str, Any]] = {
        "r_word_line": 1.0,
        "r_bit_line": 1.0,
        "r_word_driver": 99.0,
        "r_bit_driver": 99.0,
    }
    ON, OFF = 1e-4, 1e-6

    def board(self, written: int) -> Tensor:
        """Rows below `written` (from 0) hold the pattern, the others are off."""
        i, j = torch.arange(64)[:, None], torch.arange(64)
        return torch.where(((i + j) % 2 == 0) & (i < written), self.ON, self.OFF).double()

    def test_rows_get_less_as_the_array_fills(self):
        """The same row, at the same place, with 0, 20, 40, 60 rows written before: each steals from it."""
        on, row, mean = (61 + torch.arange(64)) % 2 == 0, (torch.arange(64) == 61)[None], []
        for written in (0, 20, 40, 60):
            mean.append(
                float(wires.write_voltages(self.board(written), row, on[None], **self.SETTINGS)[0, 61, on].mean())
            )
        assert all(b < a for a, b in pairwise(mean))
        assert mean[0] > 0.98 and mean[-1] < 0.92

    @pytest.mark.parametrize("written", [10, 30, 60])
    def test_a_cell_loses_what_the_cells_on_its_bit_line_draw(self, written: int):
        """Theory, first order: V/2 currents of the on cells on the bit line, times the ohms that they share with it."""
        found = wires.write_voltages(self.board(written), *one_cell(64, 61, 1), **self.SETTINGS)[0, 61, 1]
        cells = self.board(written)[:, 1].clone()
        shared = 100.0 + (63 - torch.arange(64).clamp_min(61))
        drop = float((0.5 * cells * shared).sum())
        along = 0.5 * self.OFF * (101.0 + 62 * 101.0)  # the word line's, all of it off
        # Of a bit line that has fallen by d, its cells see V/2 - d.
        assert 1 - float(found) == pytest.approx(drop / (1 + 2 * drop) + along, rel=0.07)

    def test_the_other_colour_is_not_disturbed_by_it(self):
        """Columns of the other colour hold on cells in even rows only, and lose as much to those."""
        board = self.board(60)
        one, two = (
            1 - float(wires.write_voltages(board, *one_cell(64, 61, column), **self.SETTINGS)[0, 61, column])
            for column in (1, 2)
        )
        assert one == pytest.approx(two, rel=0.05)

    @needs_ngspice
    def test_one_pattern_in_the_simulator(self):
        """A quarter of the board, half written: the whole takes ngspice a minute."""
        board, picked = self.board(16)[:32, :32], torch.arange(32) == 17
        on = (17 + torch.arange(32)) % 2 == 0
        found = wires.write_voltages(board, picked[None], on[None], tolerance=1e-10, **self.SETTINGS)[0]
        live, network, ends = circuit(HalfVoltage(), board, picked, on, self.SETTINGS)
        theirs = spice.cell_voltages(spice.netlist(live, network, ends), 32, 32)
        assert np.abs(found.numpy() - theirs).max() < 1e-6


def test_a_simulator_that_prints_less_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spice, "_output", lambda *_: "v(w_0_0)-v(b_0_0) = 1.0e-01\n")
    with pytest.raises(DataError, match="printed 1 of 4 voltages"):
        spice.cell_voltages(".control\nop\n.endc\n.end\n", 2, 2)


@pytest.mark.parametrize("scheme", [HalfVoltage(), ThirdVoltage()], ids=lambda s: s.kind)
@pytest.mark.parametrize(("r_on", "worst", "beside"), [(1e4, 7e-3, 4e-2), (1e5, 6e-4, 1.2e-2), (1e6, 1e-5, 2e-3)])
def test_the_mean_of_steps_stands_for_each(scheme: AbstractSelection, r_on: float, worst: float, beside: float):
    """Its error, as docs/wires.md states it: largest of the selected line's cells, and of all others."""
    g = cells(2, 64, 60) * (1e4 / r_on)
    settings: dict[str, Any] = {"r_word_line": 1.0, "r_bit_line": 1.0, "r_word_driver": 100.0, "r_bit_driver": 100.0}
    columns = torch.tensor(np.random.default_rng(1).random((2 * 64, 60)) < 0.1)
    array, place = torch.arange(128) // 64, torch.arange(128) % 64
    found = row_by_row(Standing(g, Drivers(**settings).network(64, 60)), array, place, columns, scheme, 1e-6)
    rows = torch.nn.functional.one_hot(place, 64).bool()
    exact = torch.cat(
        [wires.write_voltages(g[k], rows[array == k], columns[array == k], scheme=scheme, **settings) for k in (0, 1)]
    )
    own = exact[torch.arange(128), place]
    assert float((own - found.row).abs().max()) < worst
    others = torch.where(columns[:, None], found.others[0][array], found.others[1][array])
    assert float((exact - others).abs().masked_fill(rows[:, :, None], 0).max()) < beside


def test_a_single_step_on_average_is_exact_on_its_row():
    """One step is its own mean, but for its selected row's own load."""
    g, columns = cells(1, 12, 9), lines(1, 9, some=0.3, seed=5)
    network = Drivers(1.0, 2.0, 50.0, 50.0).network(12, 9)
    settings: dict[str, Any] = {"r_word_line": 1.0, "r_bit_line": 2.0, "r_word_driver": 50.0, "r_bit_driver": 50.0}
    found = row_by_row(Standing(g, network), torch.zeros(1).long(), torch.tensor([4]), columns, HalfVoltage(), 1e-9)
    exact = wires.write_voltages(g[0], (torch.arange(12) == 4)[None], columns, **settings)
    assert torch.allclose(found.row[0].double(), exact[0, 4], atol=5e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conductances": torch.ones(3)}, "rows, columns"),
        ({"conductances": -torch.ones(3, 2)}, "must be >= 0 S"),
        ({"rows": torch.ones(1, 3)}, "bool"),
        ({"columns": torch.ones(1, 3, dtype=torch.bool)}, "steps, 2"),
        ({"voltage": float("nan")}, "must be finite"),
        ({"tolerance": 1.0}, "between 0 and 1"),
        ({"r_word_driver": -1.0}, "must be finite and >= 0 ohm"),
        ({"selector": Sinh(), "r_word_line": 0.0}, "need lines with a resistance"),
    ],
)
def test_wrong_input_is_named(change: dict[str, Any], said: str):
    given: dict[str, Any] = {"conductances": torch.full((3, 2), 1e-5), "rows": torch.ones(1, 3, dtype=torch.bool)}
    given |= {"columns": torch.ones(1, 2, dtype=torch.bool), **change}
    with pytest.raises(InputError, match=said):
        wires.write_voltages(given.pop("conductances"), given.pop("rows"), given.pop("columns"), **given)


def test_lines_that_nothing_drives_and_nothing_reaches():
    g = torch.full((4, 4), 1e-5, dtype=torch.float64)
    g[1, :], g[:, 2] = 0, 0
    g[1, 2] = 1e-5  # two floating lines that know only each other: no current, no voltage between them
    step = one_cell(4, 0, 0)
    assert abs(float(wires.write_voltages(g, *step, scheme=Floating(), **LINES)[0, 1, 2])) < 1e-9
    with pytest.raises(ConvergenceError, match="way to a terminal"):
        wires.write_voltages(g, *step, scheme=Floating(), r_word_line=0.0, r_bit_line=0.0)


def test_cells_that_do_not_settle_are_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("memlearn.ops.wires.newton._STEPS", 1)
    with pytest.raises(ConvergenceError, match="Lower the pulse"):
        wires.write_voltages(cells(4, 4), *one_cell(4, 1, 1), 3.0, selector=Sinh(a=30.0), **LINES)
