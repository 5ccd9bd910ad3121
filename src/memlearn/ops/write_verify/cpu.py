"""Read, compare, pulse, cell after cell, with the law's own kernel and the addresses of the stages.

Cost: per pulse one read and one pulse of one cell. The keys of a turn, the n-th read and the n-th pulse of a cell, are
the same for all cells: they are folded once. Cells that are not listed cost nothing, as a sparse update needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from ...core.random import Stream
from ..guard import Guarded, tagged
from ..pulse_update.counts import stamp
from ..pulse_update.cpu import Kernels
from ..random.cpu import fold, normal, radius, subkey, threefry, turn

u32 = np.uint32


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _read(g, cell, k0, k1, relative, square):  # noqa: ANN001, ANN202
    """One noisy read, with the number that a read of the whole array would give this cell."""
    a, b = threefry(u32(cell >> 1), u32(0), k0, k1)
    cosine, sine = turn(b)
    scaled = relative * g
    return g + np.sqrt(scaled * scaled + square) * (radius(a) * (sine if cell & 1 else cosine))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _read_all(values, cells, k0, k1, event, relative, square, out) -> None:  # noqa: ANN001
    k0, k1 = subkey(k0, k1, event, u32(0))
    for k in range(len(cells)):
        out[k] = _read(values[k], cells[k], k0, k1, relative, square)


def read_listed(values: np.ndarray, cells: np.ndarray, keys: tuple[Any, ...], number: int, noise: Any) -> np.ndarray:
    """Reads of single cells, with the numbers that reads of the whole array would give them.

    Arguments:
        values: S, (n,): of the cells listed.
        cells: int64, (n,): places in the array.
        keys: from `keys`.
        number: which read of the write.
        noise: relative, absolute squared (S^2), in the cells' precision.
    """
    out = np.empty_like(values)
    relative, square = noise
    _read_all(values, cells, keys[0], keys[1], keys[4] + number, relative, square, out)
    return out


def keys(stream: Stream, event: int) -> tuple[Any, ...]:
    """What the kernel needs to find the random numbers of a write: of the reads, of the pulses, and the first event."""
    read, cycle = stream.child("verify").child("read"), stream.child("cycle")
    return u32(read.low), u32(read.high), u32(cycle.low), u32(cycle.high), event


def turns_for(most: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for the keys of `most` pulses and one more read, and how many are there already."""
    return np.empty((most + 1, 6), np.uint32), np.zeros(1, np.int64)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _fold_turn(keys, turns, number) -> None:  # noqa: ANN001
    """Write down the keys of a turn: of the read, of the pulse's event, and of its normal number."""
    table, known = turns
    r0, r1, c0, c1, event = keys
    table[number, 0], table[number, 1] = subkey(r0, r1, event + number, u32(0))
    s0, s1 = subkey(c0, c1, event + number, u32(0))
    table[number, 2], table[number, 3] = s0, s1
    table[number, 4], table[number, 5] = fold(s0, s1, u32(0))
    known[0] = number + 1


def compile_bring(kernels: Kernels) -> Callable[..., Any]:
    """What brings one cell to its target by a law, as a function that other kernels compile in.

    bring(cells, cell, target, order, noise, keys, turns) -> (pulses, reads, last read, whether it was given up, sums of
    the conductances before pulses up, and down, S): arguments as of `compile_verify`, `order` without the list and the
    targets, `turns` from `turns_for`, with no keys known at the beginning of every write.
    """
    mean, loud, pulse = kernels.law.mean, kernels.law.loud, kernels.law.pulse

    @register_jitable
    @tagged(kernels.fingerprint)
    def bring(cells, cell, target, order, noise, keys, turns):  # noqa: ANN001, ANN202
        g, parameters, counters = cells
        window, most = order
        relative, square, silent, step = noise
        (table, known), event = turns, keys[4]
        x, p, value, noisy = g[cell], parameters[cell], g[cell], loud(step)
        sent, failed, rise, fall = 0, False, 0.0, 0.0
        while True:
            if sent >= known[0]:
                _fold_turn(keys, turns, sent)
            value = x if silent else _read(x, cell, table[sent, 0], table[sent, 1], relative, square)
            away = target - value
            if not abs(away) > window:
                break
            if sent == most:
                failed = True
                break
            s0, s1, up = table[sent, 2], table[sent, 3], away > 0
            if up:
                rise += x
            else:
                fall += x
            z = normal(table[sent, 4], table[sent, 5], u32(cell)) if noisy else np.float32(0)
            x = pulse(x, p, up, mean(x, p, up, step, u32(cell), s0, s1, 0), z, step)
            sent += 1
        if sent > 0:
            g[cell] = x
            counters[cell, 0] += sent
            counters[cell, 1] = stamp(event + sent - 1)
        return sent, sent + 1, value, failed, rise, fall

    return bring


def compile_verify(kernels: Kernels) -> Callable[..., None]:
    """The kernel of a law: `verify(cells, order, noise, keys, turns, out)`.

    Arguments of the kernel:
        cells: flat conductances (N,), parameters (N, K) and counters (N, 2), changed in place.
        order: cells listed, int64 (n,); targets, S, (N,); half-width of the window, S; most pulses a cell.
        noise: of a read: relative, absolute squared, whether there is none; then of a pulse.
        keys: from `keys`.
        turns: from `turns_for`.
        out: pulses, reads, last read and whether the cell was given up, each (N,), and the conductances before pulses
            up, and down, added up, S, float64 (N, 2).
    """
    bring, fingerprint = compile_bring(kernels), kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def verify(cells, order, noise, keys, turns, out):  # noqa: ANN001, ANN202
        _ = fingerprint  # part of the cache key
        listed, targets, window, most = order
        pulses, reads, seen, failed, dose = out
        for number in range(listed.shape[0]):
            cell = listed[number]
            pulses[cell], reads[cell], seen[cell], failed[cell], dose[cell, 0], dose[cell, 1] = bring(
                cells, cell, targets[cell], (window, most), noise, keys, turns
            )

    return verify
