"""Values that pass between the stages of a tile and between a rule and a tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Factors(NamedTuple):
    """Outer-product factors: sample b asks for the weight change rows[b] x columns[b] (towards lower loss)."""

    rows: Tensor
    """(samples, inputs): what the word lines carried forward."""
    columns: Tensor
    """(samples, outputs): minus the derivative of the loss, or its binary or ternary stand-in."""

    @classmethod
    def joined(cls, parts: Sequence[Factors]) -> Factors:
        """The samples of several, at least one, one after another."""
        return parts[0] if len(parts) == 1 else cls(*(torch.cat(side) for side in zip(*parts, strict=True)))

    def sum(self) -> Tensor:
        """The sum of the outer products, (inputs, outputs)."""
        if len(self.rows) < _MANY:
            return self.rows.T @ self.columns
        # The same product turned round: over many samples and few columns, as convolutions have, ten times faster.
        return (self.columns.T @ self.rows).T.contiguous()


class Drive(NamedTuple):
    """The pulses of one write, where they are not the device's own `up_pulse` and `down_pulse`.

    Each is a number for all cells, or a tensor with the shape of the cells. Only laws with a voltage axis take it.
    """

    up_voltage: Tensor | float
    """V, signed."""
    up_width: Tensor | float
    """s."""
    down_voltage: Tensor | float
    """V, signed."""
    down_width: Tensor | float
    """s."""


class Counts(NamedTuple):
    """A pulse plan by cell: signed numbers of identical pulses, applied cell after cell."""

    pulses: Tensor
    """(..., rows, columns), int32: n > 0 pulses up, n < 0 pulses down."""
    drive: Drive | None = None
    """Voltage and width, where they are not the device's own."""
    share: Tensor | None = None
    """Part of the pulse's voltage that reaches each cell, shape of the cells; None: all of it."""


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
    only_up: bool = False
    """Cells that would be pulsed down are left alone, as one-sided cells need it."""
    drive: Drive | None = None
    """Voltage and width, where they are not the device's own."""


PulsePlan = Counts | Trains

SIGN_BIT = 31
_MANY = 2048
"""Samples from which a convolution's sums are formed the other way round; below, bits are as they have always been."""
MAX_SLOTS = 31
