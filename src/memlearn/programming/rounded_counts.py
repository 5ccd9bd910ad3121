"""Numbers of pulses: the wanted change over the change of one pulse, rounded."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity, setting
from ..core.types import Counts
from ..ops import random
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class RoundedCounts(AbstractWriter):
    """n = round(learning_rate |wanted| / weight_step) identical pulses per weight, with the sign of the wanted change.

    The drivers assume a linear device whose step is range / states. With `rounding = "nearest"` (halves up) every
    change below half a step vanishes, and a small learning rate freezes training; "stochastic" rounds up with the
    probability of the remainder and keeps every change on average, for one random number per weight that is addressed.
    """

    kind: Literal["rounded_counts"] = "rounded_counts"
    sources: ClassVar[tuple[str, ...]] = (
        "Chen, Peng and Yu, IEEE TCAD 37:3067 (2018), NeuroSim: rounding to the nearest number of pulses",
        "Gupta et al., ICML (2015), arXiv 1502.02551: stochastic rounding",
    )

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="wanted weight change / accumulated gradient")
    rounding: Literal["nearest", "stochastic"] = setting("nearest", doc="of the number of pulses")

    def quantum(self, rate: float, weight_step: float) -> float:
        """The gradient that asks for one pulse."""
        return weight_step / (self.learning_rate * rate)

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """One number per weight."""
        assert isinstance(wanted, Tensor)
        shift: Tensor | float = 0.5
        if self.rounding == "stochastic":
            shift = random.uniform(at.stream.child("rounding"), at.event, wanted.shape, wanted)
        pulses = (wanted.abs() * (self.learning_rate * at.rate / at.weight_step) + shift).floor()
        return Counts((wanted.sign() * pulses.clamp_max(MOST)).int())


MOST = 1 << 24
"""Pulses of one write; more would not be whole numbers in float32, and no array would live to see them."""
