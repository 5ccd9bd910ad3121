"""Runs whose second layer lives on a chip behind a real second process, which dies, and so does the run itself."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from memlearn.chip import ChipError, ProcessChip
from memlearn.cli import app
from memlearn.core.errors import DataError, InputError
from memlearn.experiment import Experiment, Tick, Watcher, checkpoint, resume, run
from tests.chips import DRIVER, command
from tests.end_to_end.small import figures, small

LOUD = {"rows": 13, "columns": 20, "noise": 0.005, "pulse_noise": 0.3, "spread": 0.3}


def experiment() -> Experiment:
    return small(
        data={"train_limit": 64, "validation": 30},
        rule={"kind": "siamese", "learning_rate": 0.3, "tolerance": 0.03},
        training={"epochs": 2, "checkpoint_every": 32},
    )


class Ears(Watcher):
    """Remembers what it hears, and may break the run in the middle of an epoch, as a kill would."""

    def __init__(self, break_at: tuple[int, int] | None = None) -> None:
        self.notes: list[str] = []
        self.break_at = break_at

    def note(self, text: str) -> None:
        self.notes.append(text)

    def tick(self, tick: Tick) -> None:
        if self.break_at == (tick.epoch, tick.image):
            raise RuntimeError("broken")


MORTAL = """
import os, pathlib, runpy, signal, sys
here, *deaths = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2].split(","))
sys.argv = [sys.argv[3], *sys.argv[4:]]
driver = runpy.run_path(sys.argv[0], run_name="driver")
lives, pulse, sent = here / "lives", driver["Cells"].pulse, 0
life = int(lives.read_text()) if lives.exists() else 0
lives.write_text(str(life + 1))

def counted(cells, *arguments):
    global sent
    sent += 1
    if deaths[life:] and sent == deaths[life]:
        os.kill(os.getpid(), signal.SIGKILL)
    pulse(cells, *arguments)

