"""Whole batches of rules that keep a number per weight and send counted pulses, on a stack of layers, out of Python.

It replaces the accumulators that are one number per weight (nothing, a counter, a digital value) and the writers that
make numbers of pulses of it (sign, threshold, blind pulses, rounded counts); the stages stay the reference
(tests/kernels/test_fused_counts.py). Reads are those of `fused_reads`, whose legend holds here too. Random numbers have
the same addresses. Sums are taken in another order: a change within rounding of the next pulse may fall to the other
side.

Speed: the changes of one word line are formed and counted before the next line is looked at, so that they stay in the
first cache; some lines at a time are then written. A line at rest costs one comparison a sample: its numbers are looked
at only where an earlier batch has left enough for another pulse, its plan is cleared only where it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from ..fused_reads.cpu import REFERENCE_COLUMN, Layer, find_errors, signals_for, work_for
from ..guard import Guarded, tagged
from ..heat import look_after, look_before
from ..pulse_update.cpu import Kernels
from ..random.cpu import subkey, threefry, uniform
from ..write_noise.cpu import Unsettled, see_written

u32, f32, i32 = np.uint32, np.float32, np.int32
SIGN, TRUNCATE, ROUND = 0, 1, 2
LEAST = float(np.nextafter(f32(0), f32(1)))
"""The smallest number that is not zero: as a threshold, it fires by the sign alone."""
# Cells that are handed to the pulse kernel at once: enough to pay for its start; their plan stays in the second cache.
_CELLS = 1 << 16
_MOST = f32(1 << 24)


class Counting(NamedTuple):
    """What a layer's accumulator and writer do with its gradient."""

    kept: bool
    """The numbers outlive the batch."""
    gain: float
    """What the gradient is multiplied by on its way in."""
    end: float
    """Largest number."""
    how: int
    """SIGN: one pulse from `unit` on; TRUNCATE: whole units, towards zero; ROUND: rounded."""
    unit: float
    """Number that is worth a pulse (or a burst)."""
    relative: bool
    """`unit` is a fraction of the layer's largest number."""
    burst: int
    taken: float
    """What one pulse takes out of the number."""
    lottery: bool
    """Rounding is by lot."""
    written: Unsettled
    """What pulses leave beside the state."""


class Keys(NamedTuple):
    """Stream keys and first update event of one layer."""

    rounding0: int
    rounding1: int
    cycle0: int
    cycle1: int
    update_event: int


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _scaled(out, x, errors) -> None:  # noqa: ANN001
    for j in range(out.shape[0]):
        out[j] = x * errors[j]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _add(out, x, errors) -> None:  # noqa: ANN001
    for j in range(out.shape[0]):
        out[j] += x * errors[j]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _add_four(out, x, a, b, c, d) -> None:  # noqa: ANN001
    x0, x1, x2, x3 = x[0], x[1], x[2], x[3]
    for j in range(out.shape[0]):
        out[j] += (x0 * a[j] + x1 * b[j]) + (x2 * c[j] + x3 * d[j])


