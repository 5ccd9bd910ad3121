"""Where a data set is looked for, in which order, and what the published files hold."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memlearn.core.errors import DataError, InputError
from memlearn.core.random import Stream
from memlearn.datasets import Data, Digits, FashionMnist, Mnist
from memlearn.datasets.archive import PARTS, TEST_LABELS, shrunk
from memlearn.datasets.base import shuffled
from memlearn.datasets.cache import RemoteFile


def idx(values: np.ndarray) -> bytes:
    """The bytes of an idx file."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_set(folder: Path, *, grey: int = 1, form: str = "{}.gz") -> Path:
    """A little data set of 12 training and 4 test images, all of one grey level by which to know it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        n = 12 if part.startswith("train") else 4
        values = np.full((n, 28, 28), grey, np.uint8) if "images" in part else np.arange(n, dtype=np.uint8) % 10
        name = form.format(part)
        (folder / name).write_bytes(gzip.compress(idx(values)) if name.endswith(".gz") else idx(values))
    return folder


def grey_of(data: Data) -> int:
    """The grey level by which a little data set is known."""
    return int((data.test.inputs.max() * 255).round())


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's folders nor the network: an empty cache and no mirror."""
    monkeypatch.delenv("MEMLEARN_DATA", raising=False)
    monkeypatch.setenv("MEMLEARN_CACHE", str(tmp_path / "cache"))
    for dataset in (Mnist, FashionMnist):
        monkeypatch.setattr(dataset, "archive", dataset.archive._replace(mirrors=()))


def publish(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder's files the published MNIST."""
    contents = {part: (folder / f"{part}.gz").read_bytes() for part in PARTS}
    files = tuple(RemoteFile(f"{p}.gz", len(c), hashlib.sha256(c).hexdigest()) for p, c in contents.items())
    archive = Mnist.archive._replace(mirrors=(folder.as_uri() + "/",), files=files)
    monkeypatch.setattr(Mnist, "archive", archive)


@pytest.mark.parametrize("form", ["{}", "{}.gz", "DOT", "DOT.gz"])
@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_names_and_places_in_a_folder(tmp_path: Path, form: str, subfolder: str) -> None:
    folder = write_set(tmp_path / "data" / subfolder, form=form.replace("DOT", "{}"))
    if "DOT" in form:
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace("-idx", ".idx"))
    assert grey_of(Mnist(validation=2).load(tmp_path / "data")) == 1


def test_subfolder_of_the_right_name_comes_first(tmp_path: Path) -> None:
    write_set(tmp_path, grey=1)
    write_set(tmp_path / "fashion_mnist", grey=2)
    assert grey_of(Mnist(validation=2).load(tmp_path)) == 1
    assert grey_of(FashionMnist(validation=2).load(tmp_path)) == 2


def test_order_of_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, named = write_set(tmp_path / "given", grey=1), write_set(tmp_path / "named", grey=2)
    published = write_set(tmp_path / "published", grey=3)
    publish(monkeypatch, published)
    monkeypatch.setenv("MEMLEARN_DATA", str(named))
    dataset = Mnist(validation=2)
    assert grey_of(dataset.load(given)) == 1
    assert grey_of(dataset.load()) == 2
    monkeypatch.setenv("MEMLEARN_DATA", str(tmp_path))  # a folder without any of the files
    assert grey_of(dataset.load()) == 3
    assert {p.name for p in (tmp_path / "cache" / "mnist").iterdir()} == {f"{part}.gz" for part in PARTS}
    for path in published.iterdir():
        path.unlink()
    assert grey_of(dataset.load()) == 3


def test_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as caught:
        Mnist().load()
    assert "no source delivered it" in str(caught.value) and "holds no file" not in str(caught.value)
    monkeypatch.setenv("MEMLEARN_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        Mnist().load()
    assert f"MEMLEARN_DATA ({tmp_path}) holds no file of mnist" in str(caught.value)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        Mnist().load(tmp_path)
    assert all(word in str(caught.value) for word in (str(tmp_path), "no file of mnist", *PARTS))


@pytest.mark.parametrize("by_variable", [False, True])
@pytest.mark.parametrize(("exists", "found"), [(True, "Not a directory"), (False, "No such file or directory")])
def test_no_folder(tmp_path: Path, monkeypatch, by_variable: bool, exists: bool, found: str) -> None:
    path = tmp_path / "data"
    if exists:
        path.write_text("")
    if by_variable:
        monkeypatch.setenv("MEMLEARN_DATA", str(path))
    with pytest.raises(DataError, match=f"expected a folder with the files of mnist, but {path}: {found}"):
        Mnist().load(None if by_variable else path)


def test_unknown_home() -> None:
    with pytest.raises(DataError, match="home folder is unknown"):
        Mnist().load(Path("~nobody-of-this-name/data"))


def test_incomplete_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path)
    (tmp_path / f"{PARTS[2]}.gz").unlink()
    monkeypatch.setenv("MEMLEARN_DATA", str(tmp_path))
    for directory in (tmp_path, None):
        with pytest.raises(DataError, match=f"missing {PARTS[2]}. All four"):
            Mnist().load(directory)


