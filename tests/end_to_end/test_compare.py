"""A comparison keeps what is finished, goes on after a kill, and runs again from its record to the last bit."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from memlearn.cli import main
from memlearn.core.errors import InputError
from memlearn.experiment import Tick, Watcher, compare
from memlearn.report.compare import markdown, read_compare
from memlearn.report.compare_page import frontier, write_comparison
from tests.end_to_end.small import table

SWEEP = """
base = "base.json"
seeds = [0, 1]
[[case]]
name = "rounded"
"rule.kind" = "rounded_sgd"
[[case]]
name = "greedy"
"training.images_per_epoch" = 1000
[[vary]]
name = "device"
description = ["even", "coarse"]
device = [{ kind = "constant_step" }, { kind = "constant_step", states = 8 }]
"""


class Counter(Watcher):
    """Counts the runs that train; stops in the one after so many."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.runs, self.stop_after, self.last = 0, stop_after, ""

    def named(self, name: str) -> Watcher:
        self.last = name
        return self

    def tick(self, tick: Tick) -> None:
        if tick.epoch == 1:
            self.runs += 1
        if self.runs > self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    small = table(
        data={"train_limit": 48, "validation": 0}, training={"epochs": 1, "float_reference": {"learning_rate": 0.2}}
    )
    (folder / "base.json").write_text(json.dumps(small))
    (folder / "grid.toml").write_text(SWEEP)
    return folder


@pytest.fixture(scope="module")
def done(files: Path) -> Path:
    """A finished comparison, stopped once in its third run."""
    out = files / "out"
    with pytest.raises(KeyboardInterrupt):
        compare([files / "grid.toml"], out, watcher=Counter(2).named)
    assert read_compare(out)["finished"] == 2
    counter = Counter()
    compare([files / "grid.toml"], out, watcher=counter.named)
    # There are too few images for the greedy rows, which are left out before they train; the third run goes on.
    assert counter.runs == 2
    return out


def test_a_row_holds_mean_and_worst_of_its_seeds(done: Path):
    found = read_compare(done)
    assert [row["name"] for row in found["rows"]] == [
        f"{rule}, device={device}" for rule in ("rounded", "greedy") for device in ("even", "coarse")
    ]
    row = found["rows"][0]
    accuracies = [run["test_accuracy"] for run in row["runs"]]
    assert [run["seed"] for run in row["runs"]] == [0, 1] and accuracies[0] != accuracies[1]
    assert row["mean"]["test_accuracy"] == sum(accuracies) / 2
    assert row["worst"]["test_accuracy"] == min(accuracies)
    assert row["worst"]["pulses_per_cell_max"] == max(run["pulses_per_cell_max"] for run in row["runs"])
    one = json.loads((done / "runs" / row["runs"][0]["folder"] / "result.json").read_text())
    assert row["runs"][0]["float_gap"] == one["test_accuracy"] - one["float_test_accuracy"]
    assert row["runs"][0]["pulses_per_cell_p99"] == one["pulses_per_cell_p99"]
    assert row["mean"]["lifetime_runs"] == pytest.approx(
        sum(1e5 / run["pulses_per_cell_max"] for run in row["runs"]) / 2
    )


def test_a_row_that_cannot_run_says_why(done: Path):
    greedy = read_compare(done)["rows"][2]
    assert greedy["runs"] == [] and "training.images_per_epoch = 1000" in greedy["stopped"]
    page = write_comparison(done).read_text()
    assert "greedy on even: " in page and "What cannot run" in page


def test_finished_runs_are_kept_whatever_they_are_called(files: Path, done: Path):
    counter = Counter()
    renamed = files / "renamed.toml"
    renamed.write_text(SWEEP.replace("rounded\"\n", "other name\"\n", 1))
    found = compare([renamed], files / "second", runs=done / "runs", watcher=counter.named)
    assert counter.runs == 0 and found["rows"][0]["mean"] == read_compare(done)["rows"][0]["mean"]


def test_the_record_runs_again_to_the_last_bit(files: Path, done: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["compare", str(done / "compare.json"), "--out", str(files / "again"), "--markdown"]) == 0
    assert (files / "again" / "compare.json").read_bytes() == (done / "compare.json").read_bytes()
    printed = capsys.readouterr().out
    assert printed == markdown(read_compare(done)) and printed.splitlines()[2].startswith("| rounded | even | ")
    lines = list(csv.DictReader((files / "again" / "compare.csv").open()))
    first = read_compare(done)["rows"][0]["runs"][0]
    assert len(lines) == 4 and float(lines[0]["test_accuracy"]) == first["test_accuracy"]


def test_wrong_input_says_what_to_do(files: Path, tmp_path: Path):
    with pytest.raises(InputError, match="--seeds 5"):
        compare([files / "base.json"], tmp_path / "a", seeds=0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "note.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds no compare\.json"):
        compare([files / "base.json"], tmp_path / "b")


def test_the_frontier_holds_what_nothing_beats_in_both():
    assert frontier([(1.0, 5.0), (2.0, 4.0), (3.0, 9.0), (1.0, 3.0), (4.0, 9.0)]) == [(1.0, 5.0), (3.0, 9.0)]
