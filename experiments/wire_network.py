"""Nguyen 2021 rebuilt: correction circuits of wire resistance, and other corrections, on a network trained elsewhere.

    python experiments/wire_network.py --data /path/to/data          MNIST 784-100-10, seeds 0 1 2, test images
    python experiments/wire_network.py --digits                      the embedded digits, 64-32-10, seconds
    python experiments/wire_network.py --digits --validation         on the validation images, for choosing settings

Inputs of one bit, weights trained in plain torch and written to pairs of cells, converters without rounding: what is
lost is lost on the lines. R_S (drivers), R_L (segments) and R_N (sense inputs) were chosen on validation images so that
accuracy falls by some points, as published; the publication's own values are not known.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import memlearn
from memlearn.arrays.mapping import DifferentialPair
from memlearn.arrays.wires import IdealWires, ResistiveWires
from memlearn.compensation import (
    AbstractCorrection,
    AdaptedProgramming,
    ArrayGain,
    ColumnGain,
    Cost,
    DoubleSided,
    LineRestore,
    Pairing,
    Predistortion,
    SeenThroughWires,
    Tiling,
    built,
    correct_model,
    line_voltages,
    output_error,
    source_voltage_error,
    total,
)
from memlearn.datasets import Data, Digits, Mnist, Split
from memlearn.devices import ConstantStep
from memlearn.periphery import ADC, DAC
from memlearn.tile import Array, Tile

CORRECTIONS: dict[str, Sequence[AbstractCorrection]] = {
    "none": (),
    "one gain an array": (ArrayGain(),),
    "source restore": (LineRestore(lines="rows"),),
    "neuron restore": (LineRestore(lines="columns"),),
    "source + neuron restore": (LineRestore(),),
    "the same, gains of 8 bits": (LineRestore(bits=8, largest=4.0),),
    "the same, gains from sums": (LineRestore(fit="sums"),),
    "the same, fitted to differences": (LineRestore(fit="differences"),),
    "fitted to differences, 8 bits": (LineRestore(fit="differences", bits=8, largest=4.0),),
    "gain per column": (ColumnGain(),),
    "gain per column, least squares": (ColumnGain(fit="least_squares"),),
    "gain per column, differences": (ColumnGain(fit="differences"),),
    "two-sided": (DoubleSided(),),
    "two-sided + gain per column": (DoubleSided(), ColumnGain()),
    "adapted programming": (AdaptedProgramming(),),
    "pre-distortion": (Predistortion(),),
    "one-sided pair": (Pairing(),),
    "one-sided pair + restore": (Pairing(), LineRestore()),
    "one-sided pair + source restore": (Pairing(), LineRestore(lines="rows")),
    "one-sided pair + neuron restore": (Pairing(), LineRestore(lines="columns")),
    "one-sided pair + 8 bits": (Pairing(), LineRestore(bits=8, largest=4.0)),
    "one-sided pair + differences": (Pairing(), LineRestore(fit="differences")),
    "one-sided pair + sums": (Pairing(), LineRestore(fit="sums")),
    "tiles of 32 x 32": (Tiling(rows=32, columns=32),),
    "tiles of 32 + gain per column": (Tiling(rows=32, columns=32), ColumnGain()),
}
AWARE = "wires in training"


class Setup(NamedTuple):
    """Circuit and network."""

    r_source: float
    """ohm."""
    r_line: float
    """ohm a segment."""
    r_sense: float
    """ohm."""
    size: int
    """Most rows, and columns, of an array."""
    hidden: int
    epochs: int
    retrain: int
    """Steps of training with wires in the forward pass."""


MNIST = Setup(r_source=150.0, r_line=0.5, r_sense=150.0, size=128, hidden=100, epochs=8, retrain=800)
DIGITS = Setup(r_source=200.0, r_line=5.0, r_sense=200.0, size=128, hidden=32, epochs=60, retrain=60)


class Row(NamedTuple):
    """What a correction gave."""

    accuracy: float
    source_error: float
    """Of the first layer."""
    output_error: float
    """Of the first layer."""
    cost: Cost


def one_bit(split: Split) -> Split:
    """Inputs 0 or 1."""
    return split._replace(inputs=(split.inputs > 0.5).float())


def train(setup: Setup, data: Data, seed: int) -> nn.Sequential:
    """A network of floats."""
    generator = torch.Generator().manual_seed(seed)
    features, hidden = data.train.inputs.shape[1], setup.hidden
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first, last = nn.Linear(features, hidden, bias=False), nn.Linear(hidden, data.classes, bias=False)
    network = nn.Sequential(first, nn.ReLU(), last)
    steps = setup.epochs * (len(data.train.labels) // _BATCH)
    _learn(network, data.train, steps, 2e-3, generator)
    return network


_BATCH = 100


def _learn(network: nn.Module, split: Split, steps: int, rate: float, generator: torch.Generator) -> None:
    """Adam, with a rate that falls to nothing."""
    optimiser = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    network.train()
    for _ in range(steps):
        chosen = torch.randint(len(split.labels), (_BATCH,), generator=generator)
        loss = nn.functional.cross_entropy(network(split.inputs[chosen]), split.labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()


def array(setup: Setup, w_max: float, ideal: bool = False) -> Array:
    """The arrays of a layer: cells of 1 to 100 uS."""
    wires = ResistiveWires(
        r_word_line=setup.r_line, r_bit_line=setup.r_line, r_source=setup.r_source, r_sense=setup.r_sense
    )
    exact = memlearn.Port(drive=DAC(bits=None, scaling="max"), sense=ADC(bits=None, output_range=1e6))
    return Array(
        device=ConstantStep(g_min=1e-6, g_max=1e-4),
        crossbar=memlearn.Crossbar(
            mapping=DifferentialPair(w_max=w_max),
            wires=IdealWires() if ideal else wires,
            rows=setup.size,
            columns=setup.size,
        ),
        periphery=memlearn.Periphery(forward=exact),
    )


def w_max(layer: nn.Module) -> float:
    """The layer's largest weight, which the end of the cells' range stands for."""
    assert isinstance(layer, nn.Linear)
    return float(layer.weight.detach().abs().max())


def on_arrays(
    network: nn.Sequential, setup: Setup, corrections: Sequence[AbstractCorrection] = (), ideal: bool = False
) -> nn.Sequential:
    """The network with its layers on arrays that were built for the corrections."""
    layers = []
    for layer in network:
        if isinstance(layer, nn.Linear):
            made = built(array(setup, w_max(layer), ideal), corrections)
            layer = memlearn.nn.convert(layer, array=made)
        layers.append(layer)
    return nn.Sequential(*layers).eval()


def retrained(network: nn.Sequential, setup: Setup, data: Data, seed: int) -> tuple[nn.Sequential, int]:
    """The network after some training with the wires in its forward pass, and the solutions that took."""
    twin = nn.Sequential(*(nn.Linear(m.in_features, m.out_features, bias=False) if isinstance(m, nn.Linear) else m
                           for m in network))  # fmt: skip
    twin.load_state_dict(network.state_dict())
    layers, seen = [m for m in twin if isinstance(m, nn.Linear)], []
    for layer in layers:
        seen.append(SeenThroughWires(array(setup, w_max(layer)), refresh=4))
        parametrize.register_parametrization(layer, "weight", seen[-1])
    _learn(twin, data.train, setup.retrain, 1e-3, torch.Generator().manual_seed(seed + 100))
    for layer in layers:
        parametrized = layer.parametrizations["weight"].original  # type: ignore[index]
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        assert torch.equal(layer.weight, parametrized)
    return twin, sum(one.solutions for one in seen)


def accuracy(network: nn.Module, split: Split) -> float:
    """Of 1."""
    with torch.no_grad():
        chunks = zip(split.inputs.split(2000), split.labels.split(2000), strict=True)
        return sum(int((network(x).argmax(1) == y).sum()) for x, y in chunks) / len(split.labels)


def measure(model: nn.Sequential, corrections: Sequence[AbstractCorrection], typical: Tensor, split: Split) -> Row:
    """Correct a model, and look at it."""
    layers = correct_model(model, corrections, typical)
    first, tile = next(iter(layers.values())).mapped, next(m for m in model.modules() if isinstance(m, Tile))
    voltage = line_voltages(tile, split.inputs[:_TYPICAL])
    wrong = source_voltage_error(first, voltage[..., :_LOOKED_AT, :]), output_error(first, voltage)
    return Row(accuracy(model, split), *wrong, total(layers))


_TYPICAL, _LOOKED_AT = 256, 8


def rows(
    setup: Setup, data: Data, split: Split, seed: int, names: Sequence[str], typical_images: int = 256
) -> dict[str, Row]:
    """All rows of one seed; "ideal" first."""
    network = train(setup, data, seed)
    typical = data.train.inputs[:typical_images]
    found = {"ideal": measure(on_arrays(network, setup, ideal=True), (), typical, split)}
    for name in names:
        if name == AWARE:
            twin, solutions = retrained(network, setup, data, seed)
            row = measure(on_arrays(twin, setup), (), typical, split)
            found[name] = row._replace(cost=Cost(solutions=solutions))
        else:
            corrections = CORRECTIONS[name]
            found[name] = measure(on_arrays(network, setup, corrections), corrections, typical, split)
    return found


def main() -> None:
    """Print one line a correction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*CORRECTIONS, AWARE])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--digits", action="store_true")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--typical", type=int, default=_TYPICAL, help="training images that gains are fitted to")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    for name in Setup._fields:
        parser.add_argument(f"--{name}", type=float)
    given = parser.parse_args()
    changes = {name: getattr(given, name) for name in Setup._fields if getattr(given, name) is not None}
    plain = DIGITS if given.digits else MNIST
    setup = plain._replace(**{name: type(getattr(plain, name))(value) for name, value in changes.items()})
    data = (Digits(validation=300) if given.digits else Mnist(validation=5000, train_limit=20_000)).load(given.data)
    data = data._replace(train=one_bit(data.train), validation=one_bit(data.validation), test=one_bit(data.test))
    split = data.validation if given.validation else data.test
    every = [rows(setup, data, split, seed, given.names, given.typical) for seed in given.seeds]
    print(setup)  # noqa: T201
    for name in every[0]:
        line = [one[name] for one in every]
        right = [100 * row.accuracy for row in line]
        source = 100 * statistics.mean(row.source_error for row in line)
        output = 100 * statistics.mean(row.output_error for row in line)
        print(  # noqa: T201
            f"{name:32}{statistics.mean(right):6.2f} ({min(right):.2f}-{max(right):.2f})"
            f"  source {source:5.1f} %  output {output:6.1f} %  {line[0].cost}",
            flush=True,
        )


if __name__ == "__main__":
    main()
