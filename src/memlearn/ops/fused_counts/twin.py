"""Whole batches of learning through a float twin, whose changes of level are programmed cell by cell, out of Python.

It replaces the float twin, the way back through it, and the writer that programmes what has changed, with write-verify;
the stages stay the reference (tests/kernels/test_fused_twin.py). Reads are those of `fused_reads`, whose legend holds
here too.

Speed: a line at rest costs one comparison a sample, as its twin does not move; cells are read and pulsed only where a
level has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..fused_reads.cpu import REFERENCE_COLUMN, Layer, find_errors, signals_for, work_for
from ..guard import Guarded, tagged
from ..pulse_update.cpu import Kernels
from ..write_verify.cpu import compile_bring, turns_for
from .cpu import gradient, lines_for

f32 = np.float32


class Twin(NamedTuple):
    """What a layer's twin and its programming do."""

    rate: float
    """Change of the twin over the gradient."""
    step: float
    """Between levels of the weights."""
    held: float
    """A level is kept as long as the twin is not farther from it; negative: the nearest one is taken."""
    residual: bool
    """What rounding leaves over is kept."""
    w_max: float
    middle: float
    """S, of the nominal range."""
    half: float
    """S, half of the nominal range."""
    window: float
    """S, half-width."""


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _learn(twin, change, rate, w_max) -> None:  # noqa: ANN001
    """Move a line of the twin, within its range."""
    for j in range(twin.shape[0]):
        twin[j] = min(max(twin[j] + rate * change[j], -w_max), w_max)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _quantise(out, twin, levels, step, held) -> bool:  # noqa: ANN001
    """The levels of a line's twin; whether any has changed."""
    changed = np.int32(0)
    for j in range(out.shape[0]):
        level = levels[j] if abs(twin[j] - levels[j]) <= held else np.rint(twin[j] / step) * step
        changed |= np.int32(level != levels[j])
        out[j] = level
    return changed != 0


@register_jitable
def _target(update, level):  # noqa: ANN001, ANN202
    """Conductance away from mid-range of a weight; see `arrays.mapping`."""
    return f32(update.half) * min(max(level / f32(update.w_max), f32(-1)), f32(1))


def compile_twin(kernels: Kernels) -> Callable[..., tuple[float, int]]:
    """The training kernel of a device law.

    Arguments:
        kernels: the law's pulse kernels, whose single pulse is compiled in.

    Returns:
        train(inputs, labels, batch, layers, switches, keys, loss, margin, turn, cells, memory, scratch, tally, meter)
        -> (loss sum, correct): arguments as of `fused_sgd.compile_sgd`, the layers with `Twin`; `keys` a tuple of
        `write_verify.keys`; `turn` event numbers of one write, most pulses of a cell; `memory` tuples of twins and
        levels, float32 (R, C), and of the flat weights that errors go back through; `scratch` from `twin_scratch_for`;
        `tally` int64 (L, 11): pulses, cells pulsed, cells written, cells given up, single reads; then pulses and reads
        one after another where a row, and where the whole array, is served at a time; then the conductances before
        pulses up, and down, added up, fS; `meter` of `fused_reads.find_errors`, whose sums of word lines are kept.
    """
    bring, fingerprint = compile_bring(kernels), kernels.fingerprint

    @register_jitable
    @tagged(fingerprint)
    def program_cell(layer, cells, cell, away, keys, most, turns, tally, longest):  # noqa: ANN001, ANN202, PLR0913
        """Bring a cell to mid-range + `away`; add up what it took."""
        target, order = f32(layer.update.middle) + away, (f32(layer.update.window), most)
        noise = (f32(0), f32(0), True, layer.noise)
        sent, looks, _, failed, rise, fall = bring(cells, cell, target, order, noise, keys, turns)
        tally[0] += sent
        tally[1] += sent > 0
        tally[2] += 1
        tally[3] += failed
        tally[4] += looks
        tally[9] += np.int64(np.rint(rise * 1e15))
        tally[10] += np.int64(np.rint(fall * 1e15))
        longest[0], longest[1] = max(longest[0], sent), max(longest[1], looks)

    @register_jitable
    @tagged(fingerprint)
    def program_line(layer, cells, i, old, new, keys, most, turns, tally, longest):  # noqa: ANN001, ANN202, PLR0913
        """Bring the cells of a line to new levels where their targets differ from those of the old ones."""
        update, first, pair = layer.update, i * layer.width, layer.mapping != REFERENCE_COLUMN
        longest[:2] = 0
        for j in range(layer.columns):
            if new[j] == old[j]:
                continue
            away, before, middle = _target(update, new[j]), _target(update, old[j]), f32(update.middle)
            cell = first + 2 * j if pair else first + j
            if middle + away != middle + before:
                program_cell(layer, cells, cell, away, keys, most, turns, tally, longest)
            if pair and middle - away != middle - before:
                program_cell(layer, cells, cell + 1, -away, keys, most, turns, tally, longest)
        tally[5] += longest[0]
        tally[6] += longest[1]
        longest[2], longest[3] = max(longest[2], longest[0]), max(longest[3], longest[1])

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, switches, keys, loss, margin, turn, cells, memory, scratch, tally, meter):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        conductances, parameters, counters = cells
        twins, levels, backs = memory
        events, most = turn
        signals, work, lines, new, turns, longest = scratch
        total, correct = 0.0, 0
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            here, weights = slice(start, start + samples), (conductances, backs)
            lost, right = find_errors(
                layers, switches, loss, margin, number, weights, (inputs[here], labels[here]), signals, work, meter
            )
            total, correct = total + lost, correct + right
            for n in range(len(layers)):
                layer, update, registers, wanted = layers[n], layers[n].update, signals[0][n], signals[1][n]
                r0, r1, c0, c1, event = keys[n]
                key, own = (r0, r1, c0, c1, event + number * events), (conductances[n], parameters[n], counters[n])
                turns[1][0], longest[:] = 0, 0
                change, after = lines[2][: layer.columns], new[: layer.columns]
                for i in range(layer.rows):
                    twin, level = twins[n][i], levels[n][i]
                    if gradient(change, registers[:samples], wanted, i, lines[0], lines[1]):
                        _learn(twin, change, f32(update.rate), f32(update.w_max))
                        if _quantise(after, twin, level, f32(update.step), f32(update.held)):
                            program_line(layer, own, i, level, after, key, most, turns, tally[n], longest)
                            level[:] = after
                            if meter[1][n].shape[0] > 0:
                                meter[1][n][i] = own[0][i * layer.width : (i + 1) * layer.width].sum()
                    if not update.residual:
                        twin[:] = level
                tally[n, 7] += longest[2]
                tally[n, 8] += longest[3]
        return total, correct

    return train


def twin_scratch_for(layers: tuple[Layer, ...], batch: int, most: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch, and at most that many pulses a cell."""
    return (
        signals_for(layers, batch),
        work_for(layers, batch),
        lines_for(layers, batch),
        np.empty(max(layer.columns for layer in layers), np.float32),
        turns_for(most),
        np.zeros(4, np.int64),
    )
