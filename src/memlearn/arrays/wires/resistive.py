"""Wires with resistance: the exact network in every read."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from ...core.component import quantity, setting
from ...core.errors import InputError
from ...ops.wires.network import Network
from ..selection import AnySelection, HalfVoltage
from ..selectors import AnySelector, Ohmic
from .base import AbstractWires, Sight
from .bent import delivered
from .circuit import DoubleSided, Read, Resistances
from .functions import terminals_of, transfers
from .solvers import Solver
from .writing import Drivers


class ResistiveWires(AbstractWires):
    """Drivers, line segments and sense inputs of finite resistance; Kirchhoff's laws are solved exactly.

    One segment per crossing; drivers of word lines on the left, sense inputs of bit lines at the bottom, and the other
    way round in a transposed read. In a write both are driven. `reads` and `writes` say which passes see the wires.
    A `selector` is part of every cell, in all passes, whichever of them see the wires.

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
    selector: AnySelector | None = setting(
        None, doc="what stands in series with each cell, or bends its current; none: cells as they are"
    )
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

    @property
    def linear(self) -> bool:
        """Unless a selector bends the currents."""
        return self.selector is None or self.selector.linear

    def carried(self, voltage: float) -> float:
        """By the selector's law, where it bends currents."""
        if self.linear or self.selector is None:
            return 1.0
        return float(self.selector.current(np.ones(()), np.asarray(voltage))) / voltage

    def folded(self, conductance: Tensor) -> Tensor:
        """S, of cells and what stands in series with them."""
        return self.selector.folded(conductance) if isinstance(self.selector, Ohmic) else conductance

    def transfer(self, conductance: Tensor, *, transposed: bool = False) -> Tensor:
        """The network as one matrix, array by array.

        Raises:
            InputError: a selector bends the currents.
        """
        if not self.linear:
            kind = None if self.selector is None else self.selector.kind  # type: ignore[attr-defined]
            allowed = "bends the currents: there is no matrix that stands for the array"
            raise InputError("wires.selector", kind, allowed, 'Use "ohmic", or read with `currents`.')
        cells = self.folded(conductance)
        if not self._sees(transposed):
            return cells
        network = self._network(cells, "transposed" if transposed else "forward")
        return transfers(cells, network, self.tolerance, self.solver)

    def currents(self, conductance: Tensor, voltage: Tensor) -> Tensor:
        """Sample by sample where a selector bends the currents."""
        return super().currents(conductance, voltage) if self.linear else self.bent(conductance, voltage)[0]

    def currents_transposed(self, conductance: Tensor, voltage: Tensor) -> Tensor:
        """Sample by sample where a selector bends the currents."""
        if self.linear:
            return super().currents_transposed(conductance, voltage)
        return self.bent(conductance, voltage, transposed=True)[0]

    def bent(self, conductance: Tensor, voltage: Tensor, *, transposed: bool = False) -> tuple[Tensor, Tensor]:
        """Currents, A, (..., samples, sensed lines), of cells with a selector's law, and what the sources deliver, W,
        (...), added up over samples; arguments as of `power`."""
        assert self.selector is not None
        # Noise may leave a cell less than nothing, which no law of currents knows.
        cells = conductance.clamp_min(0)
        given = self._sees(transposed)
        network = self._network(cells, "transposed" if transposed else "forward") if given else None
        return delivered(cells, voltage, self.selector, network, transposed, self.tolerance)

    def power(self, conductance: Tensor, voltage: Tensor, *, transposed: bool = False) -> Tensor:
        """As of the base; sample by sample where a selector bends the currents."""
        if self.linear:
            return super().power(conductance, voltage, transposed=transposed)
        return self.bent(conductance, voltage, transposed=transposed)[1]

    def sights(self, conductance: Tensor, ways: tuple[bool, ...], *, heat: bool = False) -> list[Sight]:
        """One elimination for both directions: they only differ in what is attached to the ends."""
        if not self.linear:
            return super().sights(conductance, ways, heat=heat)
        conductance = self.folded(conductance)
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
