"""Drivers that die, answers that are wrong or late, folders filled by hand: reported, and nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memlearn.chip import ChipError, FolderChip, ProcessChip, Reached, SimulatedChip, Tried, check
from memlearn.chip.exchange import Exchange
from memlearn.core.errors import DataError, InputError
from tests.chips import COLUMNS, ROWS, command, driver_of, watching

EVERY = np.ones((ROWS, COLUMNS), bool)
VOLTS = np.linspace(-0.2, 0.2, 2 * ROWS).reshape(2, ROWS)
LOUD = {"noise": 0.005, "pulse_noise": 0.3, "spread": 0.3, "seed": 4}


def targets() -> np.ndarray:
    return np.linspace(3e-6, 19e-6, ROWS * COLUMNS).reshape(ROWS, COLUMNS)


def brought(chip: FolderChip) -> Reached:
    return chip.program(EVERY, targets(), tolerance=4e-7, max_pulses=500)


def kept(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Conductances, pulses of each cell, and the journal's words, as the driver's file holds them."""
    with np.load(folder / "cells.npz", allow_pickle=False) as state:
        return state["conductance"], state["pulses"], json.loads(str(state["words"]))


# A real second process, killed.


def kill_in_the_middle(chip: ProcessChip, folder: Path, cells: int) -> threading.Thread:
    """Once the journal says that so many cells of the request at work are done."""

    def wait() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                words = kept(folder)[2]
            except (OSError, ValueError):
                continue
            if words["work"] and words["next"] >= cells:
                assert chip.pid is not None
                os.kill(chip.pid, signal.SIGKILL)
                return
            time.sleep(0.001)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_driver_killed_in_the_middle_of_programming_is_started_again_and_goes_on(tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with ProcessChip(command(whole, **LOUD), whole / "exchange") as chip:
        expected = brought(chip)
    heard: list[str] = []
    with ProcessChip(command(killed, **LOUD, seconds=0.0005, save_every=0), killed / "exchange") as chip:
        chip.tell, first = heard.append, chip.pid
        thread = kill_in_the_middle(chip, killed, 20)
        found = brought(chip)
        thread.join()
        assert chip.pid != first and chip.position == 1
    what = "the driver was ended by SIGKILL during request 1 (program of 48 cells)"
    assert heard == [f"example driver: {what}; it is started again, and asked the same."]
    assert what in (killed / "exchange" / "driver.log").read_text()
    for part, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, same)
    np.testing.assert_array_equal(kept(killed)[0], kept(whole)[0])
    np.testing.assert_array_equal(kept(killed)[1], found.pulses)  # no pulse was sent twice


