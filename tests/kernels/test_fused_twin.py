"""The fused step of Siamese learning against its stages: the same twins, levels, pulses, reads and counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import DifferentialPair, ReferenceColumn
from memlearn.core.ledger import Ledger
from memlearn.devices import AbstractDevice, BinarySwitch, ConstantStep
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells
from memlearn.learning import Rule, siamese
from memlearn.learning.fused import fuse
from memlearn.learning.fused.twin import FusedTwin
from memlearn.learning.loop import train_batch
from memlearn.nn import Linear, attach_ledger
from memlearn.tile import Array, Crossbar
from tests.learners import CONVERTERS, counts, images

WIDTHS = (19, 9, 5)
IMPERFECT: dict[str, Any] = {
    "states": 60,
    "cycle_to_cycle": CycleToCycle(spread=0.3, range_spread=0.02),
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2),
    "faults": StuckCells(high=0.03, low=0.03, anywhere=0.03),
}
DEVICES: list[AbstractDevice] = [ConstantStep(**IMPERFECT), BinarySwitch(**IMPERFECT)]
MAPPINGS = [DifferentialPair(), ReferenceColumn(w_max=1.5)]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def begin(loss: nn.Module, device: AbstractDevice, mapping: Any, **options: Any) -> tuple[Any, Rule, Ledger]:
    """A network, the rule at work on it, and the ledger of both."""
    array = Array(device=device, crossbar=Crossbar(mapping=mapping), periphery=CONVERTERS)
    parts: list[nn.Module] = []
    for number in range(len(WIDTHS) - 1):
        parts += [nn.Sigmoid()] if number else []
        parts += [Linear(*WIDTHS[number : number + 2], array=array, seed=number, initial_weight=0.5)]
    model, ledger = nn.Sequential(*parts), Ledger()
    attach_ledger(nn.ModuleDict({"net": model, "loss": loss}), ledger)
    model.train()
    return model, siamese(model, **{"learning_rate": 0.4, "levels": 8, "max_pulses": 40, **options}), ledger


def check(device: AbstractDevice, mapping: Any, batch: int, **options: Any) -> None:
    """Train both ways and compare everything that they leave behind."""
    inputs, labels = images(33, WIDTHS[0], WIDTHS[-1])
    loss = nn.CrossEntropyLoss()
    slow, rule, counted = begin(loss, device, mapping, **options)
    fast, quick, ledger = begin(loss, device, mapping, **options)
    trainer = fuse(fast, quick, loss)
    assert isinstance(trainer, FusedTwin)
    done = [train_batch(slow, rule, loss, x, y) for x, y in zip(inputs.split(batch), labels.split(batch), strict=True)]
    trained = trainer.train(inputs, labels, batch)
    assert trained.pulses == sum(d.pulses for d in done) > 0
    assert trained.cells == sum(d.cells for d in done)
    assert trained.correct == sum(d.correct for d in done)
    assert quick.steps == rule.steps and counts(ledger) == counts(counted)
    for name, old in slow.state_dict().items():
        assert torch.equal(fast.state_dict()[name], old), name
    for name, kept in rule.memory.items():
        twin = quick.memory[name]
        assert kept is not None and twin is not None
        assert torch.equal(kept[1:], twin[1:]) and torch.allclose(kept[0], twin[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda mapping: mapping.kind)
@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.kind)
def test_laws(device, mapping):
    for batch in (1, 8):
        check(device, mapping, batch)


@pytest.mark.parametrize("parallel", ["cell", "row", "array"])
def test_time_by_what_is_written_together(parallel):
    check(DEVICES[0], MAPPINGS[0], 4, parallel=parallel)


def test_without_residual():
    check(DEVICES[0], MAPPINGS[1], 1, residual=False, learning_rate=1.5)


def test_what_the_kernel_does_not_do_stays_with_the_stages():
    loss = nn.CrossEntropyLoss()
    for options in ({"feedback": 0.5}, {"every": 2}, {"parallel": "column"}):
        assert fuse(*begin(loss, DEVICES[0], MAPPINGS[0], **options)[:2], loss) is None
    noisy = ConstantStep(read_noise=ReadNoise(relative=0.02))
    assert fuse(*begin(loss, noisy, MAPPINGS[0])[:2], loss) is None
