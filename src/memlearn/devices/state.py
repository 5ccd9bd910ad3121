"""What a tile keeps about its cells, and what a law is told about them when they are made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..core.errors import InputError
from ..core.types import Counts, PulsePlan


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


def check_plan(plan: PulsePlan, cells: tuple[int, ...]) -> None:
    """Raise InputError where a plan does not fit the cells; a compiled kernel does not look where it reads."""
    if isinstance(plan, Counts):
        if tuple(plan.pulses.shape) != cells:
            raise InputError("plan.pulses", tuple(plan.pulses.shape), f"must have the shape of the cells, {cells}")
        if plan.share is not None and tuple(plan.share.shape) != cells:
            raise InputError("plan.share", tuple(plan.share.shape), f"must have the shape of the cells, {cells}")
        return
    tall, wide, rows, columns = cells
    for name, given, lines in (("rows", plan.rows, tall * rows), ("columns", plan.columns, wide * columns)):
        if tuple(given.shape) != (len(plan.rows), lines):
            allowed = f"must have shape (samples, lines) = ({len(plan.rows)}, {lines})"
            raise InputError(f"plan.{name}", tuple(given.shape), allowed)


def flat(tensor: Tensor, *shape: int) -> np.ndarray:
    """A NumPy view, so that the kernel writes into the tensor itself; a copy would lose the pulses."""
    if not tensor.is_contiguous():
        raise InputError(
            "state", tuple(tensor.shape), "must be contiguous", "Call .contiguous() on the state's tensors."
        )
    return tensor.numpy().reshape(shape)
