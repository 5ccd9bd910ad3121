"""What the arrays hold while they learn: a few small pictures of each layer, taken at fixed images, for the report.

The moments follow from the experiment alone, denser at the beginning, where most happens. A picture is a map of some of
the cells and a histogram of all of them; all pictures of a run together stay near a megabyte.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ..devices import AbstractDevice
from ..tile import Tile
from .storage import SNAPSHOTS, write_bytes

_CELLS = 40_000
"""Of the maps of all layers together, at one moment."""
_BINS = 60
_TINY = 1e-4
"""A relative range below which bins would have no meaning."""


def strides(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """Steps between the rows and the columns of a map of at most `side` x `side` cells.

    That between columns is even, so that one side of differential pairs is shown: a mean over neighbours would hide
    what an array holds, as the two cells of a pair move in opposite directions.
    """
    tall, wide = (max(1, -(-n // side)) for n in shape)
    return tall, wide + (wide % 2 if wide > 1 else 0)


class Snapshots:
    """The pictures of a run so far.

    Arguments:
        wanted: how many are taken after the beginning; 0 takes none.
        images: of the whole training.
    """

    def __init__(self, wanted: int, images: int) -> None:
        self._moments = sorted({math.ceil(images * (k / wanted) ** 2) for k in range(wanted + 1)} if wanted else ())
        self._images: list[int] = []
        self._maps: dict[str, list[Tensor]] = {}
        self._counts: dict[str, list[Tensor]] = {}
        self._edges: dict[str, Tensor] = {}
        self._steps: dict[str, Tensor] = {}

    def look(self, images: int, tiles: Mapping[str, Tile]) -> None:
        """Take a picture if one is due after so many images."""
        last = self._images[-1] if self._images else -1
        if not tiles or not any(last < moment <= images for moment in self._moments):
            return
        side = max(8, math.isqrt(_CELLS // len(tiles)))
        for name, tile in tiles.items():
            cells = _laid_out(tile)
            tall, wide = strides((cells.shape[0], cells.shape[1]), side)
            there = cells[cells.isfinite()]
            if name not in self._edges:
                self._steps[name] = torch.tensor([tall, wide])
                self._edges[name] = _bins(there, tile.array.device)
            edges = self._edges[name]
            # Cells may leave the range through a spread of their own; they count in the first and last bin.
            bins = torch.bucketize(there.double(), edges[1:-1], right=True)
            self._counts.setdefault(name, []).append(torch.bincount(bins, minlength=_BINS).int())
            self._maps.setdefault(name, []).append((cells[::tall, ::wide] / float(edges[-1])).half())
        self._images.append(images)

    def tensors(self) -> dict[str, Tensor]:
        """Everything, for the checkpoint and the file."""
        if not self._images:
            return {}
        found = {"images": torch.tensor(self._images)}
        for name, maps in self._maps.items():
            found[f"map/{name}"] = torch.stack(maps)
            found[f"counts/{name}"] = torch.stack(self._counts[name])
            found[f"edges/{name}"], found[f"steps/{name}"] = self._edges[name], self._steps[name]
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from `tensors`."""
        self._images = tensors["images"].tolist() if "images" in tensors else []
        parts: dict[str, dict[str, Any]] = {"map": {}, "counts": {}, "edges": {}, "steps": {}}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            if part in parts:
                parts[part][name] = list(value) if part in ("map", "counts") else value
        self._maps, self._counts, self._edges, self._steps = parts.values()

    def write(self, folder: Path) -> None:
        """snapshots.safetensors: images (moments,), and per layer map/NAME (moments, rows, columns) as parts of the
        last edge, NaN where there is no cell; counts/NAME (moments, bins) of all cells; edges/NAME (bins + 1,), S;
        steps/NAME between the rows and the columns of the map.

        Raises:
            DataError: the disk is full, or the folder cannot be written.
        """
        if found := self.tensors():
            write_bytes(folder / SNAPSHOTS, save({key: value.contiguous() for key, value in found.items()}))


def _bins(cells: Tensor, device: AbstractDevice) -> Tensor:
    """Edges that hold the device's nominal range and what the cells hold at the beginning, S."""
    low = min(device.g_min, float(cells.min())) if len(cells) else device.g_min
    high = max(device.g_max, float(cells.max())) if len(cells) else device.g_max
    if high - low <= _TINY * high:
        low, high = 0.9 * low, 1.1 * high
    return torch.linspace(low, high, _BINS + 1, dtype=torch.float64)


def _laid_out(tile: Tile) -> Tensor:
    """The conductances of a layer (word lines, bit lines), tiles side by side, NaN where a tile has no cell."""
    cells = tile.conductance.masked_fill(~tile.used(), torch.nan)
    tile_rows, tile_columns, rows, columns = cells.shape
    flat = cells.permute(0, 2, 1, 3).reshape(tile_rows * rows, tile_columns * columns)
    there = flat.isfinite()
    return flat[: _last(there.any(1)), : _last(there.any(0))]


def _last(used: Tensor) -> int:
    lines = used.nonzero()
    return int(lines[-1]) + 1 if len(lines) else len(used)
