"""Experiments that train in a moment, as tables."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from memlearn.experiment import Experiment

SIGNS = {
    "forward": {"drive": {"kind": "binary_driver", "threshold": 0.3}, "sense": {"kind": "analogue"}},
    "backward": {"drive": {"kind": "ternary_driver"}, "sense": {"kind": "ternary_comparator", "dead_zone": 0.1}},
}
NOISY_DEVICE = {
    "kind": "soft_bounds",
    "mix_up": 0.3,
    "mix_down": 0.2,
    "cycle_to_cycle": {"spread": 0.3},
    "device_to_device": {"step": 0.2},
    "read_noise": {"relative": 0.02},
}
_BASE = {
    "name": "small",
    "data": {"kind": "digits", "train_limit": 240, "validation": 60},
    "network": {"hidden": [12]},
    "training": {"epochs": 2, "batch": 16},
}


def table(**changes: Any) -> dict[str, Any]:
    """The table of a small experiment; nested tables are merged into it, two levels deep."""
    new = copy.deepcopy(_BASE)
    for key, value in changes.items():
        new[key] = {**new.get(key, {}), **value} if isinstance(value, dict) else value
    return new


def small(**changes: Any) -> Experiment:
    """The experiment of `table`."""
    return Experiment.from_table(table(**changes))


def sign_backprop(**changes: Any) -> Experiment:
    """A small experiment that uses as much state as one can: noise everywhere, counters that persist, a yardstick."""
    return small(
        network={"neuron": {"kind": "stochastic_binary"}, "loss": "ternary_margin", "bias": False},
        periphery=SIGNS,
        device=NOISY_DEVICE,
        rule={"kind": "sign_backprop", "accumulator": {"kind": "persistent_counter", "bits": 6}},
        **{"training": {"float_reference": {"learning_rate": 0.2}, **changes.pop("training", {})}, **changes},
    )


def figures(folder: Path) -> dict[str, Any]:
    """The figures of result.json and the history, without times."""
    result = json.loads((folder / "result.json").read_text())
    del result["train_seconds"]
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {**result, "history": [{k: v for k, v in record.items() if k != "seconds"} for record in history]}
