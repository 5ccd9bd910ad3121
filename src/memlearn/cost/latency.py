"""How long it takes: tiles of an array at the same time, arrays and passes one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..core.ledger import Amount, Event
from .lines import pulse_of, settling
from .parts import Part
from .settings import Cost
from .use import ArrayUse, Side, Use


def latency_parts(use: Use, cost: Cost) -> Iterator[Part]:
    """All times of a run, s."""
    for array in use.arrays:
        for during in array.counts:
            yield from _reads(array, during, cost)
            yield from _single_reads(array, during, cost)
            yield from _pulses(array, during, cost)
        yield from _gathering(use, array, cost)


def read_time(array: ArrayUse, cost: Cost, *, back: bool = False) -> dict[str, float]:
    """Of one vector: t_settle + t_pulse + t_driver, then lines that share a converter take turns: n t_adc, s."""
    side = array.backward if back else array.forward
    return {
        "lines": settling(array, cost, back=back),
        "cells": cost.read_pulse,
        "drivers": 1 / cost.clock,
        "converters": turns(array, cost, side, back=back) * sense_time(side, cost),
    }


def sense_time(side: Side, cost: Cost) -> float:
    """Of one decision or conversion, s."""
    if side.sense == "adc":
        return cost.adc.time(bits_of(side.sense_bits, cost), cost.at)
    return cost.comparator_time


def turns(array: ArrayUse, cost: Cost, side: Side, *, back: bool = False) -> int:
    """Sensed lines that a circuit serves one after another."""
    lines = math.ceil(array.inputs / array.tiles[0]) if back else math.ceil(array.outputs / array.tiles[1])
    return min(cost.sharing or side.sharing, lines)


def bits_of(bits: int | None, cost: Cost) -> int:
    """Of a converter, also where a run takes it to be continuous."""
    return cost.continuous_bits if bits is None else bits


def _reads(array: ArrayUse, during: str, cost: Cost) -> Iterator[Part]:
    """Vectors x time of one."""
    reads = array.reads(during)
    for component, seconds in read_time(array, cost, back=during == "backward").items():
        yield Part(during, array.name, component, reads * seconds)


def _single_reads(array: ArrayUse, during: str, cost: Cost) -> Iterator[Part]:
    """Reads of chosen cells in the turns that the ledger counts; and reads of single word lines, one after another."""
    each = (
        settling(array, cost)
        + cost.read_pulse
        + (cost.comparator_time if cost.verify == "comparator" else sense_time(array.forward, cost))
    )
    yield Part(during, array.name, "single reads", array.count(during, Event.READ_SLOT) * each)
    whole = sum(read_time(array, cost).values())
    yield Part(during, array.name, "single lines", array.single_lines(during) * whole)


def _pulses(array: ArrayUse, during: str, cost: Cost) -> Iterator[Part]:
    """Row by row: most pulses up of each word line x t_up + most down x t_down; else turns that the ledger counts."""
    (_, rise), (_, fall) = pulse_of(array.up, cost), pulse_of(array.down, cost)
    mean, slots = (rise + fall) / 2, array.count(during, Event.TRAIN_SLOT)
    if array.writes != "counts" or cost.write_order == "array":
        seconds = slots * mean
    elif cost.write_order == "cell":
        seconds = array.count(during, Event.PULSE) * mean
    else:
        up, down = array.count(during, Amount.TURN_UP), array.count(during, Amount.TURN_DOWN)
        known = up + down > 0
        # Not measured: as if every word line took as long as the array's longest.
        seconds = up * rise + down * fall if known else slots * min(array.rows, array.inputs) * mean
    yield Part(during, array.name, "pulses", seconds)


def _gathering(use: Use, array: ArrayUse, cost: Cost) -> Iterator[Part]:
    """An adder for each bit line takes a driven word line a cycle: what gathers gradients in digital waits for it."""
    if use.gradient != "none" and array.leads:
        driven = array.count("forward", Amount.DRIVEN) / array.tiles[1]
        cycles = driven or array.reads("forward") * array.inputs
        yield Part("update", array.name, "digital", cycles / cost.clock)
