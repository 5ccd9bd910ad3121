"""One identical pulse where the wanted change is large enough."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..core.component import quantity, setting
from ..core.types import Counts
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class Threshold(AbstractWriter):
    """One pulse of the wanted sign where |wanted| >= threshold; all else is left alone.

    The threshold is in units of the accumulator (counts, for sign backpropagation), or, if `relative`, a fraction of
    the layer's largest wanted change: an absolute one can freeze the hidden layers of a network with analogue errors.
    """

    kind: Literal["threshold"] = "threshold"
    sources: ClassVar[tuple[str, ...]] = (
        "Zhang et al., Neural Networks 108:217 (2018), threshold learning rule",
        "Yao et al., Nature 577:641 (2020), Methods, equation 2",
    )

    threshold: float = quantity(2.0, unit="1", gt=0, doc="smallest wanted change that fires a pulse")
    relative: bool = setting(False, doc="threshold is a fraction of the layer's largest wanted change")

    def quantum(self, rate: float, weight_step: float) -> float:
        """The threshold under a schedule's rate; a whole threshold stays whole, as a counter's must."""
        scaled = self.threshold / rate
        return math.ceil(scaled) if self.threshold == int(self.threshold) else scaled

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """sgn(wanted) where it reaches the threshold."""
        assert isinstance(wanted, Tensor)
        largest = wanted.abs().amax().clamp_min(1e-30) if self.relative else None
        least = self.quantum(at.rate, at.weight_step) if largest is None else self.threshold * largest
        # Numbers all along: a mask among them takes ten times as long.
        reached = torch.ge(wanted.abs(), least, out=torch.empty_like(wanted))
        return Counts(wanted.sign().mul_(reached).int())
