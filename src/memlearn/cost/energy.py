"""Energy of what happened, term by term. Each function is one term; its docstring is the formula and its source.

Measured amounts (the heat of reads and pulses) are used where the ledger has them; else every line counts as fully
driven and every cell as the mean one, which the bill says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..core.ledger import Amount, Event
from .latency import bits_of, latency_parts, turns
from .lines import Lines, lines_of, pulse_of, settling
from .parts import Part
from .settings import Cost
from .technology import scaled
from .use import WHOLE, ArrayUse, Use


class _Way(NamedTuple):
    """Where the ledger keeps what pulses of one direction did."""

    pulses: Amount
    heat: Amount
    dose: Event
    written: Amount
    slots: Amount
    beside: Amount
    around: Amount


_WAYS = (
    _Way(
        Amount.PULSE_UP,
        Amount.HEAT_UP,
        Event.DOSE_UP,
        Amount.WRITTEN_UP,
        Amount.SLOT_UP,
        Amount.BESIDE_UP,
        Amount.AROUND_UP,
    ),
    _Way(
        Amount.PULSE_DOWN,
        Amount.HEAT_DOWN,
        Event.DOSE_DOWN,
        Amount.WRITTEN_DOWN,
        Amount.SLOT_DOWN,
        Amount.BESIDE_DOWN,
        Amount.AROUND_DOWN,
    ),
)


def energy_parts(use: Use, cost: Cost) -> Iterator[Part]:
    """All energies of a run, J."""
    for number, array in enumerate(use.arrays):
        for during in array.counts:
            yield from array_energy(array, during, cost)
        yield from digital_energy(use, array, cost)
        if number == 0:
            yield Part("forward", array.name, "off-chip input", use.images * use.input_bits * cost.offchip_energy)
    for name, passes in use.others.items():
        for during, counts in passes.items():
            decisions = counts.get(Event.COMPARISON.value, 0) + counts.get(Event.WINNER.value, 0)
            yield Part(during, name, "comparators", decisions * comparison(cost))
            yield Part(during, name, "memory", 2 * counts.get(Event.STORED_BIT.value, 0) * memory_bit(cost))
    yield from standby(use, cost)


def array_energy(array: ArrayUse, during: str, cost: Cost) -> Iterator[Part]:
    """Of one array in one pass."""
    lines, name = lines_of(array.rows, array.columns, cost), array.name
    back = during == "backward"
    yield Part(during, name, "cells", read_heat(array, during, cost) + single_read_heat(array, during, cost))
    yield Part(during, name, "lines", read_lines(array, during, cost, lines) + write_lines(array, during, cost, lines))
    yield Part(during, name, "drivers", drivers(array, during, cost, back=back))
    yield Part(during, name, "converters", conversions(array, during, cost, back=back))
    yield Part(during, name, "comparators", array.count(during, Event.COMPARISON) * comparison(cost))
    yield Part(during, name, "single reads", sensed_singly(array, during, cost))
    yield Part(during, name, "pulses", pulse_heat(array, during, cost))
    yield Part(during, name, "half-selected", half_selected(array, during, cost))
    adds = array.count(during, Event.DIGITAL_ADD)
    yield Part(during, name, "digital", adds * addition(bits_of(array.forward.sense_bits, cost), cost))


def read_heat(array: ArrayUse, during: str, cost: Cost) -> float:
    """sum of V^2 G t_read, of the actual inputs and conductances (Joule); with wires, what the sources deliver."""
    if during not in WHOLE:
        return 0.0
    heat = array.count(during, Amount.READ_HEAT)
    if not heat:
        heat = array.count(during, Event.CELL_READ) * array.g_mean * array.read_voltage**2
    return heat * (cost.read_pulse + settling(array, cost, back=during == "backward"))


def single_read_heat(array: ArrayUse, during: str, cost: Cost) -> float:
    """V_read^2 G t_read of each read of one cell, at the array's mean conductance."""
    reads = array.count(during, Event.SINGLE_READ) + (during not in WHOLE) * array.count(during, Event.CELL_READ)
    return reads * array.read_voltage**2 * array.g_mean * (cost.read_pulse + settling(array, cost))


