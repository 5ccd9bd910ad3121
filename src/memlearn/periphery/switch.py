"""Line switches: a line is at the read voltage or grounded (or reversed). No converter."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from .base import AbstractDriver, Address, Driven


class BinaryDriver(AbstractDriver):
    """The line is at the read voltage where the value lies above a threshold, else grounded."""

    kind: Literal["binary_driver"] = "binary_driver"
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Neural Networks 108:217 (2018), binary forward signals",)

    threshold: float = quantity(0.5, unit="1", doc="value above which the line is driven")

    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """0 or read_voltage."""
        return Driven((values > self.threshold).to(values.dtype) * read_voltage, 1.0)


class TernaryDriver(AbstractDriver):
    """The line is at plus or minus the read voltage by the sign of the value, grounded within a dead zone."""

    kind: Literal["ternary_driver"] = "ternary_driver"
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Neural Networks 108:217 (2018), ternary errors",)

    dead_zone: float = quantity(0.0, unit="1", ge=0, doc="largest magnitude that leaves the line grounded")

    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """-read_voltage, 0 or read_voltage."""
        return Driven(values.sign() * (values.abs() > self.dead_zone) * read_voltage, 1.0)
