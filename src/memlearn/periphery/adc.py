"""Analogue-to-digital converter, and the plain wire to an analogue neuron."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity, setting
from ..core.ledger import Event
from .base import AbstractSense, Address, disturbed, quantise, steps_per_side


class ADC(AbstractSense):
    """Signed converter with a fixed range; currents beyond it clip.

    With `bits` b there are 2^(b-1) - 1 steps on each side of zero, so that zero is exact.
    """

    kind: Literal["adc"] = "adc"

    bits: int | None = quantity(8, unit="bit", ge=2, le=24, doc="resolution with sign; none for a continuous converter")
    output_range: float = quantity(12.0, unit="1", gt=0, doc="weighted sum (sum of x w, x at most 1) at full scale")
    stochastic_rounding: bool = setting(False, doc="round up with the probability of the remainder")
    noise: float = quantity(0.0, unit="A", ge=0, doc="standard deviation of each conversion")
    gain_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of the gain from converter to converter")
    offset_spread: float = quantity(
        0.0, unit="A", ge=0, doc="standard deviation of the offset from converter to converter"
    )
    sharing: int = quantity(1, unit="1", ge=1, doc="lines that take turns at one converter")

    def sense(self, current: Tensor, unit_current: float, at: Address) -> Tensor:
        """The errors of the circuit, then clip and quantise."""
        current = disturbed(
            current,
            (*current.shape[:-2], 1, current.shape[-1]),
            at,
            gain_spread=self.gain_spread,
            offset_spread=self.offset_spread,
            noise=self.noise,
            sharing=self.sharing,
        )
        values = (current / (unit_current * self.output_range)).clamp_(-1, 1)
        if self.bits is not None:
            values = quantise(values, steps_per_side(self.bits), self.stochastic_rounding, at)
        return values.mul_(self.output_range)  # its own memory: no operation before it returns a view

    def uses(self, senses: int) -> dict[Event, int]:
        """One conversion each."""
        return {Event.ADC: senses}


class Analogue(AbstractSense):
    """No converter: the current goes to an analogue neuron (a comparator, say), which counts its own work.

    Partial sums of tiles that stand above each other add as currents on one node.
    """

    kind: Literal["analogue"] = "analogue"
    joins_tiles: ClassVar[bool] = True

    def sense(self, current: Tensor, unit_current: float, at: Address) -> Tensor:
        """The weighted sum itself."""
        return current / unit_current

    def uses(self, senses: int) -> dict[Event, int]:
        """Nothing."""
        return {}
