"""What every fused training kernel begins with: a batch read forward, its loss, and its error read back.

It replaces the stages of `tile.py`, of neurons and of losses for ideal wires, converters that make no errors and one
tile a layer. Sums are taken in another order than there, so that results agree to rounding, not to the bit.

Speed: the arrays stay in the cache and are visited row by row. A word line at rest costs one comparison: images are
mostly background. Four lines are added at once, so that each accumulator is loaded and stored once for four products.

Legend: L layers; S samples of a batch; a layer has R rows (bias included), C columns of weights, height x width cells.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..pulse_trains.cpu import peak
from ..random.cpu import fill_uniform

u32, u64, f32 = np.uint32, np.uint64, np.float32
REFERENCE_COLUMN, DIFFERENTIAL_PAIR = 0, 1
NO_NEURON, RELU, SIGMOID, TANH, BINARY_STEP = 0, 1, 2, 3, 4
CROSS_ENTROPY, TERNARY_MARGIN, SIGMOID_CROSS_ENTROPY, SQUARED_ERROR, SIGN_MARGIN = 0, 1, 2, 3, 4
CONVERTER, SWITCH = 0, 1
DIGITISED, ANALOGUE, TERNARY, TWIN = 0, 1, 2, 3
# Word lines per block: a block of cells (some 128 KiB) stays in the cache while every sample of the batch visits it.
_BLOCK = 128
# In an order: sets of names have another in every process, and the disk cache of what compiles a function in sees it.
_ORDERLESS: Any = {"contract": True, "reassoc": True, "nsz": True}


class Port(NamedTuple):
    """Circuits of one direction; `levels` 0 is a continuous converter."""

    drive: int
    drive_levels: float
    drive_range: float
    scaled: bool
    threshold: float
    """Of a switch: value above which a line is driven; negative: drawn anew for each value."""
    sense: int
    """TWIN: the error goes back in digital, through a matrix of weights (R, C)."""
    sense_levels: float
    sense_range: float
    dead_zone: float
    """Of a ternary comparator."""
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
    noise: tuple[Any, ...]
    """Of a pulse: `Noise.words()`."""
    forward: Port
    backward: Port
    update: Any
    """What the kernel of the rule needs to know."""


class Switches(NamedTuple):
    """Where the random thresholds of the first layer's switches come from."""

    key0: int
    key1: int
    event: int
    """Of the first batch."""


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _drive(out, values, samples, lines, scales, port):  # noqa: ANN001, ANN202
    """Register values to line voltages in units of the read voltage; `scales` takes each sample's divisor.

    What a switch drives is 0, 1 or -1 already.
    """
    for b in range(samples):
        scale = f32(1)
        if port.scaled:
            scale = f32(peak(values[b, :lines]))
            if scale == 0:
                scale = f32(1)
        scales[b] = scale
        if port.drive == SWITCH:
            out[b, :lines] = values[b, :lines]
            continue
        full, levels = f32(port.drive_range), f32(port.drive_levels)
        for i in range(lines):
            x = values[b, i]
            if x == 0:
                out[b, i] = f32(0)
                continue
            x = min(max(x / scale / full, f32(-1)), f32(1))
            out[b, i] = f32(np.rint(x * levels)) / levels if levels > 0 else x


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _add_four(out, b, width, g, s0, s1, s2, s3, v0, v1, v2, v3):  # noqa: ANN001, ANN202, PLR0913
    """Row b of `out` += v0 g[s0 ...] + v1 g[s1 ...] + v2 g[s2 ...] + v3 g[s3 ...].

    A function of its own, or the loop is not vectorised; on places, as every slice would be counted as a reference.
    """
    for k in range(width):
        j = u64(k)
        out[b, j] += (v0 * g[s0 + j] + v1 * g[s1 + j]) + (v2 * g[s2 + j] + v3 * g[s3 + j])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _add_one(out, b, width, g, s0, v0):  # noqa: ANN001, ANN202
    for k in range(width):
        j = u64(k)
        out[b, j] += v0 * g[s0 + j]


