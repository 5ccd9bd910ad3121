"""Low-rank Tiki-Taka (B8): accuracy over the rank of the thin arrays, beside version 1 with a full fast array.

    python experiments/low_rank_tiki_taka.py                           # the embedded digits, 64-32-10
    python experiments/low_rank_tiki_taka.py --data DIR --epochs 1     # MNIST, 784-256-10

Soft bounds with 1200 states, 30 % spreads, 8-bit converters, batches of ten; every layer has its two thin arrays, and
plain SGD writes these at `--rate`. Every `--every` images they go over to the large array, as whole numbers of pulses.
Fast cells are those beside the large arrays. Accuracy is that on images that did not train, with `--test` on the test
images; `--constant` takes cells of constant step.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from memlearn.arrays.mapping import ReferenceColumn
from memlearn.datasets import Data, Digits, Mnist
from memlearn.devices import AbstractDevice, ConstantStep, SoftBoundsReference
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.experiment.network import accuracy
from memlearn.learning.loop import train_images
from memlearn.learning.rules import SGD, AbstractRule, TikiTaka
from memlearn.nn import Linear, LowRankLinear, tiles
from memlearn.periphery import ADC, DAC
from memlearn.programming import CountedProducts
from memlearn.tile import Array, Crossbar, Periphery, Port

BATCH, STATES, FEW = 10, 1200, 2000
PORT = Port(drive=DAC(scaling="max"), sense=ADC())


def cells(constant: bool = False) -> AbstractDevice:
    """The law."""
    spread = DeviceToDevice(step=0.3, upper_bound=0.3, lower_bound=0.3)
    law = ConstantStep if constant else SoftBoundsReference
    noise = CycleToCycle(spread=0.3)
    return law(g_min=10e-6, g_max=30e-6, states=STATES, cycle_to_cycle=noise, device_to_device=spread)


def network(sizes: Sequence[int], rule: AbstractRule, device: AbstractDevice, seed: int, **thin: Any) -> nn.Sequential:
    """Sigmoid layers, each with the cells of the rule, or with two thin arrays where these are described."""
    crossbar = Crossbar(mapping=ReferenceColumn(w_max=1.0))
    array = Array(device=device, crossbar=crossbar, periphery=Periphery(forward=PORT, backward=PORT))
    if rule.cell is not None:
        array = array.replace(cell=rule.cell)
    stack: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        options: dict[str, Any] = {"array": array, "seed": 1000 * seed + 10 * number}
        if thin:
            options |= {"writer": CountedProducts(learning_rate=1.0), **thin}
        layer = LowRankLinear(inputs, outputs, **options) if thin else Linear(inputs, outputs, **options)
        stack += [nn.Sigmoid(), layer] if stack else [layer]
    return nn.Sequential(*stack)


def fast_cells(model: nn.Module) -> int:
    """Weights beside the large arrays."""
    beside = ("fast", "up", "down")
    return sum(tile.inputs * tile.outputs for name, tile in tiles(model).items() if name.rsplit(".", 1)[-1] in beside)


def learn(
    data: Data, rule: AbstractRule, device: AbstractDevice, epochs: int, seed: int = 0, **thin: Any
) -> nn.Sequential:
    """A network, trained."""
    hidden = 32 if len(data.train.labels) < FEW else 256
    model = network((data.train.inputs[0].numel(), hidden, data.classes), rule, device, seed, **thin)
    attached = rule.attach(model, batch=BATCH)
    for epoch in range(epochs):
        order = torch.randperm(len(data.train.labels), generator=torch.Generator().manual_seed(100 * seed + epoch))
        images, labels = data.train.inputs[order], data.train.labels[order]
        train_images(model, attached, nn.CrossEntropyLoss(), images, labels, BATCH)
    return model


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--ranks", type=int, nargs="*", default=[0, 1, 2, 4, 8, 16])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--constant", action="store_true")
    parser.add_argument("--test", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    source = Digits(validation=300) if args.data is None else Mnist(validation=5000, train_limit=args.limit)
    data = source.load(args.data)
    split = data.test if args.test else data.validation
    sys.stdout.write("| rank | fast cells | accuracy, % (worst) |\n|---|---|---|\n")
    for rank in args.ranks:
        found, beside = [], 0
        rule = SGD(learning_rate=args.rate) if rank else TikiTaka()
        thin = {"rank": rank, "transfer_every": args.every} if rank else {}
        for seed in range(args.seeds):
            model = learn(data, rule, cells(args.constant), args.epochs, seed, **thin)
            found.append(100 * (accuracy(model, split, 1000) or 0.0))
            beside = fast_cells(model)
        name = rank or "full, version 1"
        sys.stdout.write(f"| {name} | {beside:,} | {statistics.mean(found):.1f} ({min(found):.1f}) |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
