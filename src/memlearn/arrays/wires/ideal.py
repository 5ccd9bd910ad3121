"""Wires without resistance: Ohm and Kirchhoff, one matrix product."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from .base import AbstractWires


class IdealWires(AbstractWires):
    """Every cell sees the full line voltage; every sense node is at ground."""

    kind: Literal["ideal"] = "ideal"
    cheap: ClassVar[bool] = True

    def transfer(self, conductance: Tensor, *, transposed: bool = False) -> Tensor:
        """The conductances themselves."""
        return conductance
