"""Deterministic trains: unary codes whose coincidences are an exact product."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..core.component import quantity, setting
from ..core.types import SIGN_BIT, Factors, Trains
from ..ops import random
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class DeterministicTrains(AbstractWriter):
    """Values become levels n = round(gain |value|), 0 .. levels; a train of levels^2 slots codes them in unary.

    The slots are `levels` blocks of `levels`. A row at level n fires in the first n slots of every block; a column at
    level m fires throughout the first m blocks: they coincide in exactly n m slots. Gains multiply to
    learning_rate / weight_step and give equal peaks on both sides. Values beyond the top level clip; with
    `rounding = "nearest"` values below half a level are lost, "stochastic" keeps them on average.
    """

    kind: Literal["deterministic_trains"] = "deterministic_trains"
    accepts: ClassVar[Literal["factors", "dense"]] = "factors"
    sources: ClassVar[tuple[str, ...]] = (
        "Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); deterministic counterpart with aligned coincidences",
    )

    learning_rate: float = quantity(0.01, unit="1", gt=0, doc="wanted weight change / outer product of the factors")
    levels: int = quantity(5, unit="1", ge=1, le=5, doc="levels of each side; the train has levels^2 slots, at most 31")
    rounding: Literal["nearest", "stochastic"] = setting("stochastic", doc="of values to levels")

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """One train per line and sample."""
        assert isinstance(wanted, Factors)
        # In double: a side at rest beside a loud one must not make the ratio infinite, and zero times it no number.
        row_peak, column_peak = (f.abs().amax(dim=1, keepdim=True).double() for f in wanted)
        gain = (self.learning_rate * at.rate / at.weight_step) ** 0.5
        skew = (column_peak / row_peak).sqrt().where(row_peak * column_peak > 0, 1.0).to(wanted.rows.dtype)
        rows = self._levels(wanted.rows * (gain * skew), at, "rows")
        columns = self._levels(wanted.columns * (gain / skew), at, "columns")
        blocks = torch.tensor(
            [sum(((1 << n) - 1) << (self.levels * b) for b in range(self.levels)) for n in range(self.levels + 1)],
            device=rows.device,
        )
        runs = torch.tensor([(1 << (self.levels * m)) - 1 for m in range(self.levels + 1)], device=rows.device)
        return Trains(
            blocks[rows] | _sign(wanted.rows), runs[columns] | _sign(wanted.columns), self.levels * self.levels
        )

    def _levels(self, values: Tensor, at: WriteAddress, side: str) -> Tensor:
        shift: Tensor | float = 0.5
        if self.rounding == "stochastic":
            shift = random.uniform(at.stream.child(side), at.event, values.shape, values)
        return (values.abs() + shift).floor().clamp_max(self.levels).long()


def _sign(values: Tensor) -> Tensor:
    return (values < 0).long() << SIGN_BIT
