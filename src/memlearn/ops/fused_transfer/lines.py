"""One word line of a second array: what a read shows, what becomes of it, and when signs change.

The truth is `cells.SecondArray` with the stages of a tile; sums have one term here, so that all agree to the bit but
for the rounding of a continuous converter. Legend: R word lines, C bit lines of weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..fused_reads.cpu import REFERENCE_COLUMN
from ..pulse_trains.cpu import peak
from ..random.cpu import fill_uniform
from ..write_noise.cpu import Unsettled, normal_at, visible

u32, f32, i32 = np.uint32, np.float32, np.int32
NONE, DIGITAL, AVERAGE = 0, 1, 2
RANDOM, REGULAR = 1, 2
ARRAY, DYNAMIC, TRACKED = 1, 2, 3


class Reader(NamedTuple):
    """Converters of a transfer read, in the precision of the cells."""

    voltage: float
    """V, on the line that is read."""
    beside: float
    """A: current of a weight of 1 in the reference array."""
    full: float
    """A: current at the end of the converter's range."""
    levels: float
    """Of the converter; 0: continuous."""
    range: float
    """Weight at the end of its range."""
    share: float
    """Of a weight, what the converter is shown."""


class Transfer(NamedTuple):
    """Settings of one layer; `rate`, `max_slots` and `managed` as in `fused_sgd.Trains`."""

    rate: float
    max_slots: int
    managed: bool
    scaled: float
    """Pulses' worth of weight that the largest product of a usual sample asks for; 0: factors as they are."""
    share: float
    """Of a new sample in the running means of the factors."""
    every: int
    whole: bool
    """`every` counts batches."""
    slower: int
    """How many times rarer each slower array passes on."""
    gains: tuple[float, ...]
    """Of the conductances of all arrays but the slow one in reads, times the ratio of the currents of a weight."""
    buffer: int
    gain: float
    settle: float
    """Reads of a line after which its gain has halved; 0: it stays."""
    most: float
    forget: float
    """Negative: what pulses stand for is taken out."""
    average: float
    chopper: int
    flip: float
    period: int
    output_flip: float
    reference: int
    reference_rate: float
    noise: tuple[Any, ...]
    """Of a pulse on the slow array: `Noise.words()`."""
    reader: Reader
    written: tuple[Unsettled, ...]
    """Of each array, the slow one first."""


