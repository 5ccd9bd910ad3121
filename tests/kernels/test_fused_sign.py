"""The fused kernel of sign backpropagation against the stages that it replaces: the same pulses to the same cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import AbstractMapping, DifferentialPair, ReferenceColumn
from memlearn.core.ledger import Ledger
from memlearn.devices import AbstractDevice, ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, StuckCells
from memlearn.learning import Rule, sign_backprop
from memlearn.learning.accumulate import AbstractAccumulator, BatchCounter, PersistentCounter
from memlearn.learning.fused import fuse
from memlearn.learning.fused.counts import FusedCounts
from memlearn.learning.loop import train_batch
from memlearn.nn import Linear, Neuron, TernaryMarginLoss, attach_ledger
from memlearn.periphery import (
    AbstractDriver,
    Analogue,
    BinaryDriver,
    BinaryStep,
    StochasticBinaryDriver,
    TernaryComparator,
    TernaryDriver,
)
from memlearn.tile import Array, Crossbar, Periphery, Port

SPREADS = {
    "cycle_to_cycle": CycleToCycle(spread=0.3),
    "device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2),
    "faults": StuckCells(anywhere=0.05),
}
LAWS = {
    "constant": ConstantStep(states=64),
    "constant, spread": ConstantStep(states=64, **SPREADS),
    "soft, spread": SoftBounds(states=64, mix_up=0.3, mix_down=0.1, **SPREADS),
}
DRIVERS = {"threshold": BinaryDriver(threshold=0.3), "stochastic": StochasticBinaryDriver()}
COUNTERS = {"batch": (BatchCounter(), 2.0), "persistent": (PersistentCounter(bits=5), 6.0)}


def network(
    law: AbstractDevice,
    *,
    mapping: AbstractMapping | None = None,
    driver: AbstractDriver | None = None,
    accumulator: AbstractAccumulator | None = None,
    threshold: float = 2.0,
    bias: bool = False,
    window: float | None = 2.0,
    noise: float = 0.0,
    rows: int = 1024,
) -> tuple[nn.Sequential, Rule]:
    """17-11-6-4, the same devices and weights at every call."""
    periphery = Periphery(
        forward=Port(drive=driver or BinaryDriver(), sense=Analogue()),
        backward=Port(drive=TernaryDriver(), sense=TernaryComparator(dead_zone=0.05, noise=noise)),
    )
    array = Array(device=law, crossbar=Crossbar(mapping=mapping or DifferentialPair(), rows=rows), periphery=periphery)
    parts: list[nn.Module] = []
    for seed, (a, b) in enumerate(((17, 11), (11, 6), (6, 4))):
        parts += [Linear(a, b, bias, array=array, seed=seed, initial_weight=0.4)]
        parts += [Neuron(BinaryStep(window=window), seed=seed)] if b != 4 else []
    model = nn.Sequential(*parts)
    return model, sign_backprop(model, threshold=threshold, accumulator=accumulator or BatchCounter())


def images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return torch.rand(n, 17, generator=generator), torch.randint(4, (n,), generator=generator)


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("mapping", "bias"), [(DifferentialPair(), False), (ReferenceColumn(w_max=0.7), True)])
def test_the_kernel_does_what_the_stages_do(law: str, driver: str, counter: str, mapping: AbstractMapping, bias: bool):
    accumulator, threshold = COUNTERS[counter]
    settings = {"mapping": mapping, "driver": DRIVERS[driver], "accumulator": accumulator, "bias": bias}
    (staged, rule), (model, other) = (network(LAWS[law], threshold=threshold, **settings) for _ in range(2))
    ledgers, losses = (Ledger(), Ledger()), (TernaryMarginLoss(1.0), TernaryMarginLoss(1.0))
    for part, loss, ledger in zip((staged, model), losses, ledgers, strict=True):
        attach_ledger(part, ledger)
        loss.ledger = ledger
        part.train()
    inputs, labels = images(43)
    rule.rate = other.rate = 0.9
    outcomes = [
        train_batch(staged, rule, losses[0], x, y) for x, y in zip(inputs.split(8), labels.split(8), strict=True)
    ]
    trainer = fuse(model, other, losses[1])
    assert isinstance(trainer, FusedCounts)
    trained = trainer.train(inputs, labels, 8)

    assert trained.pulses == sum(o.pulses for o in outcomes) > 0
    assert trained.cells == sum(o.cells for o in outcomes)
    assert trained.correct == sum(o.correct for o in outcomes)
    sizes = [len(y) for y in labels.split(8)]
    assert trained.loss == pytest.approx(sum(o.loss * n for o, n in zip(outcomes, sizes, strict=True)), rel=1e-4)
    for name, layer in rule.layers.items():
        tile, twin = layer.tile, other.layers[name].tile
        assert torch.equal(tile.conductance, twin.conductance)
        assert torch.equal(tile.counters, twin.counters)
        assert torch.equal(tile.events, twin.events)
        a, b = rule.memory[name], other.memory[name]
        assert (a is None and b is None) or (a is not None and b is not None and torch.equal(a, b))
    assert ledgers[0].state() == ledgers[1].state()
    assert rule.steps == other.steps == 6


def test_spans_of_whole_batches_are_one_run():
    inputs, labels = images(64)
    (one, rule), (two, other) = (network(LAWS["soft, spread"], driver=StochasticBinaryDriver()) for _ in range(2))
    loss = TernaryMarginLoss(1.0)
    whole, parts = fuse(one, rule, loss), fuse(two, other, loss)
    assert whole is not None and parts is not None
    whole.train(inputs, labels, 8)
    for first in (0, 24, 40):
        last = {0: 24, 24: 40, 40: 64}[first]
        parts.train(inputs[first:last], labels[first:last], 8)
    for name in rule.layers:
        assert torch.equal(rule.layers[name].tile.conductance, other.layers[name].tile.conductance)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": 0.1},
        {"rows": 8},
        {"law": ConstantStep(read_noise=ReadNoise(relative=0.1))},
    ],
)
def test_what_the_kernel_does_not_do_stays_with_the_stages(settings: dict):
    model, rule = network(settings.pop("law", LAWS["constant"]), **settings)
    assert fuse(model, rule, TernaryMarginLoss()) is None


def test_another_loss_or_output_dead_zone_stays_with_the_stages():
    model, rule = network(LAWS["constant"])
    assert fuse(model, rule, nn.CrossEntropyLoss()) is None
    assert fuse(nn.Sequential(model), rule, TernaryMarginLoss()) is None
