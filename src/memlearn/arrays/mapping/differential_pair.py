"""Two cells on neighbouring bit lines make a weight: w = w_max (G+ - G-) / (g_max - g_min)."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from .base import interleave
from .pair import AbstractPair


class DifferentialPair(AbstractPair):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j; an update pulses both, in opposite directions (push-pull).

    Read forward, the two currents are subtracted; read transposed, the two lines are driven with opposite voltages.
    """

    moves: ClassVar[int] = 2
    kind: Literal["differential_pair"] = "differential_pair"
    sources: ClassVar[tuple[str, ...]] = (
        "Prezioso et al., Nature 521:61 (2015)",
        "Li et al., Nat. Commun. 9:2385 (2018), differential pairs",
    )

    def pair_conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """Symmetric about mid-range: G+- = middle +- w/w_max x half the range."""
        half = weight * (0.5 * (g_max - g_min))
        return interleave(half, -half) + 0.5 * (g_min + g_max)

    def pair_pulses(self, pulses: Tensor) -> Tensor:
        """G+ as asked, G- the other way."""
        return interleave(pulses, -pulses)