@numba.njit(cache=True, error_model="numpy", nogil=True)
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
            k, here, wide = 0, u64(b), u64(width)
            while k + 4 <= n:
                i0, i1, i2, i3 = active[k], active[k + 1], active[k + 2], active[k + 3]
                _add_four(
                    current,
                    here,
                    width,
                    g,
                    u64(i0) * wide,
                    u64(i1) * wide,
                    u64(i2) * wide,
                    u64(i3) * wide,
                    voltage[b, i0],
                    voltage[b, i1],
                    voltage[b, i2],
                    voltage[b, i3],
                )
                k += 4
            while k < n:
                _add_one(current, here, width, g, u64(active[k]) * wide, voltage[b, active[k]])
                k += 1


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_ORDERLESS)
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


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _square(squares, voltage) -> Any:  # noqa: ANN001
    """Add V^2 of a sample's lines to those of the others; lines that are driven."""
    driven = np.int32(0)
    for i in range(squares.shape[0]):
        squares[i] += voltage[i] * voltage[i]
        driven += voltage[i] != 0
    return np.int64(driven)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_ORDERLESS)
def _sum(values) -> Any:  # noqa: ANN001
    """Of a slice."""
    total = f32(0)
    for j in range(values.shape[0]):
        total += values[j]
    return total


@numba.njit(cache=True, error_model="numpy", nogil=True)
def measure(found, squares, voltage, g, size, back, sums) -> None:  # noqa: ANN001
    """Add up what a read finds in its cells: a sum over a driven line's cells serves all samples of the batch.

    Arguments:
        found: float64 (3,): lines driven, their V^2 / V_read^2, and V^2 G / V_read^2 of all cells, S.
        squares: float32, scratch for the driven lines.
        voltage: (S, at least as many), in units of the read voltage.
        g: flat cells.
        size: samples, height, width.
        back: the bit lines are driven.
        sums: float64: conductances of the driven lines, S, where somebody keeps them; else of no length.
    """
    samples, height, width = size
    lines = squares[: width if back else height]
    lines[:] = 0
    for b in range(samples):
        found[0] += _square(lines, voltage[b, : lines.shape[0]])
    found[1] += np.float64(_sum(lines))
    heat = 0.0
    if sums.shape[0] > 0:
        found[2] += _weighted(lines, sums)
        return
    for i in range(height):
        row = g[i * width : (i + 1) * width]
        if back:
            heat += np.float64(_product(lines, row))
        elif lines[i] != 0:
            heat += np.float64(lines[i]) * np.float64(_sum(row))
    found[2] += heat


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_ORDERLESS)
def _weighted(lines, sums) -> Any:  # noqa: ANN001
    """Sum of squares (lines) times the conductances of their lines, of which there may be more."""
    total = 0.0
    for i in range(lines.shape[0]):
        total += np.float64(lines[i]) * sums[i]
    return total


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
    """A signal in siemens (current over read voltage) to the value of a weighted sum, or to its sign."""
    if port.sense == ANALOGUE:
        return signal * f32(port.gain)
    if port.sense == TERNARY:
        value = signal * f32(port.gain)
        sign = f32(1) if value > 0 else f32(-1)
        return sign if abs(value) > port.dead_zone else f32(0)
    value = min(max(signal * f32(port.gain / port.sense_range), f32(-1)), f32(1))
    levels = f32(port.sense_levels)
    if levels > 0:
        value = f32(np.rint(value * levels)) / levels
    return value * f32(port.sense_range) * (scale * f32(port.drive_range))


