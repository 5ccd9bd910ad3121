"""An accelerator, where torch has one: the same pulses, the same learning."""

from __future__ import annotations

import pytest
import torch

import memlearn
from memlearn.devices import ConstantStep
from memlearn.devices.effects import CycleToCycle, ReadNoise
from memlearn.learning.loop import train_batch
from memlearn.tile import Array

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no CUDA device here")


def test_a_network_learns_on_cuda_as_on_the_processor():
    noise = {"cycle_to_cycle": CycleToCycle(spread=0.3), "read_noise": ReadNoise(relative=0.01)}
    array = Array(device=ConstantStep(states=200, **noise))
    x, y = torch.rand(16, 20), torch.arange(16) % 4
    weights = []
    for place in ("cpu", "cuda"):
        model = torch.nn.Sequential(memlearn.nn.Linear(20, 4, array=array, seed=0)).to(place)
        rule = memlearn.learning.manhattan(model)
        for _ in range(3):
            train_batch(model, rule, torch.nn.CrossEntropyLoss(), x.to(place), y.to(place))
        weights.append(model[0].tile.weight().cpu())
    assert torch.allclose(weights[0], weights[1], atol=0.05)