@register_jitable
def last_draw(noise: Any, parameters: Any, counters: Any, memory: Any, cell: Any, first: Any) -> Any:
    """The number that a cell's last write has drawn; those of writes since event `first` are not in memory yet."""
    event = counters[cell, 1] - 1
    if event < first or parameters[cell, 0] == parameters[cell, 1]:
        return memory[cell, 0]
    return normal_at(u32(noise.key0), u32(noise.key1), event, cell)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def see_line(out, layer, cells, noise, line, first) -> None:  # noqa: ANN001
    """What a read sees of the cells of a line, S, (width)."""
    g, parameters, counters, memory = cells
    for k in range(layer.width):
        cell = line * layer.width + k
        out[k] = g[cell]
        if noise.active:
            z = last_draw(noise, parameters, counters, memory, cell, first)
            out[k] = visible(noise, parameters[cell], g[cell], z)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def convert_line(out, seen, layer, beside) -> None:  # noqa: ANN001
    """Weights (C) of the cells (width) of a line, less those of a reference array where there is one."""
    reader = layer.update.reader
    for j in range(layer.columns):
        if layer.mapping == REFERENCE_COLUMN:
            signal = f32(reader.voltage) * seen[j] - f32(reader.voltage) * seen[layer.columns]
        else:
            signal = f32(reader.voltage) * seen[2 * j] - f32(reader.voltage) * seen[2 * j + 1]
        if layer.update.reference == ARRAY:
            signal -= beside[j] * f32(reader.beside)
        value = min(max(signal / f32(reader.full), f32(-1)), f32(1))
        if reader.levels > 0:
            value = f32(np.rint(value * f32(reader.levels))) / f32(reader.levels)
        out[j] = value * f32(reader.range) / f32(reader.share)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def gather(u, layer, memory, line, passes, sign, output_signs) -> None:  # noqa: ANN001
    """A read (C) less the reference kept in digital, with the signs of its lines then: what the line has gathered."""
    update, mean, frozen = layer.update, memory[3], memory[4]
    for j in range(layer.columns):
        seen = u[j]
        if update.reference == TRACKED:
            if passes == 0:
                mean[line, j] = seen
            u[j] = seen - mean[line, j]
        elif update.reference == DYNAMIC:
            if passes % update.period == 0:
                frozen[line, j] = mean[line, j]
            u[j] = seen - frozen[line, j] if passes >= update.period else f32(0)
        if update.reference >= DYNAMIC:
            mean[line, j] += (seen - mean[line, j]) * f32(update.reference_rate)
        if update.chopper != NONE:
            u[j] *= sign
        if update.output_flip > 0:
            u[j] *= output_signs[j]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def plan_line(plan, u, layer, held, lot, key, number) -> int:  # noqa: ANN001
    """Pulses on the cells of the slow array's line, into `plan` (width), for what the fast one's has gathered, `u`.

    Arguments:
        held: (C): the line's buffer.
        lot: (C), scratch.
        key: two words of the stream of lots; `number` of the transfer.

    Returns:
        Most pulses of a weight.
    """
    update, longest = layer.update, f32(0)
    gain, most = update.gain, f32(update.most)
    if update.settle > 0:
        gain = gain / (1 + (number // layer.rows) / update.settle)
    gain = f32(gain)
    if update.buffer != DIGITAL:
        fill_uniform(lot, key[0], key[1], number)
    for j in range(layer.columns):
        if update.buffer == DIGITAL:
            held[j] += u[j] * gain
            sent = min(max(f32(np.trunc(held[j])), -most), most)
            if update.forget < 0:
                held[j] -= sent
            elif sent != 0:
                held[j] *= f32(update.forget)
        else:
            if update.buffer == AVERAGE:
                held[j] += (u[j] - held[j]) * f32(update.average)
                u[j] = held[j]
            wanted = u[j] * gain
            size = f32(np.floor(abs(wanted)))
            size += f32(1) if lot[j] < abs(wanted) - size else f32(0)
            size = min(size, most)
            sent = size if wanted > 0 else -size
        longest = max(longest, abs(sent))
        if layer.mapping == REFERENCE_COLUMN:
            plan[j] = i32(sent)
        else:
            plan[2 * j] = i32(sent)
            plan[2 * j + 1] = -i32(sent)
    return int(longest)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def change_signs(layer, memory, line, passes, number, key, lot, output_key) -> None:  # noqa: ANN001
    """Flip the signs of lines whose time it is, after transfer `number`."""
    update, signs, output_signs = layer.update, memory[1], memory[2]
    if update.chopper == REGULAR:
        if (passes + 1) % update.period == 0:
            signs[line] = -signs[line]
    elif update.chopper == RANDOM:
        fill_uniform(lot[:1], key[0], key[1], number)
        if np.float64(lot[0]) < update.flip:
            signs[line] = -signs[line]
    if update.output_flip > 0 and line == layer.rows - 1:
        fill_uniform(lot, output_key[0], output_key[1], number)
        for j in range(layer.columns):
            if lot[j] < f32(update.output_flip):
                output_signs[j] = -output_signs[j]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def chop(rows, columns, layer, memory) -> None:  # noqa: ANN001
    """Turn the signs of trains, (lines) of cells, as the choppers say."""
    signs, output_signs = memory[1], memory[2]
    if layer.update.chopper != NONE:
        for i in range(layer.rows):
            if signs[i] < 0:
                rows[i] ^= np.int64(1) << 31
    if layer.update.output_flip > 0:
        for j in range(layer.columns):
            if output_signs[j] < 0:
                if layer.mapping == REFERENCE_COLUMN:
                    columns[j] ^= np.int64(1) << 31
                else:
                    columns[2 * j] ^= np.int64(1) << 31
                    columns[2 * j + 1] ^= np.int64(1) << 31


@numba.njit(cache=True, error_model="numpy", nogil=True)
def scale_errors(registers, wanted, layer, means, samples) -> None:  # noqa: ANN001
    """Errors so that the largest product of a usual sample is worth `scaled`; see `accumulate.ScaledSample`."""
    update = layer.update
    for b in range(samples):
        x, e = f32(peak(registers[b, : layer.rows])), f32(peak(wanted[b, : layer.columns]))
        if np.float64(x) * np.float64(e) > 0:
            if means[0] > 0:
                means[0] += update.share * (np.float64(x) - means[0])
                means[1] += update.share * (np.float64(e) - means[1])
            else:
                means[0], means[1] = np.float64(x), np.float64(e)
        scale = f32(update.scaled / (means[0] * means[1])) if means[0] > 0 else f32(0)
        for j in range(layer.columns):
            wanted[b, j] *= scale
