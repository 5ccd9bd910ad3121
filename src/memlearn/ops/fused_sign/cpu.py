"""Whole batches of sign backpropagation on a stack of layers, out of Python.

It replaces the stages of `tile.py` for ideal wires, noise-free comparators and one tile a layer; the stages stay the
reference (tests/kernels/test_fused_sign.py). Random numbers have the same addresses. Sums are taken in another order:
a weighted sum within rounding of a comparator's threshold may fall to the other side.

Legend: L layers; S samples of a batch; a layer has R rows (bias included) and C columns of weights on height x width
cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from ..fused_sgd.cpu import (
    REFERENCE_COLUMN,
    column_signal,
    onto_bit_lines,
    read_columns,
    read_rows,
    row_signal,
)
from ..guard import Guarded, tagged
from ..pulse_update.cpu import Kernels
from ..random.cpu import fill_uniform

u32, f32 = np.uint32, np.float32


class Layer(NamedTuple):
    """Constants of one layer."""

    rows: int
    columns: int
    height: int
    width: int
    mapping: int
    bias: bool
    gain: float
    """Weighted sum per siemens of signal under the full read voltage."""
    threshold: float
    """Value above which a word line is driven; negative: drawn anew for each value."""
    window: float
    """Of the neurons behind the layer."""
    dead_zone: float
    """Of the comparators that read the layer transposed."""
    noise: tuple[Any, ...]
    """Of a pulse: `Noise.words()`."""
    fires: float
    """Counts that fire a pulse."""
    largest: float
    """End of a persistent counter; negative: counters are cleared after every batch."""


class Keys(NamedTuple):
    """Stream keys and first events of one layer."""

    bits0: int
    bits1: int
    cycle0: int
    cycle1: int
    forward_event: int
    update_event: int


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _binarise(registers, values, samples, layer, key, number, lot):  # noqa: ANN001, ANN202
    """Values (S, features) to bits (S, R) in the registers, the bias line last."""
    if layer.threshold < 0:
        fill_uniform(lot[: samples * layer.rows], u32(key.bits0), u32(key.bits1), key.forward_event + number)
    features = layer.rows - layer.bias
    for b in range(samples):
        for i in range(features):
            level = f32(layer.threshold) if layer.threshold >= 0 else lot[b * layer.rows + i]
            registers[b, i] = f32(1) if values[b, i] > level else f32(0)
        if layer.bias:
            registers[b, features] = f32(1)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _weighted_sums(layer, registers, sums, current, g, samples):  # noqa: ANN001, ANN202
    """Weighted sums (S, C) of bits (S, R)."""
    read_rows(current, registers, g, samples, layer.rows, layer.width)
    for b in range(samples):
        for j in range(layer.columns):
            sums[b, j] = column_signal(layer, current, b, j) * f32(layer.gain)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _errors_of_inputs(layer, wanted, out, gate, voltage, current, g, samples):  # noqa: ANN001, ANN202
    """Ternary errors of the neurons before a layer, through the transposed array, its comparators and their gates."""
    onto_bit_lines(layer, voltage, wanted, samples)
    read_columns(current, voltage, g, samples, layer.height, layer.width)
    for b in range(samples):
        for i in range(layer.rows - layer.bias):
            error = row_signal(layer, current, b, i) * f32(layer.gain)
            sign = f32(1) if error > 0 else f32(-1)
            out[b, i] = sign * gate[b, i] if abs(error) > layer.dead_zone else f32(0)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _add(out, row):  # noqa: ANN001, ANN202
    for j in range(out.shape[0]):
        out[j] += row[j]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _count(layer, memory, registers, wanted, plan, samples):  # noqa: ANN001, ANN202
    """Add the batch to the counters (R, C), fire where they are full, and plan one pulse a cell there.

    Returns:
        1 where anything fires, else 0.
    """
    any_fires, reference = 0, layer.mapping == REFERENCE_COLUMN
    for i in range(layer.rows):
        counters = memory[i]
        for b in range(samples):
            if registers[b, i] != 0:
                _add(counters, wanted[b, : layer.columns])
        base = i * layer.width
        for j in range(layer.columns):
            c = counters[j]
            if layer.largest >= 0:
                c = min(max(c, -f32(layer.largest)), f32(layer.largest))
            pulse = 0
            if abs(c) >= layer.fires:
                pulse = 1 if c > 0 else -1
                any_fires = 1
            counters[j] = c - f32(layer.fires) * f32(pulse) if layer.largest >= 0 else f32(0)
            if reference:
                plan[base + j] = pulse
            else:
                plan[base + 2 * j] = pulse
                plan[base + 2 * j + 1] = -pulse
    return any_fires


def compile_sign(kernels: Kernels) -> Callable[..., tuple[float, int]]:
    """The training kernel of a device law.

    Arguments:
        kernels: the law's pulse kernels, whose count kernel is compiled in.

    Returns:
        train(inputs, labels, batch, layers, keys, margin, cells, memory, scratch, tally) -> (loss sum, correct):
        inputs (N, features) float32 and labels (N,) in their order, `batch` at a time; `layers` and `keys` a tuple of
        `Layer` and `Keys`; `cells` tuples of flat conductances, parameters and counters of pulses; `memory` a tuple of
        float32 (R, C) counters; `scratch` from `scratch_for`; `tally` int64 (L, 3): pulses, cells pulsed, slots.
    """
    counts_body, fingerprint = kernels.counts_body, kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, keys, margin, cells, memory, scratch, tally):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        conductances, parameters, counters = cells
        registers, wanted, gates, plans, work, lot = scratch
        voltage, current, sums = work
        depth, total, correct = len(layers), 0.0, 0
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            _binarise(registers[0], inputs[start : start + samples], samples, layers[0], keys[0], number, lot)
            for n in range(depth):
                layer = layers[n]
                _weighted_sums(layer, registers[n], sums, current, conductances[n], samples)
                if n + 1 < depth:
                    for b in range(samples):
                        for j in range(layer.columns):
                            registers[n + 1][b, j] = f32(1) if sums[b, j] > 0 else f32(0)
                            gates[n][b, j] = f32(1) if abs(sums[b, j]) < layer.window else f32(0)
                        if layers[n + 1].bias:
                            registers[n + 1][b, layer.columns] = f32(1)
            for b in range(samples):
                best = 0
                for k in range(layers[depth - 1].columns):
                    if sums[b, k] > sums[b, best]:
                        best = k
                    sign = f32(1) if k == labels[start + b] else f32(-1)
                    short = f32(margin) - sign * sums[b, k]
                    total += max(np.float64(short), 0.0)
                    wanted[depth - 1][b, k] = sign if short > 0 else f32(0)
                correct += best == labels[start + b]
            for n in range(depth - 1, 0, -1):
                _errors_of_inputs(
                    layers[n], wanted[n], wanted[n - 1], gates[n - 1], voltage, current, conductances[n], samples
                )
            for n in range(depth):
                layer, key = layers[n], keys[n]
                tally[n, 2] += _count(layer, memory[n], registers[n], wanted[n], plans[n], samples)
                pulses, touched = counts_body(
                    conductances[n], parameters[n], counters[n], plans[n], layer.noise, u32(key.cycle0),
                    u32(key.cycle1), key.update_event + number, 0, layer.height * layer.width,
                )  # fmt: skip
                tally[n, 0] += pulses
                tally[n, 1] += touched
        return total, correct

    return train


def scratch_for(layers: tuple[Layer, ...], batch: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch; plans of reference cells stay zero."""
    widest = max(max(layer.height, layer.width, layer.rows, layer.columns) for layer in layers)

    def each(lines: Callable[[Layer], int]) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros((batch, lines(layer)), np.float32) for layer in layers)

    return (
        each(lambda n: n.rows),
        each(lambda n: n.columns),
        each(lambda n: n.columns),
        tuple(np.zeros(layer.height * layer.width, np.int32) for layer in layers),
        tuple(np.empty((batch, widest), np.float32) for _ in range(3)),
        np.empty(batch * layers[0].rows, np.float32),
    )
