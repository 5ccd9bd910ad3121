"""Corrections of wire resistance, against closed forms, other solvers and reads of tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import memlearn
from memlearn.arrays.gains import LineGains
from memlearn.arrays.mapping import DifferentialPair, OneSidedPair, ReferenceColumn
from memlearn.arrays.wires import IdealWires, ResistiveWires, solve
from memlearn.compensation import (
    AdaptedProgramming,
    ArrayGain,
    ColumnGain,
    Cost,
    DoubleSided,
    LineRestore,
    Mapped,
    Pairing,
    Predistortion,
    SeenThroughWires,
    Tiling,
    built,
    correct,
    correct_model,
    effective_weight,
    output_error,
    source_voltage_error,
    start,
    total,
)
from memlearn.compensation.fitted import stored
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.devices import Backend, ConstantStep
from memlearn.learning.fused.base import plain_tile
from memlearn.periphery import ADC, DAC
from memlearn.programming.schemes import WriteVerify
from memlearn.tile import Array, Crossbar, Periphery, Port, Tile

LINES = ResistiveWires(r_word_line=3.0, r_bit_line=5.0, r_source=150.0, r_sense=80.0)
PORT = Port(drive=DAC(bits=None, scaling="max"), sense=ADC(bits=None, output_range=1e6))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mapped(rows: int, columns: int, wires: ResistiveWires | IdealWires = LINES, g_min: float = 0.0) -> Mapped:
    target = 2e-6 + 9e-5 * random(rows, columns)
    return start(target, wires, inputs=random(30, rows, seed=1), g_min=g_min, g_max=1e-4)


def array(wires: ResistiveWires | IdealWires = LINES, mapping=None, **settings) -> Array:
    crossbar = Crossbar(wires=wires, mapping=mapping or DifferentialPair(), **settings)
    return Array(device=ConstantStep(g_min=1e-6, g_max=1e-4), crossbar=crossbar, periphery=Periphery(forward=PORT))


def tile(made: Array, inputs: int = 20, outputs: int = 6, backend: Backend = "cpu") -> Tile:
    it = Tile(inputs, outputs, array=made, stream=Stream.root(2), dtype=torch.float64, backend=backend)
    it.initialise(2 * random(inputs, outputs, seed=3) - 1)
    return it


class TestClosedForms:
    def test_one_cell_gets_its_series_resistance_subtracted(self):
        """R' = R/s - (driver + segment + segment + sense), by either way."""
        series = 150.0 + 3.0 + 5.0 + 80.0
        target = torch.tensor([[9e-5]], dtype=torch.float64)
        given = start(target, LINES, inputs=torch.ones(3, 1, dtype=torch.float64), g_min=0.0, g_max=1e-4)
        for one in (AdaptedProgramming(headroom=0.5, rounds=40), Predistortion(headroom=0.5, rounds=40)):
            found = one.correct(given)
            assert 1 / float(found.conductance) == pytest.approx(2 / 9e-5 - series, rel=1e-9)
            assert float(found.matrix()) == pytest.approx(9e-5, rel=1e-9)

    @pytest.mark.parametrize(("which", "lines"), [("r_source", "rows"), ("r_sense", "columns")])
    def test_gains_from_sums_are_exact_where_only_one_side_has_a_resistance(self, which: str, lines: str):
        given = mapped(12, 7, ResistiveWires(r_word_line=0.0, r_bit_line=0.0, **{which: 400.0}))
        found = LineRestore(fit="sums", lines=lines).correct(given)
        voltage = random(5, 12, seed=4)
        assert output_error(given, voltage) > 0.1
        assert torch.allclose(found.read(voltage), given.ideal(voltage), rtol=1e-8)

    def test_adapted_cells_carry_the_wanted_currents(self):
        """Against the sparse direct solver, with all word lines driven alike."""
        found = AdaptedProgramming(rounds=60).correct(mapped(10, 6))
        voltage = found.inputs.mean() * torch.ones(1, 10, dtype=torch.float64)
        lines = LINES.model_dump(include={"r_word_line", "r_bit_line", "r_source", "r_sense"})
        _, word, bit = solve(found.conductance, voltage, **lines, solver="sparse", return_node_voltages=True)
        carried = (found.conductance * (word - bit))[0]
        scale = found.cost.signal
        assert torch.allclose(carried, scale * found.target * voltage.T, rtol=1e-6)
        assert 0.3 < scale < 1

    def test_predistortion_brings_the_matrix_to_the_target(self):
        given = mapped(16, 9)
        found = Predistortion(rounds=60).correct(given)
        wrong = (found.matrix() / given.target - 1).abs()
        assert float(wrong.max()) < 0.02 < float((given.matrix() / given.target - 1).abs().max())

    def test_fitted_gains_are_least_squares(self):
        given = mapped(12, 7)
        found = ColumnGain(fit="least_squares").correct(given)
        read, ideal = given.read(given.inputs).numpy(), given.ideal(given.inputs).numpy()
        for j in range(7):
            best = np.linalg.lstsq(read[:, j : j + 1], ideal[:, j], rcond=None)[0][0]
            assert float(found.column_gain[j]) == pytest.approx(best, rel=1e-9)
        even = ColumnGain().correct(given)
        assert torch.allclose(even.read(given.inputs).mean(0), given.ideal(given.inputs).mean(0), rtol=1e-9)
        assert output_error(even, given.inputs) > output_error(found, given.inputs)
        whole = np.linalg.lstsq(read.reshape(-1, 1), ideal.reshape(-1), rcond=None)[0][0]
        assert torch.allclose(ArrayGain().correct(given).column_gain, torch.full((7,), whole, dtype=torch.float64))

    def test_gains_for_differences_are_least_squares_of_what_is_sensed(self):
        """Against NumPy on the differences of pairs: both lines' currents side by side, one unknown gain each."""
        given = mapped(12, 6)
        pairs = torch.kron(torch.eye(3), torch.tensor([[1.0], [-1.0]])).double()
        found = ColumnGain(fit="differences").correct(given._replace(signal=pairs))
        read, ideal = given.read(given.inputs).numpy(), given.ideal(given.inputs).numpy()
        for j in range(3):
            plus, minus = 2 * j, 2 * j + 1
            sides = np.stack([read[:, plus], -read[:, minus]], 1)
            best = np.linalg.lstsq(sides, ideal[:, plus] - ideal[:, minus], rcond=None)[0]
            assert found.column_gain[plus : minus + 1].tolist() == pytest.approx(best.tolist(), rel=1e-3)
        apart = [((one.read(given.inputs) - given.ideal(given.inputs)) @ pairs).norm() for one in (given, found)]
        assert float(apart[1]) < 0.05 * float(apart[0])
        alone, each = (ColumnGain(fit=fit).correct(given).column_gain for fit in ("differences", "least_squares"))
        assert torch.equal(alone, each)

    def test_source_voltage_error_of_a_divider(self):
        given = mapped(1, 1, ResistiveWires(r_word_line=0.0, r_bit_line=0.0, r_source=1000.0))
        share = 1000.0 * float(given.target) / (1 + 1000.0 * float(given.target))
        assert source_voltage_error(given, given.inputs) == pytest.approx(share, rel=1e-6)
        assert source_voltage_error(mapped(3, 3, IdealWires()), random(4, 3)) == 0

    def test_lines_that_no_input_drives_get_the_mean_gain(self):
        given = mapped(6, 4)
        given.inputs[:, 2] = 0
        gain = LineRestore(lines="rows").correct(given).row_gain
        assert 1.01 < float(gain.min()) and float(gain[2]) == pytest.approx(
            float(gain[[0, 1, 3, 4, 5]].mean()), rel=0.01
        )
        given.target[:, 1] = 0
        assert float(ColumnGain().correct(given).column_gain[1]) == 1

    def test_registers_have_steps_and_an_end(self):
        gain = torch.tensor([0.0, 0.49, 1.0, 1.26, 9.0])
        assert stored(gain, None, 4.0).tolist() == pytest.approx([0.0, 0.49, 1.0, 1.26, 4.0])
        found = stored(gain, 3, 3.5)  # steps of one half
        assert found.tolist() == [0.0, 0.5, 1.0, 1.5, 3.5]


