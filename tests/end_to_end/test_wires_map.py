"""The map of docs/wires.md in small: which of the three passes see the wires, on digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memlearn.experiment import Experiment, Interrupted, resume, run
from tests.end_to_end.small import figures, small
from tests.end_to_end.test_resume import StopAt

PASSES: dict[str, dict[str, Any]] = {
    "none": {"kind": "ideal"},
    "forward": {"reads": "forward"},
    "forward + backward": {},
    "all three, 1T1R": {"writes": "exact", "selection": {"kind": "one_transistor"}},
    "all three, V/2": {"writes": "mean"},
}
FLAT = {"kind": "constant_step", "states": 200, "g_min": 1e-5, "g_max": 1e-4}
FLAT |= {"voltage_response": {"kind": "sinh", "steepness": 5.0}}


def experiment(passes: dict[str, Any], *, ohm: float = 8.0, **changes: Any) -> Experiment:
    """The Manhattan rule, 64-12-10 on tiles of 32 x 32 cells of 10 kohm and more."""
    wires = passes if "kind" in passes else {"kind": "resistive", "r_word_line": ohm, "r_bit_line": ohm, **passes}
    return small(
        device=FLAT,
        rule={"kind": "manhattan"},
        crossbar={"rows": 32, "columns": 32, "wires": wires},
        **{"data": {"train_limit": 480}, **changes},
    )


def test_wires_cost_accuracy_and_writes_are_counted(tmp_path: Path):
    found = {name: run(experiment(passes), tmp_path / f"{k}") for k, (name, passes) in enumerate(PASSES.items())}
    accuracy = {name: result["test_accuracy"] for name, result in found.items()}
    # Lines of 32 x 8 ohm under cells of 10 kohm: a passive write loses most.
    assert accuracy["none"] > accuracy["forward"] > accuracy["all three, V/2"] + 0.05
    assert accuracy["none"] > 0.6 and accuracy["none"] > accuracy["all three, 1T1R"]
    half = {
        name: sum(n for key, n in r["ledger"].items() if key.endswith("half_selected")) for name, r in found.items()
    }
    assert half["all three, V/2"] > 10 * found["all three, V/2"]["pulses_total"] / 32 and half["all three, 1T1R"] == 0
    # Steps are taken row after row, all tiles at once.
    slots = {name: r["ledger"]["layer1/update/line.train_slot"] for name, r in found.items()}
    assert slots["all three, 1T1R"] > 3 * slots["forward"]


def test_lines_without_resistance_change_nothing(tmp_path: Path):
    few: dict[str, Any] = {"data": {"train_limit": 96}, "training": {"epochs": 1}}
    bare = experiment(PASSES["none"], **few)
    none = experiment({"writes": "exact", "selection": {"kind": "one_transistor"}}, ohm=0.0, **few)
    results = [run(one, tmp_path / name) for one, name in ((bare, "bare"), (none, "none"))]
    assert results[0]["test_accuracy"] == results[1]["test_accuracy"]
    assert results[0]["pulses_total"] == results[1]["pulses_total"]


@pytest.mark.parametrize("name", ["all three, 1T1R", "all three, V/2"])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, name: str):
    changes: dict[str, Any] = {"training": {"checkpoint_every": 32, "epochs": 1}, "data": {"train_limit": 160}}
    one = experiment(PASSES[name], **changes)
    run(one, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(one, tmp_path / "stopped", watcher=StopAt(1, 96))
    resume(tmp_path / "stopped")
    assert figures(tmp_path / "whole") == figures(tmp_path / "stopped")
