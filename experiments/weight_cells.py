"""The decisive experiments of weights of several cells: frozen pairs, weighted synapses, carry, transfer, arbitration.

    python experiments/weight_cells.py                      all, on the embedded digits, seeds 0 1 2
    python experiments/weight_cells.py A6 --seeds 0         one, one seed
    python experiments/weight_cells.py A5 --mnist FOLDER    on 10 000 images of MNIST an epoch, 784-64-10

Every row is an experiment of its own (`rows`), which `memlearn run` could read from a file. Accuracies are those of the
test images after the last epoch, read once; settings were chosen on the validation images.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memlearn.experiment import Experiment, run

Table = dict[str, Any]

FROZEN = {"mapping": {"kind": "frozen_pair"}}
NEAR_IDEAL = {"kind": "constant_step", "states": 1200}
CAPACITOR = {"kind": "capacitor", "slope_up": 0.0, "slope_down": 0.0}
MISMATCH = {"device_to_device": {"balance": 0.8}}
# 40 steps, the first of a reset cell four times as large as the last but still a tenth of the range; 60 % of noise.
GRADUAL = {
    "kind": "one_sided",
    "states": 40,
    "boost": 3.0,
    "decay": 4.0,
    "device_to_device": {"step": 0.2, "upper_bound": 0.2},
    "cycle_to_cycle": {"spread": 0.6},
}
FALLING = {"epochs": 8, "batch": 8, "rate_decay": 0.7}


def rows(name: str) -> dict[str, Table]:
    """The rows of an experiment: what each changes in `base`."""
    return {"A3": frozen, "A5": weighted, "A6": carry, "A7": transfer, "A8": arbitration}[name]()


def frozen() -> dict[str, Table]:
    """One device of the pair frozen: half the pulses, the same accuracy."""
    device = {"kind": "constant_step", "states": 512, "cycle_to_cycle": {"spread": 0.3}}
    rule = {"kind": "threshold_manhattan", "threshold": 0.05}
    return {
        "push-pull pair": {"device": device, "rule": rule},
        "frozen pair": {"device": device, "rule": rule, "crossbar": FROZEN},
    }


def weighted() -> dict[str, Table]:
    """Two cells of 32 states by signs, against one of 64 and one of 512."""
    signs = {"kind": "threshold_manhattan", "threshold": 0.02}
    return {
        "1 x 64 states": {"device": {"kind": "constant_step", "states": 64}, "rule": signs},
        "2 x 32 states": {"device": {"kind": "constant_step", "states": 32}, "rule": {"kind": "weighted_synapse"}},
        "1 x 512 states": {"device": {"kind": "constant_step", "states": 512}, "rule": signs},
    }


def carry() -> dict[str, Table]:
    """An uneven TaOx-like cell alone, and as digits; the ideal; the same of an even and noisy one."""
    taox, noisy = {"preset": "taox_tio2"}, {"preset": "taox_hfox"}
    return {
        "single": {"device": taox, "rule": {"kind": "sgd", "learning_rate": 0.05}},
        "periodic carry": {"device": taox, "rule": {"kind": "periodic_carry", "learning_rate": 0.05}},
        "carry, verified": {
            "device": taox,
            "rule": {
                "kind": "periodic_carry",
                "learning_rate": 0.05,
                "cells": {"kind": "carry", "base": 4, "verify": {"kind": "write_verify", "tolerance": 0.02}},
            },
        },
        "ideal": {"device": NEAR_IDEAL, "rule": {"kind": "sgd", "learning_rate": 0.05}},
        "noisy, single": {"device": noisy, "rule": {"kind": "sgd", "learning_rate": 0.05}},
        "noisy, periodic carry": {"device": noisy, "rule": {"kind": "periodic_carry", "learning_rate": 0.05}},
    }


def transfer() -> dict[str, Table]:
    """A capacitor with a mismatch of up and down in each cell, transferred every 20 writes, with and without inversion.

    The mismatch is large enough to show within 1,100 images; experiments/capacitor_mnist.toml has a milder one.
    """

    def cells(fast: Table, inversion: bool) -> Table:
        rule = {
            "kind": "capacitor_transfer",
            "learning_rate": 0.05,
            "cells": {
                "kind": "volatile",
                "fast": fast,
                "transfer_every": 20,
                "inversion": inversion,
                "keep_rest": True,
                "scheme": {"kind": "write_verify", "tolerance": 0.01},
            },
        }
        return {"device": {"preset": "taox_hfox"}, "rule": rule, "training": {**FALLING, "epochs": 6}}

    return {
        "mismatch": cells(CAPACITOR | MISMATCH, False),
        "mismatch, inversion": cells(CAPACITOR | MISMATCH, True),
        "matched": cells(CAPACITOR, False),
    }


def arbitration() -> dict[str, Table]:
    """Phase-change pairs with refresh: one, three and seven cells of each sign; also with smaller first pulses."""
    pairs = {n: {"mapping": {"kind": "one_sided_pair", "devices": n, "refresh_every": 20}} for n in (1, 3, 7)}
    rule = {"kind": "sgd", "learning_rate": 0.005}
    faster = {"rule": {"kind": "sgd", "learning_rate": 0.08}, "training": FALLING}
    return {
        f"N = {n}": {"device": {"preset": "aihwkit_pcm"}, "crossbar": pair, "rule": rule} for n, pair in pairs.items()
    } | {f"gradual, N = {n}": {"device": GRADUAL, "crossbar": pair, **faster} for n, pair in pairs.items()}


EXPERIMENTS = ("A3", "A5", "A6", "A7", "A8")


def base(mnist: bool = False) -> Table:
    """What all rows share."""
    if mnist:
        data = {"kind": "mnist", "validation": 5000}
        training = {"epochs": 5, "batch": 10, "images_per_epoch": 10_000}
        return {"data": data, "network": {"hidden": [64]}, "training": training}
    data = {"kind": "digits", "validation": 300}
    return {"data": data, "network": {"hidden": [32]}, "training": {"epochs": 6, "batch": 8}}


def figures(
    name: str, seeds: list[int], folder: Path | None, shared: Table
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run every row on every seed."""
    for label, changes in rows(name).items():
        found = []
        for seed in seeds:
            experiment = Experiment.from_table({**shared, **changes, "name": f"{name} {label}", "seed": seed})
            with tempfile.TemporaryDirectory() as place:
                found.append(run(experiment, Path(place) / "run", data_directory=folder))
        yield label, found


def main() -> None:
    """Print one line a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=EXPERIMENTS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--mnist", type=Path)
    given = parser.parse_args()
    for name in given.names:
        for label, found in figures(name, given.seeds, given.mnist, base(given.mnist is not None)):
            test, checked = ([100 * one[key] for one in found] for key in ("test_accuracy", "validation_accuracy"))
            pulses, cells = statistics.mean(one["pulses_total"] for one in found), found[0]["cells"]
            print(  # noqa: T201
                f"{name} {label:22} test {statistics.mean(test):5.1f} ({min(test):.1f} .. {max(test):.1f})  "
                f"validation {statistics.mean(checked):5.1f}  pulses {pulses:.3g}  cells {cells}",
                flush=True,
            )


if __name__ == "__main__":
    main()
