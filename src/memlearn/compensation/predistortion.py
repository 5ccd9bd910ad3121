"""Cells written so that the network, not the cells, has the wanted matrix."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..core.component import quantity
from .base import AbstractCorrection, Acts, Mapped
from .headroom import rescaled, scale


class Predistortion(AbstractCorrection):
    """The transfer matrix W(G) of the whole array is brought to s x target: G <- G s target / W(G), cell by cell.

    All on a computer, before the first write. s, the head-room, is the attenuation of the worst cell, found on the way;
    a gain 1/s that all outputs share makes it good. What sneak paths add where cells are at their lower end stays:
    it would take negative conductances.
    """

    acts: ClassVar[Acts] = "mapping"
    kind: Literal["predistortion"] = "predistortion"
    sources: ClassVar[tuple[str, ...]] = (
        "Jain and Raghunathan, ACM TODAES 24 (2019), arXiv 1809.00072: the array as one effective matrix (RxNN)",
    )

    rounds: int = quantity(8, unit="1", ge=1, doc="evaluations of the transfer matrix")
    headroom: float | None = quantity(None, unit="1", gt=0, le=1, doc="scale s of the targets; none finds the largest")
    margin: float = quantity(0.8, unit="1", gt=0, le=1, doc="share of the largest scale that is used")
    cut: float = quantity(0.0, unit="1", ge=0, lt=1, doc="fraction of the cells that may end at the ceiling")

    def correct(self, mapped: Mapped) -> Mapped:
        """Iterate; row and column gains that are set already are taken into account."""
        found, s = mapped, scale(mapped, mapped.target, self.headroom, self.margin, self.cut)
        for _ in range(self.rounds):
            seen = found.matrix()
            needed = (found.conductance * mapped.target / seen).where((mapped.target > 0) & (seen > 0), 0)
            s = scale(mapped, needed, self.headroom, self.margin, self.cut)
            found = found._replace(conductance=mapped.bounded(s * needed))
        return rescaled(mapped, found, s, self.rounds)
