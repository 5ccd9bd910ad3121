"""One pass over a plan of counts and its cells, line by line; lines without a pulse cost a look at their numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ..guard import Guarded

f32, i32 = np.float32, np.int32
# In an order: sets of names have another in every process, and the disk cache of what compiles a function in sees it.
_ORDERLESS: Any = {"contract": True, "reassoc": True, "nsz": True}


class Survey(NamedTuple):
    """What is added up of a tile; up first, then down."""

    heat: np.ndarray
    """float64 (2,): conductance of the cells, pulse by pulse, S."""
    rows: np.ndarray
    """int64 (2, rows): most pulses of a cell of each word line."""
    columns: np.ndarray
    """int64 (2, columns): pulses of each bit line."""
    written: np.ndarray
    """int64 (2,): word lines with any."""

    @classmethod
    def empty(cls, rows: int, columns: int) -> Survey:
        """Nothing yet."""
        return cls(np.zeros(2), np.zeros((2, rows), np.int64), np.zeros((2, columns), np.int64), np.zeros(2, np.int64))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def pulsed(plan) -> Any:  # noqa: ANN001
    """Whether a line has any pulse."""
    seen = i32(0)
    for j in range(plan.shape[0]):
        seen |= plan[j]
    return seen != 0


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_ORDERLESS)
def heat_of_line(plan, g) -> tuple[Any, Any]:  # noqa: ANN001
    """sum of pulses x conductance of a line, up and down, S."""
    rise, fall = f32(0), f32(0)
    for j in range(plan.shape[0]):
        n, x = f32(plan[j]), f32(g[j])
        rise += max(n, f32(0)) * x
        fall += max(-n, f32(0)) * x
    return np.float64(rise), np.float64(fall)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def count_line(plan, up, down) -> tuple[Any, Any]:  # noqa: ANN001
    """Add the pulses of a line to those of its columns, int32; most pulses up and down of a cell."""
    most, least = i32(0), i32(0)
    for j in range(plan.shape[0]):
        n = plan[j]
        rise, fall = max(n, i32(0)), max(i32(-n), i32(0))
        most, least = max(most, rise), max(least, fall)
        up[j] += rise
        down[j] += fall
    return np.int64(most), np.int64(least)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _add_squares(squares, voltage) -> Any:  # noqa: ANN001
    driven = i32(0)
    for i in range(squares.shape[0]):
        squares[i] += voltage[i] * voltage[i]
        driven += voltage[i] != 0
    return driven


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def squares(total, voltage) -> Any:  # noqa: ANN001
    """Add V^2 over samples to each line's; lines that are driven, all samples together.

    Arguments:
        total: float64 (lines,).
        voltage: (samples, lines), V.
    """
    driven, block = 0, np.zeros(voltage.shape[1], voltage.dtype)
    for b in range(voltage.shape[0]):
        driven += _add_squares(block, voltage[b])
        if b % 64 == 63 or b == voltage.shape[0] - 1:  # short sums in the voltages' own precision, long ones in double
            for i in range(total.shape[0]):
                total[i] += block[i]
                block[i] = 0
    return driven


@numba.njit(cache=True, error_model="numpy", nogil=True)
def add_fires(fires, words) -> None:  # noqa: ANN001
    """Add the slots in which lines fire, of their trains (lines,), int64."""
    for k in range(fires.shape[0]):
        x = words[k] & np.int64(0x7FFFFFFF)
        if x == 0:
            continue
        x = x - ((x >> np.int64(1)) & np.int64(0x55555555))
        x = (x & np.int64(0x33333333)) + ((x >> np.int64(2)) & np.int64(0x33333333))
        x = (x + (x >> np.int64(4))) & np.int64(0x0F0F0F0F)
        fires[k] += ((x * np.int64(0x01010101)) >> np.int64(24)) & np.int64(0x3F)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def look_at_lines(out, plan, g, width, first, last, counts) -> None:  # noqa: ANN001
    """Add what a plan finds in the cells of word lines first .. last - 1 of a tile.

    Arguments:
        out: `Survey` of the tile, of which `heat` is added to.
        plan, g: of the tile, flat.
        width: cells of a line.
        first, last: lines.
        counts: also the rest of the survey; else heat alone.
    """
    heat, rows, columns, written = out
    up, down = np.zeros(width, np.int32), np.zeros(width, np.int32)
    for line in range(first, last):
        own = plan[line * width : (line + 1) * width]
        if counts:
            most, least = count_line(own, up, down)
            if most + least == 0:
                continue
            rows[0, line] += most
            rows[1, line] += least
            written[0] += most > 0
            written[1] += least > 0
        elif not pulsed(own):
            continue
        rise, fall = heat_of_line(own, g[line * width : (line + 1) * width])
        heat[0] += rise
        heat[1] += fall
    if counts:
        for j in range(width):
            columns[0, j] += up[j]
            columns[1, j] += down[j]


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def survey(out, plan, g, width, counts) -> None:  # noqa: ANN001
    """`look_at_lines` of a whole tile, for callers in Python."""
    look_at_lines(out, plan, g, width, 0, plan.shape[0] // width, counts)
