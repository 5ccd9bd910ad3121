"""How a table is to be read, and traces before their unit is known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Reading:
    """How a table is to be read; None means: guess, and say so.

    Arguments:
        values: columns of the measured quantity; names, or numbers from 1.
        unit: of the values, one of S mS uS nS pS, A mA uA nA pA, ohm kohm Mohm, or 1 for normalised weights.
        read_voltage: V, when the values are currents: a number, or the name of a column.
        direction: column that tells up from down: a signed voltage, a sign, or words.
        negative_is_up: a negative voltage raises the conductance.
        up, down: pulses up, then down, again and again, when no column tells the direction.
        up_column, down_column: two columns, readings after up pulses and readings after down pulses.
        device: column with the name of the device (long form).
        trace: column with the name of the trace of that device (long form).
        pulse: column with the number of the pulse; gaps are several pulses between two readings.
        before, after: two columns, readings before and after one pulse; every row is a pulse of its own.
        same_device: the traces are repeats on one device, not one device each.
        read_before: a row holds the reading before its pulse, not after it.
        window: S: conductances that dimensionless values span; 2e-6 to 20e-6 unless given.
    """

    values: tuple[str, ...] = ()
    unit: str | None = None
    read_voltage: str | float | None = None
    direction: str | None = None
    negative_is_up: bool = False
    up: int | None = None
    down: int | None = None
    up_column: str | None = None
    down_column: str | None = None
    device: str | None = None
    trace: str | None = None
    pulse: str | None = None
    before: str | None = None
    after: str | None = None
    same_device: bool = False
    read_before: bool = False
    window: tuple[float, float] | None = None


class Parts(NamedTuple):
    """Traces before their unit is known."""

    values: list[np.ndarray]
    up: list[np.ndarray]
    pulses: list[np.ndarray]
    devices: list[str]
    voltage: list[np.ndarray] | None


def is_number(text: str) -> bool:
    """A column's option that is a number instead."""
    return re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text.strip().lower()) is not None


def say(notes: list[str], note: str) -> None:
    """Say something once."""
    if note not in notes:
        notes.append(note)
