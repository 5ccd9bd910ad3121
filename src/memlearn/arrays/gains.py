"""Correction circuits on the lines of a tile: a gain for each driver and each sense input of a forward read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import InputError


class LineGains(nn.Module):
    """What multiplies the voltage of each word line, and the current of each bit line, in forward reads of a tile.

    Arguments:
        row: (tile rows, tile columns, rows), times the driver's voltage.
        column: (tile rows, tile columns, columns), times the sensed current, before cells' currents are subtracted.

    Raises:
        InputError: a gain is not finite.
    """

    row: Tensor
    column: Tensor

    def __init__(self, row: Tensor, column: Tensor) -> None:
        super().__init__()
        for name, gain in (("row", row), ("column", column)):
            if not bool(torch.isfinite(gain).all()):
                raise InputError(name, "a tensor with NaN or infinity", "must be finite", "Look at the calibration.")
            self.register_buffer(name, gain.detach().clone())

    def drive(self, voltage: Tensor) -> Tensor:
        """V on the lines, (tile rows, tile columns, samples, rows), from the drivers' voltages; tiles broadcast."""
        return voltage * self.row[:, :, None]

    def restore(self, current: Tensor) -> Tensor:
        """A as sensed, from line currents (tile rows, tile columns, samples, columns)."""
        return current * self.column[:, :, None]

    @property
    def multipliers(self) -> tuple[int, int]:
        """Gains that are not 1: on word lines, and on bit lines."""
        return int(torch.count_nonzero(self.row != 1)), int(torch.count_nonzero(self.column != 1))