def read_lines(array: ArrayUse, during: str, cost: Cost, lines: Lines) -> float:
    """C_line V^2 of each driven line, and with transistors C_wl Vdd^2 of every open word line, once per mux group."""
    gate, volts = lines.gate * cost.at.vdd**2, array.read_voltage**2
    single = array.count(during, Event.READ_SLOT) + array.single_lines(during)
    alone = single * (gate + lines.row * volts)
    if during not in WHOLE:
        return alone
    reads, back = array.reads(during), during == "backward"
    square = array.count(during, Amount.SQUARE)
    if not square:
        square = reads * (array.columns * array.tiles[0] if back else array.rows * array.tiles[1]) * volts
    groups = turns(array, cost, array.backward if back else array.forward, back=back)
    gates = reads * array.stack * array.rows * gate * groups
    return (lines.column if back else lines.row) * square + gates + alone


def drivers(array: ArrayUse, during: str, cost: Cost, *, back: bool) -> float:
    """A converter on each line and vector, 0.29 pJ x 2^(bits - 8) at 40 nm; or a 1-bit driver's 3.9 uW at 32 nm x t."""
    side = array.backward if back else array.forward
    if side.drive == "dac":
        bits = bits_of(side.drive_bits, cost)
        each = scaled(cost.dac_energy, 45, cost.at) * 2.0 ** (bits - 8)
        return array.count(during, Event.DAC) * each
    driven = array.count(during, Amount.DRIVEN) or array.single_lines(during)
    if not driven:
        driven = array.reads(during) * (array.columns * array.tiles[0] if back else array.rows * array.tiles[1])
    return driven * scaled(cost.driver_power, 32, cost.at) * (cost.read_pulse + settling(array, cost, back=back))


def conversions(array: ArrayUse, during: str, cost: Cost, *, back: bool) -> float:
    """Conversions x energy of one, by the converter's own model (survey, regression, flash, integrate-and-fire)."""
    number = array.count(during, Event.ADC)
    if not number:
        return 0.0
    side = array.backward if back else array.forward
    return number * cost.adc.energy(bits_of(side.sense_bits, cost), cost.at)


def sensed_singly(array: ArrayUse, during: str, cost: Cost) -> float:
    """Reads of closed loops are judged by a comparator, or by the converter of the column."""
    reads = array.count(during, Event.SINGLE_READ)
    if cost.verify == "comparator":
        return reads * comparison(cost)
    return reads * cost.adc.energy(bits_of(array.forward.sense_bits, cost), cost.at)


def comparison(cost: Cost) -> float:
    """42 fJ at 65 nm (TIMELY's charging comparator)."""
    return scaled(cost.comparator_energy, 65, cost.at)


def addition(bits: int, cost: Cost) -> float:
    """0.03 pJ for 8 bits at 45 nm (Horowitz), in proportion to the bits."""
    return scaled(cost.adder_energy, 45, cost.at) * bits / 8


def memory_bit(cost: Cost) -> float:
    """0.16 pJ for a bit read or written, 8 KB at 45 nm (Horowitz)."""
    return scaled(cost.memory_energy, 45, cost.at)


def pulse_heat(array: ArrayUse, during: str, cost: Cost) -> float:
    """V^2 G t of each pulse, G the mean of before and after its write; of closed loops, before the pulse."""
    total, share = 0.0, array.count(during, Event.PULSE) / 2
    for pulse, way in zip((array.up, array.down), _WAYS, strict=True):
        voltage, width = pulse_of(pulse, cost)
        heat = array.count(during, way.heat) + 1e-15 * array.count(during, way.dose)
        if not _pulses_known(array, during):
            heat = share * array.g_mean
        total += voltage**2 * width * heat * bend(voltage, voltage, array, cost)
    return total


def half_selected(array: ArrayUse, during: str, cost: Cost) -> float:
    """(aV)^2 G(aV) t, a = 1/2 or 1/3, of cells beside the selected ones; in V/3 of all others, too."""
    if cost.cell == "1t1r":
        return 0.0
    alpha, total = (1 / 2 if cost.cell == "v_half" else 1 / 3), 0.0
    for pulse, way in zip((array.up, array.down), _WAYS, strict=True):
        voltage, width = pulse_of(pulse, cost)
        beside, around = array.count(during, way.beside), array.count(during, way.around)
        if not beside:
            pulses = array.count(during, way.pulses) or array.count(during, Event.PULSE) / 2
            beside = pulses * array.g_mean * (array.rows + array.columns - 2)
            around = pulses * array.g_mean * (array.rows - 1) * (array.columns - 1)
        exposed = beside + around if cost.cell == "v_third" else beside
        total += (alpha * voltage) ** 2 * width * exposed * bend(alpha * voltage, voltage, array, cost)
    return total


