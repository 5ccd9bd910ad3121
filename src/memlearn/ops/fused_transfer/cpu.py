"""Whole batches of training with a second, fast array in one call: reads, trains on it, and its transfers.

The stages stay the reference (tests/kernels/test_fused_transfer.py). Random numbers have the same addresses, so that
both draw the same trains, step noise, write noise and lots. Reads are those of `fused_reads`; lines.py has what happens
to a line that is passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable

from ..fingerprint import digest, known_as
from ..fused_reads.cpu import Layer, find_errors
from ..fused_sgd import fire_trains
from ..fused_sgd import scratch_for as scratch_for_trains
from ..guard import Guarded, tagged
from ..heat import add_fires, look_after, look_before
from ..pulse_update.bands import laid_for, lay_out, lines_together
from ..pulse_update.cpu import Kernels
from ..write_noise.cpu import see_since, see_written
from .lines import (
    change_signs,
    chop,
    convert_line,
    gather,
    last_draw,
    plan_line,
    scale_errors,
    see_line,
)

u32, f32 = np.uint32, np.float32
FLIP = np.int64(1) << 31
NEVER = 1 << 62
FAST, EACH = 4, 5
"""Tallies of the fast array, and of each array that is passed on to."""


class Target(NamedTuple):
    """Stream keys and first event of an array that is passed on to, and of the lots of what it gets."""

    cycle0: int
    cycle1: int
    event: int
    rest0: int
    rest1: int


class Keys(NamedTuple):
    """Stream keys and first events of one layer; the first seven as in `fused_sgd.Keys`, of the fast array."""

    row0: int
    row1: int
    column0: int
    column1: int
    cycle0: int
    cycle1: int
    update_event: int
    targets: tuple[Target, ...]
    """The slow array first."""
    chopper0: int
    chopper1: int
    output0: int
    output1: int
    writes: int
    """Outer products, or batches, before this call."""


@numba.njit(cache=True, error_model="numpy", nogil=True)
def see_all(out, shown, gains) -> None:  # noqa: ANN001
    """Cells that are read together."""
    out[:] = shown[0]
    for part in range(len(gains)):
        gain, own = f32(gains[part]), shown[part + 1]
        for k in range(out.shape[0]):
            out[k] += gain * own[k]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def keep_draws(layer, cells, first) -> None:  # noqa: ANN001
    """Write down what the writes of the fast array since event `first` have drawn."""
    _, parameters, counters, memory = cells
    noise = layer.update.written[len(layer.update.gains)]
    for cell in range(memory.shape[0]):
        memory[cell, 0] = last_draw(noise, parameters, counters, memory, cell, first)


# What the inner functions below call must have names that are the same in every process; see `fingerprint.known_as`.
_HELPERS = change_signs, chop, convert_line, gather, plan_line, see_line, see_since, see_written
for _helper in (add_fires, look_after, look_before, *_HELPERS):
    known_as(digest(_helper), _helper)


def compile_transfer(fast: Kernels, slow: Kernels, several: bool) -> Callable[..., tuple[float, int]]:
    """The training kernel of two laws.

    Arguments:
        fast: whose trains are compiled in.
        slow: whose counts are.
        several: more than one array beside the slow one; all of one law.

    Returns:
        train(inputs, labels, batch, layers, switches, keys, loss, margin, step, arrays, scratch, tally, meter) -> (loss
        sum, correct): as of `fused_sgd.compile_sgd`, with `Transfer` and `Keys` of this module; `arrays` five, each a
        tuple for each layer: flat conductances, parameters, counters and effects' memory of each array, the slow one
        first; what reads see of the layer, which may be the slow conductances themselves; what they would see of each
        array; buffer, signs, signs of bit lines, mean, frozen and reference of the fast array and the means of
        factors; buffers and references of all. `scratch` from `scratch_for`; `tally` int64 (L, 4 + 5 arrays): pulses,
        cells pulsed, slots, portions of the fast array; then, for each that gets pulses, pulses, cells pulsed, slots,
        writes and reads of the one that passes on. `meter`, added to where its first has layers: that of `find_errors`,
        and, layer by layer, pulses up and fS of trains (3,), times that word lines and bit lines fire, `heat.Survey`
        of the writes of each array, and S of the lines that transfers read, added up (arrays,).
    """
    bands_body, counts_body = fast.bands_body, slow.counts_body
    fingerprint = f"{fast.fingerprint} {slow.fingerprint} {several}"

    @register_jitable
    @tagged(fingerprint)
    def pass_on(layer, key, part, turn, read, parts, shown, memory, kept, room, tally, heats) -> None:  # noqa: ANN001, PLR0913
        """A transfer from an array to the one before it, of cells (width) that a read has found."""
        update, (plan, u, lot), (buffers, references) = layer.update, room, kept
        number, sign, output_signs = turn
        passes, line, goal = number // layer.rows, number % layer.rows, key.targets[part - 1]
        own, seen, done = parts[part - 1], shown[part - 1], tally[FAST + EACH * (part - 1) :]
        if heats[0]:
            heats[5][part - 1] += read.sum()
        convert_line(u, read, layer, references[part - 1][line])
        if part == len(update.gains):
            gather(u, layer, memory, line, passes, sign, output_signs)
        first, last = line * layer.width, (line + 1) * layer.width
        held, rest = buffers[part - 1][line], (u32(goal.rest0), u32(goal.rest1))
        longest = plan_line(plan[first:last], u, layer, held, lot, rest, number)
        done[4] += 1
        if longest == 0:
            return
        event, noise = goal.event + done[3], update.noise
        if several:  # a branch that is gone where laws may differ
            noise = layer.noise if part > 1 else noise
        if heats[0]:
            look_before(heats[4][part - 1], plan, seen, line)
        pulses, touched = counts_body(
            own[0], own[1], own[2], plan, noise, u32(goal.cycle0), u32(goal.cycle1), event, first, last
        )
        if update.written[part - 1].active:
            see_written(seen, own, update.written[part - 1], event, first, last)
        if heats[0]:
            look_after(heats[4][part - 1], plan, seen, line)
        plan[first:last] = 0
        done[0] += pulses
        done[1] += touched
        done[2] += longest
        done[3] += 1

    @register_jitable
    @tagged(fingerprint)
    def send(layer, key, fired, fast, laid, lists, turns, span, tally, heats) -> None:  # noqa: ANN001, PLR0913
        """The trains of a batch, band by band of word lines, each line read when its turn comes.

        Arguments:
            span: samples; transfers among them.
        """
        ends, numbers, _, _, reads = turns
        (samples, passed), noise = span, layer.update.written[len(layer.update.gains)]
        together = lines_together(samples)
        for first in range(0, layer.height, together):
            last, begin = min(first + together, layer.height), 0
            for turn in range(passed + 1):
                line = numbers[turn] % layer.rows if turn < passed else -1
                if turn < passed and not first <= line < last:
                    continue
                end = ends[turn] if turn < passed else samples
                done = bands_body(
                    fast[0], fast[1], fast[2], fired[0], laid, lists, layer.noise, first, last, begin, end, heats[0]
                )
                tally[0] += done[0]
                tally[1] += done[1]
                if heats[0]:
                    heats[1][0] += done[2]
                    heats[1][1] += done[3]
                    heats[1][2] += done[4]
                if turn < passed:
                    see_line(reads[turn], layer, fast, noise, line, key.update_event)
                begin = end

    @register_jitable
    @tagged(fingerprint)
    def write(layer, key, fired, samples, writes, parts, shown, memory, kept, room, tally, heats):  # noqa: ANN001, ANN202, PLR0913
        """The trains of a batch, portion by portion, each with the transfer that follows it; writes so far.

        What reads show does not touch the signs, and slow cells are not read before the batch is over: so all trains
        come first, then all pulses of a band of word lines, and the slow array last.
        """
        update, (plans, (laid, lists), turns) = layer.update, room
        ends, numbers, signs, output_signs, reads = turns
        chopper, output = (u32(key.chopper0), u32(key.chopper1)), (u32(key.output0), u32(key.output1))
        begin, passed, fastest, early = 0, 0, len(update.gains), tally[3]
        while begin < samples:
            end = samples if update.whole else min(samples, begin + update.every - writes % update.every)
            for b in range(begin, end):
                if update.chopper > 0 or update.output_flip > 0:
                    chop(fired[0][b], fired[1][b], layer, memory)
                lay_out(laid, b, fired[1][b], u32(key.cycle0), u32(key.cycle1), key.update_event + tally[3], b - begin)
            tally[3] += 1
            writes += 1 if update.whole else end - begin
            begin = end
            if writes % update.every == 0:
                number = writes // update.every - 1
                line, ends[passed], numbers[passed] = number % layer.rows, end, number
                if update.chopper > 0:
                    signs[passed] = memory[1][line]
                if update.output_flip > 0:
                    output_signs[passed] = memory[2]
                change_signs(layer, memory, line, number // layer.rows, number, chopper, plans[2], output)
                passed += 1
        send(layer, key, fired, parts[fastest], laid, lists, turns, (samples, passed), tally, heats)
        if heats[0]:
            for b in range(samples):
                add_fires(heats[2], fired[0][b])
                add_fires(heats[3], fired[1][b])
        for n in range(passed):
            turn, period = (numbers[n], signs[n], output_signs[n]), update.every
            pass_on(layer, key, fastest, turn, reads[n], parts, shown, memory, kept, plans, tally, heats)
            for part in range(fastest - 1, 0, -1):
                period *= update.slower
                if (numbers[n] + 1) * update.every % period != 0:
                    break
                turn = (numbers[n] + 1) * update.every // period - 1, signs[n], output_signs[n]
                see_line(reads[n], layer, parts[part], update.written[part], turn[0] % layer.rows, NEVER)
                pass_on(layer, key, part, turn, reads[n], parts, shown, memory, kept, plans, tally, heats)
        if update.written[fastest].active and update.gains[0] > 0:
            first = key.update_event + early
            see_since(shown[fastest], parts[fastest], update.written[fastest], first, fired[0][:samples])
        return writes

    @Guarded
    @numba.njit(cache=True, error_model="numpy", nogil=True)
    @tagged(fingerprint)
    def train(inputs, labels, batch, layers, switches, keys, loss, margin, step, arrays, scratch, tally, meter):  # noqa: ANN001, ANN202, PLR0913
        _ = fingerprint  # part of the cache key
        chains, seen, shown, memory, kept = arrays
        reads, found, row_fires, column_fires, surveys, read_off = meter
        measures = reads[0].shape[0] > 0
        signals, work, row_trains, column_trains, rooms = scratch
        registers, wanted = signals[0], signals[1]
        total, correct = 0.0, 0
        writes = np.zeros(len(layers), np.int64)
        for n in range(len(layers)):
            writes[n] = keys[n].writes
        for start in range(0, inputs.shape[0], batch):
            samples, number = min(batch, inputs.shape[0] - start), start // batch
            here, weights = slice(start, start + samples), (seen, seen)
            for n in range(len(layers)):
                if layers[n].update.gains[0] > 0:
                    see_all(seen[n], shown[n], layers[n].update.gains)
            lost, right = find_errors(
                layers, switches, loss, margin, number, weights, (inputs[here], labels[here]), signals, work, reads
            )
            total, correct = total + lost, correct + right
            for n in range(len(layers)):
                layer, key, fired = layers[n], keys[n], (row_trains[n], column_trains[n])
                if layer.update.scaled > 0:
                    scale_errors(registers[n], wanted[n], layer, memory[n][6], samples)
                longest = fire_trains(layer, key, registers[n], wanted[n], fired[0], fired[1], samples, step + number)
                tally[n, 2] += longest * samples
                heats = measures, found[n], row_fires[n], column_fires[n], surveys[n], read_off[n]
                args = chains[n], shown[n], memory[n], kept[n], rooms[n], tally[n], heats
                writes[n] = write(layer, key, fired, samples, writes[n], *args)
        for n in range(len(layers)):
            fastest = len(layers[n].update.gains)
            if layers[n].update.written[fastest].active and layers[n].update.gains[0] == 0:
                keep_draws(layers[n], chains[n][fastest], keys[n].update_event)
        return total, correct

    return train


def scratch_for(layers: tuple[Layer, ...], batch: int) -> tuple[Any, ...]:
    """Working memory of the kernel for one batch; line trains of reference cells and plans stay zero."""
    rooms = tuple(
        (
            (
                np.zeros(layer.height * layer.width, np.int32),
                np.empty(layer.columns, np.float32),
                np.empty(layer.columns, np.float32),
            ),
            laid_for(batch, layer.width),
            (
                np.zeros(batch, np.int64),
                np.zeros(batch, np.int64),
                np.ones(batch, np.float32),
                np.ones((batch, layer.columns), np.float32),
                np.empty((batch, layer.width), np.float32),
            ),
        )
        for layer in layers
    )
    return *scratch_for_trains(layers, batch), rooms
