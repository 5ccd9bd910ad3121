"""The transfer of Yao et al. (2020) many times over: how far accuracies of one programming lie apart.

    python experiments/transfer_draws.py --data DIR --out FOLDER [--seeds 3] [--draws 10] [--spread 0.54]

Every seed trains the network of yao2020_base.toml outside, once; every draw programmes it into other cells by the
file's write-verify, lets these relax, and reads the test images through them (`--validation`: the validation images).
The error of a cell is what it holds minus what it was to hold, at the paper's 0.2 V. With --out every draw is kept in
draws.jsonl, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from memlearn.core.ledger import Ledger
from memlearn.datasets import Data
from memlearn.experiment import network, start
from memlearn.experiment.config import Experiment
from memlearn.experiment.files import read_experiment
from memlearn.experiment.tables import Override
from memlearn.experiment.transfer import trained
from memlearn.nn import tiles

FILE = Path(__file__).parent / "yao2020_base.toml"
READ_VOLTAGE = 0.2


class Draw(NamedTuple):
    """One network in one set of cells."""

    spread: float
    """Of relaxation, uS."""
    seed: int
    draw: int
    written: float
    """Root mean square error of a cell as written, A."""
    relaxed: float
    """The same after relaxation, A."""
    quantised: float
    """Accuracy of the network with weights of 15 levels, before it is programmed."""
    accuracy: float
    """Through the arrays."""


def experiment(seed: int, spread: float | None = None) -> Experiment:
    """The file's, with another spread of relaxation."""
    named = [] if spread is None else [Override("device.relaxation.spread", [[spread]])]
    return read_experiment(FILE, overrides=named, seed=seed).experiment


def draws(seed: int, data: Data, wanted: list[tuple[float, int]], validation: bool) -> Iterator[Draw]:
    """Train the seed's network outside, and programme it into the cells of each wanted (spread, draw)."""
    about = experiment(seed)
    settings = about.start
    assert settings is not None
    outside, stream = trained(about, data)
    split, batch = data.validation if validation else data.test, about.training.evaluate_batch
    targets = start.grid_weights(outside, settings)
    quantised = copy.deepcopy(outside)
    for parameter, most in quantised.most():
        parameter.data = start.quantised(parameter.data, settings.grid, most, settings.levels)
    before = network.accuracy(quantised.model, split, batch)
    for spread, number in wanted:
        cells = experiment(1000 * (1 + seed) + number, spread)
        model = network.build(cells, data)
        start.program(model, outside, settings.replace(seconds=0.0), data, stream, Ledger())
        written = _error(model, targets)
        for tile in tiles(model).values():
            tile.relax(settings.seconds)
        after = network.accuracy(model, split, batch)
        assert before is not None and after is not None
        yield Draw(spread, seed, number, written, _error(model, targets), before, after)


def _error(model: nn.Module, targets: dict[str, Tensor]) -> float:
    """Root mean square over all cells, A."""
    errors = []
    for name, tile in zip(targets, tiles(model).values(), strict=True):
        wanted = tile._targets(targets[name].to(tile.conductance))
        errors.append((tile.conductance - wanted)[tile.used()])
    return READ_VOLTAGE * float(torch.cat(errors).double().square().mean().sqrt())


def table(found: list[Draw]) -> str:
    """Means and standard deviations, seed by seed and over all."""
    lines = []
    for spread in sorted({draw.spread for draw in found}):
        here = [draw for draw in found if draw.spread == spread]
        errors = [1e9 * statistics.fmean(getattr(draw, what) for draw in here) for what in ("written", "relaxed")]
        lines.append(f"relaxation of {spread} uS: {errors[0]:.0f} nA as written, {errors[1]:.0f} nA relaxed")
        for seed in (*sorted({draw.seed for draw in here}), None):
            some = [draw for draw in here if seed in (None, draw.seed)]
            values = [100 * draw.accuracy for draw in some]
            before = 100 * statistics.fmean(draw.quantised for draw in some)
            scatter = statistics.stdev(values) if len(values) > 1 else float("nan")
            mean, ends = statistics.fmean(values), f"{min(values):.2f} .. {max(values):.2f}"
            name = "all" if seed is None else seed
            lines.append(f"  seed {name}: quantised {before:.2f}, transferred {mean:.2f} +- {scatter:.2f} ({ends})")
    return "\n".join(lines)


def main() -> None:
    """All draws that are not there yet, and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of MNIST")
    parser.add_argument("--out", type=Path, help="folder of the draws")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=10)
    own = experiment(0).device.relaxation.spread[0][0]
    parser.add_argument("--spread", type=float, nargs="*", default=[own], help="uS, of relaxation (the file's)")
    parser.add_argument("--validation", action="store_true", help="figures of the validation images")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep = None if given.out is None else given.out / "draws.jsonl"
    found = [Draw(**json.loads(line)) for line in keep.read_text().splitlines()] if keep and keep.exists() else []
    done = {draw[:3] for draw in found}
    data = experiment(0).data.load(given.data)
    for seed in range(given.seeds):
        every = [(spread, number) for spread in given.spread for number in range(given.draws)]
        wanted = [(spread, number) for spread, number in every if (spread, seed, number) not in done]
        for draw in draws(seed, data, wanted, given.validation) if wanted else ():
            found.append(draw)
            sys.stdout.write(f"{draw}\n")
            sys.stdout.flush()
            if keep:
                keep.parent.mkdir(parents=True, exist_ok=True)
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(draw._asdict()) + "\n")
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
