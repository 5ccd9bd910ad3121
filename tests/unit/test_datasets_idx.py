"""The idx reader takes exactly what the format says and names what is wrong with the rest."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from memlearn.core.errors import DataError
from memlearn.datasets.idx import read_idx, read_images


def idx(values: np.ndarray) -> bytes:
    """The bytes of an idx file."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


PIXELS = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([7, 0, 9], np.uint8)
GOOD = idx(PIXELS)

ENCODINGS = pytest.mark.parametrize("encode", [bytes, gzip.compress], ids=["plain", "gzip"])


@ENCODINGS
@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_contents_decide_not_the_name(tmp_path: Path, encode, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encode(GOOD))
    np.testing.assert_array_equal(read_idx(path, dimensions=3), PIXELS)


@ENCODINGS
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "found 0 bytes, expected a header of 16 bytes"),
        (GOOD[:3], "found 3 bytes, expected a header of 16 bytes"),
        (GOOD[:15], "found 15 bytes, expected a header of 16 bytes"),
        (GOOD[:16], "found only 0 bytes of values, expected 60 (3 x 4 x 5"),
        (GOOD[:-1], "found only 59 bytes of values, expected 60 (3 x 4 x 5"),
        (GOOD + b"\0", "found more bytes of values, expected 60"),
        (idx(LABELS) + bytes(8), "found magic number 0x00000801, expected 0x00000803 (unsigned bytes in 3 dimensions)"),
        (b"\0\0\x0d\x03" + GOOD[4:], "found magic number 0x00000d03"),
        (b"<!DOCTYPE html><html>", "found magic number 0x3c21444f"),
        (idx(PIXELS[:0]), "found no values (dimensions 0 x 4 x 5)"),
        (b"\0\0\x08\x03" + b"\xff" * 12 + bytes(99), "found only 99 bytes of values"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, encode, content: bytes, complaint: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(encode(content))
    with pytest.raises(DataError) as caught:
        read_idx(path, dimensions=3)
    assert str(caught.value).startswith(f"{path}: ") and complaint in str(caught.value)
    assert "Fetch the file again" in str(caught.value)


@pytest.mark.parametrize("cut", [3, 9, 20, -9, -1])
def test_truncated_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(GOOD)[:cut])
    with pytest.raises(DataError, match="damaged gzip data"):
        read_idx(path, dimensions=3)


def test_no_single_damaged_byte_of_a_gzip_file_gives_wrong_values(tmp_path: Path) -> None:
    path, content = tmp_path / "images.gz", gzip.compress(GOOD)
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        try:
            values = read_idx(path, dimensions=3)
        except DataError:
            continue
        np.testing.assert_array_equal(values, PIXELS)  # damage in the unused fields of the gzip header


def test_missing_file_and_folder_in_its_place(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_idx(path, dimensions=3)


def write_pair(folder: Path, pixels: np.ndarray, labels: np.ndarray) -> tuple[Path, Path]:
    """Write the two files of one part."""
    for name, values in (("images", pixels), ("labels", labels)):
        (folder / name).write_bytes(idx(values))
    return folder / "images", folder / "labels"


def test_images_with_their_labels(tmp_path: Path) -> None:
    images = read_images(*write_pair(tmp_path, PIXELS, LABELS), image_shape=(4, 5), classes=10)
    np.testing.assert_array_equal(images.pixels, PIXELS)
    np.testing.assert_array_equal(images.labels, LABELS)


@pytest.mark.parametrize(
    ("shape", "classes", "labels", "complaint"),
    [
        ((5, 4), 10, LABELS, "images: found images of 4 x 5 pixels, expected 5 x 4"),
        ((4, 5), 10, LABELS[:2], "labels: found 2 labels, expected 3, one for each image"),
        ((4, 5), 9, LABELS, "labels: found label 9 at position 2, expected labels 0 to 8"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, shape, classes, labels, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        read_images(*write_pair(tmp_path, PIXELS, labels), image_shape=shape, classes=classes)
    assert complaint in str(caught.value)
