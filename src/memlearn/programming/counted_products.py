"""Numbers of pulses for a sum of outer products: formed in digital when it is written, weight by weight."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity, setting
from ..core.types import Counts, Factors
from ..ops import random
from .base import AbstractWriter, Plan, Wanted, WriteAddress

MOST = 1 << 24
"""As of `rounded_counts`."""


class CountedProducts(AbstractWriter):
    """n = round(learning_rate |sum of x_i d_j| / weight_step) pulses a weight: what few factors stand for, row by row.

    The products are multiplied and added in digital as their row's turn comes, so that no number per weight is kept;
    where trains multiply in the array, every product is written by itself and by lot. "stochastic" rounds up with the
    probability of the remainder and keeps every change on average, "nearest" loses those below half a step.
    """

    kind: Literal["counted_products"] = "counted_products"
    accepts: ClassVar[Literal["factors", "dense", "targets"]] = "factors"
    sources: ClassVar[tuple[str, ...]] = (
        "Gural, Nadeau, Tikekar, Murmann, arXiv 2009.03887 (2020): low-rank sums are written weight by weight",
    )

    learning_rate: float = quantity(0.01, unit="1", gt=0, doc="wanted weight change / outer product of the factors")
    rounding: Literal["nearest", "stochastic"] = setting("stochastic", doc="of the number of pulses")

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """One number per weight."""
        assert isinstance(wanted, Factors)
        total = wanted.sum()
        lot: Tensor | float = 0.5
        if self.rounding == "stochastic" and len(wanted.rows):
            lot = random.uniform(at.stream.child("rounding"), at.event, total.shape, total)
        pulses = (total.abs() * (self.learning_rate * at.rate / at.weight_step) + lot).floor()
        return Counts((total.sign() * pulses.clamp_max(MOST)).int())