driver["Cells"].pulse = counted
driver["main"]()
"""


def mortal(folder: Path, deaths: list[int], **options: Any) -> partial[ProcessChip]:
    """The example driver, which is killed by SIGKILL in the middle of programming: in each life by another pulse."""
    folder.mkdir(exist_ok=True)
    script = folder / "mortal.py"
    script.write_text(MORTAL)
    words = [
        sys.executable,
        str(script),
        str(folder),
        ",".join(map(str, deaths)),
        *command(folder, **LOUD, save_every=0.005)[1:],
    ]
    return partial(ProcessChip, words, timeout=60, **options)


def same(one: Path, other: Path) -> None:
    assert figures(one / "run") == figures(other / "run")
    assert (one / "run" / "arrays.safetensors").read_bytes() == (other / "run" / "arrays.safetensors").read_bytes()
    with np.load(one / "cells.npz") as here, np.load(other / "cells.npz") as there:
        np.testing.assert_array_equal(here["conductance"], there["conductance"])
        np.testing.assert_array_equal(here["pulses"], there["pulses"])  # no pulse was lost, and none sent twice


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    run(experiment(), folder / "run", chips={"layer2": partial(ProcessChip, command(folder, **LOUD))})
    return folder


def test_a_run_on_a_chip_is_recorded(whole: Path):
    result = json.loads((whole / "run" / "result.json").read_text())
    size = {"rows": 13, "columns": 20, "g_min": 2e-6, "g_max": 20e-6}
    assert result["chips"] == {"layer2": {"chip": "example driver", **size}} and result["kernel"] == "stages"
    with np.load(whole / "cells.npz") as state:
        assert result["layers"][1]["pulses_total"] == state["pulses"].sum() > 1000
    assert result["ledger"]["layer2/update/cell.pulse"] > 0
    left = checkpoint.read(whole / "run").record["chips"]["positions"]["layer2"]
    asked = [int(path.name[:6]) for path in (whole / "run" / "chips" / "layer2").glob("*.request.json")]
    assert left == min(asked) - 1 > 0


def test_a_driver_killed_while_it_programmes_is_reported_and_the_run_is_the_same(whole: Path, tmp_path: Path):
    ears = Ears()
    run(experiment(), tmp_path / "run", chips={"layer2": mortal(tmp_path, [700, 1500])}, watcher=ears)
    told = [note for note in ears.notes if "SIGKILL" in note]
    assert len(told) == 2 and all("(program of" in note and "started again" in note for note in told)
    assert "(program of 260 cells)" in told[0]
    same(tmp_path, whole)


def test_a_driver_that_stays_dead_stops_the_run_which_resumes(whole: Path, tmp_path: Path):
    ears, chips = Ears(), {"layer2": mortal(tmp_path, [700, 1500], restarts=0)}
    with pytest.raises(ChipError, match=r"request 1 \(program of 260 cells\): the driver was ended by SIGKILL"):
        run(experiment(), tmp_path / "run", chips=chips, watcher=ears)
    assert f"Go on with: memlearn resume {tmp_path}/run --chip layer2=COMMAND" in ears.notes[-1]
    assert not (tmp_path / "run" / "result.json").exists()
    with pytest.raises(ChipError, match="ended by SIGKILL"):
        resume(tmp_path / "run", chips=chips)
    resume(tmp_path / "run", chips=chips)
    same(tmp_path, whole)


def test_a_run_that_is_broken_between_checkpoints_repeats_nothing_on_the_chip(whole: Path, tmp_path: Path):
    chips = {"layer2": partial(ProcessChip, command(tmp_path, **LOUD))}
    with pytest.raises(RuntimeError, match="broken"):
        run(experiment(), tmp_path / "run", chips=chips, watcher=Ears((2, 64)))
    resume(tmp_path / "run", chips=chips)
    same(tmp_path, whole)


def test_without_its_record_a_run_goes_on_from_what_the_chip_holds_and_not_without_the_chip(tmp_path: Path):
    chips = {"layer2": partial(ProcessChip, command(tmp_path, **LOUD))}
    with pytest.raises(RuntimeError, match="broken"):
        run(experiment(), tmp_path / "run", chips=chips, watcher=Ears((2, 32)))
    with np.load(tmp_path / "cells.npz") as state:
        before = state["pulses"].sum()
    with pytest.raises(DataError, match="begun with layer2, and not no chip. .* --chip layer2=COMMAND"):
        resume(tmp_path / "run")
    for path in (tmp_path / "run" / "chips" / "layer2").iterdir():
        path.unlink()
    resume(tmp_path / "run", chips=chips)
    with np.load(tmp_path / "cells.npz") as state:
        assert 0 < state["pulses"].sum() - before < before


def test_an_unknown_array_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(InputError, match="chips = 'hidden': is no array of this model.*layer1, layer2"):
        run(experiment(), tmp_path / "run", chips={"hidden": partial(ProcessChip, ["no"])})
    assert not (tmp_path / "run").exists()


def test_hybrid_training_trains_outside_programmes_the_chip_and_lets_its_layer_learn(tmp_path: Path):
    table = {
        **experiment().table(),
        "start": {"epochs": 20, "batch": 8, "repair": {"detect": True, "pulses": 5, "moved": 0.02}},
    }
    table["training"] = {**table["training"], "gate": {"kind": "last_layers"}}
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, deaths in ((one, [10**9]), (other, [2000])):
        chips = {"layer2": mortal(folder, deaths, restarts=0)}
        try:
            run(Experiment.from_table(table), folder / "run", chips=chips)
        except ChipError as told:
            assert folder == other and "SIGKILL" in str(told)
            resume(folder / "run", chips=chips)
    assert (other / "lives").read_text() == "2"
    same(other, one)
    result = json.loads((one / "run" / "result.json").read_text())
    assert result["start"]["cell.write"] > 260 and result["start"]["transferred_test_accuracy"] > 0.5
    assert result["ledger"]["layer2/update/cell.pulse"] > 0 and "layer1/update/cell.pulse" not in result["ledger"]


# The command line.


def line(folder: Path, **settings: Any) -> str:
    return " ".join(f"'{word}'" for word in command(folder, **settings))


def test_the_command_line_trains_on_chips_and_resumes(whole: Path, tmp_path: Path):
    file = tmp_path / "experiment.json"
    file.write_text(json.dumps(experiment().table()))
    told = [str(tmp_path / "run"), "--chip", f"layer2={line(tmp_path, **LOUD)}"]
    done = CliRunner().invoke(app, ["run", str(file), "--out", *told])
    assert done.exit_code == 0, done.output
    same(tmp_path, whole)
    assert CliRunner().invoke(app, ["resume", *told]).exit_code == 0


def test_the_command_line_checks_a_driver(tmp_path: Path):
    good = CliRunner().invoke(app, ["chip", "check", line(tmp_path, noise=0.005)], env={"COLUMNS": "200"})
    assert good.exit_code == 0 and "a killed driver loses nothing" in good.output and "WRONG" not in good.output
    (tmp_path / "stuck").mkdir()
    command = ["chip", "check", line(tmp_path / "stuck", states=1e9), "--max-pulses", "9", "--json"]
    stuck = CliRunner().invoke(app, command)
    told = json.loads(stuck.output)
    assert stuck.exit_code == 1 and not told["right"] and not all(each["right"] for each in told["findings"])


@pytest.mark.parametrize("text", ["layer2", "=python driver.py", "layer2= ", "layer2=python 'driver"])
def test_a_chip_option_that_says_nothing_is_refused(text: str, tmp_path: Path):
    done = CliRunner().invoke(app, ["run", "x.toml", "--out", str(tmp_path / "run"), "--chip", text])
    assert done.exit_code == 1


def test_the_example_driver_needs_numpy_only():
    imported = [
        text.split()[1].split(".")[0]
        for text in DRIVER.read_text().splitlines()
        if text.startswith(("import ", "from "))
    ]
    assert set(imported) <= {"__future__", "numpy", *sys.stdlib_module_names}
