"""Area of the arrays and of what stands beside them, m^2."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .latency import bits_of, turns
from .lines import pitch
from .parts import Part
from .settings import Cost
from .technology import scaled
from .use import ArrayUse, Side, Use


def area_parts(use: Use, cost: Cost) -> Iterator[Part]:
    """All areas of a network."""
    for array in use.arrays:
        yield Part("", array.name, "cells", array.stack * array.rows * array.columns * pitch(cost) ** 2)
        yield Part("", array.name, "drivers", drivers(array, cost, trained=use.steps > 0))
        for side, back in ((array.forward, False), (array.backward, True)):
            if not back or "backward" in array.counts:
                yield from sensing(array, side, cost, back=back)
        yield Part("", array.name, "memory", memory(use, array, cost))
        if use.gradient != "none" and array.leads:
            yield Part("", array.name, "digital", array.outputs * scaled(cost.adder_area, 45, cost.at, "area"))


def drivers(array: ArrayUse, cost: Cost, *, trained: bool) -> float:
    """0.167 um^2 per bit of a driven line's converter at 32 nm (ISAAC); a write driver of 1150 um^2 at 130 nm on each
    line of an array that learns (MNSIM)."""
    bits = [1 if side.drive == "switch" else bits_of(side.drive_bits, cost) for side in (array.forward, array.backward)]
    lines = array.rows * bits[0] + array.columns * bits[1] * ("backward" in array.counts)
    sending = array.rows + math.ceil(array.columns / array.write_sharing)
    write = sending * scaled(cost.driver_area, 130, cost.at, "area") if trained else 0.0
    return array.stack * (lines * scaled(cost.dac_area, 32, cost.at, "area") + write)


def sensing(array: ArrayUse, side: Side, cost: Cost, *, back: bool) -> Iterator[Part]:
    """A converter (by its own model), or a comparator of 40 um^2 at 65 nm (TIMELY), for each group of sensed lines."""
    lines, tall = (array.inputs, array.tiles[1]) if back else (array.outputs, array.tiles[0])
    circuits = math.ceil(lines / turns(array, cost, side, back=back))
    if side.sense == "adc":
        each = cost.adc.area(bits_of(side.sense_bits, cost), cost.at)
        yield Part("", array.name, "converters", circuits * tall * each)
    else:  # a plain wire leads to a neuron that compares; a ternary decision takes two
        each = scaled(cost.comparator_area, 65, cost.at, "area")
        yield Part("", array.name, "comparators", (1 + back) * circuits * each)


def memory(use: Use, array: ArrayUse, cost: Cost) -> float:
    """146 F^2 a bit (6T SRAM, NeuroSim): numbers per weight, and per neuron and sample of a batch."""
    return use.kept_bits(array) * cost.memory_area * cost.at.feature**2
