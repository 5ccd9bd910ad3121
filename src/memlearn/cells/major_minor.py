"""Weighted synapse: a major cell with gain and a minor one, and nothing ever passes from one to the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import torch

from ..core.component import quantity, setting
from ..core.types import Counts, PulsePlan
from ..devices import AbstractDevice, AnyDevice
from .base import AbstractCell, Memory, Part


class MajorMinor(AbstractCell):
    """w = (gain major + minor) / (gain + 1), read at once: current gain on the lines of the major cells.

    Who gets the pulses is read in several ways. `by_threshold`: a planned count of 1 is a pulse on the minor cell, each
    count above it one on the major cell, so that a writer with two thresholds sends small errors to the one and large
    ones to the other. `by_size`: a planned change of n minor steps is sent as whole major steps, and the rest as minor
    ones. `both`: every pulse to both cells. `minor`: to the minor one alone, where trains, which nobody counts, go with
    the first two as well. There is no carry: a minor cell at its bound stays there until pulses take it back.
    """

    kind: Literal["major_minor"] = "major_minor"
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Front. Neurosci. 12:167 (2018), weighted synapses",)

    gain: float | None = quantity(
        None, unit="1", gt=1, doc="of the major cell's current; none: the root of the device's states, 2 to 16"
    )
    update: Literal["by_threshold", "by_size", "both", "minor"] = setting(
        "by_size", doc="which cells the pulses of an update go to"
    )
    minor_device: AnyDevice | None = setting(None, doc="law of the minor cells; none: as the major ones")

    def settled(self, device: AbstractDevice) -> Self:
        """With the gain: the more states, the more of them the minor cell spends on one step of the major."""
        if self.gain is not None:
            return self
        return self.replace(gain=float(round(max(2.0, min(16.0, math.sqrt(device.states))))))

    def parts(self) -> tuple[Part, ...]:
        """Major, minor."""
        gain = self.gain or 1.0
        return Part("major", gain / (gain + 1)), Part("minor", 1 / (gain + 1), self.minor_device)

    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """As `update` says."""
        if self.update == "both":
            return plan, plan
        if self.update == "minor" or not isinstance(plan, Counts):
            return None, plan
        if self.update == "by_threshold":
            large = plan.pulses.abs() > 1
            return (
                plan._replace(pulses=(plan.pulses - plan.pulses.sign()) * large),
                plan._replace(pulses=plan.pulses * ~large),
            )
        gain = self.gain or 1.0
        major = (plan.pulses / gain).trunc()
        minor = torch.round(plan.pulses - gain * major)
        return plan._replace(pulses=major.int()), plan._replace(pulses=minor.int())

    def step(self, steps: Sequence[float]) -> float:
        """Of both cells, or of the minor one."""
        return sum(steps) if self.update == "both" else steps[1]
