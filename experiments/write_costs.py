"""What writing costs in a finished sweep, case by case, from the runs' bills: python experiments/write_costs.py RUNS

Energy of pulses, of lines while writing, and of verify reads, and their time; means over the seeds. The last columns
say what the cases named with `--saver NAME` (those that begin with "Siamese", if none is) save against each other
case: energy / time, in per cent, the least of the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Writes(NamedTuple):
    """Of one run."""

    energy: float
    """J."""
    time: float
    """s."""
    pulses: float
    accuracy: float


WRITING = {"pulses", "lines", "single reads", "half-selected", "cells"}


def writes(result: dict[str, Any]) -> Writes:
    """What a run's updates and verify reads took, without digital memory and arithmetic."""
    energy, time = (
        sum(
            part["value"]
            for part in result["cost"][which]["parts"]
            if part["pass"] in ("update", "verify") and part["component"] in WRITING
        )
        for which in ("energy", "latency")
    )
    return Writes(energy, time, result["pulses_total"], result["test_accuracy"])


def saved(less: list[Writes], more: list[Writes]) -> str:
    """Energy / time, per cent, the least of the seeds."""
    pairs = list(zip(less, more, strict=True))
    energy = min(1 - a.energy / b.energy for a, b in pairs)
    time = min(1 - a.time / b.time for a, b in pairs)
    return f"{100 * energy:.2f} / {100 * time:.2f} %"


def main(folder: Path, savers: list[str]) -> None:
    """Print the table."""
    cases: dict[str, list[Writes]] = {}
    for case in json.loads((folder / "sweep.json").read_text(encoding="utf8"))["cases"]:
        texts = [(folder / run["folder"] / "result.json").read_text(encoding="utf8") for run in case["runs"]]
        cases[case["name"]] = [writes(json.loads(text)) for text in texts]
    named = savers or [name for name in cases if name.startswith("Siamese")]
    head = ["case", "accuracy", "pulses", "energy, uJ", "time, s", *(f"saved by {name}" for name in named)]
    lines = [head, ["---"] * len(head)]
    for name, runs in cases.items():
        means = [statistics.fmean(column) for column in zip(*runs, strict=True)]
        others = ["" if name == one else saved(cases[one], runs) for one in named]
        figures = [f"{100 * means[3]:.1f} %", f"{means[2]:.4g}", f"{means[0] * 1e6:.4g}", f"{means[1]:.4g}"]
        lines.append([name, *figures, *others])
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--saver", action="append", default=[])
    given = parser.parse_args()
    main(given.folder, given.saver)
