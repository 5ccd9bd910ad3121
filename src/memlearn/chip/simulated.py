"""The simulator behind the interface of a chip: the same devices, wires and random numbers as in a tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.ledger import Pass
from ..core.random import Stream
from ..core.types import Counts
from ..programming.schemes import Order, WriteVerify
from ..tile import Array, Tile
from .base import Chip, Reached
from .messages import Size, asked


class SimulatedChip(Chip):
    """Cells (rows, columns) of an array's device between its wires; they live in memory, and end with the program.

    Arguments:
        rows, columns: word lines and bit lines; the array's mapping must fit them without a rest.
        array: device and wires; the converters are the host's.
        seed: of the devices and their noise.
        options: backend, dtype and threads, as of `Tile`.
    """

    def __init__(
        self, rows: int, columns: int, *, array: Array | None = None, seed: int = 0, name: str = "chip", **options: Any
    ) -> None:
        array = array or Array()
        inputs, outputs = array.crossbar.mapping.capacity(rows, columns)
        if min(inputs, outputs) < 1 or tuple(array.crossbar.mapping.physical(inputs, outputs)) != (rows, columns):
            kind = array.crossbar.mapping.kind
            raise InputError("rows, columns", (rows, columns), f"leave cells over that make no weight of {kind}")
        whole = array.replace(crossbar=array.crossbar.replace(rows=rows, columns=columns))
        self._use(Tile(inputs, outputs, array=whole, stream=Stream.root(seed), **options), name)

    @classmethod
    def of(cls, tile: Tile, name: str = "chip") -> SimulatedChip:
        """The cells of a tile that is not cut; nobody else may read or write it from now on.

        Raises:
            InputError: the tile is a stack of several.
        """
        if tile.tiles != (1, 1):
            raise InputError("tile", f"{tile.tiles} tiles", "must be one", "Make a chip of each.")
        chip = cls.__new__(cls)
        chip._use(tile, name)
        return chip

    def _use(self, tile: Tile, name: str) -> None:
        self.tile, self.name = tile, name
        self.rows, self.columns = tile.conductance.shape[2:]
        self.g_min, self.g_max = tile.array.device.g_min, tile.array.device.g_max
        self._size = Size(self.rows, self.columns)

    def read(self, voltages: np.ndarray) -> np.ndarray:
        """As the tile reads, without converters."""
        return self._read("read", voltages, Pass.FORWARD)

    def read_transposed(self, voltages: np.ndarray) -> np.ndarray:
        """As the tile reads, without converters."""
        return self._read("read_transposed", voltages, Pass.BACKWARD)

    def conductances(self, cells: np.ndarray) -> np.ndarray:
        """With the device's read noise."""
        chosen = self._cells(asked("conductances", self._size, {"cells": cells}, {})["cells"])
        return self.tile.look(chosen).masked_fill(~chosen, torch.nan)[0, 0].numpy()

    def program(self, cells: np.ndarray, targets: np.ndarray, *, tolerance: float, max_pulses: int) -> Reached:
        """By `write_verify`."""
        tile, device = self.tile, self.tile.array.device
        settings = {"tolerance": tolerance, "max_pulses": max_pulses}
        request = asked("program", self._size, {"cells": cells, "targets": targets}, settings)
        scheme = WriteVerify(tolerance=tolerance / device.range, max_pulses=max_pulses)
        chosen = self._cells(request["cells"])
        wanted = self._cells(request["targets"]).to(tile.conductance)
        order = Order(wanted.where(chosen, tile.conductance), chosen, tile.stream.child("update"), int(tile.events[2]))
        done = scheme.program(device, tile.state, order, tile.backend)
        tile.events[2] += scheme.events
        seen = done.seen.masked_fill(~chosen, torch.nan)
        return Reached(*(part[0, 0].numpy() for part in (seen, done.pulses, done.reads, done.failed)))

    def pulse(self, counts: np.ndarray) -> None:
        """The device's own pulses."""
        self.tile.pulse(Counts(self._cells(asked("pulse", self._size, {"counts": counts}, {})["counts"])))

    def _read(self, do: str, voltages: np.ndarray, way: Pass) -> np.ndarray:
        sent = asked(do, self._size, {"voltages": voltages}, {})["voltages"]
        lines = torch.from_numpy(sent).to(self.tile.conductance)
        with torch.no_grad():
            return self.tile._currents(lines[None, None], way is Pass.BACKWARD, self.tile.next_read(way))[0, 0].numpy()

    @staticmethod
    def _cells(array: np.ndarray) -> Tensor:
        """(1, 1, rows, columns)."""
        return torch.from_numpy(array)[None, None]
