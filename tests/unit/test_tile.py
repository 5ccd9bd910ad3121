"""The tile's three verbs against plain matrix arithmetic, its ledger, its noise and its memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn.arrays.mapping import AbstractMapping, DifferentialPair, ReferenceColumn
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Trains
from memlearn.devices import AbstractDevice, ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells
from memlearn.periphery import (
    ADC,
    DAC,
    Analogue,
    BinaryDriver,
    Comparator,
    StochasticBinaryDriver,
    TernaryComparator,
    TernaryDriver,
)
from memlearn.programming import Targets
from memlearn.programming.schemes import WriteVerify
from memlearn.tile import Array, Crossbar, Periphery, Port, Tile

STREAM = Stream.root(6)
EXACT = Port(drive=DAC(bits=None), sense=ADC(bits=None, output_range=1000.0))
MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=2.0)]
LAYERS = [(1, 1), (1, 9), (9, 1), (7, 5), (10, 6), (13, 11)]
CROSSBARS = [(1024, 1024), (2, 2), (3, 5), (4, 6), (2, 100), (100, 3)]
IMPERFECT = {
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "cycle_to_cycle": CycleToCycle(spread=0.3),
    "faults": StuckCells(high=0.1, low=0.1, anywhere=0.1),
    "read_noise": ReadNoise(relative=0.05, absolute=1e-7),
}


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Uniform within -1 .. 1, float64."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape))


def tile(layer: tuple[int, int], crossbar: tuple[int, int], mapping: AbstractMapping, **options: Any) -> Tile:
    """A tile with ideal parts, unless `device`, `forward` or `backward` say otherwise; its weights are random."""
    device: AbstractDevice = options.pop("device", ConstantStep(states=10_000))
    array = Array(
        device=device,
        crossbar=Crossbar(mapping=mapping, rows=crossbar[0], columns=crossbar[1]),
        periphery=Periphery(forward=options.pop("forward", EXACT), backward=options.pop("backward", EXACT)),
    )
    made = Tile(*layer, array=array, stream=STREAM, **{"dtype": torch.float64, **options})
    made.initialise(0.5 * mapping.w_max * numbers(*layer, seed=9).to(made.conductance.dtype))
    return made


def word(*fires: int, minus: bool = False) -> int:
    """A train that fires in these slots."""
    return sum(1 << slot for slot in fires) | minus << 31


def random_words(*shape: int, seed: int = 0) -> Tensor:
    drawn = np.random.default_rng(seed)
    return torch.from_numpy(drawn.integers(0, 16, shape) | drawn.integers(0, 2, shape) << 31)


def pulses(plan: Trains) -> Tensor:
    """The signed coincidences of a plan, (inputs, outputs)."""
    found = torch.zeros(plan.rows.shape[1], plan.columns.shape[1], dtype=torch.int32)
    for row, column in zip(plan.rows.tolist(), plan.columns.tolist(), strict=True):
        for i, a in enumerate(row):
            for j, b in enumerate(column):
                found[i, j] += (-1 if (a ^ b) >> 31 else 1) * (a & b & 0x7FFFFFFF).bit_count()
    return found


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize("crossbar", CROSSBARS, ids=str)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
class TestIdealTile:
    """With ideal parts a tile is a matrix, whatever the mapping and the tiling."""

    def test_reads_are_matrix_products(self, layer, crossbar, mapping):
        made = tile(layer, crossbar, mapping)
        weight = 0.5 * mapping.w_max * numbers(*layer, seed=9)
        assert torch.allclose(made.weight(), weight, rtol=0, atol=1e-12)
        x, e = numbers(4, layer[0], seed=1), numbers(4, layer[1], seed=2)
        assert torch.allclose(made.read(x), x @ weight, rtol=0, atol=1e-11)
        assert torch.allclose(made.read_transposed(e), e @ weight.T, rtol=0, atol=1e-11)

    def test_writes_move_weights_by_steps(self, layer, crossbar, mapping):
        made = tile(layer, crossbar, mapping)
        before, plan = made.weight(), (20 * numbers(*layer, seed=3)).int()
        tally = made.write(Counts(plan))
        assert torch.allclose(made.weight(), before + made.weight_step * plan.double(), rtol=0, atol=1e-11)
        each = 2 if isinstance(mapping, DifferentialPair) else 1
        assert tally == (each * int(plan.abs().sum()), each * int((plan != 0).sum()))

    def test_trains_move_weights_by_coincidences(self, layer, crossbar, mapping):
        made = tile(layer, crossbar, mapping)
        plan = Trains(random_words(5, layer[0]), random_words(5, layer[1], seed=1), 4)
        before = made.weight()
        made.write(plan)
        exact = before + made.weight_step * pulses(plan).double()
        assert torch.allclose(made.weight(), exact, rtol=0, atol=1e-11)

    def test_unused_cells_stay_inert(self, layer, crossbar, mapping):
        noisy = Port(drive=DAC(noise=0.01, offset_spread=0.01), sense=ADC(noise=1e-7, offset_spread=1e-7))
        made = tile(layer, crossbar, mapping, device=ConstantStep(**IMPERFECT), forward=noisy, backward=noisy)
        plan = Trains(random_words(5, layer[0]), random_words(5, layer[1], seed=1), 4)
        for _ in range(2):
            made.read(numbers(3, layer[0]))
            made.read_transposed(numbers(3, layer[1]))
            made.write(plan)
            made.write(Counts((20 * numbers(*layer, seed=3)).int()))
        idle = ~made.used()
        assert not made.conductance[idle].any() and not made.counters[idle].any() and not made.parameters_[idle].any()
        assert made.cells == int(made.used().sum()) and (made.counters[..., 0] > 0).any()

    def test_tiles_fit_the_crossbar(self, layer, crossbar, mapping):
        made = tile(layer, crossbar, mapping)
        assert made.conductance.shape[2] <= crossbar[0] and made.conductance.shape[3] <= crossbar[1]
        rows, columns = mapping.physical(*layer)
        extra = rows - layer[0], (1 if isinstance(mapping, ReferenceColumn) else 0)
        tall, wide = made.tiles
        columns = columns - extra[1] + wide * extra[1]
        assert made.cells == (layer[0] + tall * extra[0]) * columns


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
class TestConverters:
    """What the stages around the array do to a read."""

    @pytest.mark.parametrize("bits", [3, 8])
    def test_each_tile_is_converted_by_itself_and_the_numbers_are_added(self, mapping, bits):
        port = Port(drive=DAC(bits=None), sense=ADC(bits=bits, output_range=1.0))
        made = tile((10, 6), (5, 5), mapping, forward=port, backward=port)
        weight, levels = made.weight(), 2 ** (bits - 1) - 1
        (tall, wide), (rows, columns) = made.tiles, made.part
        x, e = numbers(50, 10, seed=1), numbers(50, 6, seed=2)

        def converted(sums: Tensor) -> Tensor:
            return (sums.clamp(-1, 1) * levels).round() / levels

        downwards = [slice(k * rows, (k + 1) * rows) for k in range(tall)]
        across = [slice(k * columns, (k + 1) * columns) for k in range(wide)]
        assert tall > 1 and wide > 1
        forward = sum(converted(x[:, part] @ weight[part]) for part in downwards)
        backward = sum(converted(e[:, part] @ weight[:, part].T) for part in across)
        assert torch.allclose(made.read(x), forward, atol=1e-9)
        assert torch.allclose(made.read_transposed(e), backward, atol=1e-9)
        assert not torch.allclose(forward, converted(x @ weight), atol=0.01)

    def test_driven_values_lie_on_the_grid_of_the_dac(self, mapping):
        port = Port(drive=DAC(bits=3, input_range=2.0), sense=EXACT.sense)
        made = tile((10, 6), (5, 5), mapping, forward=port)
        x = 3 * numbers(50, 10, seed=1)
        grid = (x.clamp(-2, 2) * 1.5).round() / 1.5
        assert torch.allclose(made.read(x), grid @ made.weight(), atol=1e-11)

    def test_scaled_errors_come_back_in_their_own_size(self, mapping):
        port = Port(drive=DAC(bits=8, scaling="max"), sense=EXACT.sense)
        made = tile((10, 6), (5, 5), mapping, backward=port)
        e = numbers(50, 6, seed=1) * torch.logspace(-9, 9, 50, dtype=torch.float64)[:, None]
        exact = e @ made.weight().T
        bound = 6 * mapping.w_max * 0.5 / 127 * e.abs().amax(1, keepdim=True)
        assert ((made.read_transposed(e) - exact).abs() <= bound).all()

    def test_currents_of_stacked_tiles_meet_before_a_comparator(self, mapping):
        port = Port(drive=BinaryDriver(), sense=Comparator(threshold=0.3))
        back = Port(drive=TernaryDriver(), sense=TernaryComparator(dead_zone=0.2))
        made = tile((10, 6), (5, 5), mapping, forward=port, backward=back)
        x, e = numbers(50, 10, seed=1), numbers(50, 6, seed=2)
        assert torch.equal(made.read(x), ((x > 0.5).double() @ made.weight() > 0.3).double())
        sums = e.sign() @ made.weight().T
        assert torch.equal(made.read_transposed(e), sums.sign() * (sums.abs() > 0.2))

    def test_a_decision_is_not_scaled_and_an_analogue_sum_is(self, mapping):
        drive = DAC(bits=None, scaling="max", input_range=1.0)
        deciding = tile((10, 6), (5, 5), mapping, forward=Port(drive=drive, sense=Comparator()))
        passing = tile((10, 6), (5, 5), mapping, forward=Port(drive=drive, sense=Analogue()))
        x = 100 * numbers(50, 10, seed=1)
        assert set(deciding.read(x).unique().tolist()) == {0.0, 1.0}
        assert torch.allclose(passing.read(x), x @ passing.weight(), atol=1e-9)

    def test_driver_and_sense_of_a_read_have_errors_of_their_own(self, mapping):
        # Line 0 drives a weight of 1, so both errors meet in one number: variances add, not standard deviations.
        noisy = Port(drive=DAC(bits=None, noise=0.02), sense=ADC(bits=None, noise=0.02 * 18e-6 / mapping.w_max))
        if isinstance(mapping, ReferenceColumn):
            noisy = noisy.replace(sense=ADC(bits=None, noise=0.01 * 18e-6 / mapping.w_max))
        made = tile((1, 1), (2, 2), mapping, forward=noisy, backward=noisy)
        made.initialise(torch.ones(1, 1).double())
        for read in (made.read, made.read_transposed):
            errors = read(torch.full((20_000, 1), 0.5).double()) - 0.5
            assert float(errors.std()) == pytest.approx(0.1 * math.sqrt(2), rel=0.03)

    def test_a_stochastic_driver_drives_what_it_encodes(self, mapping):
        port = Port(drive=StochasticBinaryDriver(), sense=EXACT.sense)
        made, twin = (tile((10, 6), (5, 5), mapping, forward=port) for _ in range(2))
        x = numbers(50, 10, seed=1).abs()
        for part in (made, twin):
            part.train()
        bits = made.encode(x)
        assert set(bits.unique().tolist()) == {0.0, 1.0} and torch.equal(made.encode(x), bits)
        assert torch.equal(made.read(x), twin.read(bits))
        assert torch.allclose(made.read(made.encode(x)), twin.read(x)) and not torch.equal(made.encode(x), bits)
        made.eval()
        assert torch.equal(made.encode(x), (x > 0.5).double())


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize(("backend", "samples"), [("cpu", 40_000), ("reference", 2_000)])
class TestReadNoise:
    """Noise drawn once a line equals noise drawn once a cell: both have the moments of the sum over the cells."""

    def test_moments(self, mapping, backend, samples):
        noise = ReadNoise(relative=0.05, absolute=4e-7)
        made = tile((5, 3), (4, 6), mapping, device=ConstantStep(read_noise=noise), backend=backend)
        x, e = numbers(1, 5, seed=1), numbers(1, 3, seed=2)
        seen = made.read(x.expand(samples, 5)), made.read_transposed(e.expand(samples, 3))
        for read, exact in zip(seen, (x @ made.weight(), e @ made.weight().T), strict=True):
            assert torch.allclose(read.mean(0), exact[0], atol=4 * float(read.std(0).max()) / math.sqrt(samples))
        for read, exact in zip(seen, covariances(made, x[0], e[0]), strict=True):
            size = exact.diagonal().sqrt()
            error = (torch.cov(read.T) - exact) / (size[:, None] * size)
            assert error.abs().max() < 5 * math.sqrt(2 / samples)

    def test_reads_and_directions_are_independent(self, mapping, backend, samples):
        device = ConstantStep(read_noise=ReadNoise(relative=0.05))
        made = tile((1, 1), (2, 2), mapping, device=device, backend=backend)
        one = torch.ones(samples, 1).double()
        rows = torch.stack([made.read(one)[:, 0], made.read(one)[:, 0], made.read_transposed(one)[:, 0]])
        assert (torch.corrcoef(rows) - torch.eye(3)).abs().max() < 5 / math.sqrt(samples)


def test_unused_cells_make_no_noise():
    # The offset of a driver reaches the lines of a tile that is not full, too; there is nothing to conduct it.
    device = ConstantStep(read_noise=ReadNoise(absolute=2e-6))
    forward = Port(drive=DAC(bits=None, offset_spread=0.2), sense=EXACT.sense)
    spread = []
    for backend in ("cpu", "reference"):
        made = tile((3, 40), (2, 80), DifferentialPair(), device=device, forward=forward, backend=backend)
        reads = made.read(torch.zeros(500, 3).double())
        spread.append(float((reads - reads.mean(0)).square().mean()))
    assert spread[0] == pytest.approx(spread[1], rel=0.05)


def covariances(made: Tile, x: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """Of the outputs of a forward and a transposed read, summed cell by cell from the definition of the noise."""
    mapping, noise = made.array.crossbar.mapping, made.array.device.read_noise
    volt, (tall, wide), (rows, columns) = made.array.crossbar.read_voltage, made.tiles, made.part
    spread = ((noise.relative * made.conductance) ** 2 + noise.absolute**2).sqrt() * made.used()
    found = torch.zeros(made.outputs, made.outputs).double(), torch.zeros(made.inputs, made.inputs).double()
    x = torch.nn.functional.pad(x, (0, tall * rows - made.inputs)).reshape(tall, rows)
    e = torch.nn.functional.pad(e, (0, wide * columns - made.outputs)).reshape(wide, columns)
    for i, j, row, column in np.ndindex(*made.conductance.shape):
        cell = torch.zeros(made.conductance.shape[2:]).double()
        cell[row, column] = spread[i, j, row, column]
        forward = mapping.column_signal(mapping.row_lines(volt * x[i]) @ cell)
        backward = mapping.row_signal(mapping.column_lines(volt * e[j]) @ cell.T)
        for total, part, at, size in ((found[0], forward, j * columns, columns), (found[1], backward, i * rows, rows)):
            part = part[: len(total) - at] / made.unit_current
            total[at : at + size, at : at + size] += part[:, None] * part
    return found


class TestLedger:
    """Every event is counted, exactly."""

    def test_a_differential_pair_on_six_tiles(self):
        made = tile((7, 5), (4, 4), DifferentialPair(), name="hidden")
        assert made.tiles == (2, 3) and made.cells == 7 * 10
        made.ledger = ledger = Ledger()
        made.read(numbers(3, 7))
        assert counted(ledger, Pass.FORWARD) == {
            Event.DAC: 3 * 7 * 3,
            Event.ADC: 3 * 5 * 2,
            Event.CELL_READ: 3 * 70,
            Event.DIGITAL_ADD: 3 * 5,
        }
        made.read_transposed(numbers(3, 5))
        assert counted(ledger, Pass.BACKWARD) == {
            Event.DAC: 3 * 5 * 2,
            Event.ADC: 3 * 7 * 3,
            Event.CELL_READ: 3 * 70,
            Event.DIGITAL_ADD: 3 * 7 * 2,
        }
        plan = torch.zeros(7, 5, dtype=torch.int32)
        plan[0, 0], plan[6, 4], plan[3, 1] = 4, -9, 1
        made.write(Counts(plan))
        assert counted(ledger, Pass.UPDATE) == {Event.PULSE: 28, Event.PULSED_CELL: 6, Event.TRAIN_SLOT: 9}
        assert all(key[0] == "hidden" for key, _ in ledger)

    def test_a_reference_column_on_four_tiles(self):
        made = tile((7, 5), (5, 4), ReferenceColumn())
        assert made.tiles == (2, 2) and made.cells == 9 * 7
        made.ledger = ledger = Ledger()
        made.read(numbers(3, 7))
        made.read_transposed(numbers(3, 5))
        assert counted(ledger, Pass.FORWARD) == {
            Event.DAC: 3 * 7 * 2,
            Event.ADC: 3 * 5 * 2,
            Event.CELL_READ: 3 * 63,
            Event.DIGITAL_ADD: 3 * 5,
        }
        assert counted(ledger, Pass.BACKWARD) == {
            Event.DAC: 3 * 5 * 2,
            Event.ADC: 3 * 7 * 2,
            Event.CELL_READ: 3 * 63,
            Event.DIGITAL_ADD: 3 * 7,
        }
        rows = torch.tensor([[word(0, 2), word(1), *[0] * 5], [word(0), *[0] * 5, word(0, minus=True)]])
        columns = torch.tensor([[word(0, 1, 2), 0, 0, 0, word(2)], [word(0, 1), *[0] * 4]])
        made.write(Trains(rows, columns, 3))
        # Sample 0: cell (0, 0) twice, (0, 4) once, (1, 0) once; sample 1: (0, 0) and (6, 0) once.
        assert counted(ledger, Pass.UPDATE) == {Event.PULSE: 6, Event.PULSED_CELL: 4, Event.TRAIN_SLOT: 6}

    def test_comparators_and_switches(self):
        forward = Port(drive=BinaryDriver(), sense=Comparator())
        backward = Port(drive=TernaryDriver(), sense=TernaryComparator())
        made = tile((7, 5), (4, 4), DifferentialPair(), forward=forward, backward=backward)
        made.ledger = ledger = Ledger()
        made.read(numbers(3, 7))
        made.read_transposed(numbers(3, 5))
        assert counted(ledger, Pass.FORWARD) == {Event.COMPARISON: 3 * 5, Event.CELL_READ: 3 * 70}
        assert counted(ledger, Pass.BACKWARD) == {Event.COMPARISON: 2 * 3 * 7, Event.CELL_READ: 3 * 70}

    def test_nothing_else_counts(self):
        made = tile((7, 5), (4, 4), DifferentialPair())
        made.ledger = ledger = Ledger()
        made.initialise(numbers(7, 5))
        made.weight()
        made.encode(numbers(3, 7))
        made.write(Counts(torch.zeros(7, 5, dtype=torch.int32)))
        made.read(numbers(0, 7))
        assert not list(ledger)


def counted(ledger: Ledger, during: Pass) -> dict[Event, int]:
    return {Event(what): n for (_, when, what), n in ledger if when == during.value}


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
class TestState:
    """What a tile remembers."""

    def used_up(self, made: Tile) -> list[Tensor]:
        """A few reads and writes."""
        x, e = numbers(3, 10), numbers(3, 6)
        x, e = x.to(made.conductance.dtype), e.to(made.conductance.dtype)
        plan = Trains(random_words(5, 10), random_words(5, 6, seed=1), 4)
        outcomes = []
        for _ in range(2):
            outcomes += [made.read(x), made.read_transposed(e)]
            made.write(plan)
            made.write(Counts((5 * numbers(10, 6)).int()))
        return [*outcomes, made.weight(), made.counters.clone()]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_state_dict_goes_on_as_if_never_saved(self, mapping, dtype):
        options = {"device": SoftBounds(**IMPERFECT), "forward": Port(drive=DAC(noise=0.01)), "dtype": dtype}
        made, fresh = (tile((10, 6), (5, 5), mapping, **options) for _ in range(2))
        self.used_up(made)
        saved = {name: value.clone() for name, value in made.state_dict().items()}
        assert set(saved) == {"conductance", "parameters_", "counters", "memory", "events", "failures"}
        fresh.load_state_dict(saved)
        for a, b in zip(self.used_up(made), self.used_up(fresh), strict=True):
            assert torch.equal(a, b) and a.dtype == b.dtype
        assert fresh.state.conductance is fresh.conductance

    def test_equal_streams_make_equal_tiles(self, mapping):
        options = {"device": SoftBounds(**IMPERFECT), "dtype": torch.float32}
        runs = [self.used_up(tile((10, 6), (5, 5), mapping, **options)) for _ in range(2)]
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))

    def test_writes_are_the_same_on_both_backends_and_any_number_of_threads(self, mapping):
        options = {"device": SoftBounds(**IMPERFECT), "dtype": torch.float32}
        choices = [{"backend": "reference"}, {"backend": "cpu"}, {"backend": "cpu", "threads": 2}]
        runs = [self.used_up(tile((10, 6), (5, 5), mapping, **options, **choice)) for choice in choices]
        for run in runs[1:]:
            assert torch.equal(run[-1], runs[0][-1]) and torch.equal(run[-2], runs[0][-2])

    def test_initial_weights_keep_to_the_bounds_of_each_cell(self, mapping):
        made = tile((10, 6), (5, 5), mapping, device=SoftBounds(**IMPERFECT))
        made.initialise(10 * numbers(10, 6))
        assert (made.conductance >= made.parameters_[..., 0]).all()
        assert (made.conductance <= made.parameters_[..., 1]).all()
        ideal = tile((10, 6), (5, 5), mapping)
        ideal.initialise(10 * mapping.w_max * numbers(10, 6))
        exact = (10 * mapping.w_max * numbers(10, 6)).clamp(-mapping.w_max, mapping.w_max)
        assert torch.allclose(ideal.weight(), exact, atol=1e-12)

    def test_initial_weights_may_come_from_a_parameter(self, mapping):
        made = tile((10, 6), (5, 5), mapping)
        made.initialise(torch.nn.Parameter(0.3 * numbers(10, 6)))
        assert not made.conductance.requires_grad
        made.write(Counts(torch.ones(10, 6, dtype=torch.int32)))

    def test_single_precision_is_close_to_double(self, mapping):
        single, double = (tile((10, 6), (5, 5), mapping, dtype=dtype) for dtype in (torch.float32, torch.float64))
        x, e = numbers(4, 10, seed=1), numbers(4, 6, seed=2)
        assert single.read(x.float()).dtype == torch.float32
        assert torch.allclose(single.read(x.float()).double(), double.read(x), atol=2e-4)  # on a range of 1000
        assert torch.allclose(single.read_transposed(e.float()).double(), double.read_transposed(e), atol=2e-4)

    @pytest.mark.parametrize("backend", ["cpu", "reference"])
    def test_no_samples_are_no_error(self, mapping, backend):
        made = tile((10, 6), (5, 5), mapping, device=SoftBounds(**IMPERFECT), backend=backend)
        assert made.read(numbers(0, 10)).shape == (0, 6) and made.read_transposed(numbers(0, 6)).shape == (0, 10)
        assert made.write(Trains(random_words(0, 10), random_words(0, 6), 4)) == (0, 0)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_cells_that_fail_too_often_are_marked_and_left_alone(backend: str):
    device = ConstantStep(faults=StuckCells(anywhere=0.2))
    made = Tile(12, 9, array=Array(device=device), stream=STREAM, backend=backend)
    scheme, weights = WriteVerify(max_pulses=300, marked_after=2), numbers(12, 9).float()
    sent = []
    for turn in range(4):
        before = made.counters[..., 0].clone()
        made.program(Targets(weights if turn % 2 else -weights, None, False, scheme))
        sent.append(made.counters[..., 0] - before)
    stuck = made.parameters_[..., 2] == 0
    failed = (sent[0] == 300) & stuck
    assert failed.any() and (sent[1][failed] > 0).any()
    marked = made.failures >= 2
    assert marked.any() and not sent[3][marked].any()
    # Healthy cells go on, and a success starts the count anew.
    assert not made.failures[~stuck].any() and (sent[3][~stuck] > 0).any()
    assert torch.equal(made.state_dict()["failures"], made.failures)


class TestErrors:
    """Wrong shapes and sizes are refused by name."""

    @pytest.mark.parametrize(("layer", "argument"), [((0, 3), "inputs"), ((3, 0), "outputs"), ((-1, 3), "inputs")])
    def test_a_layer_without_lines(self, layer, argument):
        with pytest.raises(InputError, match="must be at least 1") as error:
            Tile(*layer, array=Array(), stream=STREAM)
        assert error.value.argument == argument

    @pytest.mark.parametrize(
        ("mapping", "crossbar"),
        [(DifferentialPair(), (5, 1)), (ReferenceColumn(), (1, 5)), (ReferenceColumn(), (5, 1))],
    )
    def test_a_crossbar_without_room(self, mapping, crossbar):
        with pytest.raises(InputError, match=f"{crossbar[0]} x {crossbar[1]} cells.*holds no weight of {mapping.kind}"):
            tile((3, 3), crossbar, mapping)

    @pytest.mark.parametrize("shape", [(4, 6), (4, 8), (7,), (4, 7, 1), ()])
    def test_values_of_a_wrong_shape(self, shape):
        made = tile((7, 5), (4, 4), DifferentialPair(), name="hidden")
        for verb in (made.read, made.encode):
            with pytest.raises(InputError, match=r"shape \(samples, 7\)\. Layer hidden has 7 inputs") as error:
                verb(torch.zeros(shape))
            assert error.value.argument == "inputs"

    @pytest.mark.parametrize("shape", [(4, 7), (5,)])
    def test_errors_of_a_wrong_shape(self, shape):
        made = tile((7, 5), (4, 4), DifferentialPair(), name="hidden")
        with pytest.raises(InputError, match=r"must have shape \(samples, 5\)\. Layer hidden has 5 outputs") as error:
            made.read_transposed(torch.zeros(shape))
        assert error.value.argument == "outputs"

    def test_weights_and_counts_of_a_wrong_shape(self):
        made = tile((7, 5), (4, 4), DifferentialPair())
        for verb, given in ((made.initialise, torch.zeros(5, 7)), (made.write, Counts(torch.zeros(5, 7).int()))):
            with pytest.raises(InputError, match=r"must have shape \(inputs, outputs\) = \(7, 5\)\. .* transpose it"):
                verb(given)

    @pytest.mark.parametrize(
        ("rows", "columns", "argument"),
        [((2, 6), (2, 5), "inputs"), ((2, 7), (2, 4), "outputs"), ((2, 7), (3, 5), "plan.columns")],
    )
    def test_trains_of_a_wrong_shape(self, rows, columns, argument):
        made = tile((7, 5), (4, 4), DifferentialPair())
        before = made.weight()
        with pytest.raises(InputError, match="must have shape") as error:
            made.write(Trains(random_words(*rows), random_words(*columns), 4))
        assert error.value.argument == argument and torch.equal(made.weight(), before)