@numba.njit(cache=True, error_model="numpy", nogil=True)
def gradient(out, registers, wanted, i, driven, values) -> bool:  # noqa: ANN001
    """Row i of registers^T wanted; False where the line is at rest in every sample, and `out` is not touched.

    Arguments:
        out: (C).
        registers, wanted: (S, R), (S, at least C).
        driven, values: (S), scratch.
    """
    n, columns = 0, out.shape[0]
    for b in range(registers.shape[0]):
        x = registers[b, i]
        if x != 0:
            driven[n], values[n] = b, x
            n += 1
    if n == 0:
        return False
    _scaled(out, values[0], wanted[driven[0], :columns])
    k = 1
    while k + 4 <= n:
        _add_four(
            out,
            values[k : k + 4],
            wanted[driven[k], :columns],
            wanted[driven[k + 1], :columns],
            wanted[driven[k + 2], :columns],
            wanted[driven[k + 3], :columns],
        )
        k += 4
    while k < n:
        _add(out, values[k], wanted[driven[k], :columns])
        k += 1
    return True


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _gather(numbers, change, gain, end) -> None:  # noqa: ANN001
    """Add a change to the numbers of a line, within -end .. end."""
    for j in range(numbers.shape[0]):
        numbers[j] = min(max(numbers[j] + gain * change[j], -end), end)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _by_sign(pulses, numbers, least) -> Any:  # noqa: ANN001
    """One pulse where a number reaches `least`; 1 if there is any."""
    most = i32(0)
    for j in range(pulses.shape[0]):
        value = numbers[j]
        n = i32(value >= least) - i32(value <= -least)
        most = max(most, i32(abs(n)))
        pulses[j] = n
    return most


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _truncated(pulses, numbers, unit, burst) -> Any:  # noqa: ANN001
    """A burst for every whole unit; the largest number of pulses."""
    most = i32(0)
    for j in range(pulses.shape[0]):
        n = i32(np.trunc(numbers[j] / unit)) * i32(burst)
        most = max(most, i32(abs(n)))
        pulses[j] = n
    return most


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _rounded(pulses, numbers, shift, rate) -> Any:  # noqa: ANN001
    """As many pulses as `rate` makes of the numbers, rounded; the largest number of pulses."""
    most = i32(0)
    for j in range(pulses.shape[0]):
        value = numbers[j]
        n = i32(min(np.floor(abs(value) * rate + shift[j]), _MOST))
        most = max(most, n)
        pulses[j] = n if value > 0 else -n
    return most


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _settle(numbers, pulses, taken, unit) -> bool:  # noqa: ANN001
    """Take out what has been fired; whether any number is worth another pulse."""
    more = i32(0)
    for j in range(numbers.shape[0]):
        left = numbers[j] - taken * f32(pulses[j])
        numbers[j] = left
        more |= i32(abs(left) >= unit)
    return more != 0


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _largest(numbers) -> Any:  # noqa: ANN001
    found = f32(0)
    for j in range(numbers.shape[0]):
        found = max(found, abs(numbers[j]))
    return found


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _lots(out, first, n, k0, k1) -> None:  # noqa: ANN001
    """Numbers `first` .. first + n - 1 of `random.uniform` into `out`, whose first place is that of an even number."""
    start = first >> 1
    for pair in range(((first + n + 1) >> 1) - start):
        a, b = threefry(u32(start + pair), u32(0), k0, k1)
        out[2 * pair] = uniform(a)
        out[2 * pair + 1] = uniform(b)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _onto_cells(layer, plan, i, pulses) -> None:  # noqa: ANN001
    """Numbers of pulses (C) of the weights of row i into the plan of its cells."""
    first = i * layer.width
    if layer.mapping == REFERENCE_COLUMN:
        plan[first : first + layer.columns] = pulses
        plan[first + layer.columns] = 0
        return
    for j in range(layer.columns):
        plan[first + 2 * j] = pulses[j]
        plan[first + 2 * j + 1] = -pulses[j]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _unit(layer, registers, wanted, lines) -> Any:  # noqa: ANN001
    """The number that is worth a pulse in this batch; where that depends on the batch, also each line's largest one."""
    unit = f32(layer.update.unit)
    if not layer.update.relative:
        return unit
    change, peaks, largest = lines[2][: layer.columns], lines[5], f32(1e-30)
    # Rounding keeps order: of one sample, the largest product is that of the largest factors, to the bit.
    top = _largest(wanted[0, : layer.columns]) if registers.shape[0] == 1 else f32(0)
    for i in range(layer.rows):
        if registers.shape[0] == 1:
            peaks[i] = abs(registers[0, i]) * top
        else:
            fresh = gradient(change, registers, wanted, i, lines[0], lines[1])
            peaks[i] = _largest(change) if fresh else f32(0)
        largest = max(largest, peaks[i])
    return unit * largest


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _count_line(layer, pulses, numbers, unit, i, shifts, lot) -> Any:  # noqa: ANN001
    """Signed numbers of pulses of a line's weights; the largest."""
    update = layer.update
    if update.how == SIGN:
        return _by_sign(pulses, numbers, unit)
    if update.how == TRUNCATE:
        return _truncated(pulses, numbers, unit, update.burst)
    odd = 0
    if update.lottery:
        odd = i * layer.columns & 1
        _lots(shifts, i * layer.columns, layer.columns, lot[0], lot[1])
    return _rounded(pulses, numbers, shifts[odd:], unit)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _plan_lines(layer, span, signals, memory, marks, plan, unit, lines, lot, look):  # noqa: ANN001, ANN202, PLR0913
    """Accumulate and count some lines of a layer into the plan of their cells, whose other lines are zero; `look` at
    them, where that is wanted: whether, a `heat.Survey` and the cells. `marks`: lines whose numbers are due to be
    looked at, lines whose plan is not zero.

    Returns:
        First and one past the last line with pulses; most pulses of a cell.
    """
    update, (registers, wanted), (due, laid) = layer.update, signals, marks
    driven, values, change, shifts, pulses, peaks = lines
    change, asked = change[: layer.columns], pulses[: layer.columns]
    first, last, most = span[1], span[0], i32(0)
    for i in range(span[0], span[1]):
        fresh, largest, numbers = False, i32(0), change
        if not update.relative or peaks[i] >= unit:
            fresh = gradient(change, registers, wanted, i, driven, values)
        if update.kept:
            numbers = memory[i]
            if fresh:
                _gather(numbers, change, f32(update.gain), f32(update.end))
        if fresh or (update.kept and due[i]):
            largest = _count_line(layer, asked, numbers, unit, i, shifts, lot)
            if update.kept:
                due[i] = largest > 0 and _settle(numbers, asked, f32(update.taken), unit)
        if largest > 0:
            laid[i] = True
            _onto_cells(layer, plan, i, asked)
            if look[0]:
                look_before(look[1], plan, look[2], i)
            first, last, most = min(first, i), i + 1, max(most, largest)
        elif laid[i]:
            laid[i], plan[i * layer.width : (i + 1) * layer.width] = False, 0
    return first, last, most


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _look_again(look, plan, laid, first, last) -> None:  # noqa: ANN001
    """At the lines that have been pulsed."""
    for i in range(first, last):
        if laid[i]:
            look_after(look[1], plan, look[2], i)


