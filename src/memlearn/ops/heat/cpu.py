"""One pass over a plan of counts and its cells, line by line; lines without a pulse cost a look at their numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ..guard import Guarded

f32, f64, i32, u64 = np.float32, np.float64, np.int32, np.uint64
# In an order: sets of names have another in every process, and the disk cache of what compiles a function in sees it.
_ORDERLESS: Any = {"contract": True, "reassoc": True, "nsz": True}


PULSES, HEAT, WRITTEN, SLOTS, ON_ROWS, ON_COLUMNS, EITHER = range(7)
"""What is added up of each direction: pulses; conductance of the cells, pulse by pulse, S; writes of groups of a word
line with any; most pulses of a cell of each of these; and the conductance of the word line, slot by slot, and of the
bit line, pulse by pulse, S; and, up, writes of groups with any of either direction."""


class Survey(NamedTuple):
    """What is added up of a tile."""

    found: np.ndarray
    """float64 (2, 7): up and down."""
    rows: np.ndarray
    """float64 (rows,): conductance of each word line, S, as it is now; looks after a write keep it so."""
    columns: np.ndarray
    """float32 (columns,): of each bit line, S, as it was at the beginning."""
    group: int
    """Bit lines that are written at the same time."""

    @classmethod
    def empty(cls, rows: np.ndarray, columns: np.ndarray, sharing: int = 1) -> Survey:
        """Nothing yet, of a tile with such sums of conductances, S, and bit lines that take turns at write drivers."""
        group = -(-len(columns) // sharing)
        return cls(np.zeros((2, 7)), rows.astype(np.float64), columns.astype(np.float32), group)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _pulsed(plan) -> Any:  # noqa: ANN001
    """Whether a line has any pulse."""
    seen = i32(0)
    for j in range(plan.shape[0]):
        seen |= plan[j]
    return seen != 0


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_ORDERLESS)
def _look(plan, first, g, columns) -> tuple[Any, ...]:  # noqa: ANN001
    """sums of pulses x conductance of the cells, and of their bit lines, up and down, S; pulses up, and up less down;
    most of a cell up, and down with a sign; of the line whose first cell is `first`."""
    rise, both, on_up, on_both = f32(0), f32(0), f32(0), f32(0)
    ups, net, most, least = i32(0), i32(0), i32(0), i32(0)
    for j in range(columns.shape[0]):
        k = u64(first) + u64(j)
        p, x, y = plan[k], g[k], columns[j]
        up = max(p, i32(0))
        n, u = f32(p), f32(up)
        rise += u * x
        both += n * x
        on_up += u * y
        on_both += n * y
        ups = i32(ups + up)
        net = i32(net + p)
        most, least = max(most, p), min(least, p)
    return rise, rise - both, on_up, on_up - on_both, ups, net, most, least


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_ORDERLESS)
def _look_again(plan, first, g, width) -> tuple[Any, Any, Any]:  # noqa: ANN001
    """sums of pulses x conductance up and down, and of conductance, S, of the line whose first cell is `first`."""
    rise, both, total = f32(0), f32(0), f32(0)
    for j in range(width):
        k = u64(first) + u64(j)
        n, x = f32(plan[k]), g[k]
        rise += max(n, f32(0)) * x
        both += n * x
        total += x
    return rise, rise - both, total


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _ends(plan) -> tuple[Any, Any]:  # noqa: ANN001
    """Most pulses of a cell, up and down."""
    most, least = i32(0), i32(0)
    for j in range(plan.shape[0]):
        most, least = max(most, plan[j]), min(least, plan[j])
    return np.int64(most), -np.int64(least)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _enter_turns(found, most, least, row) -> None:  # noqa: ANN001
    """A group of cells of a word line is selected for as long as that cell takes which takes longest."""
    found[0, WRITTEN] += most > 0
    found[1, WRITTEN] += least > 0
    found[0, EITHER] += most + least > 0
    found[0, SLOTS] += most
    found[1, SLOTS] += least
    found[0, ON_ROWS] += most * row
    found[1, ON_ROWS] += least * row


@numba.njit(cache=True, error_model="numpy", nogil=True)
def look_before(out, plan, g, line) -> None:  # noqa: ANN001
    """Add what a plan finds in the cells of a word line before the write.

    Arguments:
        out: `Survey` of the tile.
        plan, g: of the tile, flat; places in them, and not slices, which Numba would count as references.
        line: which.
    """
    found, rows, columns, group = out
    width = columns.shape[0]
    rise, fall, on_up, on_down, ups, net, most, least = _look(plan, line * width, g, columns)
    if most == 0 and least == 0:
        return
    found[0, PULSES] += np.int64(ups)
    found[1, PULSES] += np.int64(ups) - np.int64(net)
    if most > 0:
        found[0, HEAT] += f64(rise)
        found[0, ON_COLUMNS] += f64(on_up)
    if least < 0:
        found[1, HEAT] += f64(fall)
        found[1, ON_COLUMNS] += f64(on_down)
    if group >= width:
        _enter_turns(found, np.int64(most), -np.int64(least), rows[line])
        return
    for start in range(line * width, (line + 1) * width, group):
        rises, falls = _ends(plan[start : min(start + group, (line + 1) * width)])
        _enter_turns(found, rises, falls, rows[line])


@numba.njit(cache=True, error_model="numpy", nogil=True)
def look_after(out, plan, g, line) -> None:  # noqa: ANN001
    """Add what a plan finds in the cells of a word line after the write, and renew the line's sum; as `look_before`."""
    found, rows, columns, _ = out
    width = columns.shape[0]
    rise, fall, total = _look_again(plan, line * width, g, width)
    found[0, HEAT] += f64(rise)
    found[1, HEAT] += f64(fall)
    rows[line] = f64(total)


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
        voltage: (samples, lines), V, one after the other in memory.
    """
    samples, lines = voltage.shape
    together = min(max(1, _LONG // lines), samples)  # few lines: some samples side by side, for longer loops
    driven, block = 0, np.zeros(together * lines, voltage.dtype)
    flat, turns = voltage.reshape(-1), samples // together if together > 0 else 0
    for b in range(turns):
        driven += _add_squares(block, flat[b * len(block) : (b + 1) * len(block)])
        if b % 64 == 63 or b == turns - 1:  # short sums in the voltages' own precision, long ones in double
            for k in range(together):
                for i in range(lines):
                    total[i] += block[k * lines + i]
            block[:] = 0
    for b in range(turns * together, samples):
        for i in range(lines):
            total[i] += voltage[b, i] * voltage[b, i]
            driven += voltage[b, i] != 0
    return driven


_LONG = 512


@numba.njit(cache=True, error_model="numpy", nogil=True)
def add_fires(fires, words) -> None:  # noqa: ANN001
    """Add the slots in which lines fire, of their trains (lines,), to int32 (lines,)."""
    for k in range(fires.shape[0]):
        x = i32(words[k]) & i32(0x7FFFFFFF)
        x = i32(x - ((x >> i32(1)) & i32(0x55555555)))
        x = i32((x & i32(0x33333333)) + ((x >> i32(2)) & i32(0x33333333)))
        x = i32((x + (x >> i32(4))) & i32(0x0F0F0F0F))
        x = i32(x + (x >> i32(8)))
        fires[k] += i32(x + (x >> i32(16))) & i32(0x3F)


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def survey(out, plan, g, after) -> None:  # noqa: ANN001
    """`look_before`, or `look_after`, of all lines of a tile with any pulse, for callers in Python.

    Arguments:
        out: `Survey` of the tile.
        plan, g: of the tile, flat.
        after: whether the write has been.
    """
    width = out.columns.shape[0]
    for line in range(out.rows.shape[0]):
        if not _pulsed(plan[line * width : (line + 1) * width]):
            continue
        if after:
            look_after(out, plan, g, line)
        else:
            look_before(out, plan, g, line)
