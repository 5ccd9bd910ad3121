"""The table of docs/results.md from a finished sweep: python experiments/schemes_table.py RUNS

Times are in slots, each as long as one pulse or one read: all cells at once (open loop), one row after another (closed
loop, both as the scheme does it), and one cell after another for either. Reads are those of single cells for an update.
"""

from __future__ import annotations

import json
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


def row(name: str, result: dict[str, Any]) -> str:
    """One line of Markdown."""
    pulses, reads = result["pulses_total"], total(result, "cell.single_read", "cell.read")
    slots = total(result, "line.train_slot", "line.read_slot")
    bits = result["digital_bits_per_weight"]
    return (
        f"| {name} | {100 * result['test_accuracy']:.1f} % | {pulses / result['cells']:.3g} "
        f"| {reads / result['cells']:.3g} | {slots:.3g} | {pulses + reads:.3g} | {bits} |"
    )


def main(folder: Path) -> None:
    """Print the table, device by device."""
    head = "| scheme | accuracy | pulses a cell | reads a cell | slots, parallel | slots, cell by cell | bits |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for case in json.loads((folder / "sweep.json").read_text(encoding="utf8"))["cases"]:
        for run in case["runs"]:
            result = json.loads((folder / run["folder"] / "result.json").read_text(encoding="utf8"))
            lines.append(row(case["name"], result))
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
