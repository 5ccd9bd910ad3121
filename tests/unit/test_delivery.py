"""Writes of a tile through lines with resistance: order, delivered voltages, disturb, bookkeeping."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import memlearn
from memlearn import wires
from memlearn.arrays.mapping import ReferenceColumn
from memlearn.arrays.selection import AbstractSelection, HalfVoltage, OneTransistor, ThirdVoltage
from memlearn.arrays.wires import IdealWires, ResistiveWires
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.core.types import Counts, PulsePlan, Trains
from memlearn.devices import AbstractDevice, ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, ReadNoise
from memlearn.devices.response import PowerResponse, SinhResponse, ThresholdResponse
from memlearn.learning.fused import fuse
from memlearn.programming import Targets
from memlearn.programming.schemes import GateCompliance, WriteVerify
from memlearn.tile import Array, Crossbar, Tile

LINES: dict[str, Any] = {"r_word_line": 25.0, "r_bit_line": 40.0, "r_source": 300.0, "write_tolerance": 1e-9}
NOTHING: dict[str, Any] = {"r_word_line": 0.0, "r_bit_line": 0.0}
NOISY = SoftBounds(voltage_response=SinhResponse(steepness=6.0), cycle_to_cycle=CycleToCycle(spread=0.3))
LINEAR = ConstantStep(voltage_response=PowerResponse(), g_min=2e-6, g_max=40e-6)
DEAF = ConstantStep(voltage_response=ThresholdResponse(threshold=0.6))


def tile(settings: dict[str, Any] | None, *, device: AbstractDevice = LINEAR, size: int = 8) -> Tile:
    """11 x 6 weights on tiles of 8 x 8 cells: four tiles, the lower ones not full."""
    lines = IdealWires() if settings is None else ResistiveWires(**settings)
    array = Array(device=device, crossbar=Crossbar(mapping=ReferenceColumn(), wires=lines, rows=size, columns=size))
    made = Tile(11, 6, array=array, stream=Stream.root(3), dtype=torch.float64)
    made.initialise(torch.rand(11, 6, generator=torch.Generator().manual_seed(5)) * 1.6 - 0.8)
    made.ledger = Ledger()
    return made


def plan(most: int = 1) -> Counts:
    drawn = torch.randint(-most, most + 1, (11, 6), generator=torch.Generator().manual_seed(7))
    return Counts(drawn.int())


def trains() -> Trains:
    source = torch.Generator().manual_seed(9)
    rows, columns = (torch.randint(0, 2**4, (2, n), generator=source) for n in (11, 6))
    rows[:, ::2] |= 1 << 31
    columns[:, 1] |= 1 << 31
    return Trains(rows, columns, 4)


@pytest.mark.parametrize("mode", ["exact", "frozen", "mean"])
class TestWithoutResistance:
    """Where every pulse arrives in full and disturbs nobody, nothing has changed."""

    def test_counts_are_bit_for_bit_those_of_ideal_lines(self, mode: str):
        settings = {**NOTHING, "writes": mode, "selection": OneTransistor()}
        one, two = tile(None, device=NOISY), tile(settings, device=NOISY)
        assert one.write(plan()) == two.write(plan())
        assert torch.equal(one.conductance, two.conductance) and torch.equal(one.counters, two.counters)

    @pytest.mark.parametrize("order", ["row", "column", "cell"])
    def test_any_order(self, mode: str, order: str):
        settings = {**NOTHING, "writes": mode, "write_order": order}
        one, two = tile(None, device=DEAF), tile(settings, device=DEAF)
        one.write(plan(3))
        two.write(plan(3))
        assert torch.allclose(one.conductance, two.conductance, rtol=1e-7)
        assert torch.equal(one.counters[..., 0], two.counters[..., 0])

    def test_trains(self, mode: str):
        one, two = tile(None, device=DEAF), tile({**NOTHING, "writes": mode}, device=DEAF)
        assert one.write(trains()) == two.write(trains())
        assert torch.allclose(one.conductance, two.conductance, rtol=1e-7)


def by_hand(it: Tile, pulses: Tensor, scheme: AbstractSelection) -> Tensor:
    """Conductances after a write row by row, pulses up before pulses down, by `write_voltages` and the law, linear."""
    g, device = it.conductance.clone(), it.array.device
    settings: dict[str, Any] = {"r_word_line": 25.0, "r_bit_line": 40.0, "r_word_driver": 300.0, "r_bit_driver": 300.0}
    for t, cells in enumerate(g.flatten(0, 1)):
        lower, upper = (it.parameters_.flatten(0, 1)[t, ..., k] for k in (0, 1))
        for row in range(cells.shape[0]):
            for sign in (1, -1):
                wanted = sign * pulses.flatten(0, 1)[t, row]
                for turn in range(int(wanted.clamp_min(0).max())):
                    select = (torch.arange(cells.shape[0]) == row)[None], (wanted > turn)[None]
                    share = wires.write_voltages(cells, *select, scheme=scheme, tolerance=1e-11, **settings)[0]
                    moved = cells + sign * device.mean_step * share  # LINEAR: the step is proportional
                    cells.copy_(torch.minimum(torch.maximum(moved, lower), upper) * (upper > 0))
    return g


@pytest.mark.parametrize("scheme", [HalfVoltage(), ThirdVoltage(), OneTransistor()], ids=lambda s: s.kind)
class TestDelivered:
    def test_exact_writes_are_the_networks_row_by_row(self, scheme: AbstractSelection):
        it = tile({**LINES, "writes": "exact", "selection": scheme})
        pulses = it.array.crossbar.mapping.counts(Counts(it.cut_weights(plan(2).pulses))).pulses
        expected = by_hand(it, pulses, scheme)
        it.write(plan(2))
        assert float((it.conductance - expected).abs().max()) < 1e-6 * it.array.device.mean_step

    @pytest.mark.parametrize(("mode", "error"), [("frozen", 0.03), ("mean", 0.06)])
    def test_approximations_stay_near(self, scheme: AbstractSelection, mode: str, error: float):
        """Lines of this length lose a fifth of the pulse; the error is relative to a step."""
        exact, near = (tile({**LINES, "writes": way, "selection": scheme}) for way in ("exact", mode))
        exact.write(plan())
        near.write(plan())
        away = (exact.conductance - near.conductance).abs().max() / exact.array.device.mean_step
        assert float(away) < error

    def test_trains_are_pulsed_by_slots_and_signs(self, scheme: AbstractSelection):
        """Against the same as one write of counts per slot and pair of signs, with all its rows at once."""
        it, given = tile({**LINES, "writes": "exact", "selection": scheme}, size=64), trains()
        g, law = it.conductance[0, 0].clone(), it.array.device
        settings: dict[str, Any] = {
            "r_word_line": 25.0,
            "r_bit_line": 40.0,
            "r_word_driver": 300.0,
            "r_bit_driver": 300.0,
        }
        lower, upper = it.parameters_[0, 0, ..., 0], it.parameters_[0, 0, ..., 1]
        physical = it.array.crossbar.mapping.trains(Trains(given.rows[:, None], given.columns[:, None], 4))
        for rows, columns in zip(physical.rows[:, 0], physical.columns[:, 0], strict=True):
            for slot in range(4):
                for a, b in ((0, 0), (1, 1), (0, 1), (1, 0)):
                    row, column = (
                        (line >> slot & 1).bool() & ((line >> 31 & 1) == s) for line, s in ((rows, a), (columns, b))
                    )
                    if bool(row.any()) and bool(column.any()):
                        share = wires.write_voltages(
                            g, row[None], column[None], scheme=scheme, tolerance=1e-11, **settings
                        )[0]
                        moved = g + (1 if a == b else -1) * law.mean_step * share
                        g = torch.minimum(torch.maximum(moved, lower), upper) * (upper > 0)
        it.write(given)
        assert float((it.conductance[0, 0] - g).abs().max()) < 1e-6 * law.mean_step


def test_steps_depend_on_place_and_half_selected_cells_are_disturbed():
    it = tile({**LINES, "writes": "exact"}, size=64)
    before = it.conductance.clone()
    pulses = torch.zeros(11, 6, dtype=torch.int32)
    pulses[4, :] = 1
    it.write(Counts(pulses))
    moved = (it.conductance - before)[0, 0] / it.array.device.mean_step
    row = moved[4, :6]
    assert bool((row > 0.4).all() & (row < 0.95).all()) and float(row.max() - row.min()) > 0.005
    other = torch.cat([moved[:4, :6], moved[5:11, :6]])
    assert bool((other > 0.1).all() & (other < 0.5).all())


def test_the_ledger_counts_what_is_disturbed_and_how_long_it_takes():
    it = tile({**LINES, "writes": "exact", "selection": ThirdVoltage()}, size=64)
    pulses = torch.zeros(11, 6, dtype=torch.int32)
    pulses[4, 1], pulses[7, :2], pulses[7, 3] = 2, 1, -1
    it.write(Counts(pulses))
    assert it.ledger is not None
    m, n = it.conductance.shape[2:]  # the reference line is used, too
    used = int(it.used()[0, 0].any(1).sum()), int(it.used()[0, 0].any(0).sum())
    assert used == (m, n)
    steps = [(1, 1), (1, 1), (1, 2), (1, 1)]  # selected rows and columns
    half = sum(r * (n - c) + (m - r) * c for r, c in steps)
    rest = sum((m - r) * (n - c) for r, c in steps)
    found = [it.ledger.total(e) for e in (Event.PULSE, Event.HALF_SELECTED, Event.UNSELECTED, Event.TRAIN_SLOT)]
    assert found == [5, half, rest, 4]
    assert int(it.counters[..., 0].sum()) == 5  # wear is that of pulses


def test_closed_loops_pulse_until_enough_has_arrived():
    wanted = torch.rand(11, 6, generator=torch.Generator().manual_seed(1)) - 0.5
    taken = []
    for settings in (None, {**LINES, "writes": "exact", "selection": OneTransistor()}):
        it = tile(settings, device=LINEAR.replace(voltage_response=PowerResponse(exponent=4.0)), size=64)
        done, _ = it.program(Targets(wanted, None, False, WriteVerify(tolerance=0.02)))
        # Targets of a closed loop are those of single cells, read as they are.
        assert float((it.weight() - wanted).abs().max()) < 0.05
        taken.append(done.pulses)
    assert taken[1] > 1.05 * taken[0]


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_closed_loops_on_listed_cells_are_the_stages(noise: float):
    device = NOISY.replace(read_noise=ReadNoise(relative=noise))
    wanted = torch.rand(11, 6, generator=torch.Generator().manual_seed(1)) - 0.5
    found = []
    for backend in ("cpu", "reference"):
        it = tile({**LINES, "writes": "exact", "selection": OneTransistor()}, device=device, size=64)
        it.backend = backend  # type: ignore[assignment]
        done = it.program(Targets(wanted, None, False, WriteVerify(tolerance=0.02, max_pulses=40), heard=True))
        found.append((it.conductance, done[0], done[1], it.counters))
    assert found[0][1] == found[1][1] and torch.equal(found[0][3], found[1][3])
    assert torch.allclose(found[0][0], found[1][0], rtol=1e-9)
    assert found[0][2] is not None and torch.allclose(found[0][2], found[1][2], rtol=1e-9)


def test_schemes_that_know_no_law_are_refused():
    it = tile({**LINES, "writes": "exact"})
    with pytest.raises(InputError, match="does not pulse by the device's law"):
        it.program(Targets(torch.zeros(11, 6), None, False, GateCompliance()))


def test_a_law_that_knows_no_voltage_is_refused_when_the_tile_is_made():
    with pytest.raises(InputError, match="voltage_response"):
        tile({**LINES, "writes": "exact"}, device=ConstantStep())
    tile(LINES, device=ConstantStep())  # reads alone need none


def test_no_pass_or_only_writes_may_see_the_wires():
    settings = {**LINES, "reads": "none", "writes": "exact"}
    it, bare, x = tile(settings), tile(None), torch.rand(2, 11, dtype=torch.float64)
    assert torch.equal(it.read(x), bare.read(x))
    it.write(plan())
    bare.write(plan())
    assert not torch.equal(it.conductance, bare.conductance)


def test_compiled_training_is_left_where_lines_resist():
    for settings in (None, {**NOTHING, "reads": "none", "writes": "exact"}):
        lines = IdealWires() if settings is None else ResistiveWires(**settings)
        array = memlearn.Array(device=LINEAR, crossbar=Crossbar(mapping=ReferenceColumn(), wires=lines))
        model = nn.Sequential(memlearn.nn.Linear(6, 3, array=array, seed=1))
        rule = memlearn.learning.sgd(model, learning_rate=0.1)
        assert (fuse(model, rule, nn.CrossEntropyLoss()) is None) is (settings is not None)


def test_threads_do_not_matter():
    found = []
    for threads in (1, 2):
        it = tile({**LINES, "writes": "frozen"}, device=NOISY)
        it.threads = threads
        it.write(plan(2))
        found.append(it.conductance)
    assert torch.equal(*found)


@pytest.mark.parametrize("given", [plan(), trains()], ids=["counts", "trains"])
def test_nothing_to_write_is_nothing(given: PulsePlan):
    it = tile({**LINES, "writes": "exact"})
    before = it.conductance.clone()
    empty = (
        Counts(torch.zeros(11, 6, dtype=torch.int32))
        if isinstance(given, Counts)
        else Trains(0 * given.rows, 0 * given.columns, 4)
    )
    assert it.write(empty) == (0, 0) and torch.equal(it.conductance, before)
