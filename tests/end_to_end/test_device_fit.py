"""`memlearn device fit`: a table in, a device file, a page and figures out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from memlearn.cli import main
from memlearn.devices import load
from memlearn.report.page import plotly_js
from tests.fit_data import synthetic


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    traces = synthetic("soft_bounds", 8, devices=2, pulses=60)
    rows = np.column_stack([np.where(traces.up[0], 2.0, -2.0), *(1e6 * g for g in traces.conductance)])
    path = tmp_path_factory.mktemp("data") / "pulses.csv"
    np.savetxt(path, rows, delimiter=",", header="pulse_V,a_uS,b_uS", comments="")
    return path


def test_fit_writes_a_device_file_and_a_page(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "mine.toml"
    assert main(["device", "fit", str(table), "--law", "soft_bounds", "--out", str(out), "--json"]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["law"] == "soft_bounds" and record["devices"] == 2
    assert record["parameters"]["step_up"]["unit"] == "S"
    assert "Positive pulses are up" in said.err
    assert load(out).device.kind == "soft_bounds"  # type: ignore[attr-defined]
    page = out.with_suffix(".html").read_text(encoding="utf-8").replace(plotly_js(), "")
    for text in ("Q-Q of the errors", "Steps up against the state", "95 of 100", "cycle to cycle", "2 devices"):
        assert text in page
    assert 'src="http' not in page and 'href="http' not in page


def test_fit_prints_a_table(table: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["device", "fit", str(table), "--law", "constant_step"]) == 0
    said = capsys.readouterr()
    assert "step_up" in said.out and "95 %" in said.out
    assert "constant step fitted to" in said.err


def test_readings_before_and_after_a_pulse(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    pairs = np.column_stack([rows[1:, 0], rows[:-1, 1], rows[1:, 1]])
    path = tmp_path / "pairs.csv"
    np.savetxt(path, pairs, delimiter=",", header="pulse_V,old_uS,new_uS", comments="")
    options = ["--before", "old_uS", "--after", "new_uS", "--law", "soft_bounds", "--json"]
    assert main(["device", "fit", str(path), *options]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["traces"] == len(pairs) and record["devices"] == 1
    assert "pulses on one device" in said.err


def test_errors_are_sentences(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["device", "fit", str(tmp_path / "none.csv")]) == 1
    assert "no such file" in capsys.readouterr().err
    assert main(["device", "fit", str(table), "--out", str(tmp_path / "x.json")]) == 1
    assert ".toml" in capsys.readouterr().err
