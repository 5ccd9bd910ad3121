"""Wires with resistance: the exact network in every read."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import quantity, setting
from .base import AbstractWires
from .circuit import DoubleSided, Resistances
from .functions import transfers
from .solvers import Solver


class ResistiveWires(AbstractWires):
    """Drivers, line segments and sense inputs of finite resistance; Kirchhoff's laws are solved exactly.

    One segment per crossing; drivers of word lines on the left, sense inputs of bit lines at the bottom, and the other
    way round in a transposed read. Writes see no wires: a pulse reaches its cell in full.
    """

    kind: Literal["resistive"] = "resistive"
    sources: ClassVar[tuple[str, ...]] = (
        "A. Chen, IEEE Trans. Electron Devices 60:1318 (2013), a comprehensive crossbar array model",
    )

    r_word_line: float = quantity(1.0, unit="ohm", ge=0, doc="of a segment of a word line, from crossing to crossing")
    r_bit_line: float = quantity(1.0, unit="ohm", ge=0, doc="of a segment of a bit line, from crossing to crossing")
    r_source: float = quantity(0.0, unit="ohm", ge=0, doc="of a driver, in either direction")
    r_sense: float = quantity(0.0, unit="ohm", ge=0, doc="of a sense input, in either direction")
    double_sided: DoubleSided = setting("none", doc="lines that are driven, or sensed, at both ends")
    reads: Literal["both", "forward"] = setting("both", doc="reads that see the wires; in the others they are ideal")
    tolerance: float = quantity(
        1e-9, unit="1", gt=0, lt=1, doc="most that a current may be wrong, relative to the largest"
    )
    solver: Solver = setting("auto", doc="auto, ports, hybrid, lines or sparse; see docs/wires.md")

    def transfer(self, conductance: Tensor, *, transposed: bool = False) -> Tensor:
        """The network as one matrix, array by array."""
        if transposed and self.reads == "forward":
            return conductance
        lines = Resistances(self.r_word_line, self.r_bit_line, self.r_source, self.r_sense, self.double_sided)
        network = lines.network(conductance.shape[-2], conductance.shape[-1], "transposed" if transposed else "forward")
        return transfers(conductance, network, self.tolerance, self.solver)