def test_damaged_file_of_a_folder(tmp_path: Path) -> None:
    path = write_set(tmp_path) / f"{PARTS[0]}.gz"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=f"{path}: found damaged gzip data"):
        Mnist(validation=2).load(tmp_path)


def test_one_set_is_not_taken_for_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path)
    monkeypatch.setitem(TEST_LABELS, hashlib.sha256(bytes(range(4))).hexdigest(), "mnist")
    assert Mnist(validation=2).load(tmp_path).classes == 10
    with pytest.raises(DataError, match="found the files of mnist, expected those of fashion_mnist"):
        FashionMnist(validation=2).load(tmp_path)


def test_order_of_a_shuffle_is_fixed_for_ever() -> None:
    """Published splits must not change; these numbers may not either."""
    assert shuffled(8, Stream.root(0).child("split")).tolist() == [0, 1, 6, 2, 7, 4, 3, 5]
    assert sorted(shuffled(1000, Stream.root(1))) == list(range(1000))


def test_digits_are_scikit_learns() -> None:
    data = Digits(validation=0).load()
    both = torch.cat([data.train.labels, data.test.labels])
    assert both.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(data.train.labels) == 1437 and len(data.test.labels) == 360 and data.image_shape == (8, 8)
    assert set((data.train.inputs * 16).unique().tolist()) == set(range(17))


def test_test_images_do_not_depend_on_the_split() -> None:
    first, second = Digits().load(), Digits(split_seed=1).load()
    assert torch.equal(first.test.inputs, second.test.inputs)
    assert not torch.equal(first.validation.inputs, second.validation.inputs)


def test_held_out_images_do_not_move_the_training_images() -> None:
    many = Digits(validation=1000, train_limit=50).load()
    few = Digits(validation=10, train_limit=50).load()
    assert torch.equal(many.train.inputs, few.train.inputs)


@pytest.mark.parametrize(
    ("settings", "argument", "allowed"),
    [
        ({"validation": 1437}, "validation", "at most 1436"),
        ({"train_limit": 1138}, "train_limit", "at most 1137"),
    ],
)
def test_more_images_than_there_are(settings: dict[str, Any], argument: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        Digits(**settings).load()
    assert caught.value.argument == argument and allowed in caught.value.allowed


PUBLISHED = Path(os.environ.get("MEMLEARN_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


class TestPreparation:
    """Cropped, and in black and white."""

    def test_shrinking_takes_means_of_areas(self) -> None:
        image = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
        assert np.array_equal(shrunk(image, 3)[0], np.rint(image[0].reshape(3, 2, 3, 2).mean((1, 3))))
        assert np.array_equal(shrunk(image, 6), image)
        edge = np.zeros((1, 3, 3), np.uint8)
        edge[0, :, 1] = 240  # each of two pixels covers one and a half columns, of which one third is bright
        assert shrunk(edge, 2).tolist() == [[[80, 80], [80, 80]]]
        with pytest.raises(InputError, match="side = 7"):
            shrunk(image, 7)

    def test_a_crop_takes_the_same_from_every_side(self, tmp_path: Path) -> None:
        folder = write_set(tmp_path)
        marked = np.zeros((4, 28, 28), np.uint8)
        marked[:, 4, 4], marked[:, 23, 23], marked[:, 3, :] = 200, 100, 255
        (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(marked)))
        data = Mnist(validation=2, crop=4).load(folder)
        assert data.image_shape == (20, 20) and data.train.inputs.shape == (10, 400)
        for row in data.test.inputs:
            assert (row * 255).round()[[0, -1]].tolist() == [200, 100] and int((row > 0).sum()) == 2

    @pytest.mark.parametrize(("grey", "expected"), [(0, 0.0), (127, 0.0), (128, 1.0), (255, 1.0)])
    def test_black_and_white_is_cut_at_half(self, tmp_path: Path, grey: int, expected: float) -> None:
        data = Mnist(validation=2, black_white=True).load(write_set(tmp_path, grey=grey))
        for split in (data.train, data.validation, data.test):
            assert split.inputs.dtype == torch.float32 and (split.inputs == expected).all()

    def test_something_must_be_left(self) -> None:
        with pytest.raises(InputError, match="crop"):
            Mnist(crop=14)


@pytest.mark.parametrize(
    ("dataset", "counts"),
    [
        (Mnist, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        (FashionMnist, [6000] * 10),
    ],
)
def test_published_set(dataset: type[Mnist | FashionMnist], counts: list[int]) -> None:
    folder = PUBLISHED / dataset.archive.name
    if not folder.is_dir():
        pytest.skip(f"the published files are not in {folder}; MEMLEARN_DATA names the folder above")
    data = dataset().load(PUBLISHED)
    assert torch.cat([data.train.labels, data.validation.labels]).bincount().tolist() == counts
    assert data.train.inputs.shape == (55000, 784) and data.validation.inputs.shape == (5000, 784)
    assert data.test.inputs.shape == (10000, 784) and data.image_shape == (28, 28)
    assert data.train.inputs.min() == 0 and data.train.inputs.max() == 1
