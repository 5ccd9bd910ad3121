"""What reads see of cells whose writes leave them beside their state, kept up write by write.

The truth is `devices.effects.WriteNoise` with `AbstractDevice.visible`; the numbers drawn have the same addresses.
Cells are flat conductances, parameters (cells, K), counters (cells, 2) and memory (cells, 1), the last number drawn.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..pulse_update.reference import stamp as stamp_
from ..random.cpu import enlarge, logarithm, subkey, threefry, turn

u32, f32 = np.uint32, np.float32
stamp: Any = register_jitable(stamp_)


class Unsettled(NamedTuple):
    """Write noise of a part: seen = G + sqrt((relative G)^2 + square) z, z drawn by a cell's last write."""

    active: bool
    relative: float
    square: float
    """S^2."""
    key0: int
    key1: int


@register_jitable
def _drawn(k0: Any, k1: Any, cell: Any) -> Any:
    """The normal number of a cell under the key of an event."""
    a, b = threefry(u32(cell >> 1), u32(0), k0, k1)
    cosine, sine = turn(b)
    return np.sqrt(logarithm(enlarge(a))) * (sine if cell & 1 else cosine)


@register_jitable
def normal_at(k0: Any, k1: Any, event: Any, cell: Any) -> Any:
    """The number that `fill_normal` puts at a cell."""
    k0, k1 = subkey(k0, k1, event, u32(0))
    return _drawn(k0, k1, cell)


@register_jitable
def visible(noise: Any, parameters: Any, g: Any, z: Any) -> Any:
    """What a read sees of a cell that write noise is at work on."""
    relative = f32(noise.relative) * g
    seen = g + np.sqrt(relative * relative + f32(noise.square)) * z
    seen = max(seen, min(parameters[0], f32(0)))
    return seen if parameters[1] > 0 else f32(0)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def see_written(out, cells, noise, event, first, last) -> None:  # noqa: ANN001
    """Cells first .. last - 1 that write `event` has pulsed draw their noise; `out` (cells) is what reads see."""
    g, parameters, counters, memory = cells
    mark = stamp(event)
    k0, k1 = subkey(u32(noise.key0), u32(noise.key1), event, u32(0))
    for cell in range(first, last):
        if counters[cell, 1] != mark:
            continue
        if parameters[cell, 0] != parameters[cell, 1]:
            memory[cell, 0] = _drawn(k0, k1, cell)
        out[cell] = visible(noise, parameters[cell], g[cell], memory[cell, 0])


@register_jitable
def _fires(trains: Any, line: Any) -> Any:
    """Whether a line fires in any of its trains (samples, lines)."""
    fires = False
    for b in range(trains.shape[0]):
        fires |= trains[b, line] & np.int64(0x7FFFFFFF) != 0
    return fires


@numba.njit(cache=True, error_model="numpy", nogil=True)
def see_fired(out, cells, noise, event, trains) -> None:  # noqa: ANN001
    """The same for the cells of the word lines that fire in trains (samples, lines)."""
    height = trains.shape[1]
    width = out.shape[0] // height
    for line in range(height):
        if _fires(trains, line):
            see_written(out, cells, noise, event, line * width, (line + 1) * width)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def see_since(out, cells, noise, first, trains) -> None:  # noqa: ANN001
    """As `see_fired`, of all writes since event `first`; the number of a cell's last one counts."""
    g, parameters, counters, memory = cells
    height = trains.shape[1]
    width = out.shape[0] // height
    for line in range(height):
        if not _fires(trains, line):
            continue
        for cell in range(line * width, (line + 1) * width):
            event = np.int64(counters[cell, 1]) - 1
            if event < first:
                continue
            if parameters[cell, 0] != parameters[cell, 1]:
                memory[cell, 0] = normal_at(u32(noise.key0), u32(noise.key1), event, cell)
            out[cell] = visible(noise, parameters[cell], g[cell], memory[cell, 0])
