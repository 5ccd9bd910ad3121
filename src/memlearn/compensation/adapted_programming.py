"""Parasitic-adapted programming: an equivalent wire resistance of each cell is subtracted from its target."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..core.component import quantity, setting
from .base import AbstractCorrection, Acts, Mapped, node_voltages
from .headroom import rescaled, scale


class AdaptedProgramming(AbstractCorrection):
    """R' = R/s - R_eq for every cell, R_eq the resistance that the lines put in series with it.

    R_eq is the voltage that a cell lacks over the current that it should carry, while all word lines are driven: by
    superposition the drops that the currents of all rows together cause. With d the voltage across the cell,

        R_eq = (V_i - d_ij) / (s V_i / R_ij),

    estimated again for the adapted cells in each round. `drive` says by what word lines are driven: all alike, or the
    mean of typical inputs, which is what the correction is then exact for; lines that are hardly driven suffer.
    """

    acts: ClassVar[Acts] = "mapping"
    kind: Literal["adapted_programming"] = "adapted_programming"
    sources: ClassVar[tuple[str, ...]] = (
        "Truong, Materials 12:4097 (2019), parasitic resistance-adapted programming; "
        "the iteration and the head-room are inferred",
    )

    rounds: int = quantity(8, unit="1", ge=1, doc="estimates of R_eq")
    drive: Literal["inputs", "uniform"] = setting("uniform", doc="word lines at the inputs' mean, or all alike")
    headroom: float | None = quantity(None, unit="1", gt=0, le=1, doc="scale s of the targets; none finds the largest")
    margin: float = quantity(0.8, unit="1", gt=0, le=1, doc="share of the largest scale that is used")
    cut: float = quantity(0.0, unit="1", ge=0, lt=1, doc="fraction of the cells that may end at the ceiling")
    least: float = quantity(0.02, unit="1", gt=0, lt=1, doc="share of its line's voltage below which a cell is left")

    def correct(self, mapped: Mapped) -> Mapped:
        """Iterate."""
        driven = self._driven(mapped)
        s, found = scale(mapped, mapped.target, self.headroom, self.margin, self.cut), mapped
        for _ in range(self.rounds):
            word, bit = node_voltages(found, driven)
            lost = driven[..., 0, :, None] - (word - bit)[..., 0, :, :]
            # 1 / R' = G s / (1 - lost / V): what `lost / V = R_eq G s` leaves of R/s.
            left = 1 - lost / driven[..., 0, :, None].clamp_min(torch.finfo(lost.dtype).tiny)
            idle = (driven[..., 0, :] < self.least * driven.amax((-2, -1))[..., None])[..., None]
            needed = mapped.target / left.clamp_min(self.least).where(~idle, 1)
            s = scale(mapped, needed, self.headroom, self.margin, self.cut)
            found = found._replace(conductance=mapped.bounded(s * needed))
        return rescaled(mapped, found, s, self.rounds)

    def _driven(self, mapped: Mapped) -> Tensor:
        """V, (..., 1, rows)."""
        mean = mapped.inputs.abs().mean(-2, keepdim=True)
        return mean if self.drive == "inputs" else mean.mean(-1, keepdim=True).expand(mean.shape)
