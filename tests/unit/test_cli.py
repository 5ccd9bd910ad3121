"""The command line: what each command prints, where, and its exit status. Wrong input: end_to_end/test_bad_input.py."""

from __future__ import annotations

import csv
import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

import memlearn
from memlearn.cli import FAMILIES, app, main
from memlearn.cli_examples import EXAMPLES
from memlearn.experiment import board
from tests.end_to_end.small import table

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a small experiment in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "small.json").write_text(json.dumps(table(data={"train_limit": 48}, training={"epochs": 1})))
    return tmp_path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("run", "resume", "report", "sweep", "list", "show", "schema"))


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == memlearn.__version__


def test_nothing_is_no_success():
    assert main([]) != 0


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "memlearn", "resume", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY / "src", check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: nowhere/config.json: cannot be read") and len(done.stderr.splitlines()) == 1


def test_a_run_shows_its_figures_and_where_they_are(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "small.json", "--out", "deep/er", "--seed", "3", "--set", "training.epochs=2"]) == 0
    said = capsys.readouterr()
    assert "Test accuracy" in said.out and "small" in said.out
    lines = said.err.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1] == "Written to deep/er. For figures: memlearn report deep/er"
    result = json.loads((folder / "deep" / "er" / "result.json").read_text())
    assert result["seed"] == 3 and result["epochs"] == 2


