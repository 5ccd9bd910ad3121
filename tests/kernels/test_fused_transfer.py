"""The fused second array against the stages that it replaces: the same trains, transfers, pulses, events and counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import AbstractMapping, DifferentialPair, ReferenceColumn
from memlearn.core.ledger import Ledger
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells, WriteNoise
from memlearn.learning.fused import fuse
from memlearn.learning.fused.transfer import FusedTransfer
from memlearn.learning.loop import train_batch
from memlearn.learning.rules import (
    AGAD,
    AbstractRule,
    ChoppedTikiTaka,
    MultiTile,
    ResidualLearning,
    TikiTaka,
    TikiTakaV2,
    Tracked,
)
from memlearn.nn import attach_ledger
from memlearn.tile import Array, Crossbar
from tests.learners import CONVERTERS, Setup, counts, images, network

WIDTHS = (9, 7, 4)
SPREAD = {
    "states": 30,
    "cycle_to_cycle": CycleToCycle(spread=0.3),
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "faults": StuckCells(anywhere=0.05),
}
SOFT = SoftBounds(**SPREAD)
WRITTEN = SoftBounds(**SPREAD, write_noise=WriteNoise(relative=0.02, absolute=1e-6))
RULES: list[AbstractRule] = [
    TikiTaka(gain=9.0, slots=5.0, most=3),
    TikiTaka(gain=9.0, slots=5.0, reference_error=0.2, unit="batch"),
    TikiTakaV2(gain=9.0, forget=0.2, learning_rate=0.3, transfer_every=3),
    ChoppedTikiTaka(gain=9.0, slots=5.0, output_flip=0.3, flip=0.3, read_bits=None),
    AGAD(gain=9.0, slots=5.0, period=2, settle=3.0),
    Tracked(gain=9.0, slots=5.0, period=2),
    ResidualLearning(gain=9.0, slots=5.0, gamma=0.3),
    ResidualLearning(gain=9.0, slots=5.0, average=0.5),
    MultiTile(gain=9.0, slots=5.0, arrays=3, gamma=0.4, slower=2),
]


def begin(rule: AbstractRule, device: Any, mapping: AbstractMapping) -> Setup:
    assert rule.cell is not None
    given = Array(device=device, crossbar=Crossbar(mapping=mapping), periphery=CONVERTERS, cell=rule.cell)
    model = network(given, nn.Sigmoid(), widths=WIDTHS, initial_weight=0.5)
    return Setup(model, rule.attach(model), nn.CrossEntropyLoss())


def check(rule: AbstractRule, device: Any, mapping: AbstractMapping, batch: int) -> None:
    """Train both ways, twice over, and compare everything that they leave behind."""
    (x, y), ends = images(60, WIDTHS[0], WIDTHS[-1]), []
    for fused in (True, False):
        setup, ledger = begin(rule, device, mapping), Ledger(measures=True)
        attach_ledger(setup.model, ledger)
        for _ in range(2):
            setup.model.train()
            if fused:
                trainer = fuse(setup.model, setup.rule, setup.loss)
                assert type(trainer) is FusedTransfer
                trainer.train(x, y, batch)
            else:
                for part, label in zip(x.split(batch), y.split(batch), strict=True):
                    train_batch(setup.model, setup.rule, setup.loss, part, label)
        ends.append((setup.memory(), counts(ledger), ledger.amounts(), setup))
    (fast, counted, heat, setup), (slow, expected, amounts, _) = ends
    assert fast.keys() == slow.keys() and counted == expected
    for name, old in slow.items():
        scale = SOFT.range if "conductance" in name else 1.0
        close = torch.allclose(fast[name] / scale, old / scale, atol=2e-5, rtol=1e-4)
        assert close if old.is_floating_point() else torch.equal(fast[name], old), name
    assert heat.keys() == amounts.keys()
    for key, value in amounts.items():
        # Sums of lines are the mean of a span's ends in the kernel, and so are shares of arrays that are read together.
        rough = "beside" in key or "around" in key or ("read_W" in key and setup.model[0].tile.cell.gamma)
        assert heat[key] == pytest.approx(value, rel=0.3 if rough else 3e-3), key
    for layer in (setup.model[0], setup.model[2]):
        assert all(tile.counters[..., 0].any() for tile in layer.tile.tiles_of.values())


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind}-{RULES.index(rule)}")
def test_equals_the_stages(rule):
    for batch, mapping in ((1, ReferenceColumn(w_max=1.5)), (8, DifferentialPair())):
        check(rule, SOFT, mapping, batch)


@pytest.mark.parametrize(
    "rule",
    [TikiTaka(gain=9.0, slots=5.0), AGAD(gain=9.0, period=2), MultiTile(gain=9.0, slots=5.0, arrays=3, slower=2)],
    ids=lambda rule: rule.kind,
)
def test_write_noise_is_drawn_as_by_the_stages(rule):
    check(rule, WRITTEN, ReferenceColumn(w_max=1.5), 8)


def test_what_the_kernel_does_not_know_is_left_to_the_stages():
    mapping = ReferenceColumn()
    for rule, device in (
        (TikiTakaV2(reference_drift=0.1), SOFT),
        (MultiTile(fast=ConstantStep()), SOFT),
        (AGAD(), SoftBounds(read_noise=ReadNoise(relative=0.01))),
    ):
        setup = begin(rule, device, mapping)
        assert fuse(setup.model, setup.rule, setup.loss) is None
