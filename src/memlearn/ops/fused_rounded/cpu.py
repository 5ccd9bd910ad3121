"""Whole batches of SGD with rounded pulse counts on a stack of layers, out of Python.

It replaces the stages of `tile.py`, of the batch counter and of `programming/rounded_counts.py` for ideal wires,
noise-free converters and one tile a layer; the stages stay the reference (tests/kernels/test_fused_rounded.py). Reads,
neurons and losses are those of `fused_sgd`. Random numbers have the same addresses. Sums are taken in another order: a
change within rounding of the next whole number of pulses may fall to the other side.

Speed: the changes of one word line are formed, rounded and written before the next line is looked at, and a line at
rest costs one comparison a sample; no array of the size of the layer is ever filled.

Legend: L layers; S samples of a batch; a layer has R rows (bias included) and C columns of weights on height x width
cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from ..fused_sgd.cpu import REFERENCE_COLUMN, Port, find_errors
from ..guard import Guarded, tagged
from ..pulse_update.cpu import Kernels
from ..random.cpu import subkey, threefry, uniform

u32, f32 = np.uint32, np.float32


class Layer(NamedTuple):
    """Constants of one layer."""

    rows: int
    columns: int
    height: int
    width: int
    mapping: int
    bias: bool
    neuron: int
    window: float
    rate: float
    """Pulses per gradient: learning rate over weight step."""
    stochastic: bool
    noise: tuple[Any, ...]
    """Of a pulse: `Noise.words()`."""
    forward: Port
    backward: Port


class Keys(NamedTuple):
    """Stream keys and first update event of one layer."""

    rounding0: int
    rounding1: int
    cycle0: int
    cycle1: int
    update_event: int


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _gradient(out, registers, wanted, i, columns) -> bool:  # noqa: ANN001
    """Row i of registers^T wanted, (C); False where the line is at rest in every sample, and `out` is not touched."""
    driven = False
    for b in range(registers.shape[0]):
        x, error = registers[b, i], wanted[b]
        if x == 0:
            continue
        if driven:
            for j in range(columns):
                out[j] += x * error[j]
        else:
            for j in range(columns):
                out[j] = x * error[j]
            driven = True
    return driven


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _uniforms(out, first, n, k0, k1) -> None:  # noqa: ANN001
    """Numbers `first` .. first + n - 1 of `random.uniform` into `out`, whose first place is that of an even number."""
    start = first >> 1
    for pair in range(((first + n + 1) >> 1) - start):
        a, b = threefry(u32(start + pair), u32(0), k0, k1)
        out[2 * pair] = uniform(a)
        out[2 * pair + 1] = uniform(b)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _round(pulses, gradient, shift, rate) -> Any:  # noqa: ANN001
    """Signed numbers of pulses (C) of gradients (C); the largest number."""
    most = np.int32(0)
    for j in range(pulses.shape[0]):
        value = gradient[j]
        n = np.int32(min(np.floor(abs(value) * rate + shift[j]), f32(1 << 24)))
        most = max(most, n)
        pulses[j] = n if value > 0 else -n
    return most


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _onto_cells(layer, plan, i, pulses) -> None:  # noqa: ANN001
    """Numbers of pulses (C) of the weights of row i into the plan of its cells."""
    first = i * layer.width
    for j in range(layer.columns):
        if layer.mapping == REFERENCE_COLUMN:
            plan[first + j] = pulses[j]
        else:
            plan[first + 2 * j] = pulses[j]
            plan[first + 2 * j + 1] = -pulses[j]
    if layer.mapping == REFERENCE_COLUMN:
        plan[first + layer.columns] = 0


def compile_rounded(kernels: Kernels) -> Callable[..., tuple[float, int]]:
    """The training kernel of a device law.

    Arguments:
        kernels: the law's pulse kernels, whose counts kernel is compiled in.

    Returns:
        train(inputs, labels, batch, layers, keys, loss, margin, step, cells, scratch, tally) -> (loss sum, correct):
        arguments as of `fused_sgd.compile_sgd`; `scratch` from `scratch_for`; `tally` int64 (L, 3): pulses, cells
        pulsed, and per step the largest number of pulses, added up.
    """
    counts_body, fingerprint = kernels.counts_body, kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, keys, loss, margin, step, cells, scratch, tally):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        conductances, parameters, counters = cells
        signals, plans, work, scales, lines = scratch
        registers, wanted = signals[0], signals[1]
        gradient, shifts, pulses = lines
        total, correct = 0.0, 0
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            here = slice(start, start + samples)
            lost, right = find_errors(
                layers, loss, margin, conductances, inputs[here], labels[here], signals, work, scales
            )
            total, correct = total + lost, correct + right
            for n in range(len(layers)):
                layer, key, most = layers[n], keys[n], 0
                r0, r1 = subkey(u32(key.rounding0), u32(key.rounding1), step + number, u32(0))
                shifts[:] = f32(0.5)
                for i in range(layer.rows):
                    if not _gradient(gradient, registers[n][:samples], wanted[n], i, layer.columns):
                        continue
                    odd = 0
                    if layer.stochastic:
                        odd = i * layer.columns & 1
                        _uniforms(shifts, i * layer.columns, layer.columns, r0, r1)
                    asked = pulses[: layer.columns]
                    largest = _round(asked, gradient, shifts[odd:], f32(layer.rate))
                    if largest == 0:
                        continue
                    most = max(most, largest)
                    _onto_cells(layer, plans[n], i, asked)
                    sent, touched = counts_body(
                        conductances[n],
                        parameters[n],
                        counters[n],
                        plans[n],
                        layer.noise,
                        u32(key.cycle0),
                        u32(key.cycle1),
                        key.update_event + number,
                        i * layer.width,
                        (i + 1) * layer.width,
                    )
                    tally[n, 0] += sent
                    tally[n, 1] += touched
                tally[n, 2] += most
        return total, correct

    return train


def scratch_for(layers: tuple[Layer, ...], batch: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch."""
    widest = max(max(layer.height, layer.width, layer.rows, layer.columns) for layer in layers)

    def each(sizes: list[int]) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros((batch, size), np.float32) for size in sizes)

    rows, columns = [layer.rows for layer in layers], [layer.columns for layer in layers]
    return (
        (each(rows), each(columns), each(columns)),
        tuple(np.zeros(layer.height * layer.width, np.int32) for layer in layers),
        tuple(np.empty((batch, widest), np.float32) for _ in range(3)),
        np.empty(batch, np.float32),
        (np.empty(widest, np.float32), np.empty(widest + 2, np.float32), np.empty(widest, np.int32)),
    )
