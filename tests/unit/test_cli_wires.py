"""`memlearn spice`, `memlearn show wires`, and wires in the report of a run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memlearn import cli
from memlearn.arrays import spice
from memlearn.arrays.wires import ResistiveWires, transfer
from memlearn.report import WiresSheet, write_report
from memlearn.report.folder import read_layer
from memlearn.report.wires import layer_wires
from tests.report_runs import write_run

LINES = {"kind": "resistive", "r_word_line": 2.0, "r_bit_line": 3.0, "r_source": 50.0}
simulated = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run whose first layer lies on 2 x 2 tiles, the last ones padded."""
    made = write_run(tmp_path / "run", sizes=(6, 4), tile=(4, 5))
    config = json.loads((made / "config.json").read_text())
    (made / "config.json").write_text(json.dumps({**config, "crossbar": {"wires": LINES}}))
    return made


class TestSpice:
    def test_a_random_array(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        out = tmp_path / "sub" / "a.cir"
        command = ["spice", "export", "--rows", "3", "--columns", "2", "--r-source", "7", "--out", str(out)]
        assert cli.main([*command, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["file"], told["rows"], told["columns"]) == (str(out), 3, 2)
        assert cli.main(command) == 0
        text = out.read_text()
        assert (
            text.count("R_cell_") == 6
            and "R_left_0 w_0_0 t_left_0 8\n" in text
            and "ngspice -b" in capsys.readouterr().err
        )

    def test_an_array_of_a_run_with_the_lines_it_had(self, folder: Path, tmp_path: Path):
        out = tmp_path / "a.cir"
        command = ["spice", "export", "--run", str(folder), "--layer", "layer0", "--tile", "1,0", "--out", str(out)]
        assert cli.main([*command, "--r-sense", "5", "--selector", "sinh,a=3"]) == 0
        text, cells = out.read_text(), read_layer(folder, "layer0").after[4:8, :5]
        # 2 of the 4 word lines of this tile are used; the others are there, without cells.
        assert text.count("B_cell_") == cells.size == 10 and "R_left_3 w_3_0 t_left_3 52\n" in text
        assert f"I={cells[0, 0]:.17g}*sinh(3*" in text and "R_bottom_0 b_3_0 t_bottom_0 8\n" in text

    @simulated
    @pytest.mark.parametrize("more", [[], ["--read", "transposed", "--double-sided", "both"], ["--selector", "sinh"]])
    def test_ngspice_agrees(self, more: list[str], capsys: pytest.CaptureFixture[str]):
        assert cli.main(["spice", "check", "--rows", "5", "--columns", "4", "--json", *more]) == 0
        assert json.loads(capsys.readouterr().out)["largest_relative_difference"] < 1e-9

    @simulated
    def test_the_difference_in_words(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["spice", "check", "--run", str(folder), "--layer", "layer0"]) == 0
        found = re.search(r"largest relative difference from ngspice (\S+)", capsys.readouterr().out)
        assert found is not None and float(found[1]) < 1e-9

    def test_no_ngspice(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        monkeypatch.setattr(spice.shutil, "which", lambda name: None)
        assert cli.main(["spice", "check"]) == 1
        assert "apt-get install ngspice" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--rows", "0"], "at least 1"),
            (["--rows", "129"], "Check a smaller array"),
            (["--read", "backward"], "unknown direction"),
            (["--selector", "sihn"], "Did you mean 'sinh'"),
            (["--selector", "sinh,a"], "KEY=NUMBER"),
            (["--selector", "sinh,a=x"], "KEY=NUMBER"),
            (["--double-sided", "left"], "double_sided"),
            (["--r-word-line", "-1"], "r_word_line"),
            (["--run", "FOLDER"], "must be named"),
            (["--run", "FOLDER", "--layer", "layer9"], "it has the layers: layer0"),
            (["--run", "FOLDER", "--layer", "layer0", "--tile", "2,0"], "2 x 2 tiles"),
            (["--run", "FOLDER", "--layer", "layer0", "--tile", "a"], "two whole numbers"),
        ],
    )
    def test_wrong_input_is_named(
        self, options: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
    ):
        given = [str(folder) if option == "FOLDER" else option for option in options]
        assert cli.main(["spice", "check", *given]) == 1
        assert said in " ".join(capsys.readouterr().err.split())

    def test_a_run_of_ideal_wires_needs_some(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        made, out = write_run(tmp_path / "run", sizes=(3, 2)), tmp_path / "a.cir"
        command = ["spice", "export", "--run", str(made), "--layer", "layer0", "--out", str(out)]
        assert cli.main(command) == 1 and "has ideal wires" in capsys.readouterr().err
        assert cli.main([*command, "--r-word-line", "1"]) == 0 and out.exists()
        assert (
            cli.main([*command[:-1], str(tmp_path), "--r-bit-line", "1"]) == 1
            and "is a folder" in capsys.readouterr().err
        )


class TestShow:
    def test_in_words_and_as_a_page(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        page = tmp_path / "w.html"
        command = ["show", "wires", "--size", "9x7", "--r-word-line", "20", "--html", str(page)]
        assert cli.main(command) == 0
        shown = capsys.readouterr().out
        assert (
            "9 word lines x 7 bit lines" in shown and "r_word_line = 20 ohm" in shown and "farthest from both" in shown
        )
        text = page.read_text()
        assert (
            "<h1>What the lines take away</h1>" in text
            and text.count("data-plot=") == 5
            and "Effective conductance" in text
        )

    def test_as_data(self, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["show", "wires", "--size", "6", "--r-source", "300", "--seed", "4", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        sheet = WiresSheet(ResistiveWires(r_source=300.0), 6, 6, seed=4)
        g = torch.from_numpy(sheet.cells)
        ratio = transfer(g, r_source=300.0).numpy() / sheet.cells
        assert found["ratio_worst"] == pytest.approx(ratio.min(), rel=1e-9)
        assert np.allclose(found["ratio_by_word_line"], ratio.mean(1))
        lost = 1 - transfer(g, r_source=300.0).sum(0) / g.sum(0)
        assert found["current_lost_worst"] == pytest.approx(float(lost.max()), rel=1e-6)

    def test_corners_lie_where_their_names_say(self):
        """With resistance on one side only, that side's distance alone weakens a cell."""
        only_words = WiresSheet(ResistiveWires(r_word_line=500.0, r_bit_line=0.0), 5, 5, low=5e-5, high=5e-5)
        near, driver, sense, both = (float(ratio) for _, ratio, _ in only_words.corners())
        assert near == pytest.approx(sense) and driver == pytest.approx(both) and driver < near

    def test_the_settings_of_wires_are_still_shown(self, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["show", "wires", "resistive"]) == 0
        assert "refresh_every = 1" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["wires", "--size", "a"], "must be N or ROWSxCOLUMNS"),
            (["wires", "--size", "4000"], "between 1 and 2048"),
            (["wires", "ideal", "--size", "4"], "belong to wires"),
            (["rule", "sgd", "--r-source", "4"], "belong to wires"),
            (["rule"], "which of the rules?"),
        ],
    )
    def test_wrong_input_is_named(self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["show", *arguments]) == 1
        assert said in " ".join(capsys.readouterr().err.split())


class TestReport:
    def test_maps_of_a_run_with_wires(self, folder: Path):
        page = write_report([folder]).read_text()
        assert "Effective conductance" in page and "Error against position" in page

    def test_what_tiles_lose_is_solved_tile_by_tile(self, folder: Path):
        arrays, config = read_layer(folder, "layer0"), {"crossbar": {"wires": LINES}}
        drawn: list[Any] = layer_wires(config, arrays, 200)[0].traces
        spec = drawn[0]["z"]
        grid = np.frombuffer(__import__("base64").b64decode(spec["bdata"]), "<f4").reshape(6, 8)
        tile = np.zeros((4, 5))
        tile[:2, :3] = arrays.after[4:, 5:]
        lines = {name: value for name, value in LINES.items() if name != "kind"}
        exact = transfer(torch.from_numpy(tile), **lines).numpy()[:2, :3] / tile[:2, :3]
        assert np.allclose(grid[4:, 5:], exact, rtol=1e-5)

    def test_nothing_of_ideal_wires(self, folder: Path):
        arrays = read_layer(folder, "layer0")
        assert layer_wires({}, arrays, 9) == layer_wires({"crossbar": {"wires": {"kind": "ideal"}}}, arrays, 9) == []