def bend(voltage: float, write: float, array: ArrayUse, cost: Cost) -> float:
    """G(V) / G(V_read) = (V_read / V) NL^((V - V_read) / (V_write / 2)) where currents bend, else 1 (NeuroSim)."""
    if cost.nonlinearity is None:
        return 1.0
    read = array.read_voltage
    return read / voltage * cost.nonlinearity ** ((voltage - read) / (write / 2))


def write_lines(array: ArrayUse, during: str, cost: Cost, lines: Lines) -> float:
    """Of writes: selected row and columns C V^2; with transistors 2 C_wl Vdd^2 a written word line, and unselected
    columns held at V while raising, or with `both` phases in every write (NeuroSim); of trains, each line C (V/2)^2 as
    often as it fires."""
    (up, _), (down, _) = pulse_of(array.up, cost), pulse_of(array.down, cost)
    if array.writes == "trains":
        rows, columns = array.count(during, Amount.FIRED_ROW), array.count(during, Amount.FIRED_COLUMN)
        return (up**2 + down**2) / 2 / 4 * (rows * lines.row + columns * lines.column)
    total, written = 0.0, array.count(during, Amount.WRITTEN) if cost.phases == "both" else 0.0
    slots = array.count(during, Event.TRAIN_SLOT) / 2
    for voltage, way in zip((up, down), _WAYS, strict=True):
        pulses = array.count(during, way.pulses) or array.count(during, Event.PULSE) / 2
        rows = array.count(during, way.slots) or (slots if array.writes == "closed" else 0.0)
        total += voltage**2 * (rows * lines.row + pulses * lines.column)
        opened = written or array.count(during, way.written)
        if cost.cell == "1t1r":
            total += (opened or rows) * lines.gate * cost.at.vdd**2
            if way is _WAYS[0]:
                total += voltage**2 * lines.column * max(0.0, opened * array.columns - _raised(array, during))
    return total


def digital_energy(use: Use, array: ArrayUse, cost: Cost) -> Iterator[Part]:
    """What is formed and kept in digital: gradients per weight and sample, activations, errors through a mirror.

    A driven word line and sample: an addition (or a product and an addition) a weight, and its number read and
    written. An output and sample: its neuron's bits written and read. Errors through a mirror: a product, an addition
    and the weight's bits a weight and sample.
    """
    if not array.leads:
        return
    samples = array.reads("forward")
    driven = array.count("forward", Amount.DRIVEN) / array.tiles[1] or samples * array.inputs
    product = scaled(cost.multiplier_energy, 45, cost.at)
    if use.gradient != "none":
        changes, bits = driven * array.outputs, use.weight_bits
        each = addition(max(bits, 1), cost) + (product if use.gradient == "multiply" else 0.0)
        yield Part("update", array.name, "digital", changes * each)
        yield Part("update", array.name, "memory", changes * 2 * bits * memory_bit(cost))
    kept = samples * array.outputs * use.neuron_bits
    yield Part("forward", array.name, "memory", 2 * kept * memory_bit(cost))
    if use.mirror and array is not use.arrays[0]:
        weights = samples * array.inputs * array.outputs
        yield Part("backward", array.name, "digital", weights * (product + addition(32, cost)))
        yield Part("backward", array.name, "memory", weights * use.weight_bits * memory_bit(cost))


def standby(use: Use, cost: Cost) -> Iterator[Part]:
    """Ioff W Vdd of the memory's transistors, two off in a bit, each 1.5 F wide, as long as the run takes; and a fifth
    of the converters' power (hwcomponents) where they are not switched off."""
    seconds = sum(part.value for part in latency_parts(use, cost))
    for array in use.arrays:
        bits = use.kept_bits(array)
        watts = bits * 2 * cost.leakage * 1.5 * cost.at.feature * cost.at.vdd
        yield Part("standby", array.name, "memory", watts * seconds)
        if not cost.gated and array.forward.sense == "adc":
            bits = bits_of(array.forward.sense_bits, cost)
            each = 0.2 * cost.adc.energy(bits, cost.at) / cost.adc.time(bits, cost.at)
            circuits = -(-array.outputs // turns(array, cost, array.forward)) * array.tiles[0]
            yield Part("standby", array.name, "converters", each * circuits * seconds)


def _raised(array: ArrayUse, during: str) -> float:
    """Cells that were raised, write by write: their share of those that were pulsed, by pulses."""
    up, down = (array.count(during, way.pulses) for way in _WAYS)
    return array.count(during, Event.PULSED_CELL) * up / (up + down) if up else 0.0


def _pulses_known(array: ArrayUse, during: str) -> bool:
    return any(array.count(during, way.heat) or array.count(during, way.dose) for way in _WAYS)
