"""The table of docs/results.md from a finished sweep: python experiments/schemes_table.py RUNS

Accuracies are means over the seeds (worst to best), all else means. Times are in slots, each as long as one pulse or
one read: all cells at once (open loop), one row after another (closed loop, both as the scheme does it), and one cell
after another for either. Reads are those of single cells for an update.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any


def total(result: dict[str, Any], *events: str) -> int:
    """Events of the ledger, all layers, of update and verify passes."""
    return sum(
        n
        for key, n in result["ledger"].items()
        if key.rsplit("/", 2)[1] in ("update", "verify") and key.rsplit("/", 1)[1] in events
    )


def row(name: str, results: list[dict[str, Any]]) -> str:
    """One line of Markdown, of the runs of a case."""
    accuracies = [100 * result["test_accuracy"] for result in results]
    found = [numbers(result) for result in results]
    means = [statistics.fmean(each) for each in zip(*found, strict=True)]
    return (
        f"| {name} | {statistics.fmean(accuracies):.1f} % ({min(accuracies):.1f} to {max(accuracies):.1f}) | "
        + " | ".join(f"{mean:.3g}" for mean in means)
        + f" | {results[0]['digital_bits_per_weight']} |"
    )


def numbers(result: dict[str, Any]) -> tuple[float, ...]:
    """Pulses and reads a cell, slots in parallel and cell by cell."""
    pulses, reads = result["pulses_total"], total(result, "cell.single_read", "cell.read")
    slots = total(result, "line.train_slot", "line.read_slot")
    return pulses / result["cells"], reads / result["cells"], slots, pulses + reads


def main(folder: Path) -> None:
    """Print the table, device by device."""
    head = "| scheme | accuracy | pulses a cell | reads a cell | slots, parallel | slots, cell by cell | bits |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for case in json.loads((folder / "sweep.json").read_text(encoding="utf8"))["cases"]:
        texts = [(folder / run["folder"] / "result.json").read_text(encoding="utf8") for run in case["runs"]]
        lines.append(row(case["name"], [json.loads(text) for text in texts]))
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
