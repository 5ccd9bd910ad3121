"""Coarse and fine windows for low and for high cells: what each costs, and which is cheapest.

    python experiments/coarse_fine.py [--data DIR]

A binary network, 64-32-10 on the embedded digits (or 784-100-10 on MNIST with --data), is trained outside with
two-state weights and programmed by write-verify from mid-range. Windows are relative to the target, as a designer
states them (inferred: the published abstract does not say): 4 % is fine, 20 % is coarse; that of low cells (high
resistance) is named first. "Error x energy" is the rms error of a cell's conductance relative to the range, times the
energy in the cells; recognition is on validation images, mean over three seeds. Then the search over windows (relative
to the range) and orders for the least energy within half a point.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from memlearn.core.ledger import Event, Ledger
from memlearn.cost import write_energy
from memlearn.experiment import network, start
from memlearn.experiment.cheapest import cheapest, programmings
from memlearn.experiment.config import Experiment
from memlearn.experiment.transfer import trained
from memlearn.nn import array_layers, tiles

COARSE, FINE = 0.2, 0.04
DEVICE = {
    "kind": "soft_bounds",
    "g_min": 1e-6,
    "g_max": 40e-6,
    "states": 200,
    "cycle_to_cycle": {"spread": 0.3},
    "device_to_device": {"step": 0.3, "lower_bound": 0.01, "upper_bound": 0.05},
    "read_noise": {"absolute": 2e-8},
    "up_pulse": {"voltage": 2.0, "width": 50e-9},
    "down_pulse": {"voltage": -1.8, "width": 50e-9},
}


def experiment(seed: int, mnist: bool) -> Experiment:
    """What is programmed."""
    table = {
        "name": "coarse_fine",
        "seed": seed,
        "data": {"kind": "mnist" if mnist else "digits", "validation": 5000 if mnist else 300},
        "network": {"hidden": [100 if mnist else 32], "w_max": [0.05, 0.3] if mnist else [0.25, 0.35]},
        "device": DEVICE,
        "start": {
            "grid": "binary", "straight_through": True, "learning_rate": 0.3, "rate_decay": 0.6 if mnist else 0.95,
            "epochs": 3 if mnist else 30,
        },
    }  # fmt: skip
    return Experiment.from_table(table)


def four(seed: int, mnist: bool, data: Path | None) -> dict[str, tuple[float, float, float, float]]:
    """For each of F-F, C-F, F-C, C-C: rms error relative to the range, energy (J), accuracy, pulses a cell."""
    settings = experiment(seed, mnist)
    images = settings.data.load(data)
    assert settings.start is not None
    outside, stream = trained(settings, images)
    found = {}
    for name, low, high in (("F-F", FINE, FINE), ("C-F", COARSE, FINE), ("F-C", FINE, COARSE), ("C-C", COARSE, COARSE)):
        device = settings.device
        windows = {"tolerance": high * device.g_max / device.range, "tolerance_low": low * device.g_min / device.range}
        scheme = settings.start.scheme.replace(**windows)
        model, ledger = network.build(settings, images), Ledger()
        start.program(model, outside, settings.start.replace(scheme=scheme), images, stream, ledger)
        wanted, errors = start.grid_weights(outside, settings.start), []
        for layer, tile in zip(array_layers(model), tiles(model).values(), strict=True):
            targets = tile._targets(wanted[layer].to(tile.conductance))
            errors.append(((tile.conductance - targets) / tile.array.device.range)[tile.used()])
        energy = write_energy(ledger, settings.device)
        accuracy = network.accuracy(model, images.validation, 1000)
        assert energy is not None and accuracy is not None
        all_errors = torch.cat(errors)
        rms, pulses = float(all_errors.square().mean().sqrt()), ledger.total(Event.PULSE) / len(all_errors)
        found[name] = (rms, energy, accuracy, pulses)
    return found


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of MNIST; digits without it")
    data = parser.parse_args().data
    torch.set_num_threads(1)
    runs = [four(seed, data is not None, data) for seed in range(3)]
    say = sys.stdout.write
    say(f"{'low-high':9}{'rms error':>11}{'energy, nJ':>12}{'product, nJ':>13}{'validation':>12}{'pulses/cell':>13}\n")
    for name in runs[0]:
        error, energy, accuracy, pulses = (sum(run[name][k] for run in runs) / 3 for k in range(4))
        product = sum(run[name][0] * run[name][1] for run in runs) / 3
        say(f"{name:9}{error:11.4f}{1e9 * energy:12.2f}{1e9 * product:13.3f}{100 * accuracy:11.2f}%{pulses:13.1f}\n")
    ways = programmings(experiment(0, data is not None), data_directory=data)
    best = max(way.accuracy for way in ways)
    say(f"\nleast energy within half a point of the best ({100 * best:.2f}%), seed 0: {cheapest(ways)}\n")


if __name__ == "__main__":
    main()
