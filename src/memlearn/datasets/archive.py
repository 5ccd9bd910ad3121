"""A published set of four idx files, and where to look for it: the user's folder, the cache, the network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.component import quantity, setting
from ..core.errors import DataError, InputError
from .base import AbstractDataset, Images
from .cache import OWN_FOLDER, RemoteFile, cache_folder, expanded
from .fetch import fetch
from .idx import read_images

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# The test labels of each set (sha256 of the values). All sets share their file names and shapes, so this is the only
# thing that keeps a folder of MNIST from being read as Fashion-MNIST.
TEST_LABELS = {
    "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5": "mnist",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9": "fashion_mnist",
}


class Archive(NamedTuple):
    """What is published: the folder name, the mirrors and the four gzipped files in the order of `PARTS`."""

    name: str
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]


class AbstractIdxDataset(AbstractDataset):
    """A data set of 28 x 28 images in four idx files.

    Looked for in the given folder; without one in the folder that MEMLEARN_DATA names, in the cache, and on the
    network. A folder may hold the files itself or in a subfolder of the data set's name, gzipped or not. Files of a
    user's folder are checked in structure (so a selection of the images will do), downloads byte for byte.
    """

    archive: ClassVar[Archive]

    crop: int = quantity(0, unit="1", ge=0, le=13, doc="pixels cut off on every side; 4 leaves 20 x 20")
    side: int | None = quantity(
        None, unit="1", ge=2, le=28, doc="shrink what is left to side x side pixels, by mean areas; none: as it is"
    )
    black_white: bool = setting(False, doc="pixels above half of full scale become 1, all others 0")

    def _read(self, directory: Path | None) -> tuple[Images, Images]:
        paths = locate(self.archive, directory)
        train = read_images(*paths[:2], image_shape=(28, 28), classes=self.classes)
        test = read_images(*paths[2:], image_shape=(28, 28), classes=self.classes)
        actual = TEST_LABELS.get(hashlib.sha256(test.labels.tobytes()).hexdigest(), self.archive.name)
        if actual != self.archive.name:
            raise DataError(
                f"{paths[3].parent}: found the files of {actual}, expected those of {self.archive.name}. "
                f"Name the folder of {self.archive.name}, or put each set in a subfolder of its name."
            )
        return self._prepared(train), self._prepared(test)

    def _prepared(self, images: Images) -> Images:
        """Cropped, shrunk and cut at half scale, as asked."""
        inner = slice(self.crop, 28 - self.crop)
        pixels = images.pixels[:, inner, inner]
        if self.side is not None:
            pixels = shrunk(pixels, self.side)
        if self.black_white:
            pixels = np.where(pixels > self.grey_levels // 2, np.uint8(self.grey_levels), np.uint8(0))
        return images._replace(pixels=pixels)


def shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Images (n, m, m) as (n, side, side): each pixel is the mean of the area that it covers, rounded.

    Raises:
        InputError: the images are smaller.
    """
    there = pixels.shape[1]
    if side > there:
        raise InputError("side", side, f"at most {there}, the pixels along a side that cropping leaves")
    edges = np.linspace(0, there, side + 1)
    overlap = np.minimum(edges[1:, None], np.arange(1, there + 1)) - np.maximum(edges[:-1, None], np.arange(there))
    share = overlap.clip(0) * (side / there)  # (side, m): how much of a new pixel each old one covers
    found = np.empty((len(pixels), side, side), np.uint8)
    for first in range(0, len(pixels), 4096):
        part = pixels[first : first + 4096].astype(np.float64)
        found[first : first + 4096] = np.rint(share @ part @ share.T)
    return found


def locate(archive: Archive, directory: Path | None = None) -> tuple[Path, ...]:
    """The four files, downloaded where need be.

    Arguments:
        archive: the set.
        directory: the only folder to look in; None goes through MEMLEARN_DATA, the cache and the network.

    Raises:
        DataError: a named folder is none, or lacks files; or the download failed.
    """
    if directory is not None:
        folder = expanded(directory)
        if found := _search(folder, archive.name):
            return found
        raise DataError(
            f"{folder}: found no file of {archive.name}, expected {', '.join(PARTS)} (.gz or not), here or in "
            f"{folder / archive.name}. Name the folder that holds them, or leave it out to download them."
        )
    named = os.environ.get("MEMLEARN_DATA")
    if named and (found := _search(expanded(named), archive.name)):
        return found
    folder = cache_folder() / archive.name
    try:
        return tuple(fetch(file, folder, mirrors=archive.mirrors) for file in archive.files)
    except DataError as error:
        hint = f"\nMEMLEARN_DATA ({named}) holds no file of {archive.name}." if named else ""
        raise DataError(f"{error}{hint}") from None


def _search(folder: Path, name: str) -> tuple[Path, ...] | None:
    """The four files in the subfolder `name` or in the folder itself; None where there is none of them."""
    places = (folder / name, folder)
    try:
        next(folder.iterdir(), None)
        finds = [{part: path for part in PARTS if (path := _variant(place, part))} for place in places]
    except OSError as error:
        why = f"expected a folder with the files of {name}, but {error.filename}: {error.strerror}"
        raise DataError(f"{folder}: {why}. Correct the path, or {OWN_FOLDER}.") from None
    for place, found in zip(places, finds, strict=True):
        if len(found) == len(PARTS):
            return tuple(found.values())
        if found:
            missing = ", ".join(part for part in PARTS if part not in found)
            raise DataError(f"{place}: missing {missing}. All four files (.gz or not) must be in one folder; add them.")
    return None


def _variant(folder: Path, part: str) -> Path | None:
    """The file of a part under one of its usual names."""
    dotted = part.replace("-idx", ".idx")
    names = (part, f"{part}.gz", dotted, f"{dotted}.gz")
    return next((folder / name for name in names if (folder / name).is_file()), None)