class TestTiles:
    @pytest.mark.parametrize("mapping", [DifferentialPair(), OneSidedPair(refresh_every=0), ReferenceColumn()])
    @pytest.mark.parametrize("size", [64, 8])
    def test_the_effective_weight_is_what_reads_multiply_with(self, mapping, size: int):
        it = tile(array(mapping=mapping, rows=size, columns=size))
        correct(it, (LineRestore(fit="differences"),), random(30, 20, seed=5))
        correct(it, (LineRestore(),), random(30, 20, seed=5))
        assert it.gains is not None
        used = it.used().any(-1)
        assert float(it.gains.row[used].min()) > 1 and bool((it.gains.row[~used] == 1).all())
        assert torch.allclose(it.read(torch.eye(20, dtype=torch.float64)), effective_weight(it), rtol=1e-8, atol=1e-12)

    def test_reads_come_back_and_are_counted(self):
        it, x = tile(array()), random(30, 20, seed=5)
        ideal, e = x @ it.weight(), random(4, 6)
        before, back = (it.read(x) - ideal).norm(), it.read_transposed(e)
        done = correct(it, (LineRestore(),), x)
        assert float((it.read(x) - ideal).norm()) < 0.1 * float(before)
        assert torch.equal(it.read_transposed(e), back)  # correction circuits are those of the forward read
        it.ledger = Ledger()
        it.read(x)
        assert it.ledger.total(Event.LINE_GAIN, during=Pass.FORWARD) == 30 * (20 + 12)
        assert done.cost.row_gains == 20 and done.cost.column_gains == 12
        it.read_transposed(e)
        assert it.ledger.total(Event.LINE_GAIN, during=Pass.BACKWARD) == 0

    def test_the_reference_backend_has_the_gains_too(self):
        it, x = tile(array()), random(3, 20, seed=5)
        correct(it, (ColumnGain(),), x)
        noisy = Array(**{**dict(it.array), "device": it.array.device.replace(read_noise={"relative": 1e-9})})
        other = Tile(20, 6, array=noisy, stream=Stream.root(2), dtype=torch.float64, backend="reference")
        other.place(it.conductance)
        other.gains = it.gains
        assert torch.allclose(other.read(x), it.read(x), rtol=1e-6)

    def test_gains_are_saved_with_the_cells(self):
        it, x = tile(array()), random(30, 20, seed=5)
        correct(it, (ColumnGain(),), x)
        saved = it.state_dict()
        assert {"gains.row", "gains.column"} <= set(saved)
        other = tile(array())
        other.gains = LineGains(torch.ones_like(saved["gains.row"]), torch.ones_like(saved["gains.column"]))
        other.load_state_dict(saved)
        assert torch.equal(other.read(x), it.read(x))
        correct(it, (), x)
        assert it.gains is None and "gains.row" not in it.state_dict()

    def test_cells_are_set_or_programmed(self):
        it, x = tile(array()), random(30, 20, seed=5)
        weight = 0.5 * it.weight()
        done = correct(it, (Predistortion(),), x, weight=weight)
        assert torch.allclose(it.read(x), x @ weight, atol=0.02) and done.cost.solutions == 8
        other = tile(array(), backend="reference")
        other.ledger = Ledger()
        correct(other, (Predistortion(),), x, weight=weight, scheme=WriteVerify(tolerance=0.01))
        assert other.ledger.total(Event.CELL_WRITE) == other.cells and other.ledger.total(Event.PULSE) > other.cells
        assert torch.allclose(other.conductance, it.conductance, atol=2e-6)
        assert torch.allclose(other.read(x), x @ weight, atol=1.0)

    def test_what_cutting_costs(self):
        cut = (Tiling(rows=8, columns=4),)
        it = tile(built(array(), cut))  # 3 x 3 tiles for 20 x 12 cells
        done = correct(it, cut, random(5, 20, seed=5))
        assert it.tiles == (3, 3) and done.cost == Cost(drivers=2 * 20, senses=2 * 12, conversions=2 * 12)

    def test_fused_kernels_keep_off(self):
        ideal = Array(crossbar=Crossbar(wires=IdealWires()))
        it = Tile(4, 3, array=ideal, stream=Stream.root(0))
        assert plain_tile(it)
        it.gains = LineGains(torch.full((1, 1, 4), 2.0), torch.ones(1, 1, 6))
        assert not plain_tile(it)


