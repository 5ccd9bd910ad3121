"""Accuracy against faults: programmed once, remapped, adapted in place by the head, by the worst neurons, or wholly.

    python experiments/fault_curves.py --data DIR --out FOLDER          196-100-10 on MNIST, seeds 0 to 4
    python experiments/fault_curves.py --short                          64-32-10 on the embedded digits, seconds

MNIST is shrunk to 14 x 14. Half of the faulty cells stick at high conductance, half at low
(`--low 1`: all low); independent ones, or clusters: lines of 64 cells that fail together, in the geometry of a measured
array (docs/effects.md). A network is trained outside once a seed and programmed by write-verify; adapting rules read
forward and backward through the faulty arrays, keep a float twin and programme what changes level, column by column, so
that columns which a gate leaves out cost neither time nor pulses. Cells that fail a write twice in a row are marked and
left alone. Figures are of the test images (`--validation`: of 5,000 validation images, on which all settings were
chosen); with --out, every point is kept in points.jsonl, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.cost import write_energy
from memlearn.datasets import Data
from memlearn.experiment import network, start
from memlearn.experiment.config import Experiment
from memlearn.experiment.start import Outside, Repair
from memlearn.experiment.transfer import trained
from memlearn.learning.gates import AbstractGate, Everything, LastLayers, WorstNeurons
from memlearn.learning.loop import train_images
from memlearn.nn import attach_ledger

RATES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
KINDS = ("independent", "clustered")
WORST = 0.07
"""Part of the neurons that partial gating trains, the worst; chosen on validation images."""
GATES: dict[str, AbstractGate] = {
    "head only": LastLayers(),
    "partial gating": WorstNeurons(fraction=WORST, images=1000),
    "full in situ": Everything(),
}
FIFTHS = 5
"""Parts of the adaptation, each with a rate of its own."""
COSTS = ("pulses", "slots", "reads", "energy")
STRATEGIES = ("map once", "map + remap", *GATES)
DEVICE = {
    "kind": "soft_bounds",
    "g_min": 2e-6,
    "g_max": 20e-6,
    "states": 128,
    "mix_up": 0.5,
    "mix_down": 0.5,
    "cycle_to_cycle": {"spread": 0.3},
    "device_to_device": {"step": 0.3},
    "read_noise": {"absolute": 85e-9},
    "up_pulse": {"voltage": 2.0, "width": 50e-9},
    "down_pulse": {"voltage": -1.8, "width": 50e-9},
}
SCHEME = {"kind": "write_verify", "tolerance": 0.01, "max_pulses": 500, "marked_after": 2}


class Settings(NamedTuple):
    """Of all points of a run."""

    mnist: bool
    low: float
    """Part of the faulty cells that stick at low conductance."""
    images: int
    """On which arrays adapt."""
    learning_rate: float
    last_rate: float
    """The last fifth's, relative to the first; equal factors in between."""
    data: Path | None
    validation: bool


class Point(NamedTuple):
    """One strategy on one array; pulses, time and energy of what comes after the first programming."""

    kind: str
    rate: float
    strategy: str
    seed: int
    accuracy: float
    pulses: int
    slots: int
    """Pulses one after another: the time of programming, in pulse widths."""
    reads: int
    """Verify reads one after another."""
    energy: float
    """J, in the cells."""


def experiment(settings: Settings, seed: int, kind: str, rate: float) -> Experiment:
    """Network, arrays with their faults, and the rule that adapts."""
    low = settings.low
    faults: dict[str, Any] = {"low": rate * low, "high": rate * (1 - low)}
    if kind == "clustered":  # part of the failing lines fail only up to some cell: more of them have to
        faults = {"lines": {"rate": rate / (1 - 0.16 * (1 - 1 / 64) / 2), "low": low, "partial": 0.16}}
    writer = {"kind": "program", "scheme": SCHEME, "parallel": "column"}
    twin = {"kind": "float_twin", "levels": 32, "learning_rate": settings.learning_rate, "hysteresis": 0.25}
    table = {
        "name": "fault_curves",
        "seed": seed,
        "data": {"kind": "mnist", "validation": 5000, "side": 14} if settings.mnist else {"kind": "digits"},
        "network": {"hidden": [100 if settings.mnist else 32], "w_max": [0.4, 0.6] if settings.mnist else [0.6, 1.0]},
        "device": {**DEVICE, "faults": faults},
        "periphery": {"forward": {
            "drive": {"kind": "dac", "bits": 8, "scaling": "max"},
            "sense": {"kind": "adc", "bits": 10, "output_range": 24.0},
        }},
        "start": {
            "grid": "uniform", "levels": 32, "batch": 50, "parallel": "column",
            "learning_rate": 0.2 if settings.mnist else 0.5, "rate_decay": 0.8 if settings.mnist else 0.95,
            "epochs": 8 if settings.mnist else 20, "scheme": SCHEME,
        },
        "rule": {"kind": "custom", "rule": {"accumulator": twin, "writer": writer}},
        "training": {"batch": 100 if settings.mnist else 25},
    }  # fmt: skip
    return Experiment.from_table(table)


def points(settings: Settings, seed: int, wanted: set[tuple[str, float, str]]) -> Iterator[Point]:
    """Train outside, and take the wanted strategies through the wanted faults."""
    clean = experiment(settings, seed, "independent", 0.0)
    data = clean.data.load(settings.data)
    outside, stream = trained(clean, data)
    for kind in KINDS:
        for rate in RATES:
            here = [strategy for strategy in STRATEGIES if (kind, rate, strategy) in wanted]
            if here:
                about = experiment(settings, seed, kind, rate)
                yield from _array(settings, about, outside, data, stream, here, kind, rate)


