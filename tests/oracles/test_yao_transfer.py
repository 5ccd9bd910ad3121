"""The chain of Yao et al. (2020): how far its cells are from their targets when the network is read."""

from __future__ import annotations

from pathlib import Path

import torch

from memlearn.core.random import Stream
from memlearn.experiment.files import read_experiment
from memlearn.ops.quantise import quantised
from memlearn.programming import Targets
from memlearn.tile import Tile

FILE = Path(__file__).parents[2] / "experiments" / "yao2020_base.toml"


def test_cells_are_as_far_from_their_targets_as_the_paper_measures():
    """108 nA at 0.2 V in all: what the window leaves, and relaxation after it."""
    about = read_experiment(FILE).experiment
    assert about.start is not None
    tile = Tile(192, 10, array=about.array, stream=Stream.root(3))
    weight = torch.randn(192, 10, generator=torch.Generator().manual_seed(3)) * 0.3
    wanted = quantised(weight, "uniform", about.array.crossbar.mapping.w_max, about.start.levels)
    tile.program(Targets(wanted, None, False, about.start.scheme, "row"))
    targets = tile._targets(wanted)
    written = 0.2 * float((tile.conductance - targets).square().mean().sqrt())
    tile.relax(about.start.seconds)
    relaxed = 0.2 * float((tile.conductance - targets).square().mean().sqrt())
    assert written < 100e-9 / 3**0.5 + 3e-9  # evenly spread within +-100 nA
    assert abs(relaxed - 108e-9) < 5e-9
