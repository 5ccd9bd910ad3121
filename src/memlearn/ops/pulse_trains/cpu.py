"""Compiled stochastic trains: the numbers of `reference.py`, bit for bit. Silent lines cost one comparison."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from ..guard import Guarded
from ..random.cpu import subkey, threefry

u32 = np.uint32


@register_jitable
def encode(row_peak: float, column_peak: float, rate: float, max_slots: int, managed: bool) -> tuple[int, float, float]:
    """(slots, row gain, column gain); see `reference.encoding`."""
    wanted = rate * row_peak * column_peak
    if wanted == 0:
        return 0, 0.0, 0.0
    if not managed:
        gain = (rate / max_slots) ** 0.5
        return max_slots, gain, gain
    slots = int(min(max(np.ceil(wanted), 1), max_slots))
    gain = (rate / slots) ** 0.5
    skew = (column_peak / row_peak) ** 0.5
    return slots, gain * skew, gain / skew


@register_jitable
def _words(first: Any, second: Any, lines: Any, n: int, block: int, k0: Any, k1: Any) -> None:
    """The two random words of a block, for the lines listed: a plain loop, which fills the vector units."""
    for k in range(n):
        a, b = threefry(u32(lines[k]), u32(block), k0, k1)
        first[k] = a
        second[k] = b


@register_jitable
def fire(out: Any, values: Any, gain: float, slots: int, k0: Any, k1: Any) -> None:
    """Trains of one sample's lines under its sub-key; see `reference.fire`."""
    lines, n = np.empty(values.shape[0] + 1, np.int32), 0
    for line in range(values.shape[0]):
        out[line] = 0
        lines[n] = line
        n += values[line] != 0  # no branch that nobody can foresee
    first, second = np.empty(n, np.uint32), np.empty(n, np.uint32)
    threshold, trains = np.empty(n, np.float64), np.empty(n, np.int64)
    for k in range(n):
        value = np.float64(values[lines[k]])
        threshold[k] = min(abs(value) * gain, 1.0) * 4294967296.0
        trains[k] = np.int64(value < 0) << 31
    for block in range((slots + 1) // 2):
        _words(first, second, lines, n, block, k0, k1)
        for k in range(n):
            trains[k] |= np.int64(np.float64(first[k]) < threshold[k]) << (2 * block)
        if 2 * block + 1 < slots:
            for k in range(n):
                trains[k] |= np.int64(np.float64(second[k]) < threshold[k]) << (2 * block + 1)
    for k in range(n):
        out[lines[k]] = trains[k]


@register_jitable
def peak(values: Any) -> float:
    """Largest magnitude."""
    a, b, c, d = np.float64(0), np.float64(0), np.float64(0), np.float64(0)
    whole = values.shape[0] // 4 * 4
    for n in range(0, whole, 4):  # side by side: each comparison waits for the one before it
        a, b = max(a, abs(np.float64(values[n]))), max(b, abs(np.float64(values[n + 1])))
        c, d = max(c, abs(np.float64(values[n + 2]))), max(d, abs(np.float64(values[n + 3])))
    for n in range(whole, values.shape[0]):
        a = max(a, abs(np.float64(values[n])))
    return max(max(a, b), max(c, d))


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def stochastic(row_trains, column_trains, rows, columns, rate, max_slots, managed, row_key, column_key, event) -> int:  # noqa: ANN001, PLR0913
    """Trains of a batch.

    Arguments:
        row_trains, column_trains: int64 (samples, lines), written.
        rows, columns: float (samples, lines): the outer-product factors.
        rate, max_slots, managed: see `reference.encoding`; each sample has its own encoding.
        row_key, column_key: uint32 pairs, the streams of the two sides.
        event: address of the random numbers.

    Returns:
        The longest train of the batch, in slots.
    """
    longest = 0
    for sample in range(rows.shape[0]):
        slots, row_gain, column_gain = encode(peak(rows[sample]), peak(columns[sample]), rate, max_slots, managed)
        r0, r1 = subkey(row_key[0], row_key[1], event, u32(sample))
        c0, c1 = subkey(column_key[0], column_key[1], event, u32(sample))
        fire(row_trains[sample], rows[sample], row_gain, slots, r0, r1)
        fire(column_trains[sample], columns[sample], column_gain, slots, c0, c1)
        longest = max(longest, slots)
    return longest
