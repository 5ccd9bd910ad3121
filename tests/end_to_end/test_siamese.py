"""Siamese learning in short: as good as the quantised yardstick, few writes, and the residual is what makes it work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memlearn.experiment import run
from tests.end_to_end.small import small

RULE = {"kind": "siamese", "learning_rate": 0.1, "parallel": "cell"}


def siamese(folder: Path, **changes: Any) -> dict[str, Any]:
    """A run on 1000 digits; `changes` are of the rule."""
    rule = {**RULE, **changes}
    levels = rule.get("levels", 16)
    return run(
        small(
            rule=rule,
            device={"kind": "constant_step", "states": 128, "cycle_to_cycle": {"spread": 0.3}},
            network={"hidden": [24], "w_max": [0.6, 1.0], "initial_scale": 2.0},
            data={"train_limit": 1000, "validation": 0},
            training={"epochs": 4, "batch": 16, "float_reference": {"learning_rate": 0.1, "levels": levels}},
        ),
        folder,
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return siamese(tmp_path_factory.mktemp("siamese") / "run")


def test_it_learns_as_the_quantised_yardstick_does(plain: dict[str, Any]):
    assert plain["test_accuracy"] > 0.85
    assert plain["test_accuracy"] > plain["float_test_accuracy"] - 0.03


def test_few_weights_are_written(plain: dict[str, Any]):
    saved = plain["writes_eliminated"]["first_epoch"]
    assert saved["all_cells"] > 0.95 and saved["nonzero_gradient"] > 0.9 and saved["threshold"] > 0.5
    for part in ("pulses", "pulse_time", "delay"):
        assert saved[part]["all_cells"] > 0.95


def test_without_the_residual_nothing_is_learnt(plain: dict[str, Any], tmp_path: Path):
    lost = siamese(tmp_path / "run", residual=False)
    assert lost["test_accuracy"] < plain["test_accuracy"] - 0.3
    assert lost["pulses_total"] < 0.1 * plain["pulses_total"]


def test_hysteresis_saves_writes_at_little_loss(plain: dict[str, Any], tmp_path: Path):
    kept = siamese(tmp_path / "run", hysteresis=0.3)
    assert kept["pulses_total"] < 0.8 * plain["pulses_total"]
    assert kept["test_accuracy"] > plain["test_accuracy"] - 0.03
