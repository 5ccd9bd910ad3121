"""Periodic carry: a weight is a number of several digits, the lowest one learns, and full digits are carried."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from ..core.component import quantity, setting
from ..core.errors import InputError
from ..core.types import Counts, PulsePlan
from ..devices import AbstractDevice, AnyDevice
from ..programming.schemes import AnyScheme, nominal
from .base import AbstractCell, Access, Memory, Part

_EARLIEST, _LATEST = 0.05, 0.5
"""Thresholds that a device is given, as shares of the range."""


class Carry(AbstractCell):
    """w = sum_k base^k w_k / sum_k base^k: digit 0, the least significant, gets all pulses of updates.

    Every `carry_every` writes digit 0 is read, cell by cell; where it lies beyond `threshold` of its range, the next
    digit is read and gets the whole pulses that are nearest to what digit 0 holds, as far as it has room, and digit 0
    gets so many the other way that the weight is kept. Digit 1 is carried to digit 2 every base carry_every writes, and
    so on. On a linear device the weight is kept to half a step of the lower digit; on another one, pulses of the higher
    digit are not what they should be, and with `verify` digit 0 is then brought, by closed loop, to what a second read
    of the higher digit leaves for it.

    An uneven digit forgets with every pulse, and beyond the spread at which its wandering and its forgetting balance it
    loses more than it gains: it is carried there, early. Noise widens that spread; a carry is pulses of the higher
    digit, each as noisy in units that are worth more, and so a noisy digit is carried late. Even ones are carried at
    half of their range, as published.
    """

    kind: Literal["carry"] = "carry"
    sources: ClassVar[tuple[str, ...]] = ("Agarwal et al., VLSI Technology (2017): periodic carry",)

    digits: int = quantity(2, unit="1", ge=2, le=6, doc="cells of each weight, each worth base times the one below")
    base: int | None = quantity(
        None, unit="1", ge=2, le=64, doc="worth of a digit in the one below; none: a quarter of the states, 2 to 8"
    )
    carry_every: int | None = quantity(
        None, unit="1", ge=1, doc="writes from carry to carry; none: a twentieth of the states"
    )
    threshold: float | None = quantity(
        None,
        unit="1",
        ge=0,
        lt=1,
        doc="share of its range beyond which a digit is carried; none: as far as pulses of both signs spread it, "
        "0.05 to 0.5",
    )
    verify: AnyScheme | None = setting(None, doc="how the lower digit is brought to what is left; none: blind pulses")
    low_device: AnyDevice | None = setting(None, doc="law of digit 0; none: as the others")

    def settled(self, device: AbstractDevice) -> Self:
        """With base and interval: a pulse of a digit is worth half the range of the one below, or less."""
        base = self.base or int(max(2, min(8, device.states // 4)))
        if base > device.states / 2:
            allowed = f"one pulse on a digit of {device.states:g} states is worth more than the whole digit below"
            raise InputError("base", base, f"must be at most {device.states / 2:g}: {allowed}", "Lower the base.")
        every = self.carry_every or max(1, round(device.states / 20))
        threshold = self.threshold
        if threshold is None:
            spread = nominal.wandering(self.low_device or device)
            threshold = min(_LATEST, max(_EARLIEST, float(f"{spread:.3g}")))
        return self.replace(base=base, carry_every=every, threshold=threshold)

    def parts(self) -> tuple[Part, ...]:
        """Least significant digit first."""
        worth = [(self.base or 2) ** k for k in range(self.digits)]
        laws = [self.low_device, *[None] * (self.digits - 1)]
        return tuple(Part(f"digit{k}", worth[k] / sum(worth), laws[k]) for k in range(self.digits))

    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """To the least significant digit."""
        return plan, *[None] * (self.digits - 1)

    def step(self, steps: Sequence[float]) -> float:
        """That of the least significant digit."""
        return steps[0]

    def transfer(self, parts: Sequence[Access], writes: int, memory: Memory) -> None:
        """Carry every digit whose time it is, from the lowest on."""
        period = self.carry_every or 1
        for low, high in pairwise(parts):
            if writes % period:
                return
            self._carry(low, high)
            period *= self.base or 2

    def _carry(self, low: Access, high: Access) -> None:
        """Full digits to the next one."""
        held = low.look(None)
        full = held.abs() > (_LATEST if self.threshold is None else self.threshold) * low.w_max
        if not full.any():
            return
        worth = high.gain / low.gain
        seen = high.look(full)
        room = ((high.w_max - seen * held.sign()) / high.step + 1e-6).floor().clamp_min(0)
        pulses = ((held.abs() / (worth * high.step)).round().minimum(room) * held.sign() * full).int()
        high.send(Counts(pulses))
        moved = pulses != 0
        if self.verify is None:
            low.send(Counts(-_nearest(pulses * (worth * high.step / low.step))))
        elif moved.any():
            left = held - (high.look(moved) - seen) * worth
            low.program(left.where(moved, 0).clamp(-low.w_max, low.w_max), moved, self.verify)


def _nearest(pulses: Tensor) -> Tensor:
    return torch.round(pulses).int()