def compile_counting(kernels: Kernels) -> Callable[..., tuple[float, int]]:
    """The training kernel of a device law.

    Arguments:
        kernels: the law's pulse kernels, whose counts kernel is compiled in.

    Returns:
        train(inputs, labels, batch, layers, switches, keys, loss, margin, step, cells, memory, scratch, tally, meter)
        -> (loss sum, correct): arguments as of `fused_sgd.compile_sgd`, the layers with `Counting`; `memory` a tuple of
        float32 numbers (R, C), of any size where none are kept; `scratch` from `scratch_for`; `tally` int64 (L, 3):
        pulses, cells pulsed, and per step the largest number of pulses, added up; `meter` of `fused_reads.find_errors`,
        and a tuple of `heat.Survey` for each layer, whose `rows` are the sums there, added to where it measures:
        heat is of the cells before and after each write, added up.
    """
    counts_body, fingerprint = kernels.counts_body, kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, switches, keys, loss, margin, step, cells, memory, scratch, tally, meter):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        conductances, parameters, counters, memories, seen = cells
        signals, work, plans, marks, lines = scratch
        found, surveys = meter
        measures = found[0].shape[0] > 0
        total, correct = 0.0, 0
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            here, weights = slice(start, start + samples), (seen, seen)
            lost, right = find_errors(
                layers, switches, loss, margin, number, weights, (inputs[here], labels[here]), signals, work, found
            )
            total, correct = total + lost, correct + right
            for n in range(len(layers)):
                layer, key, most = layers[n], keys[n], i32(0)
                event = key.update_event + number
                own, together = (signals[0][n][:samples], signals[1][n]), max(1, _CELLS // layer.width)
                lot = subkey(u32(key.rounding0), u32(key.rounding1), step + number, u32(0))
                unit = _unit(layer, own[0], own[1], lines)
                for top in range(0, layer.rows, together):
                    span = top, min(top + together, layer.rows)
                    look = measures, surveys[n], seen[n]
                    first, last, largest = _plan_lines(
                        layer, span, own, memory[n], marks[n], plans[n], unit, lines, lot, look
                    )
                    if largest == 0:
                        continue
                    most, cut = max(most, largest), (first * layer.width, last * layer.width)
                    sent, touched = counts_body(
                        conductances[n],
                        parameters[n],
                        counters[n],
                        plans[n],
                        layer.noise,
                        u32(key.cycle0),
                        u32(key.cycle1),
                        event,
                        *cut,
                    )
                    if layer.update.written.active:
                        state = conductances[n], parameters[n], counters[n], memories[n]
                        see_written(seen[n], state, layer.update.written, event, *cut)
                    if measures:
                        _look_again(look, plans[n], marks[n][1], first, last)
                    tally[n, 0] += sent
                    tally[n, 1] += touched
                tally[n, 2] += most
        return total, correct

    return train


def scratch_for(layers: tuple[Layer, ...], batch: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch; at first, every line is due to be looked at, and none is planned."""
    return (
        signals_for(layers, batch),
        work_for(layers, batch),
        tuple(np.zeros(layer.height * layer.width, np.int32) for layer in layers),
        tuple((np.ones(layer.rows, np.bool_), np.zeros(layer.rows, np.bool_)) for layer in layers),
        lines_for(layers, batch),
    )


def lines_for(layers: tuple[Layer, ...], batch: int) -> tuple[np.ndarray, ...]:
    """Working memory for one line: driven samples and their values, changes, shifts of rounding, pulses; and a number
    for each line."""
    widest, most = max(layer.columns for layer in layers), max(layer.rows for layer in layers)
    return (
        np.empty(batch, np.int64),
        np.empty(batch, np.float32),
        np.empty(widest, np.float32),
        np.full(widest + 2, 0.5, np.float32),
        np.empty(widest, np.int32),
        np.empty(most, np.float32),
    )
