"""Two cells on neighbouring bit lines make a weight: w = w_max (G+ - G-) / (g_max - g_min)."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.types import Counts
from .base import interleave
from .pair import AbstractPair


class DifferentialPair(AbstractPair):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j; an update pulses both, in opposite directions (push-pull).

    Read forward, the two currents are subtracted; read transposed, the two lines are driven with opposite voltages.
    """

    kind: Literal["differential_pair"] = "differential_pair"
    sources: ClassVar[tuple[str, ...]] = (
        "Prezioso et al., Nature 521:61 (2015)",
        "Li et al., Nat. Commun. 9:2385 (2018), differential pairs",
    )

    def step(self, g_step: float, g_range: float) -> float:
        """Both cells move."""
        return 2 * self.w_max * g_step / g_range

    def conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Symmetric about mid-range: G+- = middle +- w/w_max x half the range."""
        half = (weight / self.w_max).clamp(-1, 1) * (0.5 * (g_max - g_min))
        return interleave(half, -half) + 0.5 * (g_min + g_max)

    def counts(self, plan: Counts) -> Counts:
        """G+ as asked, G- the other way."""
        return plan._replace(pulses=interleave(plan.pulses, -plan.pulses))
