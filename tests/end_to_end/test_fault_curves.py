"""Faulty arrays, programmed once and adapted in place: the short version of experiments/fault_curves.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch


def test_training_in_place_saves_a_faulty_array_and_the_worst_neurons_part_of_it_for_a_fraction():
    script = Path(__file__).parents[2] / "experiments" / "fault_curves.py"
    spec = importlib.util.spec_from_file_location("fault_curves", script)
    assert spec is not None and spec.loader is not None
    curves = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(curves)
    torch.set_num_threads(1)
    rates = {"learning_rate": 0.3, "last_rate": 1.0}
    settings = curves.Settings(mnist=False, low=0.5, images=1137, **rates, data=None, validation=False)
    strategies = ("map once", "map + remap", "head only", "partial gating", "full in situ")
    wanted = {("independent", 0.15, name) for name in strategies} | {("independent", 0.0, "map once")}
    found = {(point.rate, point.strategy): point for point in curves.points(settings, 0, wanted)}
    once, remapped, head, partial, full = (found[0.15, name] for name in strategies)
    assert full.accuracy > found[0.0, "map once"].accuracy - 0.06
    assert once.accuracy < min(remapped.accuracy, head.accuracy, partial.accuracy) < full.accuracy
    assert partial.slots < 0.14 * full.slots and partial.energy < 0.14 * full.energy
