"""Lines of an array: capacitance, resistance, settling."""

from __future__ import annotations

import math
from typing import NamedTuple

from .settings import Cost
from .use import ArrayUse, Pulse


class Lines(NamedTuple):
    """One line of each kind of a tile."""

    row: float
    """F, of the line that carries a row's voltage: Cw columns pitch."""
    column: float
    """F, of a bit line: Cw rows pitch + rows C_drain."""
    gate: float
    """F, of the word line that opens a row's transistors: row + columns C_gate; 0 without transistors."""
    row_resistance: float
    """ohm: of the whole line."""
    column_resistance: float


def pitch(cost: Cost) -> float:
    """Side of a cell, m: sqrt of its area in F^2, times F."""
    area = cost.transistor_area if cost.cell == "1t1r" else cost.crosspoint_area
    return math.sqrt(area) * cost.at.feature


def lines_of(rows: int, columns: int, cost: Cost) -> Lines:
    """C_row = Cw columns pitch; C_col = Cw rows pitch + rows C_drain; C_wl = C_row + columns C_gate (NeuroSim).

    Arguments:
        rows, columns: of a tile.
        cost: assumptions.
    """
    across, down, gated = columns * pitch(cost), rows * pitch(cost), cost.cell == "1t1r"
    grown = cost.node / 32
    row, column = cost.wire_capacitance * across, cost.wire_capacitance * down
    return Lines(
        row,
        column + gated * rows * cost.drain_capacitance * grown,
        (row + columns * cost.gate_capacitance * grown) * gated,
        cost.at.wire_resistance * across,
        cost.at.wire_resistance * down,
    )


def settling(array: ArrayUse, cost: Cost, *, back: bool = False) -> float:
    """ln(2^(bits + 1)) (R_line C_line / 2 + C_line / sum of G), s, of the sensed lines.

    Arguments:
        array: with the mean conductance of its cells.
        cost: bits to settle to.
        back: of a transposed read, which senses the word lines.
    """
    lines = lines_of(array.rows, array.columns, cost)
    capacitance = lines.row if back else lines.column
    resistance = lines.row_resistance if back else lines.column_resistance
    conductance = array.g_mean * (array.columns if back else array.rows)
    wait = resistance * capacitance / 2 + (capacitance / conductance if conductance else 0.0)
    return math.log(2.0 ** (cost.settle_bits + 1)) * wait


def pulse_of(pulse: Pulse, cost: Cost) -> tuple[float, float]:
    """Voltage (V) and width (s) of a pulse, or what is assumed where the device does not state them."""
    voltage = cost.default_voltage if pulse.voltage is None else abs(pulse.voltage)
    return voltage, cost.default_width if pulse.width is None else pulse.width
