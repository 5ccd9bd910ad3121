"""Runs that are killed, stopped, damaged: they go on with the same bits, or say what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from memlearn.core.errors import DataError
from memlearn.experiment import Experiment, Interrupted, Tick, Watcher, checkpoint, resume, run, storage
from tests.end_to_end.small import figures, sign_backprop, small

REPOSITORY = Path(__file__).parents[2]


class StopAt(Watcher):
    """Sends a signal to this process, as Ctrl-C does, when training reaches an image."""

    def __init__(self, epoch: int, image: int, number: int = signal.SIGINT) -> None:
        self.epoch_, self.image, self.number = epoch, image, number

    def tick(self, tick: Tick) -> None:
        if (tick.epoch, tick.image) >= (self.epoch_, self.image):
            os.kill(os.getpid(), self.number)


def same_folder(one: Path, other: Path) -> None:
    assert figures(one) == figures(other)
    for name in ("arrays.safetensors", "snapshots.safetensors"):
        assert [p.read_bytes() for p in one.glob(name)] == [p.read_bytes() for p in other.glob(name)]


EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "signs, persistent counters, noise": lambda: sign_backprop(training={"checkpoint_every": 16}),
    "trains": lambda: small(training={"checkpoint_every": 16, "float_reference": {"learning_rate": 0.1}}),
    "trains, noise": lambda: small(
        device={"kind": "constant_step", "read_noise": {"relative": 0.05}, "cycle_to_cycle": {"spread": 0.3}},
        training={"checkpoint_every": 16, "threads": 2, "rate_decay": 0.9},
    ),
    "digits that are carried": lambda: small(
        rule={"kind": "periodic_carry", "learning_rate": 0.1, "cells": {"kind": "carry", "base": 4, "carry_every": 3}},
        training={"checkpoint_every": 16},
    ),
    "cells that take turns, transfers": lambda: small(
        rule={
            "kind": "capacitor_transfer",
            "learning_rate": 0.1,
            "cells": {"kind": "volatile", "transfer_every": 3, "scheme": {"kind": "write_verify", "max_pulses": 20}},
        },
        crossbar={"mapping": {"kind": "differential_pair", "devices": 2}},
        training={"checkpoint_every": 16, "seconds_per_batch": 0.01},
    ),
    "float": lambda: small(rule={"kind": "float_reference"}, training={"checkpoint_every": 16}),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize(("epoch", "image"), [(1, 16), (1, 240), (2, 128)])
def test_a_stopped_run_goes_on_with_the_same_bits(name: str, epoch: int, image: int, tmp_path: Path):
    run(EXPERIMENTS[name](), tmp_path / "whole")
    with pytest.raises(Interrupted) as stop:
        run(EXPERIMENTS[name](), tmp_path / "stopped", watcher=StopAt(epoch, image))
    assert f"memlearn resume {tmp_path / 'stopped'}" in str(stop.value) and stop.value.signal_number == signal.SIGINT
    assert not (tmp_path / "stopped" / "result.json").exists()
    record = checkpoint.read(tmp_path / "stopped").record
    assert (record["epoch"] + 1, record["image"]) == (epoch, image)
    resume(tmp_path / "stopped")
    same_folder(tmp_path / "stopped", tmp_path / "whole")


def test_a_run_may_be_stopped_again_and_again(tmp_path: Path):
    experiment = sign_backprop(training={"checkpoint_every": 16})
    run(experiment, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(experiment, tmp_path / "stopped", watcher=StopAt(1, 0))
    for _ in range(9):
        with pytest.raises(Interrupted):
            resume(tmp_path / "stopped", watcher=StopAt(1, 0, signal.SIGTERM))
    resume(tmp_path / "stopped")
    same_folder(tmp_path / "stopped", tmp_path / "whole")


def test_a_second_signal_stops_at_once_and_handlers_come_back(tmp_path: Path):
    class Impatient(StopAt):
        def tick(self, tick: Tick) -> None:
            super().tick(tick)
            super().tick(tick)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stop:
        run(small(training={"checkpoint_every": 16}), tmp_path / "run", watcher=Impatient(1, 32))
    assert not isinstance(stop.value, Interrupted) and signal.getsignal(signal.SIGINT) is before
    resume(tmp_path / "run")


def test_a_run_works_beside_the_main_thread(tmp_path: Path):
    worker = threading.Thread(target=run, args=(small(training={"epochs": 1}), tmp_path / "run"))
    worker.start()
    worker.join()
    assert (tmp_path / "run" / "result.json").exists()


# Real processes.


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "memlearn", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def position(folder: Path) -> tuple[int, int]:
    record = checkpoint.read(folder).record
    return record["epoch"], record["image"]


def wait_beyond(process: subprocess.Popen[str], folder: Path, epoch: int, image: int) -> None:
    """Until the checkpoint stands in the middle of an epoch, and beyond this point."""
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise AssertionError(f"the run ended first:\n{process.communicate()[1]}")
        if (folder / "checkpoint.safetensors").exists():
            now = position(folder)
            if now > (epoch, image) and now[1]:
                return
        time.sleep(0.002)
    raise AssertionError("no checkpoint in time")


def write_experiment(folder: Path, experiment: Experiment) -> Path:
    file = folder / "experiment.json"
    file.write_text(json.dumps(experiment.table()))
    return file


def long_run() -> Experiment:
    return sign_backprop(data={"train_limit": 400}, training={"batch": 4, "epochs": 6, "checkpoint_every": 40})


def test_a_run_killed_twice_goes_on_with_the_same_bits(tmp_path: Path):
    file, folder = write_experiment(tmp_path, long_run()), tmp_path / "killed"
    process = start("run", file, "--out", folder)
    wait_beyond(process, folder, 1, 0)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = start("resume", folder)
    wait_beyond(process, folder, *position(folder))
    process.kill()
    process.communicate()
    assert not (folder / "result.json").exists()
    resume(folder)
    run(long_run(), tmp_path / "whole")
    same_folder(folder, tmp_path / "whole")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_writes_a_checkpoint_and_says_how_to_go_on(number: int, status: int, tmp_path: Path):
    file, folder = write_experiment(tmp_path, long_run()), tmp_path / "stopped"
    process = start("run", file, "--out", folder)
    wait_beyond(process, folder, 0, 0)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == status and out == ""
    assert f"Go on with: memlearn resume {folder}" in error and "Traceback" not in error
    assert checkpoint.read(folder).record["image"] >= 0
    assert not (folder / "result.json").exists()


# Files that are not what they were.


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    with pytest.raises(Interrupted):
        run(small(training={"checkpoint_every": 16}), tmp_path / "run", watcher=StopAt(2, 16))
    return tmp_path / "run"


def test_the_history_is_cut_to_what_the_checkpoint_knows(stopped: Path):
    history = stopped / "history.jsonl"
    history.write_text(history.read_text() + '{"epoch": 2}\n{"epo')
    resume(stopped)
    assert [json.loads(line)["epoch"] for line in history.read_text().splitlines()] == [1, 2]


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused_with_advice(part: float, stopped: Path):
    file = stopped / "checkpoint.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(DataError, match="truncated or damaged.*memlearn run .*config.json --out .* --overwrite"):
        resume(stopped)


@pytest.mark.parametrize("where", [0.05, 0.5, 0.99])
def test_a_changed_byte_is_noticed(where: float, stopped: Path):
    file = stopped / "checkpoint.safetensors"
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 4
    file.write_bytes(content)
    with pytest.raises(DataError, match="damaged.*Start the run anew"):
        resume(stopped)


def test_a_foreign_file_is_no_checkpoint(stopped: Path):
    (stopped / "checkpoint.safetensors").write_bytes((8).to_bytes(8, "little") + b"{}      ")
    with pytest.raises(DataError, match="is damaged"):
        resume(stopped)


def test_another_version_of_the_format_is_refused(stopped: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    with pytest.raises(DataError, match="another version of memlearn"):
        resume(stopped)


def test_a_missing_checkpoint_is_refused_with_advice(stopped: Path):
    (stopped / "checkpoint.safetensors").unlink()
    with pytest.raises(DataError, match="there is no checkpoint. Start the run anew"):
        resume(stopped)


def test_a_changed_experiment_is_noticed(stopped: Path):
    config = json.loads((stopped / "config.json").read_text())
    config["training"]["epochs"] = 5
    (stopped / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="config.json was changed since"):
        resume(stopped)


def test_changed_data_is_noticed(stopped: Path):
    rest = checkpoint.read(stopped)
    checkpoint.write(stopped, rest._replace(record={**rest.record, "data": "other"}))
    with pytest.raises(DataError, match="the data set is another one since"):
        resume(stopped)


def test_other_versions_are_mentioned(stopped: Path):
    class Ears(Watcher):
        notes: ClassVar[list[str]] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    rest = checkpoint.read(stopped)
    older = {**rest.record["versions"], "torch": "1.0"}
    checkpoint.write(stopped, rest._replace(record={**rest.record, "versions": older}))
    resume(stopped, watcher=Ears())
    assert "torch 1.0 is now" in Ears.notes[0] and "Going on at epoch 2 of 2, image 16." in Ears.notes


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3"])
def test_a_folder_without_an_experiment_is_refused(text: str | None, tmp_path: Path):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match="Name the folder that `memlearn run --out` wrote"):
        resume(tmp_path)


def test_a_damaged_result_is_said_to_be(stopped: Path):
    resume(stopped)
    (stopped / storage.RESULT).write_text("{")
    with pytest.raises(DataError, match="truncated or no JSON"):
        resume(stopped)
