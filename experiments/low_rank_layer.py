"""Low-rank Tiki-Taka by rank: two thin arrays that learn, and pass on to the large one as few outer products.

    python experiments/low_rank_layer.py [RANK ...]

64-32-10 sigmoid on the embedded digits, batches of ten, the converters of experiments/decisive/digits.toml; soft
bounds, 1200 states, 30 % of spread from pulse to pulse, of steps and of bounds, each cell read against its symmetric
point. Beside it SGD and Tiki-Taka v1 on the same cells. Accuracy is on the 300 images held back, mean over seeds.
"""

from __future__ import annotations

import sys

import torch
from torch import nn
from weight_programming import say

from memlearn.arrays.mapping import ReferenceColumn
from memlearn.datasets import Data, Digits
from memlearn.devices import SoftBoundsReference
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning import Rule
from memlearn.learning.loop import train_images
from memlearn.learning.rules import SGD, AbstractRule, TikiTaka
from memlearn.nn import Linear, LowRankLinear, tiles
from memlearn.programming import StochasticTrains
from memlearn.tile import Array, Crossbar

EPOCHS, SEEDS, RATE = 10, (0, 1), 1.0
CELLS = SoftBoundsReference(
    g_min=10e-6,
    g_max=30e-6,
    states=1200,
    cycle_to_cycle=CycleToCycle(spread=0.3),
    device_to_device=DeviceToDevice(step=0.3, upper_bound=0.3, lower_bound=0.3),
)
ARRAY = Array(device=CELLS, crossbar=Crossbar(mapping=ReferenceColumn(w_max=1.0)))


def low_rank(rank: int, seed: int) -> tuple[nn.Module, Rule]:
    """The network of three arrays a layer, and descent on the thin ones."""
    options = {"rank": rank, "alpha": 1.0, "transfer_every": 32, "spread": 1.0, "array": ARRAY}
    writer = StochasticTrains(learning_rate=1.0)
    sizes = ((64, 32), (32, 10))
    first, second = (LowRankLinear(*n, seed=100 * seed + 10 * k, writer=writer, **options) for k, n in enumerate(sizes))
    model = nn.Sequential(first, nn.Sigmoid(), second)
    return model, SGD(learning_rate=RATE).attach(model)


def plain(rule: AbstractRule, seed: int) -> tuple[nn.Module, Rule]:
    """The network of single or paired arrays."""
    array = ARRAY if rule.cell is None else ARRAY.replace(cell=rule.cell)
    layers = [Linear(*size, array=array, seed=100 * seed + k) for k, size in enumerate(((64, 32), (32, 10)))]
    model = nn.Sequential(layers[0], nn.Sigmoid(), layers[1])
    return model, rule.attach(model, batch=10)


def accuracy(model: nn.Module, rule: Rule, data: Data, seed: int) -> float:
    """Of the images held back, after training."""
    for epoch in range(EPOCHS):
        generator = torch.Generator().manual_seed(100 * seed + epoch)
        order = torch.randperm(len(data.train.labels), generator=generator)
        train_images(model, rule, nn.CrossEntropyLoss(), data.train.inputs[order], data.train.labels[order], 10)
    model.eval()
    with torch.no_grad():
        return float((model(data.validation.inputs).argmax(1) == data.validation.labels).float().mean())


def row(name: str, made: list[tuple[nn.Module, Rule]], data: Data, large: str) -> None:
    """One line of the table; `large` names the arrays that hold the weights."""
    found = [accuracy(model, rule, data, seed) for seed, (model, rule) in zip(SEEDS, made, strict=True)]
    arrays = tiles(made[0][0])
    fast = sum(tile.cells for key, tile in arrays.items() if large not in key)
    pulses = [float(t.counters[..., 0].sum()) / t.cells for key, t in arrays.items() if large in key]
    words = " / ".join(f"{p:.0f}" for p in pulses)
    say(f"| {name} | {100 * sum(found) / len(found):.1f} | {100 * min(found):.1f} | {fast} | {words} |")


def main() -> None:
    """The table."""
    torch.set_num_threads(1)
    data = Digits(validation=300).load()
    say("| rule | accuracy, % | worst | cells beside the large array | its pulses a cell, layer by layer |")
    say("|---|---|---|---|---|")
    row("SGD", [plain(SGD(learning_rate=RATE), seed) for seed in SEEDS], data, "")
    row("Tiki-Taka v1", [plain(TikiTaka(), seed) for seed in SEEDS], data, "slow")
    for rank in [int(word) for word in sys.argv[1:]] or (1, 4, 8, 16):
        row(f"low rank {rank}", [low_rank(rank, seed) for seed in SEEDS], data, "visible")


if __name__ == "__main__":
    main()