class TestModels:
    def test_every_tile_is_corrected_behind_those_before_it(self):
        model = nn.Sequential(
            memlearn.nn.Linear(20, 12, array=array(), seed=0, initial_weight=1.0),
            nn.ReLU(),
            memlearn.nn.Linear(12, 4, array=array(), seed=1, initial_weight=1.0),
        ).eval()
        x = random(40, 20, seed=5).float()
        with torch.no_grad():
            first, second = (layer.tile for layer in (model[0], model[2]))  # type: ignore[union-attr]
            ones = torch.ones(40, 1)
            hidden = (torch.cat([x, ones], 1) @ first.weight()).relu()
            ideal = torch.cat([hidden, ones], 1) @ second.weight()
            before = (model(x) - ideal).norm()
            layers = correct_model(model, (ColumnGain(),), x)
            assert float((model(x) - ideal).norm()) < 0.2 * float(before)
        assert list(layers) == ["0.tile", "2.tile"] and not model.training
        assert layers["2.tile"].values.shape == (40, 13)
        assert total(layers).column_gains == 24 + 8 and total(layers).calibration_reads == 80
        assert "read" not in vars(first)

    def test_training_with_wires_in_the_forward_pass(self):
        made = array(ResistiveWires(r_word_line=30.0, r_bit_line=30.0, r_source=500.0, r_sense=500.0))
        layer = nn.Linear(20, 6, bias=False)
        with torch.no_grad():
            layer.weight.copy_(0.3 * (2 * random(6, 20, seed=3) - 1))
        wanted = layer.weight.detach().clone()
        parametrize.register_parametrization(layer, "weight", seen := SeenThroughWires(made, refresh=5))
        learnt, x = layer.parametrizations["weight"].original, random(64, 20, seed=6).float()  # type: ignore[index]
        ideal = x @ wanted.T
        before = float((layer(x) - ideal).detach().norm())
        for _ in range(100):
            slope = torch.autograd.grad((layer(x) - ideal).square().sum(), learnt)[0]
            with torch.no_grad():
                learnt -= 2e-3 * slope
        layer.eval()
        it = Tile(20, 6, array=made, stream=Stream.root(9), dtype=torch.float64)
        it.initialise(learnt.detach().T)
        assert float((it.read(x.double()) - ideal).norm()) < 0.2 * before
        assert torch.allclose(layer(x), it.read(x.double()).float(), atol=1e-3)
        assert 20 <= seen.solutions <= 25


