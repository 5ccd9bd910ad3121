"""Wires with resistance: the exact network in every read."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import quantity, setting
from ...ops.wires.network import Network
from ..selection import AnySelection, HalfVoltage
from .base import AbstractWires, Sight
from .circuit import DoubleSided, Read, Resistances
from .functions import terminals_of, transfers
from .solvers import Solver
from .writing import Drivers


class ResistiveWires(AbstractWires):
    """Drivers, line segments and sense inputs of finite resistance; Kirchhoff's laws are solved exactly.

    One segment per crossing; drivers of word lines on the left, sense inputs of bit lines at the bottom, and the other
    way round in a transposed read. In a write both are driven. `reads` and `writes` say which passes see the wires.

    Writes are exact (`exact`: the network is solved for every step, with the cells as the steps before have left them),
    frozen (`frozen`: for the first pulse of every cell at once, with the cells as they were before it, then for the
    second, ...; trains sample by sample), or frozen and averaged (`mean`: besides, word lines that are not selected are
    as they are on the mean of these steps; for plans by cell that are written row by row with all lines driven, frozen
    elsewhere). While `selection` switches other rows off, rows do not know of each other, and exact costs no more.
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
    reads: Literal["both", "forward", "none"] = setting("both", doc="reads that see the wires; others find them ideal")
    writes: Literal["none", "exact", "frozen", "mean"] = setting(
        "none", doc="whether pulses see the wires, and by which approximation; none: they arrive in full"
    )
    selection: AnySelection = setting(HalfVoltage(), doc="what lines carry that are not selected in a write")
    write_order: Literal["row", "column", "cell"] = setting(
        "row", doc="cells that are written at once in plans by cell; trains write what fires at once"
    )
    write_tolerance: float = quantity(
        1e-5, unit="1", gt=0, lt=1, doc="most that a delivered voltage may be wrong, relative to the pulse"
    )
    tolerance: float = quantity(
        1e-9, unit="1", gt=0, lt=1, doc="most that a current may be wrong, relative to the largest"
    )
    solver: Solver = setting("auto", doc="auto, ports, hybrid, lines or sparse; see docs/wires.md")

    refresh_every: int = quantity(
        1, unit="1", ge=1, doc="writes after which reads are solved anew; above 1 stale, with the error in result.json"
    )

    @property
    def patience(self) -> int:
        """As set."""
        return self.refresh_every

    @property
    def weakens_writes(self) -> bool:
        """As set."""
        return self.writes != "none"

    @property
    def drivers(self) -> Drivers:
        """What a write drives the lines through: at both ends a line has the driver's resistance."""
        return Drivers(self.r_word_line, self.r_bit_line, self.r_source, self.r_source, self.double_sided)

    def transfer(self, conductance: Tensor, *, transposed: bool = False) -> Tensor:
        """The network as one matrix, array by array."""
        if not self._sees(transposed):
            return conductance
        network = self._network(conductance, "transposed" if transposed else "forward")
        return transfers(conductance, network, self.tolerance, self.solver)

    def sights(self, conductance: Tensor, ways: tuple[bool, ...], *, heat: bool = False) -> list[Sight]:
        """One elimination for both directions: they only differ in what is attached to the ends."""
        seen = [way for way in ways if self._sees(way)]
        if not seen:
            return [Sight(conductance) for _ in ways]
        networks = tuple(self._network(conductance, "transposed" if way else "forward") for way in seen)
        solved = dict(
            zip(seen, terminals_of(conductance, networks, self.tolerance, self.solver, heat=heat), strict=True)
        )
        return [
            Sight(solved[way].transfer, solved[way].bits if way else solved[way].words)
            if way in solved
            else Sight(conductance)
            for way in ways
        ]

    def _sees(self, transposed: bool) -> bool:
        """Whether reads of a direction see the lines."""
        return self.reads == "both" or (self.reads == "forward" and not transposed)

    def _network(self, conductance: Tensor, read: Read) -> Network:
        lines = Resistances(self.r_word_line, self.r_bit_line, self.r_source, self.r_sense, self.double_sided)
        return lines.network(conductance.shape[-2], conductance.shape[-1], read)
