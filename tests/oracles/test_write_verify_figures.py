"""Pulses of closed loops against published orders: Yao et al. (2020) and Milo et al. (2021); docs/rules.md."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).parents[2] / "experiments/write_verify.py"


@pytest.fixture(scope="module")
def figures():
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("write_verify_figures", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_32_levels_within_500_pulses_and_more_for_a_finer_window(figures):
    found = figures.against_tolerance(cells=1024)
    assert found[50.0].given_up < 0.005 and found[50.0].p99 < 500
    means = [outcome.mean for outcome in found.values()]
    assert means == sorted(means) and means[-1] > 1.2 * means[0]


def test_a_fine_gate_takes_ten_times_the_pulses_and_leaves_the_smallest_spread(figures):
    found = {name.split(" (")[-1].rstrip(")"): outcome for name, outcome in figures.schemes(cells=500).items()}
    steps, gate = found["ISPVA"], found["IGVVA-10"]
    assert 8 < steps.mean < 25 and 100 <= gate.most < 150 and gate.mean > 3 * steps.mean
    assert gate.spread < 0.7 * min(outcome.spread for name, outcome in found.items() if name != "IGVVA-10")
    assert all(outcome.given_up == 0 for outcome in found.values())
