"""Line switches: a line is at the read voltage or grounded (or reversed). No converter."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..ops import random
from .base import AbstractDriver, Address, Driven, above, ternary


class BinaryDriver(AbstractDriver):
    """The line is at the read voltage where the value lies above a threshold, else grounded."""

    kind: Literal["binary_driver"] = "binary_driver"
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Neural Networks 108:217 (2018), binary forward signals",)

    threshold: float = quantity(0.5, unit="1", ge=0, lt=1, doc="value above which the line is driven")

    def encode(self, values: Tensor, at: Address) -> Tensor:
        """0 or 1."""
        return above(values, self.threshold)

    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """0 or read_voltage."""
        return Driven(self.encode(values, at).mul_(read_voltage), 1.0)


class StochasticBinaryDriver(AbstractDriver):
    """A value in [0, 1] is the probability that the line is driven, drawn anew for each read; no converter.

    While training only: in evaluation the line is driven where the value lies above one half.
    """

    kind: Literal["stochastic_binary_driver"] = "stochastic_binary_driver"
    sources: ClassVar[tuple[str, ...]] = (
        "Li et al., Adv. Intell. Syst. 6:2300399 (2024), stochastically binarised forward signals",
    )

    def encode(self, values: Tensor, at: Address) -> Tensor:
        """0 or 1."""
        level: Tensor | float = 0.5
        if at.training:
            level = random.uniform(at.stream.child("bits"), at.event, values.shape, values)
        return above(values, level)

    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """0 or read_voltage."""
        return Driven(self.encode(values, at).mul_(read_voltage), 1.0)


class TernaryDriver(AbstractDriver):
    """The line is at plus or minus the read voltage by the sign of the value, grounded within a dead zone."""

    kind: Literal["ternary_driver"] = "ternary_driver"
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Neural Networks 108:217 (2018), ternary errors",)

    dead_zone: float = quantity(0.0, unit="1", ge=0, lt=1, doc="largest magnitude that leaves the line grounded")

    def encode(self, values: Tensor, at: Address) -> Tensor:
        """-1, 0 or 1."""
        return ternary(values, self.dead_zone)

    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """-read_voltage, 0 or read_voltage."""
        return Driven(self.encode(values, at).mul_(read_voltage), 1.0)
