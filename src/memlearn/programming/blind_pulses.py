"""As many identical pulses as the wanted change holds whole device steps; nobody looks at the cell."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..core.types import Counts
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class BlindPulses(AbstractWriter):
    """n = trunc(wanted / (granularity x device step)) bursts of `granularity` pulses, in whole device steps.

    Meant for an accumulator that keeps what is not written: mixed precision.
    """

    kind: Literal["blind_pulses"] = "blind_pulses"
    sources: ClassVar[tuple[str, ...]] = (
        "Nandakumar et al., Front. Neurosci. 14:406 (2020), mixed-precision training",
    )

    granularity: float = quantity(1.0, unit="1", gt=0, doc="wanted change that fires a pulse, in mean device steps")

    def quantum(self, rate: float, weight_step: float) -> float:
        """The weight change that one pulse stands for."""
        return self.granularity * weight_step

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """Whole quanta, towards zero."""
        assert isinstance(wanted, Tensor)
        return Counts((wanted / self.quantum(at.rate, at.weight_step)).trunc().int())