def test_json_on_stdout_is_the_result_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "small.json", "--out", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "run" / "result.json").read_text())
    assert main(["resume", "run", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["name"] == "small" and "is finished" in said.err


def test_a_change_of_kind_says_what_it_drops(folder: Path, capsys: pytest.CaptureFixture[str]):
    settings = table(rule={"kind": "sgd", "learning_rate": 0.1}, data={"train_limit": 48}, training={"epochs": 1})
    (folder / "sgd.json").write_text(json.dumps(settings))
    assert main(["run", "sgd.json", "--out", "run", "--set", "rule.kind=manhattan"]) == 0
    assert "rule.kind = manhattan: dropped learning_rate, which the new kind does not share." in capsys.readouterr().err


def test_a_recorded_run_can_be_run_again(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "small.json", "--out", "a", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["run", "a/config.json", "--out", "a", "--overwrite", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {**again, "train_seconds": 0} == {**first, "train_seconds": 0}


def test_a_report_is_written(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "small.json", "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["report", "run"]) == 0
    assert capsys.readouterr().out.strip() == str(Path("run", "report.html"))
    assert main(["report", "run", "run", "--out", "both.html"]) == 0
    assert (folder / "run" / "report.html").stat().st_size > 1e5 and (folder / "both.html").is_file()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_listed_and_its_members_shown(family: str, capsys: pytest.CaptureFixture[str]):
    assert main(["list", family]) == 0
    listed = capsys.readouterr().out
    assert FAMILIES[family]
    for kind, cls in FAMILIES[family].items():
        assert kind in listed
        assert main(["show", family, kind]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"{kind}: ") and all(source in shown for source in cls.sources)


@pytest.mark.parametrize(("singular", "kind"), [("device", "soft_bounds"), ("sense", "adc"), ("wires", "ideal")])
def test_a_component_is_shown_by_the_singular_too(singular: str, kind: str):
    assert main(["show", singular, kind]) == 0


def test_a_component_is_shown_with_unit_range_and_meaning(capsys: pytest.CaptureFixture[str]):
    assert main(["show", "device", "soft_bounds"]) == 0
    shown = capsys.readouterr().out
    assert "g_min = 2e-06 S  (float, >= 0)\n    lowest conductance of the nominal range" in shown
    assert "cycle_to_cycle.spread = 0  (float, >= 0)" in shown and "Fusi and Abbott" in shown


def test_everything_is_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in (*FAMILIES, "constant_step", "mnist"))


def test_experiments_are_listed_also_beside_a_broken_one(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "experiments").mkdir()
    files = {"a": 'description = "all of it"', "b": "seed = ", "c": 'base = "a.toml"', "d": ""}
    for name, text in files.items():
        (folder / "experiments" / f"{name}.toml").write_text(text)
    assert main(["list", "experiments"]) == 0
    listed = capsys.readouterr().out
    assert all(text in listed for text in ("a.toml", "all of it", "is no valid TOML", "sweep of a.toml", "d.toml"))


def test_without_experiments_nothing_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    assert main(["list", "experiments"]) == 0


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Experiment"


@pytest.fixture
def sweep_file(folder: Path) -> Path:
    text = 'base = "small.json"\nseeds = [0, 1]\n[[vary]]\nname = "states"\n"device.states" = [8, 64]\n'
    file = folder / "sweep.toml"
    file.write_text(text.replace('"device.states"', "network.margin"))
    return file


def test_a_sweep_runs_every_case_with_every_seed(sweep_file: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sweep", "sweep.toml", "--out", "out"]) == 0
    shown = capsys.readouterr()
    assert "states=8" in shown.out and "test, worst" in shown.out
    assert "states=64, seed 1: epoch 1/1" in shown.err
    summary = json.loads(Path("out/sweep.json").read_text())
    assert (summary["planned"], summary["finished"]) == (4, 4)
    for case in summary["cases"]:
        files = [Path("out", run["folder"], "result.json") for run in case["runs"]]
        accuracies = [json.loads(file.read_text())["test_accuracy"] for file in files]
        assert case["worst"]["test_accuracy"] == min(accuracies)
        assert case["mean"]["test_accuracy"] == pytest.approx(sum(accuracies) / 2)
        assert case["mean"]["float_test_accuracy"] is None
    assert main(["report", "out"]) == 0
    assert Path("out/report.html").is_file()


def test_a_sweep_skips_what_is_done_and_takes_up_what_is_not(sweep_file: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sweep", "sweep.toml", "--out", "out", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    finished, begun, bare = (Path("out", f"states={case}") for case in ("8/seed0", "8/seed1", "64/seed0"))
    before = (finished / "result.json").stat().st_mtime_ns
    (begun / "result.json").unlink()
    (bare / "result.json").unlink()
    (bare / "checkpoint.safetensors").unlink()
    assert main(["sweep", "sweep.toml", "--out", "out", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == first and (finished / "result.json").stat().st_mtime_ns == before
    assert [said.err.count(text) for text in ("is finished", "Going on at", "epoch 1/1")] == [2, 1, 1]


def test_a_sweep_replaces_other_experiments_only_on_request(sweep_file: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sweep", "sweep.toml", "--out", "out", "--json"]) == 0
    text = json.dumps(table(data={"train_limit": 32}, training={"epochs": 1}))
    Path("small.json").write_text(text)
    capsys.readouterr()
    assert main(["sweep", "sweep.toml", "--out", "out"]) == 1
    assert "holds a run of another experiment. Name another folder, or give --overwrite." in capsys.readouterr().err
    assert main(["sweep", "sweep.toml", "--out", "out", "--overwrite"]) == 0


def test_a_damaged_sweep_cannot_be_reported(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "sweep.json").write_text("{}")
    assert main(["report", "."]) == 1
    assert "its sweep.json is damaged" in capsys.readouterr().err


def commands(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, TyperCommand]]:
    """Every command with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def test_every_command_has_examples_and_takes_their_options():
    found = dict(commands(typer.main.get_command(app)))
    assert set(found) == set(EXAMPLES)
    for name, command in found.items():
        for example in EXAMPLES[name]:
            program, *words = shlex.split(example.partition(" > ")[0])
            assert program == "memlearn" and " ".join(words).startswith(name)
            command.make_context(name, words[len(name.split()) :], resilient_parsing=True)


def test_examples_stand_in_the_help(capsys: pytest.CaptureFixture[str]):
    assert main(["sweep", "--help"]) == 0
    assert "memlearn sweep experiments/automatic_digits.toml --out runs/automatic" in capsys.readouterr().out


def test_nothing_says_where_to_start(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "memlearn demo" in capsys.readouterr().out


def test_the_demonstration_needs_nothing_but_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "--epochs", "1", "--out", "first", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["name"] == "demo_digits" and "first/report.html" in said.err
    assert (folder / "first" / "report.html").is_file()


def test_figures_and_numbers_come_as_files(folder: Path, capsys: pytest.CaptureFixture[str]):
    main(["run", "small.json", "--out", "done"])
    capsys.readouterr()
    assert main(["report", "done", "--svg", "art", "--pdf", "art", "--csv", "numbers", "--json"]) == 0
    files = [Path(name) for name in json.loads(capsys.readouterr().out)["files"]]
    assert all(file.stat().st_size > 0 for file in files)
    for file in folder.glob("art/*.svg"):
        ElementTree.fromstring(file.read_text())
    for file in folder.glob("art/*.pdf"):
        content = file.read_bytes()
        start = int(content.split(b"startxref\n")[1].split()[0])
        assert content.startswith(b"%PDF-1.4") and content[start : start + 4] == b"xref"
    names = {file.stem for file in folder.glob("art/*.svg")}
    assert names == {file.stem for file in folder.glob("art/*.pdf")} and {"training-loss", "layer1-wear"} <= names
    result = json.loads(Path("done/result.json").read_text())
    with Path("numbers/energy.csv").open() as stream:
        parts = [float(row["value"]) for row in csv.DictReader(stream)]
    assert sum(parts) == pytest.approx(result["cost"]["energy"]["total"], rel=1e-12)
    with Path("numbers/figures.csv").open() as stream:
        assert float(next(csv.DictReader(stream))["test_accuracy"]) == result["test_accuracy"]


def test_lists_and_components_come_as_data(capsys: pytest.CaptureFixture[str]):
    assert main(["list", "rules", "--json"]) == 0
    assert [row["kind"] for row in json.loads(capsys.readouterr().out)] == list(FAMILIES["rules"])
    assert main(["show", "rule", "manhattan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"]


def test_without_tensorboard_its_option_says_what_to_install(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["run", "small.json", "--out", "done", "--tensorboard"]) == 1
    assert "pip install 'memlearn[tensorboard]'" in capsys.readouterr().err and not (folder / "done").exists()


def test_tensorboard_hears_of_every_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch):
    heard: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, place: str) -> None:
            assert Path(place) == Path("done/tensorboard")

        def add_scalar(self, *scalar) -> None:
            heard.append(scalar)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(board, "_maker", lambda: Writer)
    assert main(["run", "small.json", "--out", "done", "--tensorboard"]) == 0
    history = json.loads((folder / "done" / "history.jsonl").read_text())
    assert ("train_accuracy", history["train_accuracy"], 1) in heard and ("energy", history["energy"], 1) in heard
