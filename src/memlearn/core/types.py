"""Values that pass between the stages of a tile and between a rule and a tile."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Factors(NamedTuple):
    """Outer-product factors: sample b asks for the weight change rows[b] x columns[b] (towards lower loss)."""

    rows: Tensor
    """(samples, inputs): what the word lines carried forward."""
    columns: Tensor
    """(samples, outputs): minus the derivative of the loss, or its binary or ternary stand-in."""


class Counts(NamedTuple):
    """A pulse plan by cell: signed numbers of identical pulses, applied cell after cell."""

    pulses: Tensor
    """(..., rows, columns), int32: n > 0 pulses up, n < 0 pulses down."""


class Trains(NamedTuple):
    """A pulse plan by line: a cell is pulsed in the slots in which its word line and its bit line both fire.

    Bits 0 to 30 of a word are the slots, bit 31 is the line's sign: equal signs pulse up, unequal signs pulse down.
    """

    rows: Tensor
    """(samples, lines), int64."""
    columns: Tensor
    """(samples, lines), int64."""
    slots: int
    """Slots that the drivers take per sample: the time of the write, whether or not a line fires."""


PulsePlan = Counts | Trains

SIGN_BIT = 31
MAX_SLOTS = 31
