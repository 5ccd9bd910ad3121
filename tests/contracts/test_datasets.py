"""What every data set promises."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memlearn.core.errors import InputError
from memlearn.datasets import MEMBERS, AbstractDataset, AnyDataset, Digits, FashionMnist, Mnist, Split
from memlearn.datasets.archive import PARTS

CASES = [Digits, FashionMnist, Mnist]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little set of four idx files, no two images alike; data sets that need no files ignore it."""
    folder, generator = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for part in PARTS:
        n = 60 if part.startswith("train") else 20
        values = generator.integers(256, size=(n, 28, 28)) if "images" in part else generator.integers(10, size=n)
        header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
        (folder / part).write_bytes(header + values.astype(np.uint8).tobytes())
    return folder


def rows(split: Split) -> set[bytes]:
    """The images of a part, each as its bytes."""
    return {row.numpy().tobytes() for row in split.inputs}


def test_every_member_is_tested() -> None:
    assert list(MEMBERS.values()) == CASES and AnyDataset is not None
    assert all(issubclass(member, AbstractDataset) and member.sources for member in CASES)


@pytest.mark.parametrize("dataset", CASES)
class TestDataset:
    """Inherited by every member."""

    def test_shapes_types_and_ranges(self, dataset: type[AbstractDataset], folder: Path) -> None:
        data = dataset(validation=5).load(folder)
        for split in (data.train, data.validation, data.test):
            n = len(split.labels)
            assert n and split.inputs.shape == (n, data.image_shape[0] * data.image_shape[1])
            assert split.inputs.dtype == torch.float32 and split.labels.dtype == torch.int64
            assert split.inputs.is_contiguous() and split.inputs.min() >= 0 and 0.9 < split.inputs.max() <= 1
            assert split.labels.min() >= 0 and split.labels.max() < data.classes

    def test_parts_never_overlap_and_lose_nothing(self, dataset: type[AbstractDataset], folder: Path) -> None:
        whole, data = dataset(validation=0).load(folder), dataset(validation=17).load(folder)
        train, validation, test = rows(data.train), rows(data.validation), rows(data.test)
        assert not train & validation and not train & test and not validation & test
        assert len(validation) == 17 and train | validation == rows(whole.train) and test == rows(whole.test)
        assert whole.validation.inputs.shape == (0, whole.train.inputs.shape[1])
        assert whole.validation.labels.shape == (0,)

    def test_images_keep_their_labels(self, dataset: type[AbstractDataset], folder: Path) -> None:
        first, second = dataset(validation=5).load(folder), dataset(validation=5, split_seed=9).load(folder)
        known = {
            image.numpy().tobytes(): int(label)
            for split in (first.train, first.validation)
            for image, label in zip(*split, strict=True)
        }
        for image, label in zip(*second.train, strict=True):
            assert known[image.numpy().tobytes()] == int(label)

    def test_split_depends_on_its_seed_alone(self, dataset: type[AbstractDataset], folder: Path) -> None:
        first = dataset(validation=5).load(folder)
        torch.manual_seed(1)
        again, other = dataset(validation=5).load(folder), dataset(validation=5, split_seed=1).load(folder)
        assert torch.equal(first.train.inputs, again.train.inputs)
        assert torch.equal(first.validation.labels, again.validation.labels)
        assert not torch.equal(first.train.inputs, other.train.inputs)
        assert torch.equal(first.test.inputs, other.test.inputs)

    def test_train_limit_takes_the_first(self, dataset: type[AbstractDataset], folder: Path) -> None:
        whole, few = dataset(validation=5).load(folder), dataset(validation=5, train_limit=7).load(folder)
        assert torch.equal(few.train.inputs, whole.train.inputs[:7])
        assert torch.equal(few.validation.inputs, whole.validation.inputs)
        assert torch.equal(few.test.inputs, whole.test.inputs)

    def test_too_many_images(self, dataset: type[AbstractDataset], folder: Path) -> None:
        for name, settings in {"validation": {"validation": 10**6}, "train_limit": {"train_limit": 10**6}}.items():
            with pytest.raises(InputError) as caught:
                dataset(**{"validation": 5, **settings}).load(folder)
            assert caught.value.argument == name and "at most" in caught.value.allowed

    def test_settings_survive_a_file(self, dataset: type[AbstractDataset]) -> None:
        settings = dataset(validation=3, train_limit=9, split_seed=4)
        assert dataset.from_table(settings.table()) == settings
        assert dataset.from_table(dataset().table()) == dataset()

    @pytest.mark.parametrize("wrong", [{"validation": -1}, {"train_limit": 0}, {"split_seed": 0.5}, {"valdation": 1}])
    def test_wrong_settings_are_refused(self, dataset: type[AbstractDataset], wrong: dict[str, Any]) -> None:
        with pytest.raises(InputError) as caught:
            dataset(**wrong)
        assert caught.value.argument == next(iter(wrong))