class TestErrors:
    def test_gains_are_numbers(self):
        with pytest.raises(InputError, match="finite"):
            LineGains(torch.tensor([[[torch.nan]]]), torch.ones(1, 1, 1))

    def test_shapes_and_range(self):
        target = torch.ones(3, 2)
        with pytest.raises(InputError, match="samples, 3"):
            start(target, LINES, inputs=torch.ones(5, 2), g_min=0.0, g_max=1.0)
        with pytest.raises(InputError, match="above g_min"):
            start(target, LINES, inputs=torch.ones(5, 3), g_min=1.0, g_max=1.0)

    def test_ideal_lines_have_no_second_end(self):
        with pytest.raises(InputError, match="no resistance"):
            DoubleSided().built(array(IdealWires()))

    def test_order_and_arrays_must_fit(self):
        it, x = tile(array()), random(5, 20)
        with pytest.raises(InputError, match="order in which they act"):
            correct(it, (ColumnGain(), Predistortion()), x)
        for one in (DoubleSided(), Pairing(), Tiling(rows=4, columns=4)):
            with pytest.raises(InputError, match="built already"):
                correct(it, (one,), x)

    def test_a_model_needs_tiles_that_are_read(self):
        with pytest.raises(InputError, match="has no tile"):
            correct_model(nn.Linear(2, 2), (), torch.ones(1, 2))

        class Unread(nn.Module):
            def __init__(self):
                super().__init__()
                self.spare = tile(array())

            def forward(self, x: Tensor) -> Tensor:
                return x

        with pytest.raises(InputError, match="no read passes"):
            correct_model(Unread(), (), torch.ones(1, 2))

    def test_refresh_counts_passes(self):
        with pytest.raises(InputError, match="at least 1"):
            SeenThroughWires(array(), refresh=0)
