"""Compiled pulse kernels, one pair per device law, from the law's own `step`.

Cost: counts visit every cell of the plan (one cheap test for zero) and pay per pulse; trains pay per coincidence, plus
one visit per line and slot. Noise is drawn for a whole run of firing columns at once, which fills the vector units. The
numbers drawn do not depend on how rows are split among threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..guard import Guarded, tagged
from ..random.cpu import normal, radius, subkey, threefry, turn, uniform
from . import reference
from .reference import DRAWS, Noise, Step, Tally

u32 = np.uint32
stamp: Any = register_jitable(reference.stamp)
_ONE, _NONE = np.float32(1), np.float32(0)
# Coincidences gathered before their noise is drawn in one go.
_BUFFER = 2048
# Below this many cells per thread, starting a thread costs more than it saves.
_GRAIN = 1 << 16


@register_jitable
def _normals(out, cells, n, k0, k1, slot):  # noqa: ANN001, ANN202
    """The standard normal numbers of the cells listed: a plain loop, which fills the vector units."""
    block, second = u32(slot >> 1), np.float32(slot & 1)
    first = _ONE - second
    for k in range(n):
        a, b = threefry(u32(cells[k]), block, k0, k1)
        cosine, sine = turn(b)
        out[k] = radius(a) * (first * cosine + second * sine)


@register_jitable
def _uniform(cell, k0, k1, ordinal):  # noqa: ANN001, ANN202
    """The number that a law which is random in itself gets for one pulse."""
    a, b = threefry(cell, u32(DRAWS) | u32(ordinal >> 1), k0, k1)
    return uniform(b) if ordinal & 1 else uniform(a)


class Kernels(NamedTuple):
    """A law's step and its two kernels; arguments as in `reference.py`, without `step`, with a number of threads."""

    step: Step
    drawn: bool
    """The law's step takes a random number of its own."""
    counts: Callable[..., Tally]
    trains: Callable[..., Tally]
    counts_body: Callable[..., Any]
    trains_body: Callable[..., Any]
    """The two kernels as functions that other kernels compile in; see ops/fused_sgd and ops/fused_sign."""
    fingerprint: str
    """Digest of the law's code, which every kernel that compiles it in must mention."""


