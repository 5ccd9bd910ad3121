"""Reads idx files, the format of MNIST and its relatives, and refuses whatever is not exactly one.

An idx file is: two zero bytes, a type byte (8: unsigned bytes), the number of dimensions, each dimension as a 32-bit
big-endian number, then the values. It may be gzipped; the contents tell, not the name.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .base import Images

UNSIGNED_BYTES = 0x08
CHUNK = 1 << 24
REMEDY = "Fetch the file again from where it came, or take it away and let memlearn download it."


def read_images(images: Path, labels: Path, *, image_shape: tuple[int, int], classes: int) -> Images:
    """One part of a data set, from its two files.

    Arguments:
        images: idx file of images.
        labels: idx file of their labels.
        image_shape: rows and columns that the images must have.
        classes: labels must be below this.

    Returns:
        pixels (n, rows, columns) and labels (n,), both uint8, n at least 1.

    Raises:
        DataError: a file is missing, damaged or of another kind, or the two do not belong together.
    """
    pixels, marks = read_idx(images, dimensions=3), read_idx(labels, dimensions=1)
    if pixels.shape[1:] != image_shape:
        raise _wrong(images, "images of {} x {} pixels".format(*pixels.shape[1:]), "{} x {}".format(*image_shape))
    if len(pixels) != len(marks):
        raise _wrong(labels, f"{len(marks)} labels", f"{len(pixels)}, one for each image of {images}")
    if marks.max() >= classes:
        where = int(marks.argmax())
        raise _wrong(labels, f"label {marks[where]} at position {where}", f"labels 0 to {classes - 1}")
    return Images(pixels, marks)


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """The values of an idx file of unsigned bytes, shaped as its header says; never empty.

    Arguments:
        path: the file, plain or gzipped.
        dimensions: number of dimensions that it must have.

    Raises:
        DataError: the file is missing, damaged, empty, or of another type, dimension or length than it says.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not zipped:
                return _parse(raw, path, dimensions)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _parse(stream, path, dimensions)  # type: ignore[arg-type]  (a BinaryIO in all but name)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _wrong(path, f"damaged gzip data ({error})", "a whole gzip file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). Check the path and its rights.") from None


def _parse(stream: BinaryIO, path: Path, dimensions: int) -> NDArray[np.uint8]:
    magic, size = bytes((0, 0, UNSIGNED_BYTES, dimensions)), 4 + 4 * dimensions
    header = stream.read(size)
    if len(header) == size and header[:4] != magic:
        kind = f"unsigned bytes in {dimensions} dimension{'s' if dimensions > 1 else ''}"
        raise _wrong(path, f"magic number 0x{header[:4].hex()}", f"0x{magic.hex()} ({kind})")
    if len(header) < size:
        raise _wrong(path, f"{len(header)} bytes", f"a header of {size} bytes")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    length = math.prod(shape)
    if not length:
        raise _wrong(path, f"no values (dimensions {_times(shape)})", "at least one")
    values = _read_up_to(stream, length + 1)
    if len(values) != length:
        found = "more" if len(values) > length else f"only {len(values)}"
        raise _wrong(path, f"{found} bytes of values", f"{length} ({_times(shape)}, as its header says)")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _read_up_to(stream: BinaryIO, length: int) -> bytearray:
    """Chunk by chunk, so that a header that promises terabytes costs no memory."""
    values = bytearray()
    while chunk := stream.read(min(CHUNK, length - len(values))):
        values += chunk
    return values


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _wrong(path: Path, found: str, expected: str) -> DataError:
    return DataError(f"{path}: found {found}, expected {expected}. {REMEDY}")
