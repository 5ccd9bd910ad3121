"""Run folders are read as they are, and refused with advice when they are not whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from memlearn.core.errors import DataError, InputError
from memlearn.report import write_report
from memlearn.report.folder import as_result, read_layer, read_runs, write_atomically
from tests.report_runs import write_run


def test_a_whole_folder_is_read(tmp_path: Path):
    (run,) = read_runs([write_run(tmp_path / "a", epochs=2)])
    assert run.label == "digits"
    assert [epoch.epoch for epoch in run.history] == [1, 2]
    assert run.result.test_accuracy == 0.912
    assert [layer.name for layer in run.result.layers] == ["layer0", "layer1"]


def test_a_run_without_a_name_is_called_like_its_folder(tmp_path: Path):
    assert read_runs([write_run(tmp_path / "a", name="")])[0].label == "a"


def test_runs_of_one_name_are_told_apart(tmp_path: Path):
    folders = [write_run(tmp_path / place) for place in ("x/a", "x/b", "y/b")]
    assert [run.label for run in read_runs(folders)] == ["digits (a)", "digits (b) #2", "digits (b) #3"]


def test_no_folder_is_refused():
    with pytest.raises(InputError, match="at least one run folder"):
        write_report([])


@pytest.mark.parametrize("name", ["result.json", "config.json", "history.jsonl", "arrays.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str):
    folder = write_run(tmp_path / "a")
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is missing.*`memlearn run`.*`memlearn resume`"):
        write_report([folder])
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("name", ["result.json", "config.json", "history.jsonl", "arrays.safetensors"])
@pytest.mark.parametrize("part", [0.5, 0.01])
def test_a_truncated_file_is_named(tmp_path: Path, name: str, part: float):
    folder = write_run(tmp_path / "a")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: max(1, int(part * len(content)))])
    with pytest.raises(DataError, match=rf"{name}.* is truncated or no .*`memlearn run`.*`memlearn resume`"):
        write_report([folder])


def test_a_truncated_line_of_the_history_is_numbered(tmp_path: Path):
    folder = write_run(tmp_path / "a", epochs=2)
    text = (folder / "history.jsonl").read_text()
    (folder / "history.jsonl").write_text(text[:-20])
    with pytest.raises(DataError, match="line 2"):
        read_runs([folder])


def test_a_folder_that_is_none_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="nowhere is no run folder"):
        read_runs([tmp_path / "nowhere"])


def test_a_file_that_is_no_text_is_named(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="config.json cannot be read"):
        read_runs([folder])


def test_a_config_that_is_no_table_is_named(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="no table of settings"):
        read_runs([folder])


def test_a_figure_of_the_wrong_type_is_named(tmp_path: Path):
    folder = write_run(tmp_path / "a", adc_conversions="many")
    with pytest.raises(DataError, match=r"result\.json: adc_conversions"):
        read_runs([folder])


def test_a_result_that_is_no_object_is_named():
    with pytest.raises(DataError, match="results: the whole"):
        as_result([], origin="results")


def test_a_layer_that_the_arrays_do_not_hold_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"'conductance_initial/other'.*layer0, layer1"):
        read_layer(write_run(tmp_path / "a"), "other")


def test_arrays_of_another_shape_are_refused(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    tensors = load_file(folder / "arrays.safetensors")
    tensors["pulses/layer0"] = tensors["pulses/layer0"][..., :1].copy()
    save_file(tensors, folder / "arrays.safetensors")
    with pytest.raises(DataError, match="expected one shape"):
        read_layer(folder, "layer0")


def test_tiles_lie_side_by_side_and_lines_without_cells_are_cut(tmp_path: Path):
    whole = read_layer(write_run(tmp_path / "a"), "layer0")
    cut = read_layer(write_run(tmp_path / "b", tile=(4, 5)), "layer0")
    for name in ("before", "after", "pulses", "weight"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
    assert (whole.lines, cut.lines, cut.tile) == ((6, 8), (8, 10), (4, 5))


def test_an_array_without_any_cell_keeps_its_shape(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    tensors = load_file(folder / "arrays.safetensors")
    tensors["conductance/layer0"] = np.full_like(tensors["conductance/layer0"], np.nan)
    save_file(tensors, folder / "arrays.safetensors")
    assert read_layer(folder, "layer0").after.shape == (6, 8)
    assert write_report([folder]).is_file()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_place_for_the_page(tmp_path: Path):
    with pytest.raises(InputError, match="is a folder"):
        write_report([write_run(tmp_path / "a")], tmp_path)


def test_figures_that_are_not_finite_are_read(tmp_path: Path):
    folder = write_run(tmp_path / "a", pulses_per_cell_mean=float("nan"))
    assert "NaN" in (folder / "result.json").read_text()
    assert np.isnan(read_runs([folder])[0].result.pulses_per_cell_mean or 0.0)
    assert json.loads((folder / "config.json").read_text())["name"] == "digits"
