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
from memlearn.periphery import ADC
from memlearn.tile import Array, Crossbar, Periphery, Port
from tests.learners import counts, images

WIDTHS = (19, 9, 5)
# Weights start on sevenths of w_max and drives on 127ths of the read voltage: with a range of 12, sums are multiples
# of 1/84 (w_max 1) or 1/56 (1.5) of an ADC level, some of them on the border of two levels, where the order of summing
# decides. With 11.7, none on that grid is closer to a border than 1/1638 of a level.
PERIPHERY = Periphery(forward=Port(sense=ADC(output_range=11.7)))
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
    array = Array(device=device, crossbar=Crossbar(mapping=mapping), periphery=PERIPHERY)
    parts: list[nn.Module] = []
    for number in range(len(WIDTHS) - 1):
        parts += [nn.Sigmoid()] if number else []
        parts += [Linear(*WIDTHS[number : number + 2], array=array, seed=number, initial_weight=0.5)]
    model, ledger = nn.Sequential(*parts), Ledger()
    attach_ledger(nn.ModuleDict({"net": model, "loss": loss}), ledger)
    model.train()
    return model, siamese(model, **{"learning_rate": 0.4, "levels": 8, "max_pulses": 40, **options}), ledger


def check(device: AbstractDevice, mapping: Any, batch: int, *, rate: float = 1.0, **options: Any) -> int:
    """Train both ways, compare everything that they leave behind, and return how many cells were pulsed."""
    inputs, labels = images(33, WIDTHS[0], WIDTHS[-1])
    loss = nn.CrossEntropyLoss()
    slow, rule, counted = begin(loss, device, mapping, **options)
    fast, quick, ledger = begin(loss, device, mapping, **options)
    rule.rate = quick.rate = rate
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
    return trained.cells


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


def test_hysteresis():
    # With residual and without: what stays in the twin is measured from the level that is kept.
    nearest = check(DEVICES[0], MAPPINGS[0], 4)
    assert 0 < check(DEVICES[0], MAPPINGS[0], 4, hysteresis=0.3) < nearest
    check(DEVICES[0], MAPPINGS[1], 1, hysteresis=0.1, residual=False, learning_rate=1.5)


def test_a_schedules_rate_reaches_the_twin():
    cells = [check(DEVICES[0], MAPPINGS[0], 4, rate=rate) for rate in (0.25, 1.5)]
    assert cells[0] < cells[1]


def test_what_the_kernel_does_not_do_stays_with_the_stages():
    loss = nn.CrossEntropyLoss()
    for options in ({"feedback": 0.5}, {"every": 2}, {"parallel": "column"}, {"marked_after": 3}):
        assert fuse(*begin(loss, DEVICES[0], MAPPINGS[0], **options)[:2], loss) is None
    noisy = ConstantStep(read_noise=ReadNoise(relative=0.02))
    assert fuse(*begin(loss, noisy, MAPPINGS[0])[:2], loss) is None
