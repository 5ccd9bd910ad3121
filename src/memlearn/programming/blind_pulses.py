"""As many identical pulses as the wanted change holds whole device steps; nobody looks at the cell."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..core.types import Counts
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class BlindPulses(AbstractWriter):
    """n = trunc(rate x wanted / (granularity x device step)) bursts of round(granularity) pulses, at least one.

    Meant for an accumulator that keeps what is not written: mixed precision. A coarser granularity writes less often
    and more at a time, so that what a soft-bounded cell loses to pulses of alternating sign falls.
    """

    kind: Literal["blind_pulses"] = "blind_pulses"
    sources: ClassVar[tuple[str, ...]] = (
        "Nandakumar et al., Front. Neurosci. 14:406 (2020), mixed-precision training",
    )

    granularity: float = quantity(1.0, unit="1", gt=0, doc="wanted change that fires a burst, in mean device steps")

    @property
    def burst(self) -> int:
        """Pulses of one burst."""
        return max(1, round(self.granularity))

    def quantum(self, rate: float, weight_step: float) -> float:
        """The wanted change that one pulse of a burst stands for; a schedule's falling rate raises it."""
        return self.granularity * weight_step / (rate * self.burst)

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """Whole bursts, towards zero."""
        assert isinstance(wanted, Tensor)
        bursts = (wanted / (self.burst * self.quantum(at.rate, at.weight_step))).trunc().int()
        return Counts(bursts if self.burst == 1 else bursts * self.burst)
