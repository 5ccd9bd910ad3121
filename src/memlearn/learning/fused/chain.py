"""The arrays of a weight with a second array, as the fused kernel wants them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...cells import SecondArray
from ...compound import AnyTile, Compound
from ...ops import fused_transfer
from ...periphery import Address, steps_per_side
from ...tile import Tile
from .base import memory_of, plain_cells

_KEPT = ("signs", "output_signs", "mean", "frozen")
_EVENTS = (1 << 31) - 2
"""Writes of an array that its cells' marks tell apart."""


class Chain(NamedTuple):
    """The arrays of a layer, and the cell between them."""

    cell: SecondArray
    parts: tuple[Tile, ...]
    """The slow one first, the fast one last."""
    compound: Compound

    @property
    def slow(self) -> Tile:
        """The array that is not passed on from."""
        return self.parts[0]

    @property
    def fast(self) -> Tile:
        """The array that gathers."""
        return self.parts[-1]

    @property
    def gains(self) -> tuple[float, ...]:
        """Of the conductances of all but the slow one in reads."""
        gamma, unit = self.cell.gamma, self.slow.unit_current
        return tuple(gamma**k * unit / one.unit_current for k, one in enumerate(self.parts[1:], 1))

    def keys(self) -> fused_transfer.Keys:
        """Where the kernel's random numbers begin."""
        stream, fast = self.compound.stream, self.fast
        writer, targets = stream.child("writer"), []
        for k, one in enumerate(self.parts[:-1], 1):
            cycle = one.stream.child("update", "cycle")
            targets.append(fused_transfer.Target(*cycle, int(one.events[2]), *stream.child("rest", k)))
        return fused_transfer.Keys(
            *writer.child("rows"),
            *writer.child("columns"),
            *fast.stream.child("update", "cycle"),
            int(fast.events[2]),
            tuple(targets),
            *stream.child("chopper"),
            *stream.child("output chopper"),
            int(self.compound.writes),
        )

    def memory(self, means: Tensor | None) -> tuple[tuple[np.ndarray, ...], tuple[tuple[np.ndarray, ...], ...]]:
        """What the cell keeps in digital, in place: of the fast array, with the running means of the factors; and the
        buffers and the references of all."""
        kept = {name: tensor.numpy() for name, tensor in self.compound.memory.items()}
        number, line, cells = len(self.parts), np.zeros(1, np.float32), np.zeros((self.slow.inputs, 1), np.float32)
        buffers, references = (
            tuple(kept.get(f"{name}{k}", cells) for k in range(1, number)) for name in ("buffer", "reference")
        )
        own = (kept.get(name, line if "signs" in name else cells) for name in _KEPT)
        factors = np.zeros(2) if means is None else means.numpy()
        return (buffers[-1], *own, references[-1], factors), (buffers, references)

    def reader(self) -> fused_transfer.Reader:
        """Converters of transfer reads, as the stages would have them: constants in the precision of the cells."""
        cell, tile = self.cell, self.fast
        port, like = tile.array.periphery.forward, tile.conductance
        voltage, full = tile.array.crossbar.read_voltage, cell.read_share * cell.drive.input_range
        driven = port.drive.drive(torch.full((1, 1, 1), full).to(like), voltage, Address(tile.stream, 0, False)).voltage
        level: Tensor = driven[0, 0, 0] / voltage
        sense = cell.sense
        span = port.sense.output_range  # type: ignore[attr-defined]
        return fused_transfer.Reader(
            voltage=float(driven),
            beside=float(level * tile.unit_current),
            full=tile.unit_current * span,
            levels=float(steps_per_side(sense.bits) if sense.bits else 0),
            range=span,
            share=cell.read_share,
        )


def chain_of(tile: AnyTile) -> Chain | None:
    """The arrays of a weight, where the kernel does all that they, and the cell between them, do."""
    if not isinstance(tile, Compound) or not isinstance(tile.cell, SecondArray):
        return None
    chain = Chain(tile.cell, tuple(tile.tiles_of.values()), tile)
    cell, sense = chain.cell, chain.fast.array.periphery.forward.sense
    fine = all(plain_cells(one, unsettled=True) for one in chain.parts)
    errors = (cell.drive.noise, cell.drive.gain_spread, cell.drive.offset_spread, cell.drive.stochastic_rounding)
    errors += sense.noise, sense.gain_spread, sense.offset_spread, sense.stochastic_rounding  # type: ignore[attr-defined]
    alike = len({type(one.array.crossbar.mapping) for one in chain.parts}) == 1
    alike = alike and (cell.arrays == 1 or len({type(one.array.device) for one in chain.parts}) == 1)
    silent = not any(errors) and cell.drive.scaling == "none" and not cell.reference_drift
    late = max(int(one.events[2]) for one in chain.parts) > _EVENTS // 2
    return chain if fine and alike and silent and not late else None


def cells_of(tile: Tile) -> tuple[np.ndarray, ...]:
    """Flat conductances, parameters, counters and memory of effects, in place."""
    state = tile.parameters_, tile.counters
    flat = (part.numpy().reshape(-1, part.shape[-1]) for part in state)
    return tile.conductance.numpy().reshape(-1), *flat, memory_of(tile)