def _array(
    settings: Settings, about: Experiment, outside: Outside, data: Data, stream: Stream, here: list[str],
    kind: str, rate: float,
) -> Iterator[Point]:  # fmt: skip
    """All strategies on one faulty array."""
    mapped = network.build(about, data)
    _programme(mapped, outside, about, data, stream, Repair())
    for strategy in here:
        model, ledger = copy.deepcopy(mapped), Ledger()
        if strategy == "map + remap":
            model, moved = network.build(about, data), outside._replace(model=copy.deepcopy(outside.model))
            ledger = _programme(model, moved, about, data, stream, Repair(detect=True, remap=True))
        elif strategy in GATES:
            _adapt(model, about, GATES[strategy], outside, data, settings, ledger)
        split = data.validation if settings.validation else data.test
        accuracy, energy = network.accuracy(model, split, 1000), write_energy(ledger, about.device)
        assert accuracy is not None and energy is not None
        counts = (ledger.total(event) for event in (Event.PULSE, Event.TRAIN_SLOT, Event.READ_SLOT))
        yield Point(kind, rate, strategy, about.seed, accuracy, *counts, energy)


def _programme(
    model: nn.Module, outside: Outside, about: Experiment, data: Data, stream: Stream, repair: Repair
) -> Ledger:
    """Write-verify of all weights."""
    assert about.start is not None
    ledger = Ledger()
    start.program(model, outside, about.start.replace(repair=repair), data, stream, ledger)
    return ledger


def _adapt(
    model: nn.Module, about: Experiment, gate: AbstractGate, outside: Outside, data: Data, settings: Settings,
    ledger: Ledger,
) -> None:  # fmt: skip
    """Train in place on the first images of an order of the seed."""
    batch = about.training.batch
    rule = about.rule.attach(model, batch=batch, gate=gate, start=outside.weights())
    generator = torch.Generator().manual_seed(Stream.root(about.seed).child("order").torch_seed())
    order = torch.randperm(len(data.train.labels), generator=generator)[: settings.images]
    attach_ledger(model, ledger)
    for number, part in enumerate(order.split(max(1, len(order) // (FIFTHS * batch)) * batch)):
        rule.rate = settings.last_rate ** (min(number, FIFTHS - 1) / (FIFTHS - 1))
        train_images(model, rule, nn.CrossEntropyLoss(), data.train.inputs[part], data.train.labels[part], batch)
    attach_ledger(model, None)


def table(found: list[Point]) -> str:
    """Means over seeds: accuracy by rate, and what adapting took."""
    lines = []
    for kind in KINDS:
        lines.append(f"{kind:16}" + "".join(f"{100 * rate:9.0f} %" for rate in RATES))
        for strategy in STRATEGIES:
            cells = [_mean(found, kind, rate, strategy, "accuracy") for rate in RATES]
            lines.append(f"  {strategy:14}" + "".join(f"{100 * cell:10.2f} " if cell else " " * 11 for cell in cells))
        for what in COSTS:
            for strategy in STRATEGIES[2:]:
                cells = [_mean(found, kind, rate, strategy, what) for rate in RATES]
                lines.append(f"  {strategy:14}" + "".join(f"{c:10.3g} " if c else " " * 11 for c in cells) + f" {what}")
    return "\n".join(lines)


def _mean(found: list[Point], kind: str, rate: float, strategy: str, what: str) -> float | None:
    key = (kind if rate else KINDS[0], rate, strategy)  # without faults there is one array
    values = [getattr(point, what) for point in found if point[:3] == key]
    return statistics.fmean(values) if values else None


def main() -> None:
    """All points that are not there yet, and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of MNIST")
    parser.add_argument("--out", type=Path, help="folder of the points")
    parser.add_argument("--short", action="store_true", help="embedded digits, seed 0")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=55_000, help="on which arrays adapt")
    parser.add_argument("--learning-rate", type=float, default=0.6, help="of the float twin in place")
    parser.add_argument("--last-rate", type=float, default=1.0, help="of the last fifth, relative to the first")
    parser.add_argument("--low", type=float, default=0.5, help="part of the faulty cells that stick low")
    parser.add_argument("--rates", type=float, nargs="*", default=(0.0, 0.1, 0.2, 0.3), choices=RATES)
    parser.add_argument("--strategies", nargs="*", default=STRATEGIES, choices=STRATEGIES)
    parser.add_argument("--validation", action="store_true", help="figures of the validation images")
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = 1137 if given.short else given.images
    rates = given.learning_rate, given.last_rate
    settings = Settings(not given.short, given.low, images, *rates, given.data, given.validation)
    keep = None if given.out is None else given.out / "points.jsonl"
    found = [Point(**json.loads(line)) for line in keep.read_text().splitlines()] if keep and keep.exists() else []
    done = {point[:4] for point in found}
    for seed in range(1 if given.short else given.seeds):
        every = {
            (kind, rate, strategy)
            for kind in KINDS
            for rate in given.rates
            for strategy in given.strategies
            if (rate or kind == KINDS[0]) and (kind, rate, strategy, seed) not in done
        }
        for point in points(settings, seed, every) if every else ():
            found.append(point)
            sys.stdout.write(f"{point}\n")
            sys.stdout.flush()
            if keep:
                keep.parent.mkdir(parents=True, exist_ok=True)
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(point._asdict()) + "\n")
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
