"""A map of faulty cells that somebody has measured, cut into the tiles of an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...core.component import Component, setting
from ...core.errors import DataError
from ...core.random import Stream
from ...ops import random

SOUND, HIGH, LOW = 0, 1, 2


class FaultMapFile(Component):
    """A table of whole numbers: 0 for a sound cell, 1 for one stuck at high conductance, 2 for one stuck at low.

    Each tile takes a window of it at a place of its own, drawn once, when the cells are made; beyond its edges the map
    begins anew. So clusters and lines stay as they were measured, and different seeds meet different parts.
    """

    path: str = setting("", doc="CSV (commas, no header) or NPY of whole numbers, rows by columns; empty: none")

    @property
    def active(self) -> bool:
        """True when there is a map."""
        return bool(self.path)

    def read(self) -> np.ndarray:
        """The map, int8 (rows, columns).

        Raises:
            DataError: the file is missing, or holds anything else.
        """
        path = Path(self.path).expanduser()
        try:
            if path.suffix == ".npy":
                found = np.load(path, allow_pickle=False)
            else:
                lines = path.read_text(encoding="utf-8").split()
                found = np.array([[float(part) for part in line.split(",")] for line in lines], ndmin=2)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: cannot be read as a map of faults ({error}). Check path and contents.") from None
        if found.ndim != 2 or not found.size or not np.isin(found, (SOUND, HIGH, LOW)).all():
            raise DataError(f"{path}: must be a table of 0 (sound), 1 (stuck high) and 2 (stuck low), rows by columns.")
        return found.astype(np.int8)

    def fail(self, shape: torch.Size, stream: Stream, like: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of the cells that are stuck at high, and at low conductance, each (tiles, tiles, rows, columns)."""
        known = torch.from_numpy(self.read())
        tall, wide, rows, columns = shape
        corners = random.uniform(stream, 0, (tall, wide, 2), like).double()
        found = torch.empty(shape, dtype=torch.int8)
        for i in range(tall):
            for j in range(wide):
                top, left = (int(part * size) for part, size in zip(corners[i, j], known.shape, strict=True))
                row = (top + torch.arange(rows)) % known.shape[0]
                found[i, j] = known[row[:, None], (left + torch.arange(columns)) % known.shape[1]]
        return found == HIGH, found == LOW