@numba.njit(cache=True, error_model="numpy", nogil=True)
def encode_registers(layer, registers, samples, switches, number, lot) -> None:  # noqa: ANN001
    """What the word lines' registers hold: clipped to a fixed range, or the bits of switches; the bias line carries 1.

    Only the first layer has switches with random thresholds that are not bits before.
    """
    port = layer.forward
    if layer.bias:
        registers[:samples, layer.rows - 1] = 1
    if port.drive == SWITCH:
        if port.threshold < 0:
            fill_uniform(lot[: samples * layer.rows], u32(switches.key0), u32(switches.key1), switches.event + number)
        for b in range(samples):
            for i in range(layer.rows):
                level = f32(port.threshold) if port.threshold >= 0 else lot[b * layer.rows + i]
                registers[b, i] = f32(1) if registers[b, i] > level else f32(0)
    elif not port.scaled:
        full = f32(port.drive_range)
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
    """Errors of inputs (S, R) from errors of outputs (S, C), through the transposed array; `out` is also scratch.

    `g` is the cells, or the weights of a twin, through which errors go in digital.
    """
    if layer.backward.sense == TWIN:
        read_columns(out, errors, g, samples, layer.rows, layer.columns)
        return
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
            size = f32(1) if loss == SIGN_MARGIN else f32(samples)
            for k in range(classes):
                sign = f32(1) if k == labels[b] else f32(-1)
                short = f32(margin) - sign * outputs[b, k]
                total += max(np.float64(short), 0.0)
                wanted[b, k] = sign / size if short > 0 else f32(0)
    return total, correct


@numba.njit(cache=True, error_model="numpy", nogil=True)
def find_errors(layers, switches, loss, margin, number, weights, data, signals, work, meter) -> tuple[float, int]:  # noqa: ANN001, PLR0913
    """Read a batch forward and its error back: fills what the lines of every layer carry, registers and `wanted`.

    Arguments:
        layers: tuple of `Layer`.
        switches: `Switches` of the first layer.
        loss, margin: number of the loss.
        number: of the batch within this call.
        weights: the flat cells of each layer, and what its errors go back through: the same, or a twin's weights.
        data: inputs (S, features) and labels (S,).
        signals, work: from `signals_for` and `work_for`.
        meter: float64 (L, 2, 3), added to: what reads forward and back find in the cells, see `measure`; or (0, 2, 3).
            Then tuples of the sums of conductances of word lines, and of bit lines, of each layer, as of `measure`.

    Returns:
        Loss summed over samples, right answers.
    """
    registers, wanted, derivatives = signals
    inputs, labels = data
    voltage, current, sums, scales, lot = work
    reads, word_sums, bit_sums = meter
    measures = reads.shape[0] > 0
    conductances, backs = weights
    depth, samples = len(layers), inputs.shape[0]
    registers[0][:samples, : layers[0].rows - layers[0].bias] = inputs
    for n in range(depth):
        layer = layers[n]
        encode_registers(layer, registers[n], samples, switches, number, lot)
        forward(layer, registers[n], sums, voltage, current, scales, conductances[n], samples)
        if measures:
            size = samples, layer.rows, layer.width
            measure(reads[n, 0], current.reshape(-1), voltage, conductances[n], size, False, word_sums[n])
        if n + 1 < depth:
            fire_neurons(layer, sums, registers[n + 1], derivatives[n], samples)
    classes = layers[depth - 1].columns
    outcome = output_error(loss, margin, sums, labels, wanted[depth - 1], samples, classes)
    for n in range(depth - 1, 0, -1):
        backward(layers[n], wanted[n], sums, voltage, current, scales, backs[n], samples)
        if measures and layers[n].backward.sense != TWIN:
            size = samples, layers[n].height, layers[n].width
            measure(reads[n, 1], current.reshape(-1), voltage, conductances[n], size, True, bit_sums[n])
        for b in range(samples):
            for j in range(layers[n - 1].columns):
                wanted[n - 1][b, j] = sums[b, j] * derivatives[n - 1][b, j]
    return outcome


def signals_for(layers: tuple[Layer, ...], batch: int) -> tuple[tuple[np.ndarray, ...], ...]:
    """Memory for the registers of every layer, its wanted changes and its neurons' derivatives, for one batch."""
    lines = [layer.rows for layer in layers], [layer.columns for layer in layers], [layer.columns for layer in layers]
    return tuple(tuple(np.zeros((batch, n), np.float32) for n in each) for each in lines)


def work_for(layers: tuple[Layer, ...], batch: int) -> tuple[np.ndarray, ...]:
    """Working memory of the reads of one batch."""
    widest = max(max(layer.height, layer.width, layer.rows, layer.columns) for layer in layers)
    shapes = [(batch, widest)] * 3 + [(batch,), (batch * layers[0].rows,)]
    return tuple(np.empty(shape, np.float32) for shape in shapes)