def test_one_that_is_not_started_again_is_an_error_and_the_next_run_goes_on(tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with ProcessChip(command(whole, **LOUD), whole / "exchange") as chip:
        expected = brought(chip)
        currents = chip.read(VOLTS)
    slow = command(killed, **LOUD, seconds=0.0005, save_every=0)
    with ProcessChip(slow, killed / "exchange", restarts=0) as chip:
        thread = kill_in_the_middle(chip, killed, 20)
        with pytest.raises(
            ChipError, match=r"request 1 \(program of 48 cells\): the driver was ended by SIGKILL"
        ) as told:
            brought(chip)
        thread.join()
    assert "the driver's journal knows how far this one is" in str(told.value) and "driver.log" in str(told.value)
    half = kept(killed)[1]
    assert 0 < half.sum() < expected.pulses.sum()
    with ProcessChip(slow, killed / "exchange") as chip:
        np.testing.assert_array_equal(chip.read(VOLTS), currents)  # what was under way is finished first
        chip.rewind(0)
        np.testing.assert_array_equal(brought(chip).pulses, expected.pulses)
    np.testing.assert_array_equal(kept(killed)[1], expected.pulses)


def test_one_that_dies_again_and_again_is_given_up(tmp_path: Path):
    script = """
        import json, sys
        print(json.dumps({"name": "mortal", "rows": 6, "columns": 8, "g_min": 1e-6, "g_max": 2e-6}), flush=True)
        sys.stdin.readline()
        sys.exit("out of order")
    """
    heard: list[str] = []
    with ProcessChip(program(tmp_path, script), tmp_path / "exchange") as chip:
        chip.tell = heard.append
        with pytest.raises(ChipError, match="status 1, 3 times in this request.*It last wrote: .*") as told:
            chip.read(VOLTS)
    assert len(heard) == 2 and "Requests up to 0 are answered" in str(told.value)
    assert "out of order" in (tmp_path / "exchange" / "driver.log").read_text()


# The record: what was asked before is not done again.


def test_a_repeated_request_is_answered_and_not_done(tmp_path: Path):
    with ProcessChip(command(tmp_path, **LOUD), tmp_path / "exchange") as chip:
        currents = chip.read(VOLTS)
        chip.pulse(3 * EVERY)
        after = chip.conductances(EVERY)
        assert chip.position == 3
        chip.rewind(0)
        np.testing.assert_array_equal(chip.read(VOLTS), currents)
        chip.pulse(3 * EVERY)
        np.testing.assert_array_equal(chip.conductances(EVERY), after)
    assert (kept(tmp_path)[1] == 3).all()


def test_a_driver_that_died_after_the_work_and_before_the_answer_only_answers(tmp_path: Path):
    with watching(tmp_path / "exchange", tmp_path / "cells.npz", **LOUD):
        chip = FolderChip(tmp_path / "exchange", poll=0.001)
        first = brought(chip)
    for path in (tmp_path / "exchange").glob("000001.answer.*"):
        path.unlink()
    with watching(tmp_path / "exchange", tmp_path / "cells.npz", **LOUD):
        chip.rewind(0)
        for part, same in zip(brought(chip), first, strict=True):
            np.testing.assert_array_equal(part, same)
    np.testing.assert_array_equal(kept(tmp_path)[1], first.pulses)


def test_another_request_under_the_same_number_is_refused(tmp_path: Path):
    with watching(tmp_path / "exchange", tmp_path / "cells.npz"):
        chip = FolderChip(tmp_path / "exchange", poll=0.001)
        chip.read(VOLTS)
        chip.rewind(0)
        with pytest.raises(ChipError, match=r"request 1 \(read of 2 samples\): was another request.*another way"):
            chip.read(2 * VOLTS)
        assert chip.read(VOLTS).shape == (2, COLUMNS)


def test_what_is_forgotten_leaves_the_folder_and_numbers_are_not_used_again(tmp_path: Path):
    with watching(tmp_path / "exchange", tmp_path / "cells.npz"):
        chip = FolderChip(tmp_path / "exchange", poll=0.001)
        for _ in range(3):
            chip.pulse(EVERY)
        chip.forget(3)
        assert not list((tmp_path / "exchange").glob("0*"))
        again = FolderChip(tmp_path / "exchange", poll=0.001)
        assert again.position == 3
        again.pulse(EVERY)
    assert (kept(tmp_path)[1] == 4).all()


def test_a_request_left_by_a_program_that_was_killed_is_finished_first(tmp_path: Path):
    Exchange(tmp_path / "exchange").ask(1, "pulse", {"counts": EVERY.astype(np.int32)}, {})
    with watching(tmp_path / "exchange", tmp_path / "cells.npz"):
        chip = FolderChip(tmp_path / "exchange", poll=0.001)
        assert chip.position == 1
        chip.pulse(EVERY)
    assert (kept(tmp_path)[1] == 2).all()


# Answers by hand.

CHIP = {"name": "by hand", "rows": ROWS, "columns": COLUMNS, "g_min": 2e-6, "g_max": 2e-5}


def by_hand(folder: Path, **options: Any) -> FolderChip:
    folder.mkdir()
    (folder / "chip.json").write_text(json.dumps(CHIP))
    return FolderChip(folder, **{"form": "csv", "timeout": 0.02, "poll": 0.001, **options})


def waited(chip: FolderChip) -> str:
    """Ask for a read that nobody answers."""
    with pytest.raises(ChipError, match="no answer within") as told:
        chip.read(VOLTS)
    return str(told.value)


def test_an_answer_may_be_written_by_hand(tmp_path: Path):
    chip = by_hand(tmp_path / "exchange")
    assert f"once {tmp_path}/exchange/000001.answer.json is there, the same command goes on" in waited(chip)
    sent = np.loadtxt(tmp_path / "exchange" / "000001.request.voltages.csv", delimiter=",")
    np.testing.assert_array_equal(sent, VOLTS)
    head = json.loads((tmp_path / "exchange" / "000001.request.json").read_text())
    assert head["do"] == "read" and head["arrays"]["voltages"]["unit"] == "V"
    np.savetxt(
        tmp_path / "exchange" / "000001.answer.currents.csv", VOLTS @ np.full((ROWS, COLUMNS), 1e-6), delimiter=","
    )
    (tmp_path / "exchange" / "000001.answer.json").write_text("{}")
    np.testing.assert_allclose(chip.read(VOLTS), VOLTS.sum(1, keepdims=True) * np.full(COLUMNS, 1e-6))


HEAD = '{"id": 1}'
WRONG: dict[str, tuple[dict[str, str | np.ndarray], str]] = {
    "shape": ({"000001.answer.currents.csv": "1,2\n3,4\n"}, r"currents has shape \(2, 2\), and must have"),
    "NaN": ({"000001.answer.currents.csv": "1,2,3,4,5,6,7,nan\n" * 2}, "currents holds NaN"),
    "words": ({"000001.answer.currents.csv": "a,b\n"}, "000001.answer.currents.csv is damaged or no table"),
    "missing": ({}, "000001.answer.currents.csv is missing"),
    "no zip": ({"000001.answer.npz": "x"}, "000001.answer.npz is damaged"),
    "another array": ({"000001.answer.npz": np.zeros((2, COLUMNS))}, "000001.answer.npz .*holds no currents"),
    "an object": ({"000001.answer.currents.npy": np.array([{}])}, "damaged or no table"),
    "not done": ({"000001.answer.json": '{"id": 1, "error": "out of range"}'}, "the driver says: out of range"),
    "another number": ({"000001.answer.json": '{"id": 7}'}, "answers request 7"),
    "no JSON": ({"000001.answer.json": "{"}, "000001.answer.json is damaged or no JSON"),
    "no table": ({"000001.answer.json": "[]"}, "000001.answer.json holds no table"),
    "elsewhere": ({"000001.answer.json": '{"arrays": {"currents": "/etc/passwd"}}'}, "passwd is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_set_aside_and_a_right_one_taken(case: str, tmp_path: Path):
    chip, folder = by_hand(tmp_path / "exchange"), tmp_path / "exchange"
    files, text = WRONG[case]
    waited(chip)
    for name, content in {"000001.answer.json": HEAD, **files}.items():
        if isinstance(content, str):
            (folder / name).write_text(content)
        elif name.endswith(".npz"):
            np.savez(folder / name, volts=content)
        else:
            np.save(folder / name, content, allow_pickle=True)
            (folder / "000001.answer.json").write_text(json.dumps({"arrays": {"currents": {"file": name}}}))
    with pytest.raises(ChipError, match=rf"by hand, request 1 \(read of 2 samples\): .*{text}.*asks again"):
        chip.read(VOLTS)
    assert (folder / "000001.rejected.json").exists() and chip.position == 0
    waited(chip)
    (folder / "000001.answer.npz").unlink(missing_ok=True)
    (folder / "000001.answer.currents.csv").write_text("1,2,3,4,5,6,7,8\n" * 2)
    (folder / "000001.answer.json").write_text(HEAD)
    assert chip.read(VOLTS)[1, 7] == 8


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no chip.json within 0.02 s"),
        ("{", "chip.json is damaged"),
        (json.dumps({**CHIP, "rows": 0}), "rows 0, columns 8"),
        (json.dumps({**CHIP, "g_max": 1e-6}), "g_min 2e-06, g_max 1e-06"),
        (json.dumps({"rows": 4}), "'columns'"),
    ],
)
def test_a_chip_must_be_described(text: str | None, found: str, tmp_path: Path):
    if text is not None:
        (tmp_path / "chip.json").write_text(text)
    with pytest.raises(ChipError, match=f"{found}.*Write .*chip.json: "):
        FolderChip(tmp_path, timeout=0.02, poll=0.001)


def test_folders_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written.*take another folder for the exchange"):
        FolderChip(tmp_path / "file" / "exchange")
    (tmp_path / "exchange.json").write_text("[]")
    with pytest.raises(DataError, match="exchange.json: is damaged"):
        FolderChip(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="who may do everything is not stopped")
def test_a_folder_that_became_read_only(tmp_path: Path):
    chip = by_hand(tmp_path / "exchange")
    (tmp_path / "exchange").chmod(0o555)
    try:
        with pytest.raises(DataError, match="cannot be written"):
            chip.read(VOLTS)
    finally:
        (tmp_path / "exchange").chmod(0o755)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chip = by_hand(tmp_path / "exchange")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left on device"):
        chip.read(VOLTS)


def test_a_damaged_request_is_told(tmp_path: Path):
    chip = by_hand(tmp_path / "exchange")
    waited(chip)
    (tmp_path / "exchange" / "000001.request.json").write_text("{")
    with pytest.raises(DataError, match="Remove the folder, to go on from what the chip holds"):
        chip.read(VOLTS)


@pytest.mark.parametrize(("name", "value"), [("form", "mat"), ("timeout", 0.0), ("poll", -1.0)])
def test_wrong_settings_are_refused(name: str, value: object, tmp_path: Path):
    with pytest.raises(InputError, match=f"{name} = "):
        FolderChip(tmp_path, **{name: value})  # type: ignore[arg-type]


# Programs that are no drivers.


def program(folder: Path, text: str) -> list[str]:
    """A script, as a command."""
    lines = text.strip("\n").split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    (folder / "script.py").write_text("\n".join(line[indent:] for line in lines))
    return [sys.executable, "-I", str(folder / "script.py")]


GREETING = f"print({json.dumps(json.dumps(CHIP))}, flush=True)"
SCRIPTS: dict[str, tuple[str, str]] = {
    "ends": ("import sys; sys.exit('port 4 is silent')", "ended with status 1 before it said .*port 4 is silent"),
    "says nothing": ("import time; time.sleep(60)", "no answer within 0.3 s.*ended now"),
    "closes": ("import os, time; os.close(1); time.sleep(60)", "closed its output before it said"),
    "says no chip": ("print('{\"rows\": 3}', flush=True); input()", "first line says no chip.*It must be"),
    "silent at work": (f"import time; {GREETING}; time.sleep(60)", "read of 2 samples.: no answer within 0.3 s"),
    "claims": (
        f"{GREETING}; input(); print('noise'); print('{{\"id\": 1}}', flush=True); input()",
        "no answer lies there, though the driver says so",
    ),
}  # fmt: skip


class Hasty(ProcessChip):
    """Does not wait for a driver that stays."""

    patience = 0.2


@pytest.mark.parametrize("case", SCRIPTS)
def test_a_program_that_is_no_driver(case: str, tmp_path: Path):
    script, text = SCRIPTS[case]
    timeout = 0.3 if case == "says nothing" else 30
    with pytest.raises(ChipError, match=text):
        chip = Hasty(program(tmp_path, script), tmp_path / "exchange", timeout=timeout)
        chip.timeout = 0.3 if case == "silent at work" else 30
        with chip:
            chip.read(VOLTS)
    if case == "claims":
        assert "driver: noise" in (tmp_path / "exchange" / "driver.log").read_text()


def test_a_program_that_is_not_there(tmp_path: Path):
    with pytest.raises(ChipError, match="nowhere/driver cannot be started .*Check the command"):
        ProcessChip(["/nowhere/driver"], tmp_path)
    with pytest.raises(InputError, match="command = 'python driver.py': must be a list of words"):
        ProcessChip("python driver.py", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="restarts = -1"):
        ProcessChip(["x"], tmp_path, restarts=-1)


def test_a_driver_says_what_is_wrong_with_a_request(tmp_path: Path):
    driver = driver_of(tmp_path, tmp_path / "cells.npz")
    Exchange(tmp_path).ask(1, "read", {"voltages": VOLTS}, {})
    (tmp_path / "000001.request.npz").unlink()
    driver.serve(1)
    assert "FileNotFoundError" in json.loads((tmp_path / "000001.answer.json").read_text())["error"]


# The self test.


def test_the_self_test_finds_nothing_wrong_with_the_example_driver(tmp_path: Path):
    with ProcessChip(command(tmp_path, noise=0.005, pulse_noise=0.2, spread=0.2), tmp_path / "exchange") as chip:
        found = list(check(chip))
    assert len(found) == 7 and all(finding.right for finding in found), found


class Broken(SimulatedChip):
    """Wrong in one way."""

    way = ""

    def read(self, voltages: np.ndarray) -> np.ndarray:
        current = super().read(voltages)
        return current + (2e-6 if self.way == "offset" else 0) + (2e5 * current**2 if self.way == "bent" else 0)

    def read_transposed(self, voltages: np.ndarray) -> np.ndarray:
        return super().read_transposed(voltages[:, ::-1] if self.way == "mirrored" else voltages)

    def conductances(self, cells: np.ndarray) -> np.ndarray:
        return super().conductances(cells) * (2 if self.way == "scale" else 1)

    def pulse(self, counts: np.ndarray) -> None:
        super().pulse(-counts if self.way == "polarity" else counts + 5 if self.way == "all" else counts)

    def program(self, cells: np.ndarray, targets: np.ndarray, *, tolerance: float, max_pulses: int) -> Reached:
        wanted = targets.max() + self.g_min - targets if self.way == "elsewhere" else targets
        return super().program(cells, wanted, tolerance=tolerance, max_pulses=max_pulses)


FAULTS: dict[str, str] = {
    "": "",
    "offset": "currents without voltage",
    "bent": "currents are linear in the voltages",
    "mirrored": "transposed reads see the same cells",
    "scale": "single cells add up to the lines",
    "polarity": "pulses move the cells that they name",
    "all": "pulses move the cells that they name",
    "elsewhere": "cells are programmed to targets",
}


@pytest.mark.parametrize("way", FAULTS)
def test_the_self_test_finds_what_is_wrong(way: str):
    chip = Broken(ROWS, COLUMNS, backend="reference")
    generator = np.random.Generator(np.random.Philox(key=2))
    chip.program(EVERY, generator.uniform(3e-6, 19e-6, EVERY.shape), tolerance=4e-7, max_pulses=500)
    chip.way = way
    wrong = [finding.what for finding in check(chip) if not finding.right]
    assert FAULTS[way] in wrong if way else not wrong, wrong


def test_the_self_test_needs_cells():
    with pytest.raises(InputError, match="cells = 1"):
        list(check(SimulatedChip(ROWS, COLUMNS), Tried(cells=1)))
