"""Write noise in the fused kernels of trains and counts: reads see, and writes draw, what the stages see and draw."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import AbstractMapping, DifferentialPair, ReferenceColumn
from memlearn.core.ledger import Ledger
from memlearn.devices import SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, StuckCells, WriteNoise
from memlearn.learning import manhattan, mixed_precision, rounded_sgd, sgd, siamese
from memlearn.learning.fused import fuse
from memlearn.learning.fused.counts import FusedCounts
from memlearn.learning.fused.sgd import FusedSGD
from memlearn.learning.loop import train_batch
from memlearn.nn import attach_ledger
from memlearn.tile import Array, Crossbar
from tests.learners import CONVERTERS, Setup, counts, images, network

WIDTHS = (9, 7, 4)
DEVICE = SoftBounds(
    states=30,
    cycle_to_cycle=CycleToCycle(spread=0.3),
    device_to_device=DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    faults=StuckCells(anywhere=0.05),
    write_noise=WriteNoise(relative=0.02, absolute=1e-6),
)
RULES: dict[str, Any] = {
    "sgd": lambda model: sgd(model, learning_rate=0.3),
    "mixed precision": lambda model: mixed_precision(model, learning_rate=0.5),
    "rounded": lambda model: rounded_sgd(model, learning_rate=0.5, rounding="stochastic"),
    "manhattan": manhattan,
}


def begin(rule: Any, mapping: AbstractMapping) -> tuple[Setup, Ledger]:
    given = Array(device=DEVICE, crossbar=Crossbar(mapping=mapping), periphery=CONVERTERS)
    model, ledger = network(given, nn.Sigmoid(), widths=WIDTHS, initial_weight=0.5), Ledger(measures=True)
    attach_ledger(model, ledger)
    model.train()
    return Setup(model, rule(model), nn.CrossEntropyLoss()), ledger


@pytest.mark.parametrize("mapping", [ReferenceColumn(w_max=1.5), DifferentialPair()], ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_equals_the_stages(rule, mapping):
    torch.set_num_threads(1)
    (x, y), batch, sent = images(60, WIDTHS[0], WIDTHS[-1]), 4, 0
    (fast, counted), (slow, expected) = begin(rule, mapping), begin(rule, mapping)
    start = fast.memory()
    trainer = fuse(fast.model, fast.rule, fast.loss)
    assert isinstance(trainer, FusedSGD | FusedCounts)
    for part in (slice(0, 1), slice(1, 60)):  # a single image, and calls that begin with the last one's noise
        done = trainer.train(x[part], y[part], batch)
        pairs = zip(x[part].split(batch), y[part].split(batch), strict=True)
        stages = [train_batch(slow.model, slow.rule, slow.loss, *pair).pulses for pair in pairs]
        assert done.pulses == sum(stages)
        sent += done.pulses
    new, old = fast.memory(), slow.memory()
    assert sent > 100 and new.keys() == old.keys() and counts(counted) == counts(expected)
    for name, kept in old.items():
        scale = DEVICE.range if "conductance" in name else 1.0
        close = torch.allclose(new[name] / scale, kept / scale, atol=2e-5, rtol=1e-4)
        assert close if kept.is_floating_point() else torch.equal(new[name], kept), name
    drawn = [name for name in old if name.endswith(".memory") and not torch.equal(old[name], start[name])]
    assert len(drawn) == len(WIDTHS) - 1
    heat, amounts = counted.amounts(), expected.amounts()
    assert heat.keys() == amounts.keys()
    for key, value in amounts.items():
        # Half-selected cells are summed by the mean of a span's ends in the kernel, write by write in the stages.
        assert heat[key] == pytest.approx(value, rel=0.2 if "beside" in key or "around" in key else 3e-3), key


def test_cells_that_are_verified_as_they_are_written_are_left_to_the_stages():
    setup, _ = begin(lambda model: siamese(model, levels=16), ReferenceColumn())
    assert fuse(setup.model, setup.rule, setup.loss) is None
