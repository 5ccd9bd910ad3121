"""What every data set is: images as rows of numbers in 0..1, with their classes, in three parts that never overlap."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.component import Component, quantity
from ..core.errors import InputError
from ..core.random import Stream


class Split(NamedTuple):
    """One part of a data set: inputs (n, features) float32 in 0..1, labels (n,) int64."""

    inputs: torch.Tensor
    labels: torch.Tensor


class Data(NamedTuple):
    """A data set ready for training; `validation` has no rows where none was asked for."""

    train: Split
    validation: Split
    test: Split
    classes: int
    image_shape: tuple[int, int]


class Images(NamedTuple):
    """Images as they stand in the files: pixels (n, rows, columns) in grey levels, labels (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class AbstractDataset(Component):
    """Images with one class each.

    The publisher's training images are shuffled once, by `split_seed` alone: the first ones train, the last ones
    validate. So a run's own seed changes neither, and a larger `validation` or a smaller `train_limit` moves no image
    from one part to the other unless the parts meet. The test images are always the same, in their published order.
    """

    classes: ClassVar[int] = 10
    grey_levels: ClassVar[int] = 255

    validation: int = quantity(5000, unit="1", ge=0, doc="training images held out for validation")
    train_limit: int | None = quantity(None, unit="1", ge=1, doc="train on only this many images; none takes all")
    split_seed: int = quantity(0, unit="1", doc="seed of the split into training and validation images")

    def load(self, directory: Path | None = None) -> Data:
        """The data set, split and scaled.

        Arguments:
            directory: folder that holds the files; None looks in MEMLEARN_DATA, then in the cache, then downloads.
                Embedded data sets ignore it.

        Returns:
            train, validation, test: inputs (n, features) float32 in 0..1 and labels (n,) int64.
            classes: number of classes.
            image_shape: rows and columns of an image; features is their product.

        Raises:
            DataError: files are missing, damaged, or not what their names say.
            InputError: `validation` and `train_limit` ask for more images than there are.
        """
        pool, test = self._read(directory)
        train, validation = self._parts(len(pool.labels))
        rows, columns = test.pixels.shape[1:]
        return Data(
            train=self._split(pool, train),
            validation=self._split(pool, validation),
            test=self._split(test, np.arange(len(test.labels))),
            classes=self.classes,
            image_shape=(int(rows), int(columns)),
        )

    @abstractmethod
    def _read(self, directory: Path | None) -> tuple[Images, Images]:
        """The publisher's training images and test images."""

    def _parts(self, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of the `n` training images train and which validate."""
        left = n - self.validation
        if left < 1:
            raise InputError("validation", self.validation, f"at most {n - 1}, there are {n} training images")
        if self.train_limit is not None and self.train_limit > left:
            allowed = f"at most {left}, of {n} training images {self.validation} are held out for validation"
            raise InputError("train_limit", self.train_limit, allowed, "Leave it out to use all.")
        order = shuffled(n, Stream.root(self.split_seed).child("split"))
        return order[: self.train_limit or left], order[left:]

    def _split(self, images: Images, chosen: NDArray[np.intp]) -> Split:
        pixels = torch.from_numpy(images.pixels[chosen].reshape(len(chosen), images.pixels[0].size))
        labels = torch.from_numpy(images.labels[chosen].astype(np.int64))
        return Split(pixels.to(torch.float32).div_(self.grey_levels), labels)


def shuffled(n: int, stream: Stream) -> NDArray[np.intp]:
    """The numbers 0..n-1 in the order that a stream fixes.

    Sorting raw bits instead of calling a library's `permutation` keeps published splits the same for ever: NumPy
    promises its generators' bits, not its shuffles.
    """
    bits = np.random.Philox(key=stream.high << 32 | stream.low).random_raw(n)
    return np.argsort(bits, kind="stable")
