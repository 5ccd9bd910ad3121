"""Whole batches of in-situ SGD on a stack of layers in one call: forward read, transposed read and trains.

It replaces the stages of `tile.py` for ideal wires, noise-free converters and one tile a layer; the stages stay the
reference (tests/kernels/test_fused_sgd.py). Random numbers have the same addresses, so that both draw the same trains
and the same step noise; sums are taken in another order, so that results agree to rounding, not to the bit.

Speed: the arrays stay in the cache and are visited row by row. A word line at rest costs one comparison: images are
mostly background. Four lines are added at once, so that each accumulator is loaded and stored once for four products.

Legend: L layers; S samples of a batch; a layer has R rows (bias included), C columns of weights, height x width cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..guard import Guarded, tagged
from ..pulse_trains.cpu import encode, fire, peak
from ..pulse_update.cpu import Kernels
from ..random.cpu import subkey

u32, f32 = np.uint32, np.float32
REFERENCE_COLUMN, DIFFERENTIAL_PAIR = 0, 1
NO_NEURON, RELU, SIGMOID, TANH, BINARY_STEP = 0, 1, 2, 3, 4
CROSS_ENTROPY, TERNARY_MARGIN, SIGMOID_CROSS_ENTROPY, SQUARED_ERROR = 0, 1, 2, 3
# Word lines per block: a block of cells (some 128 KiB) stays in the cache while every sample of the batch visits it.
_BLOCK = 128


class Port(NamedTuple):
    """Converters of one direction; `levels` 0 is a continuous converter."""

    drive_levels: float
    drive_range: float
    scaled: bool
    sense_levels: float
    sense_range: float
    gain: float
    """Value per siemens of signal under the full read voltage."""


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
    max_slots: int
    managed: bool
    noise: tuple[Any, ...]
    """Of a pulse: `Noise.words()`."""
    forward: Port
    backward: Port


class Keys(NamedTuple):
    """Stream keys and first events of one layer."""

    row0: int
    row1: int
    column0: int
    column1: int
    cycle0: int
    cycle1: int
    update_event: int


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _drive(out, values, samples, lines, scales, port):  # noqa: ANN001, ANN202
    """Register values to line voltages in units of the read voltage; `scales` takes each sample's divisor."""
    for b in range(samples):
        scale = f32(1)
        if port.scaled:
            scale = f32(peak(values[b, :lines]))
            if scale == 0:
                scale = f32(1)
        scales[b] = scale
        full, levels = f32(port.drive_range), f32(port.drive_levels)
        for i in range(lines):
            x = values[b, i]
            if x == 0:
                out[b, i] = f32(0)
                continue
            x = min(max(x / scale / full, f32(-1)), f32(1))
            out[b, i] = f32(np.rint(x * levels)) / levels if levels > 0 else x


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _add_four(out, g0, g1, g2, g3, v0, v1, v2, v3):  # noqa: ANN001, ANN202, PLR0913
    """out += v0 g0 + v1 g1 + v2 g2 + v3 g3; a function of its own, on slices, or the loop is not vectorised."""
    for j in range(out.shape[0]):
        out[j] += (v0 * g0[j] + v1 * g1[j]) + (v2 * g2[j] + v3 * g3[j])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def read_rows(current, voltage, g, samples, height, width) -> None:  # noqa: ANN001
    """current[b, :] = sum over word lines of voltage[b, i] g[i, :], four driven lines at a time."""
    active = np.empty(_BLOCK, np.int64)
    current[:samples, :width] = 0
    for start in range(0, height, _BLOCK):
        for b in range(samples):
            n = 0
            for i in range(start, min(start + _BLOCK, height)):
                if voltage[b, i] != 0:
                    active[n] = i
                    n += 1
            out, k = current[b, :width], 0
            while k + 4 <= n:
                i0, i1, i2, i3 = active[k], active[k + 1], active[k + 2], active[k + 3]
                _add_four(
                    out,
                    g[i0 * width : (i0 + 1) * width],
                    g[i1 * width : (i1 + 1) * width],
                    g[i2 * width : (i2 + 1) * width],
                    g[i3 * width : (i3 + 1) * width],
                    voltage[b, i0],
                    voltage[b, i1],
                    voltage[b, i2],
                    voltage[b, i3],
                )
                k += 4
            while k < n:
                i0 = active[k]
                v0, row = voltage[b, i0], g[i0 * width : (i0 + 1) * width]
                for j in range(width):
                    out[j] += v0 * row[j]
                k += 1


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _product(a, b):  # noqa: ANN001, ANN202
    """Scalar product of two slices."""
    total = f32(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@numba.njit(cache=True, error_model="numpy", nogil=True)
def read_columns(current, voltage, g, samples, height, width) -> None:  # noqa: ANN001
    """current[b, i] = sum over bit lines of voltage[b, j] g[i, j]: a cell row is loaded once for the batch."""
    for i in range(height):
        row = g[i * width : (i + 1) * width]
        for b in range(samples):
            current[b, i] = _product(voltage[b, :width], row)


@register_jitable
def column_signal(layer, current, b, j):  # noqa: ANN001, ANN201
    """The analogue difference that column j senses in a forward read; see `arrays.mapping`."""
    if layer.mapping == REFERENCE_COLUMN:
        return current[b, j] - current[b, layer.columns]
    return current[b, 2 * j] - current[b, 2 * j + 1]


@register_jitable
def row_signal(layer, current, b, i):  # noqa: ANN001, ANN201
    """The analogue difference that row i senses in a transposed read."""
    if layer.mapping == REFERENCE_COLUMN:
        return current[b, i] - current[b, layer.rows]
    return current[b, i]


@register_jitable
def onto_bit_lines(layer, voltage, values, samples):  # noqa: ANN001, ANN201
    """What the bit lines of a transposed read carry, from values (S, C)."""
    for b in range(samples):
        for j in range(layer.columns):
            if layer.mapping == REFERENCE_COLUMN:
                voltage[b, j] = values[b, j]
            else:
                voltage[b, 2 * j] = values[b, j]
                voltage[b, 2 * j + 1] = -values[b, j]
        if layer.mapping == REFERENCE_COLUMN:
            voltage[b, layer.columns] = f32(0)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _sense(signal, scale, port):  # noqa: ANN001, ANN202
    """A signal in siemens (current over read voltage) to the value of a weighted sum."""
    value = min(max(signal * f32(port.gain / port.sense_range), f32(-1)), f32(1))
    levels = f32(port.sense_levels)
    if levels > 0:
        value = f32(np.rint(value * levels)) / levels
    return value * f32(port.sense_range) * (scale * f32(port.drive_range))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def encode_registers(layer, registers, samples) -> None:  # noqa: ANN001
    """Clip what the word lines' registers hold where their converters have a fixed range; the bias line carries 1."""
    if layer.bias:
        registers[:samples, layer.rows - 1] = 1
    if layer.forward.scaled:
        return
    full = f32(layer.forward.drive_range)
    for b in range(samples):
        for i in range(layer.rows):
            registers[b, i] = min(max(registers[b, i], -full), full)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def forward(layer, values, out, voltage, current, scales, g, samples) -> None:  # noqa: ANN001
    """Weighted sums (S, C) of register values (S, R)."""
    _drive(voltage, values, samples, layer.rows, scales, layer.forward)
    read_rows(current, voltage, g, samples, layer.rows, layer.width)
    for b in range(samples):
        for j in range(layer.columns):
            out[b, j] = _sense(column_signal(layer, current, b, j), scales[b], layer.forward)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def backward(layer, errors, out, voltage, current, scales, g, samples) -> None:  # noqa: ANN001
    """Errors of inputs (S, R) from errors of outputs (S, C), through the transposed array; `out` is also scratch."""
    _drive(out, errors, samples, layer.columns, scales, layer.backward)
    onto_bit_lines(layer, voltage, out, samples)
    read_columns(current, voltage, g, samples, layer.height, layer.width)
    for b in range(samples):
        for i in range(layer.rows):
            out[b, i] = _sense(row_signal(layer, current, b, i), scales[b], layer.backward)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def fire_neurons(layer, sums, outputs, derivatives, samples) -> None:  # noqa: ANN001
    """Outputs into the next layer's registers, and what the error will be multiplied by."""
    for b in range(samples):
        for j in range(layer.columns):
            a = sums[b, j]
            if layer.neuron == RELU:
                h, d = max(a, f32(0)), f32(1) if a > 0 else f32(0)
            elif layer.neuron == SIGMOID:
                h = f32(1) / (f32(1) + f32(math.exp(-a)))
                d = h * (f32(1) - h)
            elif layer.neuron == TANH:
                h = f32(math.tanh(a))
                d = f32(1) - h * h
            else:
                h, d = f32(1) if a > 0 else f32(0), f32(1) if abs(a) < layer.window else f32(0)
            outputs[b, j], derivatives[b, j] = h, d


@numba.njit(cache=True, error_model="numpy", nogil=True)
def output_error(loss, margin, outputs, labels, wanted, samples, classes) -> tuple[float, int]:  # noqa: ANN001
    """Loss summed over samples, right answers, and minus its derivative (of the mean) into `wanted`."""
    total, correct = 0.0, 0
    for b in range(samples):
        best = 0
        for k in range(1, classes):
            if outputs[b, k] > outputs[b, best]:
                best = k
        correct += best == labels[b]
        if loss == CROSS_ENTROPY:
            norm = f32(0)
            for k in range(classes):
                wanted[b, k] = f32(math.exp(outputs[b, k] - outputs[b, best]))
                norm += wanted[b, k]
            total += math.log(norm) - np.float64(outputs[b, labels[b]] - outputs[b, best])
            for k in range(classes):
                target = f32(1) if k == labels[b] else f32(0)
                wanted[b, k] = (target - wanted[b, k] / norm) / f32(samples)
        elif loss == SIGMOID_CROSS_ENTROPY:
            for k in range(classes):
                a, target = outputs[b, k], f32(1) if k == labels[b] else f32(0)
                total += max(a, f32(0)) - a * target + math.log1p(math.exp(-abs(a)))
                wanted[b, k] = (target - f32(1) / (f32(1) + f32(math.exp(-a)))) / f32(samples)
        elif loss == SQUARED_ERROR:
            for k in range(classes):
                target, h = f32(1) if k == labels[b] else f32(0), f32(1) / (f32(1) + f32(math.exp(-outputs[b, k])))
                total += np.float64((target - h) * (target - h))
                wanted[b, k] = f32(2) * (target - h) / f32(samples) * (h * (f32(1) - h))
        else:
            for k in range(classes):
                sign = f32(1) if k == labels[b] else f32(-1)
                short = f32(margin) - sign * outputs[b, k]
                total += max(np.float64(short), 0.0)
                wanted[b, k] = sign / f32(samples) if short > 0 else f32(0)
    return total, correct


@numba.njit(cache=True, error_model="numpy", nogil=True)
def find_errors(layers, loss, margin, conductances, inputs, labels, signals, work, scales) -> tuple[float, int]:  # noqa: ANN001, PLR0913
    """Read a batch forward and its error back: fills what the lines of every layer carry, registers and `wanted`.

    Returns:
        Loss summed over samples, right answers.
    """
    registers, wanted, derivatives = signals
    voltage, current, sums = work
    depth, samples = len(layers), inputs.shape[0]
    registers[0][:samples, : layers[0].rows - layers[0].bias] = inputs
    for n in range(depth):
        layer = layers[n]
        encode_registers(layer, registers[n], samples)
        forward(layer, registers[n], sums, voltage, current, scales, conductances[n], samples)
        if n + 1 < depth:
            fire_neurons(layer, sums, registers[n + 1], derivatives[n], samples)
    classes = layers[depth - 1].columns
    outcome = output_error(loss, margin, sums, labels, wanted[depth - 1], samples, classes)
    for n in range(depth - 1, 0, -1):
        backward(layers[n], wanted[n], sums, voltage, current, scales, conductances[n], samples)
        for b in range(samples):
            for j in range(layers[n - 1].columns):
                wanted[n - 1][b, j] = sums[b, j] * derivatives[n - 1][b, j]
    return outcome


@numba.njit(cache=True, error_model="numpy", nogil=True)
def fire_trains(layer, key, registers, wanted, row_trains, column_trains, samples, step) -> int:  # noqa: ANN001
    """Trains on the physical lines, as `StochasticTrains` and the mapping make them; the longest, in slots."""
    longest = 0
    logical = np.empty(layer.columns, np.int64)
    for b in range(samples):
        rows, columns = registers[b, : layer.rows], wanted[b, : layer.columns]
        slots, row_gain, column_gain = encode(peak(rows), peak(columns), layer.rate, layer.max_slots, layer.managed)
        r0, r1 = subkey(u32(key.row0), u32(key.row1), step, u32(b))
        c0, c1 = subkey(u32(key.column0), u32(key.column1), step, u32(b))
        fire(row_trains[b, : layer.rows], rows, row_gain, slots, r0, r1)
        fire(logical, columns, column_gain, slots, c0, c1)
        for j in range(layer.columns):
            if layer.mapping == REFERENCE_COLUMN:
                column_trains[b, j] = logical[j]
            else:
                column_trains[b, 2 * j] = logical[j]
                column_trains[b, 2 * j + 1] = logical[j] ^ (np.int64(1) << 31)
        longest = max(longest, slots)
    return longest


def compile_sgd(kernels: Kernels) -> Callable[..., tuple[float, int]]:
    """The training kernel of a device law.

    Arguments:
        kernels: the law's pulse kernels, whose train kernel is compiled in.

    Returns:
        train(inputs, labels, batch, layers, keys, loss, margin, step, cells, scratch, tally) -> (loss sum, correct):
        inputs (N, features) float32 and labels (N,) in their order, `batch` at a time; `layers` and `keys` a tuple of
        `Layer` and `Keys`; `step` the rule's step count; `cells` tuples of flat conductances, parameters and counters;
        `scratch` from `scratch_for`; `tally` int64 (L, 3): pulses, cells pulsed, train slots, added up.
    """
    trains_body, fingerprint = kernels.trains_body, kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, keys, loss, margin, step, cells, scratch, tally):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        conductances, parameters, counters = cells
        registers, wanted, derivatives, row_trains, column_trains, work, scales = scratch
        depth, total, correct = len(layers), 0.0, 0
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            here, signals = slice(start, start + samples), (registers, wanted, derivatives)
            lost, right = find_errors(
                layers, loss, margin, conductances, inputs[here], labels[here], signals, work, scales
            )
            total, correct = total + lost, correct + right
            for n in range(depth):
                layer, key, fired = layers[n], keys[n], (row_trains[n], column_trains[n])
                longest = fire_trains(layer, key, registers[n], wanted[n], fired[0], fired[1], samples, step + number)
                pulses, touched = trains_body(
                    conductances[n],
                    parameters[n],
                    counters[n],
                    (1, 1, layer.height, layer.width),
                    fired[0][:samples],
                    fired[1][:samples],
                    False,
                    layer.noise,
                    u32(key.cycle0),
                    u32(key.cycle1),
                    key.update_event + number,
                    0,
                    layer.height,
                )
                tally[n, 0] += pulses
                tally[n, 1] += touched
                tally[n, 2] += longest * samples
        return total, correct

    return train


def scratch_for(layers: tuple[Layer, ...], batch: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch; line trains of reference cells stay zero."""
    widest = max(max(layer.height, layer.width, layer.rows, layer.columns) for layer in layers)

    def each(shape: Callable[[Layer], int], dtype: Any) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros((batch, shape(layer)), dtype) for layer in layers)

    work = tuple(np.empty((batch, widest), np.float32) for _ in range(3))
    return (
        each(lambda n: n.rows, np.float32),
        each(lambda n: n.columns, np.float32),
        each(lambda n: n.columns, np.float32),
        each(lambda n: n.height, np.int64),
        each(lambda n: n.width, np.int64),
        work,
        np.empty(batch, np.float32),
    )
