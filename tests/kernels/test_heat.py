"""The heat of reads and pulses that ledgers add up: against sums over the cells, and fused kernels against stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from memlearn.arrays.mapping import ReferenceColumn
from memlearn.core.ledger import Amount, Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Trains
from memlearn.devices import SoftBounds
from memlearn.devices.effects import CycleToCycle
from memlearn.learning import rounded_sgd, sgd, siamese
from memlearn.learning.fused import fuse
from memlearn.learning.loop import train_batch
from memlearn.nn import attach_ledger
from memlearn.ops.heat import reference
from memlearn.tile import Array, Crossbar, Tile
from tests.learners import CONVERTERS, array, images, loss_for, network

DEVICE = SoftBounds(states=40, cycle_to_cycle=CycleToCycle(spread=0.3))


def tile(backend: Any = "cpu", rows: int = 4, columns: int = 6) -> Tile:
    """7 x 5 weights on two by two tiles, with a ledger that measures."""
    made = Tile(
        7,
        5,
        array=Array(device=DEVICE, crossbar=Crossbar(rows=rows, columns=columns)),
        stream=Stream.root(3),
        backend=backend,
        name="tile",
    )
    made.initialise(torch.linspace(-1, 1, 35).reshape(7, 5))
    made.ledger = Ledger(measures=True)
    return made


def found(ledger: Ledger | None, during: Pass) -> dict[Amount, float]:
    assert ledger is not None
    kept = {key.rsplit("/", 2)[1:][1]: v for key, v in ledger.amounts().items() if f"/{during.value}/" in key}
    return {amount: kept.get(amount.value, 0.0) for amount in Amount}


@pytest.mark.parametrize("way", [Pass.FORWARD, Pass.BACKWARD])
def test_a_read_enters_the_sum_over_its_cells(way: Pass):
    made, back = tile(), way is Pass.BACKWARD
    values = torch.linspace(-1, 1, 3 * (5 if back else 7)).reshape(3, -1)
    values[0, 2] = 0
    driven, _ = made.drive(values, way)
    (made.read_transposed if back else made.read)(values)
    g, mapping = made.conductance.double(), made.array.crossbar.mapping
    line = (mapping.column_lines if back else mapping.row_lines)(driven.voltage).double()  # (samples, tiles, lines)
    squares = line.square().sum(0)
    across = squares[None, :, None, :] if back else squares[:, None, :, None]
    amounts = found(made.ledger, way)
    assert amounts[Amount.READ_HEAT] == pytest.approx(float((across * g).sum()), rel=1e-6)
    assert amounts[Amount.SQUARE] == pytest.approx(2 * float(squares.sum()), rel=1e-6)
    assert amounts[Amount.DRIVEN] == 2 * int((line != 0).sum())


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_counts_enter_what_their_pulses_find(backend: Any):
    made = tile(backend)
    plan = torch.from_numpy(np.random.default_rng(0).integers(-3, 3, (7, 5))).int()
    cells = made.array.crossbar.mapping.counts(Counts(made.cut_weights(plan))).pulses.flatten(0, 1).numpy()
    before = made.conductance.clone().flatten(0, 1).numpy()
    made.write(Counts(plan))
    after = made.conductance.flatten(0, 1).numpy()
    amounts = found(made.ledger, Pass.UPDATE)
    up, down = (reference.heat(cells, before) + reference.heat(cells, after)) / 2
    assert (amounts[Amount.HEAT_UP], amounts[Amount.HEAT_DOWN]) == pytest.approx((up, down), rel=1e-6)
    rows, columns = reference.lines(cells)
    assert (amounts[Amount.SLOT_UP], amounts[Amount.SLOT_DOWN]) == tuple(rows.sum((1, 2)))
    assert (amounts[Amount.TURN_UP], amounts[Amount.TURN_DOWN]) == tuple(rows.sum(2).max(1))
    assert (amounts[Amount.PULSE_UP], amounts[Amount.PULSE_DOWN]) == tuple(columns.sum((1, 2)))
    assert (amounts[Amount.WRITTEN_UP], amounts[Amount.WRITTEN_DOWN]) == tuple((rows > 0).sum((1, 2)))
    # Half-selected: cell by cell, what shares its row while that is selected, or its column while that is.
    beside, around = 0.0, 0.0
    for t, slots in enumerate(rows[0]):
        others = before[t].astype(float)
        ups = np.maximum(cells[t], 0)
        beside += float(slots @ others.sum(1) + ups.sum(0) @ others.sum(0))
        around += float(slots.sum() * others.sum())
    assert amounts[Amount.BESIDE_UP] == pytest.approx(beside - 2 * up, rel=1e-5)
    assert amounts[Amount.AROUND_UP] == pytest.approx(around - (beside - 2 * up) - up, rel=1e-5)


def test_bit_lines_that_share_a_write_driver_take_turns():
    entered = []
    for sharing in (1, 4):
        made = tile(rows=8, columns=10)
        array = made.array.replace(crossbar=made.array.crossbar.replace(write_sharing=sharing))
        made = Tile(7, 5, array=array, stream=Stream.root(3), name="tile")
        made.ledger = Ledger(measures=True)
        made.write(Counts(torch.from_numpy(np.random.default_rng(0).integers(-3, 3, (7, 5))).int()))
        entered.append(found(made.ledger, Pass.UPDATE))
    plan = np.random.default_rng(0).integers(-3, 3, (7, 5))
    cells = np.stack([plan, -plan], -1).reshape(7, 10)
    for amounts, width in zip(entered, (10, 3), strict=True):
        groups = [np.maximum(cells[:, k : k + width], 0).max(1) for k in range(0, 10, width)]
        either = [(cells[:, k : k + width] != 0).any(1) for k in range(0, 10, width)]
        assert amounts[Amount.SLOT_UP] == np.sum(groups) and amounts[Amount.WRITTEN_UP] == (np.array(groups) > 0).sum()
        assert amounts[Amount.WRITTEN] == np.sum(either)
    same = {Amount.PULSE_UP, Amount.PULSE_DOWN, Amount.HEAT_UP, Amount.HEAT_DOWN}
    assert all(entered[0][amount] == entered[1][amount] for amount in same)


def test_trains_enter_what_their_pulses_find_and_beside_them():
    drawn = np.random.default_rng(1)
    rows, columns = (torch.from_numpy(drawn.integers(0, 1 << 32, (3, n)) & 0x80000007) for n in (7, 5))
    enters = {}
    for backend in ("cpu", "reference"):
        made = tile(backend)
        before = made.conductance.clone().double()
        made.write(Trains(rows, columns, 3))
        enters[backend] = found(made.ledger, Pass.UPDATE)
    amounts = enters["cpu"]
    assert enters["reference"] == pytest.approx(amounts, rel=1e-6)
    assert made.ledger is not None
    pulses = made.ledger.total(Event.PULSE)
    assert amounts[Amount.PULSE_UP] + amounts[Amount.PULSE_DOWN] == pulses > 0
    # A mean conductance per pulse lies within the range; what fires beside is counted by lines, once for each tile.
    heat = amounts[Amount.HEAT_UP] + amounts[Amount.HEAT_DOWN]
    assert DEVICE.g_min < heat / pulses < DEVICE.g_max
    fired = [np.bitwise_count(words.numpy() & 7).sum() for words in (rows, columns)]
    assert amounts[Amount.FIRED_ROW] == 2 * fired[0] and amounts[Amount.FIRED_COLUMN] == 2 * 2 * fired[1]
    assert before.sum() > 0 and amounts[Amount.BESIDE_UP] == amounts[Amount.BESIDE_DOWN] > 0


@pytest.mark.parametrize(
    "rule",
    [
        lambda model: rounded_sgd(model, learning_rate=0.5),
        lambda model: sgd(model, learning_rate=0.5),
        lambda model: siamese(model, learning_rate=0.5, levels=16),
    ],
    ids=["counts", "trains", "targets"],
)
@pytest.mark.parametrize("mapping", [None, ReferenceColumn()], ids=["pair", "reference"])
def test_fused_kernels_find_what_the_stages_find(rule: Any, mapping: Any, few_threads: None):
    torch.set_num_threads(1)
    entered = []
    for fused in (True, False):
        model = network(array(DEVICE, CONVERTERS, mapping), bias=True)
        ledger, loss, learner = Ledger(measures=True), loss_for(model), rule(model)
        attach_ledger(model, ledger)
        inputs, labels = images(8)
        model.train()
        trainer = fuse(model, learner, loss)
        assert trainer is not None
        if fused:
            trainer.train(inputs, labels, 4)
        else:
            for x, y in zip(inputs.split(4), labels.split(4), strict=True):
                train_batch(model, learner, loss, x, y)
        entered.append(ledger.amounts())
    fast, slow = entered
    assert fast.keys() == slow.keys()
    for key, value in slow.items():
        # Half-selected cells are summed by the mean of a span's ends in the kernel, write by write in the stages.
        assert fast[key] == pytest.approx(value, rel=0.05 if "beside" in key or "around" in key else 2e-3), key