def compile_step(step: Step, *, drawn: bool = False, table: bool = False, uneven: bool = False) -> Kernels:
    """The kernels of a law.

    Arguments:
        step: a module-level function `step(g, p, up)` in arithmetic that NumPy and Numba share.
        drawn: the function takes one more argument, a new uniform number u for every pulse.
        table: the function takes `Noise.table` after `up`: step(g, p, up, table) or step(g, p, up, table, u).
        uneven: down pulses have a noise of their own, `Noise.down`.
    """
    step = register_jitable(step)
    # Numba keys its disk cache on this file; the code of the law and of the random numbers must be part of the key too,
    # or after an edit there the old kernel would run on.
    parts = repr([drawn, table, uneven, *(_code(part) for part in (step, normal, subkey))])
    fingerprint = hashlib.blake2b(parts.encode(), digest_size=8).hexdigest()

    # A law that draws nothing must not pay for a draw, nor one without a table for a table: a body for each kind.
    if drawn and table:

        @register_jitable
        @tagged(fingerprint)
        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up, noise[3], _uniform(cell, k0, k1, ordinal))
    elif drawn:

        @register_jitable
        @tagged(fingerprint)
        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up, _uniform(cell, k0, k1, ordinal))
    elif table:

        @register_jitable
        @tagged(fingerprint)
        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up, noise[3])
    else:

        @register_jitable
        @tagged(fingerprint)
        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up)

    if uneven:

        @register_jitable
        @tagged(fingerprint)
        def terms(noise: Any, up: bool) -> Any:
            return (noise[0], noise[1], noise[2]) if up else (noise[4], noise[5], noise[6])
    else:

        @register_jitable
        @tagged(fingerprint)
        def terms(noise: Any, up: bool) -> Any:
            return noise[0], noise[1], noise[2]

    @register_jitable
    @tagged(fingerprint)
    def loud(noise: Any) -> bool:
        a, b = terms(noise, True), terms(noise, False)
        return a[0] != 0 or a[1] != 0 or a[2] != 0 or b[0] != 0 or b[1] != 0 or b[2] != 0

    @register_jitable
    @tagged(fingerprint)
    def pulse(g: Any, p: Any, up: bool, size: Any, z: Any, noise: Any) -> Any:
        relative, absolute, slope = terms(noise, up)
        size = size * (_ONE + relative * z)
        if absolute != 0 or slope != 0:
            size = size + (absolute + slope * (g - p[0])) * z
        moved = g + size if up else g - size
        return min(max(moved, p[0]), p[1])

    @register_jitable
    @tagged(fingerprint)
    def counts_body(g, parameters, counters, plan, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        k0, k1 = subkey(k0, k1, event, u32(0))
        pulses, cells, mark, counting = 0, 0, np.int32(stamp(event)), counters.shape[0] > 0
        noisy = loud(noise)
        for cell in range(first, last):
            n = plan[cell]
            if n == 0:
                continue
            up, n, x = n > 0, abs(n), g[cell]
            for ordinal in range(n):
                size = mean(x, parameters[cell], up, noise, u32(cell), k0, k1, ordinal)
                z = normal(k0, k1, u32(cell), u32(ordinal)) if noisy else _NONE
                x = pulse(x, parameters[cell], up, size, z, noise)
            g[cell] = x
            pulses += n
            cells += 1
            if counting:
                counters[cell, 0] += n
                counters[cell, 1] = mark
        return pulses, cells

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def counts(g, parameters, counters, plan, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        return counts_body(g, parameters, counters, plan, noise, k0, k1, event, first, last)

    @register_jitable
    @tagged(fingerprint)
    def trains_body(g, parameters, counters, shape, rows, columns, only_up, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        tile_columns, height, width = shape[1], shape[2], shape[3]
        pulses, cells, mark, counting = 0, 0, np.int32(stamp(event)), counters.shape[0] > 0
        noisy = loud(noise)
        line, row_line = np.empty(columns.shape[1], np.int64), np.empty(last - first, np.int64)
        firing, signs = np.empty(columns.shape[1], np.int64), np.empty(columns.shape[1], np.int64)
        room = max(_BUFFER, columns.shape[1])
        hit, rise, normals = np.empty(room, np.int64), np.empty(room, np.bool_), np.empty(room, np.float32)
        for sample in range(rows.shape[0]):
            s0, s1 = subkey(k0, k1, event, u32(sample))
            lines, union = 0, np.int64(0)
            for j in range(columns.shape[1]):
                if columns[sample, j] & 0x7FFFFFFF:
                    line[lines] = j
                    lines += 1
                    union |= columns[sample, j]
            row_lines, row_union = 0, np.int64(0)
            for i in range(first, last):
                if rows[sample, i] & 0x7FFFFFFF:
                    row_line[row_lines] = i
                    row_lines += 1
                    row_union |= rows[sample, i]
            for slot in range(31):
                if not (union & row_union) >> slot & 1:
                    continue
                # The columns that fire in this slot, as cell offsets, tile column after tile column.
                found = 0
                for n in range(lines):
                    bits = columns[sample, line[n]]
                    if bits >> slot & 1:
                        firing[found] = line[n] // width * height * width + line[n] % width
                        signs[found] = bits >> 31 & 1
                        found += 1
                if found == 0:
                    continue
                m = 0
                while m < row_lines:
                    # The cells of as many firing rows as the buffer holds; no cell comes twice in a slot.
                    listed = 0
                    while m < row_lines and listed + found <= hit.shape[0]:
                        i, bits = row_line[m], rows[sample, row_line[m]]
                        m += 1
                        if not bits >> slot & 1:
                            continue
                        sign = bits >> 31 & 1
                        base = (i // height) * tile_columns * height * width + (i % height) * width
                        for n in range(found):
                            hit[listed] = base + firing[n]
                            rise[listed] = signs[n] == sign
                            listed += not only_up or rise[listed]
                    if noisy:
                        _normals(normals, hit, listed, s0, s1, slot)
                    for k in range(listed):
                        cell = hit[k]
                        x, p = g[cell], parameters[cell]
                        size = mean(x, p, rise[k], noise, u32(cell), s0, s1, slot)
                        g[cell] = pulse(x, p, rise[k], size, normals[k] if noisy else _NONE, noise)
                        if counting:
                            counters[cell, 0] += 1
                            if counters[cell, 1] != mark:
                                counters[cell, 1] = mark
                                cells += 1
                    pulses += listed
        return pulses, cells

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def trains(g, parameters, counters, shape, rows, columns, only_up, noise, k0, k1, event, first, last):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        return trains_body(g, parameters, counters, shape, rows, columns, only_up, noise, k0, k1, event, first, last)

    def run_counts(g, parameters, counters, plan, noise, key, event, threads=1):  # noqa: ANN001, ANN202
        words = Noise(*noise).words(g.dtype)

        def part(first: int, last: int) -> tuple[int, int]:
            return counts(g, parameters, counters, plan, words, u32(key[0]), u32(key[1]), event, first, last)

        return _split(part, len(g), threads if len(g) >= 2 * _GRAIN else 1)

    def run_trains(g, parameters, counters, shape, rows, columns, only_up, noise, key, event, threads=1):  # noqa: ANN001, ANN202, PLR0913
        words = Noise(*noise).words(g.dtype)

        def part(first: int, last: int) -> tuple[int, int]:
            return trains(
                g,
                parameters,
                counters,
                shape,
                rows,
                columns,
                only_up,
                words,
                u32(key[0]),
                u32(key[1]),
                event,
                first,
                last,
            )

        return _split(part, rows.shape[1], threads if len(g) >= 2 * _GRAIN else 1)

    return Kernels(step, drawn, run_counts, run_trains, counts_body, trains_body, fingerprint)


def _code(function: Any) -> tuple[Any, ...]:
    """All that a function computes with: its code, and the constants and functions of its module that it names."""
    code, module = function.__code__, function.__globals__
    named = {name: module[name] for name in code.co_names if name in module}
    helpers = [_code(value) for value in named.values() if hasattr(value, "__code__")]
    constants = [(name, value) for name, value in named.items() if isinstance(value, bool | int | float | np.generic)]
    return code.co_code, code.co_consts, code.co_names, helpers, constants


def _split(part: Callable[[int, int], tuple[int, int]], size: int, threads: int) -> Tally:
    """Run a kernel on `threads` equal ranges of 0..size at once and add up what they did."""
    if threads <= 1:
        return Tally(*part(0, size))
    edges = [size * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        tallies = list(pool.map(part, edges[:-1], edges[1:]))
    return Tally(sum(t[0] for t in tallies), sum(t[1] for t in tallies))
