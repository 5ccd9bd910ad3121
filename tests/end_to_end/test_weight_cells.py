"""Weights of several parts in a whole run: the run folder, the bill, a stop in the middle, the report."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from memlearn.core.errors import InputError
from memlearn.devices import load
from memlearn.experiment import Experiment, run
from memlearn.report import write_report

RULES: list[dict[str, Any]] = [
    {"kind": "periodic_carry", "learning_rate": 0.1, "cells": {"kind": "carry", "base": 4, "carry_every": 3}},
    {"kind": "weighted_synapse"},
    {"kind": "capacitor_transfer", "learning_rate": 0.1, "cells": {"kind": "volatile", "transfer_every": 4}},
]


def experiment(rule: dict[str, Any], **settings: Any) -> Experiment:
    """Two epochs on the first digits."""
    table = {
        "data": {"kind": "digits", "validation": 100},
        "network": {"hidden": [8]},
        "rule": rule,
        "training": {"epochs": 2, "batch": 16, "images_per_epoch": 160, "checkpoint_every": 64},
    }
    return Experiment.from_table({**table, **settings})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["kind"])
def test_a_run_holds_every_part(rule, tmp_path):
    chosen = experiment(rule)
    parts = [part.name for part in chosen.array.cell.parts()]
    result = run(chosen, tmp_path / "run")
    names = [f"layer{n}.{part}" for n in (1, 2) for part in parts]
    assert [layer["name"] for layer in result["layers"]] == names
    assert result["cells"] == sum(layer["cells"] for layer in result["layers"])
    assert result["cell"] == chosen.array.cell.table()
    assert result["pulses_total"] == sum(n for key, n in result["ledger"].items() if key.endswith("/cell.pulse"))
    assert set(type(chosen.array.cell).sources) <= set(result["sources"])
    tensors = load_file(tmp_path / "run" / "arrays.safetensors")
    assert {
        f"{kind}/{name}" for name in names for kind in ("conductance", "conductance_initial", "pulses", "weight")
    } <= set(tensors)
    for n, size in ((1, (65, 8)), (2, (9, 10))):
        signs = chosen.array.cell.signs(20)
        whole = sum(
            sign * part.gain * tensors[f"weight/layer{n}.{part.name}"]
            for sign, part in zip(signs, chosen.array.cell.parts(), strict=True)
        )
        assert tensors[f"weight/layer{n}"].shape == size
        assert torch.allclose(tensors[f"weight/layer{n}"], whole, atol=1e-5)
    assert write_report([tmp_path / "run"], tmp_path / "report.html").stat().st_size > 10_000
    again = Experiment.from_table(json.loads((tmp_path / "run" / "config.json").read_text()))
    assert again == chosen


def test_a_weight_cell_may_be_named_beside_any_rule(tmp_path):
    cell = {"kind": "carry", "digits": 3, "base": 3}
    chosen = experiment({"kind": "rounded_sgd", "learning_rate": 0.1}, cell=cell)
    result = run(chosen, tmp_path / "run")
    assert result["cell"]["digits"] == 3 and result["cell"]["carry_every"] == 3
    assert len(result["layers"]) == 6


def test_a_rule_on_other_cells_is_refused():
    with pytest.raises(InputError, match="cell"):
        experiment(RULES[0], cell={"kind": "volatile"})


def test_parts_may_be_presets():
    cell = {"kind": "carry", "low_device": {"preset": "aihwkit_ecram"}}
    chosen = experiment({"kind": "sgd", "learning_rate": 0.1}, cell=cell)
    assert chosen.cell is not None and chosen.cell.parts()[0].device == load("aihwkit_ecram").device
    rule = {"kind": "capacitor_transfer", "cells": {"kind": "volatile", "fast": {"preset": "capacitor_3t1c"}}}
    assert experiment(rule).array.cell.parts()[1].device == load("capacitor_3t1c").device


SHORT = {
    "data": {"kind": "digits", "validation": 100},
    "network": {"hidden": [16]},
    "training": {"epochs": 3, "batch": 8},
}


def accuracies(name: str, tmp_path: Path, *labels: str) -> tuple[list[float], list[int]]:
    """Test accuracies and pulses of rows of experiments/weight_cells.py, on the short budget."""
    script = Path(__file__).parents[2] / "experiments" / "weight_cells.py"
    spec = importlib.util.spec_from_file_location("weight_cells", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = module.rows(name)
    runs = [run(Experiment.from_table({**SHORT, **rows[label]}), tmp_path / label) for label in labels]
    return [one["test_accuracy"] for one in runs], [one["pulses_total"] for one in runs]


def test_a_frozen_pair_saves_half_the_pulses(tmp_path):
    (whole, half), (all_pulses, fewer) = accuracies("A3", tmp_path, "push-pull pair", "frozen pair")
    assert 0.45 < fewer / all_pulses < 0.55
    assert half > whole - 0.05


def test_two_small_cells_do_what_a_large_one_does(tmp_path):
    (small, two, large), _ = accuracies("A5", tmp_path, "1 x 64 states", "2 x 32 states", "1 x 512 states")
    assert two > small and two > large - 0.03


def test_carry_rescues_an_uneven_device(tmp_path):
    (single, digits, ideal), _ = accuracies("A6", tmp_path, "single", "carry, verified", "ideal")
    assert digits > single + 0.02 and digits > ideal - 0.05


def test_carry_rescues_a_noisy_device_with_the_settings_it_gives_itself(tmp_path):
    (single, digits), _ = accuracies("A6", tmp_path, "noisy, single", "noisy, periodic carry")
    assert digits > single + 0.05


def test_several_cells_in_turn_learn_better_than_one(tmp_path):
    (one, seven), _ = accuracies("A8", tmp_path, "N = 1", "N = 7")
    assert seven > one + 0.05
