"""The bill: every term by hand, totals that are sums of their parts, and published macros from their parts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from memlearn.arrays.wires import ResistiveWires, solve
from memlearn.core.errors import InputError
from memlearn.core.ledger import Amount, Event
from memlearn.cost import (
    ArrayUse,
    Cost,
    FixedConverter,
    FlashConverter,
    IntegrateAndFire,
    Pulse,
    RegressionConverter,
    Side,
    SurveyConverter,
    Use,
    bill,
    sensitivity,
)
from memlearn.cost.converters import MEMBERS
from memlearn.cost.lines import lines_of, settling
from memlearn.cost.technology import NODES, node, scaled

DIGITAL, SWITCHES = Side("dac", 8, "adc", 8, 1), Side("switch", 1, "comparator", None, 1)
COST = Cost(node=45, read_pulse=1e-8)


def use(counts: dict[str, Any], *, array: dict[str, Any] | None = None, **changes: Any) -> Use:
    """One array of 10 x 8 cells at 10 uS, which did this, by pass and event."""
    named = {p: {e.value: float(n) for e, n in events.items()} for p, events in counts.items()}
    one = ArrayUse(
        name="a", tiles=(1, 1), rows=10, columns=8, inputs=10, outputs=4, cells=80, g_min=2e-6, g_max=2e-5, g_mean=1e-5,
        read_voltage=0.2, up=Pulse(2.0, 1e-7), down=Pulse(-1.0, 2e-7), forward=DIGITAL, backward=SWITCHES,
        writes="counts", counts=named,
    )._replace(**array or {})  # fmt: skip
    none: dict[str, Any] = {
        "others": {}, "images": 0, "steps": 0, "batch": 1, "input_bits": 0, "weight_bits": 0, "neuron_bits": 0,
        "gradient": "none", "mirror": False, "endurance": None, "endurance_from": "",
    }  # fmt: skip
    return Use(arrays=(one,), **{**none, **changes})


def energy(counts: dict[str, Any], component: str, cost: Cost = COST, **options: Any) -> float:
    return bill(use(counts, **options), cost).energy.by("component").get(component, 0.0)


def latency(counts: dict[str, Any], component: str, cost: Cost = COST, **options: Any) -> float:
    return bill(use(counts, **options), cost).latency.by("component").get(component, 0.0)


READ = {"forward": {Event.CELL_READ: 160, Amount.READ_HEAT: 3e-6, Amount.SQUARE: 0.4, Amount.DRIVEN: 12}}
BACK = {"backward": {Event.CELL_READ: 80, Amount.DRIVEN: 5, Amount.SQUARE: 0.2, Amount.READ_HEAT: 1e-6}}
PULSES = {
    "update": {
        Event.PULSE: 7, Event.PULSED_CELL: 5, Event.TRAIN_SLOT: 3,
        Amount.PULSE_UP: 4, Amount.PULSE_DOWN: 3, Amount.HEAT_UP: 4e-5, Amount.HEAT_DOWN: 3e-5,
        Amount.SLOT_UP: 3, Amount.SLOT_DOWN: 2, Amount.TURN_UP: 3, Amount.TURN_DOWN: 2,
        Amount.WRITTEN_UP: 2, Amount.WRITTEN_DOWN: 1,
        Amount.BESIDE_UP: 1e-4, Amount.BESIDE_DOWN: 2e-4, Amount.AROUND_UP: 5e-4, Amount.AROUND_DOWN: 0,
    }
}  # fmt: skip
CLOSED = {
    "update": {Event.PULSE: 6, Event.TRAIN_SLOT: 5, Event.DOSE_UP: 2e10, Event.DOSE_DOWN: 1e10},
    "verify": {Event.SINGLE_READ: 9, Event.READ_SLOT: 4},
}
# 45 nm, 16 F^2 cells, 4 F = 180 nm pitch: row 8 x 36 aF, column 10 x 36 aF + 10 drains, gate row + 8 gates.
ROW, COLUMN = 8 * 36e-18, 10 * 36e-18 + 10 * 0.1514e-15 * 45 / 32
GATE = ROW + 8 * 0.0604e-15 * 45 / 32
SETTLE = 9 * math.log(2) * (9.247e6 * 1.8e-6 * COLUMN / 2 + COLUMN / 1e-4)
BACK_SETTLE = 9 * math.log(2) * (9.247e6 * 1.44e-6 * ROW / 2 + ROW / 8e-5)
PASSIVE, THIRD = Cost(node=45, cell="v_half"), Cost(node=45, cell="v_third")


@pytest.mark.parametrize(
    ("found", "by_hand"),
    [
        # V^2 G t, and without the heat every line fully driven
        (energy(READ, "cells"), 3e-6 * (1e-8 + SETTLE)),
        (energy({"forward": {Event.CELL_READ: 160}}, "cells"), 160 * 1e-5 * 0.04 * (1e-8 + SETTLE)),
        (energy(BACK, "cells"), 1e-6 * (1e-8 + BACK_SETTLE)),
        # lines: C V^2 of the driven ones, all word lines' gates once a vector
        (energy(READ, "lines"), ROW * 0.4 + 2 * 10 * GATE * 0.81),
        (energy(BACK, "lines"), COLUMN * 0.2 + 10 * GATE * 0.81),
        (energy(READ, "lines", COST.replace(sharing=4)), ROW * 0.4 + 4 * 2 * 10 * GATE * 0.81),
        # drivers, converters, comparators
        (energy({"forward": {Event.DAC: 5, Event.CELL_READ: 80}}, "drivers"), 5 * 0.29e-12),
        (energy(BACK, "drivers"), 5 * 3.9e-6 / 0.641 * (1e-8 + BACK_SETTLE)),
        (energy({"forward": {Event.ADC: 6}}, "converters"), 6 * 20.7e-15 * 256),
        (energy({"backward": {Event.COMPARISON: 10}}, "comparators"), 10 * 42e-15 / 1.99),
        (energy({"forward": {Event.DIGITAL_ADD: 8}}, "digital"), 8 * 0.03e-12),
        # writes by counts
        (energy(PULSES, "pulses"), 4.0 * 1e-7 * 4e-5 + 1.0 * 2e-7 * 3e-5),
        (energy(PULSES, "half-selected"), 0.0),
        (energy(PULSES, "half-selected", PASSIVE), 1.0 * 1e-7 * 1e-4 + 0.25 * 2e-7 * 2e-4),
        (energy(PULSES, "half-selected", THIRD), 4 / 9 * 1e-7 * 6e-4 + 1 / 9 * 2e-7 * 2e-4),
        (
            energy(PULSES, "lines"),
            4 * (3 * ROW + 4 * COLUMN) + (2 * ROW + 3 * COLUMN) + 3 * GATE * 0.81 + 4 * COLUMN * (16 - 20 / 7),
        ),
        # both phases in every write: 3 written lines are opened twice, all columns that are not raised held at V
        (
            energy({"update": {**PULSES["update"], Amount.WRITTEN: 3}}, "lines", COST.replace(phases="both"))
            - energy(PULSES, "lines"),
            (2 * 3 - 3) * GATE * 0.81 + 4.0 * COLUMN * (3 - 2) * 8,
        ),
        # trains: half the voltage whenever a line fires
        (
            energy({"update": {Amount.FIRED_ROW: 6, Amount.FIRED_COLUMN: 2}}, "lines", array={"writes": "trains"}),
            2.5 / 4 * (6 * ROW + 2 * COLUMN),
        ),
        # closed loops: doses before the pulses, reads of single cells judged by a comparator
        (energy(CLOSED, "pulses", array={"writes": "closed"}), 4 * 1e-7 * 2e-5 + 1 * 2e-7 * 1e-5),
        (energy(CLOSED, "single reads", array={"writes": "closed"}), 9 * 42e-15 / 1.99),
        (energy(CLOSED, "cells", array={"writes": "closed"}), 9 * 0.04 * 1e-5 * (1e-8 + SETTLE)),
        # transfers: two lines of 8 cells, with a conversion each
        (energy({"transfer": {Event.CELL_READ: 16, Event.ADC: 8}}, "cells"), 16 * 0.04 * 1e-5 * (1e-8 + SETTLE)),
        (energy({"transfer": {Event.CELL_READ: 16}}, "lines"), 2 * (GATE * 0.81 + ROW * 0.04)),
        # digital: 12 driven lines x 4 weights; neurons; a mirror is only behind the first layer
        (energy(READ, "digital", gradient="add", weight_bits=16), 48 * 0.06e-12),
        (energy(READ, "digital", gradient="multiply", weight_bits=16), 48 * 0.26e-12),
        (energy(READ, "memory", gradient="add", weight_bits=16), 48 * 32 * 0.16e-12),
        (energy(READ, "memory", neuron_bits=3), 2 * 2 * 4 * 3 * 0.16e-12),
        (energy(READ, "off-chip input", images=2, input_bits=80), 160 * 3.9e-12),
        # time
        (latency(READ, "converters"), 2 * 9e-9),
        (latency(READ, "converters", COST.replace(sharing=3)), 2 * 3 * 9e-9),
        (latency(READ, "lines"), 2 * SETTLE),
        (latency(PULSES, "pulses"), 3 * 1e-7 + 2 * 2e-7),
        (latency(PULSES, "pulses", COST.replace(write_order="array")), 3 * 1.5e-7),
        (latency(PULSES, "pulses", COST.replace(write_order="cell")), 7 * 1.5e-7),
        (latency(CLOSED, "single reads", array={"writes": "closed"}), 4 * (SETTLE + 1e-8 + 1e-9)),
        (latency(READ, "digital", gradient="add"), 12e-9),
    ],
)  # fmt: skip
def test_every_term_is_what_it_is_by_hand(found: float, by_hand: float):
    assert found == pytest.approx(by_hand, rel=2e-3)  # factors between nodes are published to three digits


def test_what_a_layer_keeps_in_digital_is_charged_once():
    one = use(READ, gradient="add", weight_bits=16, neuron_bits=3).arrays[0]
    both = use(READ, gradient="add", weight_bits=16, neuron_bits=3)._replace(
        arrays=(one, one._replace(name="a.minor", leads=False))
    )
    single, double = (bill(of, COST) for of in (both._replace(arrays=(one,)), both))
    for name in ("memory", "digital"):
        each = [found.energy.by("during", "component")["update", name] for found in (single, double)]
        assert each[0] == each[1] > 0
    assert double.energy.by("component")["cells"] == pytest.approx(2 * single.energy.by("component")["cells"])
    assert double.area.by("component")["memory"] == single.area.by("component")["memory"]


def test_areas_by_hand():
    found = bill(use({**READ, **BACK}, steps=1, batch=3, weight_bits=6, neuron_bits=2), COST).area.by("component")
    feature = (45e-9) ** 2
    assert found["cells"] == pytest.approx(80 * 16 * feature)
    assert found["memory"] == pytest.approx((40 * 6 + 3 * 4 * 2) * 146 * feature)
    assert found["drivers"] == pytest.approx((80 + 8) * 0.167e-12 / 0.46 + 18 * 1150e-12 / 6.4, rel=1e-3)
    assert found["converters"] == pytest.approx(4 * COST.adc.area(8, COST.at))
    assert found["comparators"] == pytest.approx(2 * 10 * 40e-12 / 1.5)


def test_totals_are_sums_and_a_bill_survives_a_file():
    done = bill(use({**READ, **BACK, **PULSES}, images=3, steps=1, gradient="add", weight_bits=4), COST)
    for total in (done.energy, done.latency, done.area):
        assert total.total == math.fsum(part.value for part in total.parts) > 0
        for keys in (("during",), ("layer",), ("component",), ("during", "layer", "component")):
            assert math.fsum(total.by(*keys).values()) == pytest.approx(total.total, rel=1e-12)
    table = json.loads(json.dumps(done.table(sensitive=False)))
    assert bill(Use.from_table(table["use"]), Cost.from_table(table["assumptions"])).energy == done.energy
    assert not done.unpriced and any("survive" in note for note in done.notes)


def test_assumptions_move_what_hangs_on_them():
    rows = {(row["assumption"], row["value"]): row for row in sensitivity(bill(use({**READ, **PULSES}), COST))}
    assert rows["read_pulse", 2e-8]["energy"] > 1 and rows["adc.clock", 2e9]["latency"] < 1
    assert rows["transistor_area", 32.0]["area"] > 1 and rows["node", 32]["energy"] != 1
    # Cells are the device's own: what pulses burn in them is the same at every node.
    assert {energy(PULSES, "pulses", Cost(node=n)) for n in NODES} == {energy(PULSES, "pulses")}  # type: ignore[arg-type]


def test_wear_by_hand():
    done = bill(use(READ, array={"pulses_max": 50.0}, images=200, endurance=1e5), COST).wear
    assert done["training_runs"] == 2000 and done["images_to_first_failure"] == 400_000


def test_nodes_and_converters_are_the_published_ones():
    # Stillmaker and Baas, energies against 45 nm at 0.9 V; hwcomponents-adc at 1e8 samples/s; the survey's best silicon
    factors = {130: 7.46, 90: 3.80, 65: 1.99, 32: 0.641, 20: 0.209, 16: 0.142, 14: 0.114, 10: 0.083, 7: 0.057}
    assert {n: scaled(1.0, 45, node(n)) for n in factors} == pytest.approx(factors, rel=0.01)
    published = {(130, 4): (12.9, 28984), (65, 6): (4.04, 10289), (32, 8): (1.71, 3939), (7, 10): (0.19, 451)}
    for (nanometres, bits), (pico, size) in published.items():
        adc, at = RegressionConverter(), node(nanometres)
        assert adc.energy(bits, at) * 1e12 == pytest.approx(pico, abs=0.006 if pico < 10 else 0.06)
        assert adc.area(bits, at) * 1e12 == pytest.approx(size, rel=5e-3)
    assert set(MEMBERS.values()) == {
        FixedConverter, FlashConverter, IntegrateAndFire, RegressionConverter, SurveyConverter
    }  # fmt: skip
    assert SurveyConverter().energy(4, node(32)) == pytest.approx(331e-15, rel=1e-3)
    assert SurveyConverter(percentile="p10").energy(4, node(32)) == 0.3e-12  # the floor
    assert FlashConverter().energy(4, node(65)) == pytest.approx(15 * 42e-15)
    assert IntegrateAndFire().energy(8, node(65)) == 1.346e-12
    with pytest.raises(InputError):
        node(28)


def test_lines_are_those_of_the_published_example():
    # NeuroSim, 400 x 100 1T1R at 32 nm: row 2.56 fF, word line with gates 8.6 fF, column 70.8 fF with drains
    lines = lines_of(400, 100, Cost())
    assert [lines.row * 1e15, lines.gate * 1e15, lines.column * 1e15] == pytest.approx([2.56, 8.6, 70.8], rel=1e-3)
    assert settling(use({}).arrays[0], COST) == pytest.approx(SETTLE)


def macro(watts: float, driven: float, **changes: Any) -> Use:
    """One vector through an array of 128 x 128, each column converted."""
    events = {Event.CELL_READ: 128 * 128, Event.ADC: 128, Event.DIGITAL_ADD: 128}
    amounts = {Amount.READ_HEAT: watts, Amount.DRIVEN: driven, Amount.SQUARE: driven * 0.04}
    shape = {"rows": 128, "columns": 128, "inputs": 128, "outputs": 128, "cells": 128 * 128, "g_mean": 7e-6}
    side = Side("switch", 1, "adc", 8, 1)
    return use({"forward": {**events, **amounts}}, array={**shape, "forward": side, **changes})


def test_isaacs_macro_is_the_sum_of_its_parts():
    # 32 nm, 100 ns a step: crossbar 0.3 mW, 128 drivers of 3.9 uW, an 8-bit converter of 2 mW at 1.28 GS/s; its unit of
    # eight arrays takes 24.1 mW, registers included (the paper's table, from memory: verify).
    cost = Cost(adc=FixedConverter(per_conversion=2e-3 / 1.28e9), read_pulse=100e-9)
    found = bill(macro(0.3e-3, 128), cost).energy
    assert found.total == pytest.approx(24.1e-3 / 8 * 100e-9, rel=0.15)
    assert found.by("component")["converters"] == pytest.approx(200e-12)


def test_yaos_macro_is_the_sum_of_its_parts():
    # 130 nm, 0.2 V, 2.55 pJ a conversion; 15-level weights from two 8-level devices of 2.5 .. 20 uS: one at its lowest
    # level, the other anywhere. Half of the input bits are on, for 10 ns: our assumption.
    levels = np.arange(-7, 8)
    mean = float(np.mean([2.5e-6 + 2.5e-6 * np.maximum(levels, 0), 2.5e-6 - 2.5e-6 * np.minimum(levels, 0)]))
    cost = Cost(node=130, adc=FixedConverter(per_conversion=2.55e-12), read_pulse=10e-9)
    found = bill(macro(64 * 128 * 0.04 * mean, 64), cost).energy
    by = found.by("component")
    assert found.total == pytest.approx(371.89e-12, rel=0.15)
    assert by["converters"] / by["cells"] == pytest.approx(14.4, rel=0.15)


@pytest.mark.parametrize("double_sided", ["none", "both"])
@pytest.mark.parametrize("read", ["forward", "transposed"])
def test_sources_deliver_what_cells_and_lines_burn(read: Any, double_sided: Any):
    drawn = np.random.default_rng(5)
    g = torch.from_numpy(drawn.uniform(2e-6, 2e-4, (12, 9)))
    forward = read == "forward"
    v = torch.from_numpy(drawn.uniform(-0.3, 0.3, (4, 12 if forward else 9)))
    lines = {"r_word_line": 2.0, "r_bit_line": 3.0, "r_source": 5.0, "r_sense": 4.0, "double_sided": double_sided}
    delivered = float(ResistiveWires(**lines).power(g, v, transposed=not forward))
    current, word, bit = solve(g, v, read=read, return_node_voltages=True, tolerance=1e-13, **lines)
    burnt = float((g * (word - bit) ** 2).sum())
    burnt += float(word.diff(dim=-1).square().sum()) / 2 + float(bit.diff(dim=-2).square().sum()) / 3
    drive, sensed = (word, bit) if forward else (bit.mT, word.mT)
    r_drive, r_sense = (7.0, 7.0) if forward else (8.0, 6.0)
    near, far = (0, -1) if forward else (-1, 0)
    burnt += float((v - drive[..., near]).square().sum()) / r_drive
    burnt += float(sensed[..., -1 if forward else 0, :].square().sum()) / r_sense
    if double_sided == "both":
        burnt += float((v - drive[..., far]).square().sum()) / r_drive
        burnt += float(sensed[..., 0 if forward else -1, :].square().sum()) / r_sense
    assert delivered == pytest.approx(burnt, rel=1e-9)
    assert current.shape[0] == 4
