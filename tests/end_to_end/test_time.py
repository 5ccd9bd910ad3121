"""Experiments that say how long a batch takes: what time does to their cells, and that it resumes bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from memlearn.core.errors import InputError
from memlearn.experiment import Interrupted, read_experiment, resume, run
from tests.end_to_end.small import figures, small
from tests.end_to_end.test_resume import StopAt

TOML = """
name = "leak"
[data]
kind = "digits"
train_limit = 240
validation = 60
[network]
hidden = [12]
[device]
kind = "soft_bounds"
series_resistance = 15e3
[device.retention]
time_constant = 0.5
[device.flicker]
relative = 0.02
[device.relaxation]
statistics = "cmo_hfox"
[device.device_to_device]
step = 0.1
upper_bound = 0.1
correlations = [["step", "upper_bound", 0.5]]
correlation_length = 4.0
[training]
epochs = 2
batch = 16
checkpoint_every = 16
seconds_per_batch = 1e-3
temperature = 330.0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "leak.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def test_a_file_says_how_long_a_batch_takes(file: Path, tmp_path: Path):
    described = read_experiment(file)
    figures = run(described.experiment, tmp_path / "run")
    assert figures["simulated_seconds"] == pytest.approx(2 * 15 * 1e-3) and figures["kernel"] == "stages"
    assert figures["notes"] == described.notes and "device.series_resistance is 0.3 of" in described.notes[0]
    assert "7.92 instead of 10" in described.notes[0]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"]["seconds_per_batch"] == 1e-3 and config["training"]["temperature"] == 330.0
    # Only effects at work are credited.
    assert any("Falcone" in source for source in figures["sources"])
    assert not any("drift of phase-change" in source for source in figures["sources"])


@pytest.mark.parametrize(("epoch", "image"), [(1, 16), (2, 128)])
def test_a_stopped_run_goes_on_with_the_same_bits(file: Path, tmp_path: Path, epoch: int, image: int):
    experiment = read_experiment(file).experiment
    run(experiment, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(experiment, tmp_path / "stopped", watcher=StopAt(epoch, image))
    resume(tmp_path / "stopped")
    assert figures(tmp_path / "stopped") == figures(tmp_path / "whole")
    arrays = [(tmp_path / name / "arrays.safetensors").read_bytes() for name in ("stopped", "whole")]
    assert arrays[0] == arrays[1]


def test_cells_without_effects_do_not_notice_time(tmp_path: Path):
    run(small(), tmp_path / "none")
    run(small(training={"seconds_per_batch": 10.0}), tmp_path / "some")
    one, other = (load_file(tmp_path / name / "arrays.safetensors") for name in ("none", "some"))
    assert all(torch.equal(one[key], other[key]) for key in one if key.startswith("conductance/"))
    assert json.loads((tmp_path / "some" / "result.json").read_text())["kernel"] != "stages"


def test_a_leak_empties_the_cells(tmp_path: Path):
    device = {"kind": "constant_step", "retention": {"time_constant": 1.0}}
    run(small(device=device, training={"seconds_per_batch": 20.0}), tmp_path / "run")
    arrays = load_file(tmp_path / "run" / "arrays.safetensors")
    cells = torch.cat([g.flatten() for key, g in arrays.items() if key.startswith("conductance/")])
    assert torch.allclose(cells[~cells.isnan()], torch.tensor(2e-6), rtol=1e-3)


@pytest.mark.parametrize(("key", "value"), [("seconds_per_batch", -1.0), ("temperature", 0.0)])
def test_impossible_times_are_refused(key: str, value: float):
    with pytest.raises(InputError) as error:
        small(training={key: value})
    assert error.value.argument == f"training.{key}"
