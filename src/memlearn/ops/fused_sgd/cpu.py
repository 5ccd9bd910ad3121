"""Whole batches of in-situ SGD on a stack of layers in one call: reads, and stochastic trains.

The stages stay the reference (tests/kernels/test_fused_sgd.py). Random numbers have the same addresses, so that both
draw the same trains and the same step noise. Reads are those of `fused_reads`, whose legend holds here too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from ..fused_reads.cpu import REFERENCE_COLUMN, Layer, find_errors, signals_for, work_for
from ..guard import Guarded, tagged
from ..heat import add_fires
from ..pulse_trains.cpu import encode, fire, peak
from ..pulse_update.cpu import Kernels
from ..random.cpu import subkey
from ..write_noise.cpu import Unsettled, see_fired

u32 = np.uint32


class Trains(NamedTuple):
    """What a layer's drivers make of factors."""

    rate: float
    """Pulses per product: learning rate over weight step."""
    max_slots: int
    managed: bool
    written: Unsettled
    """What its pulses leave beside the state."""


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
def fire_trains(layer, key, registers, wanted, row_trains, column_trains, samples, step) -> int:  # noqa: ANN001
    """Trains on the physical lines, as `StochasticTrains` and the mapping make them; the longest, in slots."""
    longest, update = 0, layer.update
    logical = np.empty(layer.columns, np.int64)
    for b in range(samples):
        rows, columns = registers[b, : layer.rows], wanted[b, : layer.columns]
        slots, row_gain, column_gain = encode(peak(rows), peak(columns), update.rate, update.max_slots, update.managed)
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
        train(inputs, labels, batch, layers, switches, keys, loss, margin, step, cells, scratch, tally, meter)
        -> (loss sum, correct): inputs (N, features) float32 and labels (N,) in their order, `batch` at a time; `layers`
        and `keys` a tuple of `Layer` (with `Trains`) and `Keys`; `switches` of the first layer; `step` the rule's step
        count; `cells` tuples of flat conductances, parameters, counters, memory of effects, and what reads see, which
        may be the conductances themselves; `scratch` from `scratch_for`; `tally` int64
        (L, 3): pulses, cells pulsed, train slots, added up; `meter` that of `find_errors`, whose sums of lines, of no
        length where write noise is at work, are kept up to date, and, added to where it measures, int64 (L, 3): pulses
        up, conductance that pulses up and down find in their cells, fS; and tuples of the times that word lines and bit
        lines fire, int32 (lines).
    """
    trains_body, fingerprint = kernels.trains_body, kernels.fingerprint

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, switches, keys, loss, margin, step, cells, scratch, tally, meter):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        conductances, parameters, counters, memories, seen = cells
        signals, work, row_trains, column_trains = scratch
        registers, wanted = signals[0], signals[1]
        reads, found, row_fires, column_fires = meter
        measures = reads[0].shape[0] > 0
        total, correct = 0.0, 0
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            here, weights = slice(start, start + samples), (seen, seen)
            lost, right = find_errors(
                layers, switches, loss, margin, number, weights, (inputs[here], labels[here]), signals, work, reads
            )
            total, correct = total + lost, correct + right
            for n in range(len(layers)):
                layer, key, fired = layers[n], keys[n], (row_trains[n], column_trains[n])
                longest = fire_trains(layer, key, registers[n], wanted[n], fired[0], fired[1], samples, step + number)
                pulses, touched, ups, rise, fall = trains_body(
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
                    (reads[1][n], reads[2][n]),
                )
                if layer.update.written.active:
                    own = conductances[n], parameters[n], counters[n], memories[n]
                    see_fired(seen[n], own, layer.update.written, key.update_event + number, fired[0][:samples])
                tally[n, 0] += pulses
                tally[n, 1] += touched
                tally[n, 2] += longest * samples
                if measures:
                    found[n, 0] += ups
                    found[n, 1] += rise
                    found[n, 2] += fall
                    for b in range(samples):
                        add_fires(row_fires[n], fired[0][b])
                        add_fires(column_fires[n], fired[1][b])
        return total, correct

    return train


def scratch_for(layers: tuple[Layer, ...], batch: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch; line trains of reference cells stay zero."""
    lines = [layer.height for layer in layers], [layer.width for layer in layers]
    trains = (tuple(np.zeros((batch, n), np.int64) for n in each) for each in lines)
    return signals_for(layers, batch), work_for(layers, batch), *trains
