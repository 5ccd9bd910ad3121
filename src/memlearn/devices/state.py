"""What a tile keeps about its cells, and what a law is told about them when they are made."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class DeviceState(NamedTuple):
    """Everything that a tile must keep about its cells; leading axes are tiles."""

    conductance: Tensor
    """(tile rows, tile columns, rows, columns), S."""
    parameters: Tensor
    """(tile rows, tile columns, rows, columns, K): lower and upper bound, S, then what the law's step reads."""
    counters: Tensor
    """(tile rows, tile columns, rows, columns, 2), int32: pulses received, 1 + last event that pulsed the cell."""
    memory: Tensor
    """(tile rows, tile columns, rows, columns, M): what the effects remember of each cell; M is 0 without any."""

    @property
    def stuck(self) -> Tensor:
        """Mask of the cells that nothing can move: stuck ones, and those of a tile that are not in use."""
        return self.parameters[..., 0] == self.parameters[..., 1]


class Cells(NamedTuple):
    """New cells, each with its own deviations, from which a law makes the columns that its step reads; all (shape)."""

    up: Tensor
    """S: up step at mid-range; zero in a stuck cell."""
    down: Tensor
    """S: down step at mid-range, positive; zero in a stuck cell."""
    lower: Tensor
    """S: lower bound."""
    upper: Tensor
    """S: upper bound; equal to the lower one in a stuck cell."""
    shape_up: Tensor
    """Deviation of the cell's non-linearity of up pulses, to be added to the law's slope, exponent or label."""
    shape_down: Tensor
    """The same of down pulses."""
