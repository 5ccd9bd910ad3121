"""As many identical pulses as thresholds are passed: a coarse, unary measure of the wanted change."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..core.component import setting
from ..core.errors import InputError
from ..core.types import Counts
from .base import AbstractWriter, Plan, Wanted, WriteAddress

Level = Annotated[float, Field(gt=0)]


class MultiThreshold(AbstractWriter):
    """n pulses of the wanted sign where |wanted| reaches n of the thresholds; below the first, none.

    With one threshold this is `threshold`. As there, the thresholds are in units of the accumulator, or, if `relative`,
    fractions of the layer's largest wanted change.
    """

    kind: Literal["multi_threshold"] = "multi_threshold"
    sources: ClassVar[tuple[str, ...]] = ("Gao et al., Nat. Commun. (2022), sound localisation: multiple thresholds",)

    thresholds: tuple[Level, ...] = setting((0.2, 0.4, 0.6, 0.8), doc="rising; each that is reached fires a pulse")
    relative: bool = setting(True, doc="thresholds are fractions of the layer's largest wanted change")

    def model_post_init(self, _: Any) -> None:
        """Thresholds must rise."""
        if not self.thresholds or any(low >= high for low, high in pairwise(self.thresholds)):
            raise InputError("thresholds", self.thresholds, "must be one or more numbers that rise", "Sort them.")

    def quantum(self, rate: float, weight_step: float) -> float:
        """The first threshold under a schedule's rate."""
        return self.thresholds[0] / rate

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """sgn(wanted) x the number of thresholds that |wanted| reaches."""
        assert isinstance(wanted, Tensor)
        size = wanted.abs()
        unit = size.amax().clamp_min(1e-30) if self.relative and size.numel() else size.new_tensor(1 / at.rate)
        passed = torch.zeros_like(wanted, dtype=torch.int32)
        for threshold in self.thresholds:
            passed += size >= threshold * unit
        return Counts(wanted.sign().int() * passed)
