"""Every sample's outer product goes to the array at once, in a size that suits the array's pulses."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from ...core.types import Counts, Factors
from ...programming import WriteAddress
from .base import AbstractAccumulator


class ScaledSample(AbstractAccumulator):
    """Errors x slots D / (m_x m_e): the largest product of a usual sample asks for `slots` pulses of mean step D.

    m_x and m_e are running means of the largest magnitudes of the samples' two factors, two numbers a layer; the first
    sample starts them, and one without a product does not count. Samples keep their sizes relative to each other. The
    writer's rate should be 1. For arrays that gather a gradient whose size is of no importance.
    """

    kind: Literal["scaled_sample"] = "scaled_sample"
    gives: ClassVar[Literal["factors", "dense", "targets"]] = "factors"
    sources: ClassVar[tuple[str, ...]] = ("IBM aihwkit, auto_scale of the fast rate of its transfer compounds",)

    slots: float = quantity(0.5, unit="1", gt=0, doc="pulses that the largest product of a usual sample asks for")
    share: float = quantity(0.01, unit="1", gt=0, le=1, doc="of a new sample in the running means")

    def init(self, weight: Tensor, w_max: float) -> Tensor:
        """m_x, m_e."""
        return torch.zeros(2, dtype=torch.float64)

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Factors:
        """The factors with their errors scaled."""
        assert memory is not None
        step = 1.0 if at is None else at.weight_step
        peaks = [side.detach().abs().amax(1).double().tolist() for side in factors]
        means, scales, share = memory.tolist(), [], self.share
        for x, e in zip(*peaks, strict=True):
            if x * e > 0:
                means = [m + share * (new - m) for m, new in zip(means, (x, e), strict=True)] if means[0] else [x, e]
            scales.append(self.worth(step) / (means[0] * means[1]) if means[0] else 0.0)
        memory.copy_(torch.tensor(means, dtype=torch.float64))
        return factors._replace(columns=factors.columns * torch.tensor(scales).to(factors.columns)[:, None])

    def worth(self, step: float) -> float:
        """Weight that the largest product of a usual sample asks for.

        A hair less than `slots` pulses, so that the first sample, usual by definition, takes no slot more by rounding.
        """
        return self.slots * (1 - 1e-6) * step

    def settle(self, memory: Tensor | None, plan: Counts, quantum: float) -> None:
        """Nothing is taken out of running means."""

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """None."""
        return 0
