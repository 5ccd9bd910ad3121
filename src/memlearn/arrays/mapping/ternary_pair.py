"""Two cells on neighbouring bit lines make a weight, zero is both low: w = w_max (G+ - G-) / (g_max - g_min)."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from .base import interleave
from .pair import AbstractPair


class TernaryPair(AbstractPair):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j: 1 is (high, low), 0 is (low, low), -1 is (low, high).

    Made for weights of three values, which closed loops programme; values between are linear. A pair stuck at low
    conductance is a zero, which many weights are, and zeros cost hardly any read current. Blind pulses move both cells,
    in opposite directions, as far as they go.
    """

    moves: ClassVar[int] = 2
    kind: Literal["ternary_pair"] = "ternary_pair"
    sources: ClassVar[tuple[str, ...]] = (
        "Nguyen et al., Neuromorph. Comput. Eng. 2:032001 (2022): ternary synapses of two cells",
    )

    def pair_conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """The cell of the other sign is low."""
        part = weight * (g_max - g_min)
        return interleave(part.clamp_min(0), (-part).clamp_min(0)) + g_min

    def pair_pulses(self, pulses: Tensor) -> Tensor:
        """G+ as asked, G- the other way."""
        return interleave(pulses, -pulses)
