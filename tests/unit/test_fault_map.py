"""Maps of faults from files: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from memlearn.core.errors import DataError
from memlearn.core.random import Stream
from memlearn.devices import ConstantStep
from memlearn.devices.effects import FaultMapFile, StuckCells

MAP = np.zeros((12, 9), np.int64)
MAP[2:5, 3] = 1
MAP[7, 4:8] = 2


@pytest.fixture(params=["csv", "npy"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / f"map.{request.param}"
    np.save(file, MAP) if request.param == "npy" else np.savetxt(file, MAP, fmt="%d", delimiter=",")
    return file


def test_every_tile_takes_a_window_of_its_own(path: Path):
    device = ConstantStep(faults=StuckCells(measured=FaultMapFile(path=str(path))))
    lower, upper = device.init((3, 2, 12, 9), Stream.root(4), torch.float64).parameters[..., :2].unbind(-1)
    found = np.where(lower == upper, np.where(lower == device.g_max, 1, 2), 0)
    windows = {(i, j): np.roll(MAP, (-i, -j), (0, 1)) for i in range(12) for j in range(9)}
    places = [[k for k, window in windows.items() if (window == tile).all()] for tile in found.reshape(6, 12, 9)]
    assert all(len(place) == 1 for place in places) and len({place[0] for place in places}) > 3
    again = device.init((3, 2, 12, 9), Stream.root(5), torch.float64).parameters[..., 0]
    assert not torch.equal(again, lower)


def test_it_joins_independent_faults(path: Path):
    faults = StuckCells(low=0.2, measured=FaultMapFile(path=str(path)))
    lower, upper = (
        ConstantStep(faults=faults).init((1, 1, 240, 180), Stream.root(0), torch.float64).parameters[..., :2].unbind(-1)
    )
    share = float((lower == upper).double().mean())
    assert share == pytest.approx(1 - 0.8 * (1 - 7 / 108), abs=0.01)


@pytest.mark.parametrize("text", ["", "0,1\n2", "0,3\n1,1\n", "a,b\n", "0.5,1\n"])
def test_other_tables_are_refused(text: str, tmp_path: Path):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=r"bad\.csv"):
        FaultMapFile(path=str(file)).read()


def test_missing_and_pickled_files_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="nowhere"):
        FaultMapFile(path=str(tmp_path / "nowhere.csv")).read()
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="objects"):
        FaultMapFile(path=str(tmp_path / "objects.npy")).read()
