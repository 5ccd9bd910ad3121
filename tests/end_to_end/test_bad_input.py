"""Every wrong input of the list in bad_inputs.py is refused in one readable sentence; what only looks wrong works."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import torch

import memlearn
import memlearn.experiment
from memlearn.cli import main
from memlearn.learning.loop import train_images
from tests.end_to_end import bad_inputs
from tests.end_to_end.bad_inputs import CODE, COMMANDS, PAGE, SETTINGS, SMALL, WORKING, Code, Command, Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with GOOD.toml in it, and no data set anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("MEMLEARN_DATA", raising=False)
    (tmp_path / "GOOD.toml").write_text(SMALL)
    return tmp_path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], *, status: int = 1) -> str:
    """What a command that must fail says on stderr."""
    found = main(arguments)
    out, said = capsys.readouterr()
    assert found == status and out == "", said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("case", SETTINGS, ids=lambda case: case.wrong)
def test_a_wrong_experiment_is_refused(case: Settings, folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "WRONG.toml").write_text(case.toml)
    said = refused(["run", "WRONG.toml", "--out", "OUT"], capsys)
    assert case.says in said and said.startswith("Error: ")
    assert len(said.splitlines()) == 1
    assert not (folder / "OUT").exists()


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.wrong)
def test_a_wrong_command_is_refused(case: Command, folder: Path, capsys: pytest.CaptureFixture[str]):
    case.prepare(folder)
    said = refused(case.line.split(), capsys, status=case.status)
    assert case.says in said
    assert not (folder / "OUT").exists()


@pytest.mark.parametrize("case", CODE, ids=lambda case: case.wrong)
def test_a_wrong_call_is_refused(case: Code):
    names = {"memlearn": memlearn, "torch": torch, "Path": Path, "train_images": train_images}
    with pytest.raises(memlearn.MemlearnError) as error:
        eval(case.code, names)
    assert case.says in str(error.value)


@pytest.mark.parametrize("what", WORKING)
def test_what_looks_wrong_works(what: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    merged = tomllib.loads(SMALL)
    for key, value in tomllib.loads(WORKING[what]).items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    (folder / "odd.json").write_text(json.dumps(merged))
    assert main(["run", "odd.json", "--out", "OUT", "--json"]) == 0, capsys.readouterr().err
    result = json.loads(capsys.readouterr().out)
    assert result["cells"] > 0 and 0 <= result["test_accuracy"] <= 1


def test_debug_shows_where(folder: Path):
    with pytest.raises(memlearn.DataError):
        main(["--debug", "run", "NONE.toml", "--out", "OUT"])


def test_there_are_enough_cases_and_no_two_alike():
    everything = [case.wrong for case in (*SETTINGS, *COMMANDS, *CODE)]
    assert len(everything) == len(set(everything)) >= 60


def test_the_page_in_the_docs_is_this_list():
    advice = "write it anew: python -m tests.end_to_end.bad_inputs"
    assert PAGE.read_text(encoding="utf-8") == bad_inputs.page(), advice
