"""What a comparison takes from each run, and how it sums up the runs of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_HIGHER = ("test_accuracy", "validation_accuracy", "float_test_accuracy", "float_gap", "writes_eliminated",
           "images_to_first_failure", "lifetime_runs")
"""Of these the lowest is the worst; of all others the highest."""


def row_figures(results: Sequence[tuple[int, str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The runs of a row, their mean and the worst of each figure.

    Arguments:
        results: (seed, folder, figures as result.json holds them) of each finished run.
    """
    runs = [{"seed": seed, "folder": folder, **run_figures(figures)} for seed, folder, figures in results]
    names = [name for name in (runs[0] if runs else ()) if name not in ("seed", "folder", "energy_by_pass")]
    by_pass = [run["energy_by_pass"] for run in runs]
    passes = list(dict.fromkeys(name for split in by_pass for name in split))
    return {
        "mean": {name: _over(runs, name, _mean) for name in names},
        "worst": {name: _over(runs, name, min if name in _HIGHER else max) for name in names},
        "energy_by_pass": {name: _mean([split.get(name, 0.0) for split in by_pass]) for name in passes},
        "runs": runs,
    }


def run_figures(result: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one run: fractions, counts, and SI units; None where the run does not know."""
    accuracy, yardstick = result.get("test_accuracy"), result.get("float_test_accuracy")
    pulsed, cost = result.get("cells_pulsed_per_step"), result.get("cost") or {}
    wear = cost.get("wear", {})
    return {
        "test_accuracy": accuracy,
        "validation_accuracy": result.get("validation_accuracy"),
        "float_test_accuracy": yardstick,
        "float_gap": None if accuracy is None or yardstick is None else accuracy - yardstick,
        "pulses_per_cell_mean": result.get("pulses_per_cell_mean"),
        "pulses_per_cell_p99": result.get("pulses_per_cell_p99"),
        "pulses_per_cell_max": result.get("pulses_per_cell_max"),
        "writes_eliminated": None if pulsed is None else 1 - pulsed,
        **{what: cost.get(what, {}).get("total") for what in ("energy", "latency", "area")},
        "digital_bits_per_weight": result.get("digital_bits_per_weight"),
        "digital_bits_per_neuron": result.get("digital_bits_per_neuron"),
        "images_to_first_failure": wear.get("images_to_first_failure"),
        "lifetime_runs": wear.get("training_runs"),
        "energy_by_pass": dict(cost.get("energy", {}).get("by_pass", {})),
    }


def _over(runs: Sequence[Mapping[str, Any]], name: str, sum_up: Callable[[list[float]], float]) -> float | None:
    known = [run[name] for run in runs if run[name] is not None]
    return sum_up(known) if known else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
