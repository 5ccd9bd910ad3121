"""The picture of an array is a small, valid, self-contained SVG."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from memlearn.core.errors import DataError, InputError
from memlearn.report import picture_of_array
from tests.report_runs import write_run

SVG = "{http://www.w3.org/2000/svg}"


def cells_of(path: Path) -> list[int]:
    """The blocks that each of the two maps draws."""
    groups = ElementTree.parse(path).getroot().findall(f"{SVG}g")
    drawn = ["".join(path.get("d") or "" for path in group.findall(f"{SVG}path")) for group in groups]
    return [sum(map(int, re.findall(r"h(\d+)", bars))) for bars in drawn]


@pytest.mark.parametrize("sizes", [(1, 1), (6, 4), (784, 300), (3, 500), (500, 1)])
def test_the_picture_is_small_whatever_the_array(tmp_path: Path, sizes: tuple[int, int]):
    path = picture_of_array(write_run(tmp_path / "a", sizes=sizes), "layer0", tmp_path / "array.svg")
    assert path == tmp_path / "array.svg"
    assert path.stat().st_size < 200_000
    before, after = cells_of(path)
    assert before == after > 0


def test_every_cell_is_drawn_and_blanks_are_not(tmp_path: Path):
    folder = write_run(tmp_path / "a", sizes=(6, 4), tile=(4, 5))
    tensors = load_file(folder / "arrays.safetensors")
    tensors["conductance/layer0"][0, 0, 1, 1:3] = np.nan
    save_file(tensors, folder / "arrays.safetensors")
    assert cells_of(picture_of_array(folder, "layer0", tmp_path / "array.svg")) == [48, 46]


def test_the_picture_names_its_content_and_loads_nothing(tmp_path: Path):
    folder = write_run(tmp_path / "a", sizes=(90, 90))
    path = picture_of_array(folder, "layer0", tmp_path / "array.svg")
    text = path.read_text()
    for words in ("layer layer0", "before training", "after training", "µS", "90 word lines", "one cell of every"):
        assert words in text
    assert "href" not in text and "url(" not in text and "<script" not in text


def test_a_hostile_layer_name_is_text(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    name = "</title><script>&"
    tensors = {key.replace("layer0", name): tensor for key, tensor in load_file(folder / "arrays.safetensors").items()}
    save_file(tensors, folder / "arrays.safetensors")
    root = ElementTree.parse(picture_of_array(folder, name, tmp_path / "array.svg")).getroot()
    title = root.find(f"{SVG}title")
    assert title is not None and name in (title.text or "")


def test_errors_are_those_of_the_folder(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    with pytest.raises(DataError, match="holds no tensor"):
        picture_of_array(folder, "other", tmp_path / "array.svg")
    with pytest.raises(InputError, match="is a folder"):
        picture_of_array(folder, "layer0", tmp_path)
