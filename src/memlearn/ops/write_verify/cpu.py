"""Read, compare, pulse, cell after cell, with the law's own kernel and the addresses of the stages.

Cost: per pulse one read and one pulse of one cell, each with the folding of its event's key; cells that are not listed
cost nothing, which is what a sparse update needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ...core.random import Stream
from ..guard import Guarded, tagged
from ..pulse_update.cpu import Kernels
from ..random.cpu import radius, subkey, threefry, turn

u32 = np.uint32


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _read(g, cell, k0, k1, relative, square):  # noqa: ANN001, ANN202
    """One noisy read, with the number that a read of the whole array would give this cell."""
    a, b = threefry(u32(cell >> 1), u32(0), k0, k1)
    cosine, sine = turn(b)
    scaled = relative * g
    return g + np.sqrt(scaled * scaled + square) * (radius(a) * (sine if cell & 1 else cosine))


def keys(stream: Stream, event: int) -> tuple[Any, ...]:
    """What the kernel needs to find the random numbers of a write: of the reads, of the pulses, and the first event."""
    read, cycle = stream.child("verify").child("read"), stream.child("cycle")
    return u32(read.low), u32(read.high), u32(cycle.low), u32(cycle.high), event


def compile_verify(kernels: Kernels) -> Callable[..., None]:
    """The kernel of a law: `verify(cells, order, noise, keys, out)`.

    Arguments of the kernel:
        cells: flat conductances (N,), parameters (N, K) and counters (N, 2), changed in place.
        order: cells listed, int64 (n,); targets, S, (N,); half-width of the window, S; most pulses a cell.
        noise: of a read: relative, absolute squared, whether there is none; then of a pulse.
        keys: from `keys`.
        out: pulses, reads, last read and whether the cell was given up, each (N,).
    """
    counts_body, fingerprint = kernels.counts_body, kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def verify(cells, order, noise, keys, out):  # noqa: ANN001, ANN202
        _ = fingerprint  # part of the cache key
        g, parameters, counters = cells
        listed, targets, window, most = order
        relative, square, silent, step = noise
        r0, r1, c0, c1, event = keys
        pulses, reads, seen, failed = out
        plan = np.zeros(g.shape[0], np.int32)
        for number in range(listed.shape[0]):
            cell = listed[number]
            for turn_number in range(most + 1):
                value = g[cell]
                if not silent:
                    k0, k1 = subkey(r0, r1, event + turn_number, u32(0))
                    value = _read(value, cell, k0, k1, relative, square)
                seen[cell] = value
                reads[cell] += 1
                away = targets[cell] - value
                if not abs(away) > window:
                    break
                if turn_number == most:
                    failed[cell] = True
                    break
                plan[cell] = 1 if away > 0 else -1
                counts_body(g, parameters, counters, plan, step, c0, c1, event + turn_number, cell, cell + 1)
                pulses[cell] += 1
            plan[cell] = 0

    return verify
