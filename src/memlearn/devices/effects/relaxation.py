"""Relaxation: after a write the conductance wanders off, as far in each decade of time as in the one before."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from ...core.component import quantity, setting
from ...core.errors import InputError
from ...core.random import Stream
from ...ops import random
from ..state import DeviceState
from .base import AbstractEffect, arrhenius
from .relaxation_records import RECORDS, Record


class _Curve(NamedTuple):
    """A statistic of each cell as a function of u = ln(1 + t / onset): 0 at u = 0, then a line from node to node."""

    nodes: list[float]
    values: list[Tensor]

    def at(self, u: Tensor) -> Tensor:
        """At each cell's u; beyond the last node the last line goes on."""
        total, before, value = torch.zeros_like(u), 0.0, torch.zeros_like(u)
        for k, (node, following) in enumerate(zip(self.nodes, self.values, strict=True)):
            longest = node - before if k < len(self.nodes) - 1 else math.inf
            total = total + (following - value) / (node - before) * (u - before).clamp(0, longest)
            before, value = node, following
        return total


class Relaxation(AbstractEffect):
    """Shift of the mean and growth of the spread with the time t since the write that last pulsed the cell.

        G(t) = G0 + scale shift(t, g) + scale W(spread(t, g)^2),      g = G0 / scale, G0 as written

    W is a Wiener process run by the variance, so that changes of different times are independent: G(t) - G0 has mean
    scale x shift and standard deviation scale x spread, and waiting a then b seconds is waiting a + b in distribution
    (within the bounds, at which cells stop). shift and spread are polynomials in g (cut to 0 .. 1) at the given times,
    straight lines in ln(1 + t / onset) between them, 0 at t = 0; where a record lets the spread fall it is held.
    `statistics` names a record (`relaxation_records.py`), or is "own": then the fields say. Heat makes time run faster,
    by Arrhenius' factor.
    """

    kind: Literal["relaxation"] = "relaxation"
    sources: ClassVar[tuple[str, ...]] = (
        "Wan et al., Nature 608:504 (2022), as in IBM aihwkit's ReRamWan2022NoiseModel: hfox_neurram",
        "Falcone et al. (2025), as in IBM aihwkit's ReRamCMONoiseModel: cmo_hfox",
        "A. Levy, RRAM-Relaxation-Master-Model (2021), measured; fitted in docs/effects.md: rram_tech_b",
    )

    statistics: Literal["none", "own", "hfox_neurram", "cmo_hfox", "rram_tech_b"] = setting(
        "none", doc="whose shift and spread; own: as the fields below say"
    )
    times: tuple[float, ...] = setting((1.0,), doc="s, ascending, of the rows of shift and spread")
    shift: tuple[tuple[float, ...], ...] = setting(((0.0,),), doc="a row for each time: coefficients of 1, g, g^2, ...")
    spread: tuple[tuple[float, ...], ...] = setting(((0.0,),), doc="likewise, of the total standard deviation since 0")
    onset: float = quantity(1e-3, unit="s", gt=0, doc="from which the logarithm of time counts, in own statistics")
    scale: float | None = quantity(None, unit="S", gt=0, doc="conductance of g = 1; none: the record's, own: 1e-6")
    activation_energy: float = quantity(0.0, unit="eV", ge=0, doc="by which heat makes time run faster; 0: not at all")
    reference_temperature: float = quantity(300.0, unit="K", gt=0, doc="at which the times hold")

    def model_post_init(self, _: Any) -> None:
        """A row for each time, and times that ascend."""
        if not self.times or self.times[0] <= 0 or list(self.times) != sorted(set(self.times)):
            raise InputError("times", self.times, "must ascend from above 0 s", "Sort them.")
        for name in ("shift", "spread"):
            rows = getattr(self, name)
            if len(rows) != len(self.times) or not all(rows):
                allowed = f"must have one row of coefficients for each of the {len(self.times)} times"
                raise InputError(name, rows, allowed)

    @property
    def active(self) -> bool:
        """True when anything relaxes."""
        rows = self.shift + self.spread
        return self.statistics != "none" and (self.statistics != "own" or any(any(row) for row in rows))

    @property
    def width(self) -> int:
        """Seconds since the last write at the reference temperature, and the conductance as written."""
        return 2

    @property
    def record(self) -> Record:
        """The statistics in force, with their scale."""
        if self.statistics in RECORDS:
            found = RECORDS[self.statistics]
            return found if self.scale is None else found._replace(scale=self.scale)
        return Record(self.scale or 1e-6, self.onset, self.times, self.shift, self.spread)

    def pulsed(self, memory: Tensor, state: DeviceState, touched: Tensor, stream: Stream, event: int) -> None:
        """A write starts the clock anew."""
        memory[..., 0].masked_fill_(touched, 0)

    def relax(
        self, memory: Tensor, state: DeviceState, seconds: float, temperature: float, stream: Stream, event: int
    ) -> None:
        """Shift and spread of the wait, given how long ago the write was."""
        age, written = memory.unbind(-1)
        written.copy_(state.conductance.where(age == 0, written))
        later = age + seconds * arrhenius(self.activation_energy, temperature, self.reference_temperature)
        (mean0, sigma0), (mean1, sigma1) = self.moments(written, age), self.moments(written, later)
        sigma = (sigma1**2 - sigma0**2).clamp_min(0).sqrt()
        state.conductance.add_(mean1 - mean0 + sigma * random.normal(stream, event, age.shape, age))
        age.copy_(later)

    def moments(self, written: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, S, of what has been added `seconds` after the cells were written (S)."""
        record = self.record
        g = (written / record.scale).clamp(0, 1)
        nodes = [math.log1p(time / record.onset) for time in record.times]
        u = torch.log1p(seconds / record.onset)
        shift = _Curve(nodes, [_polynomial(row, g) for row in record.shift]).at(u)
        spreads: list[Tensor] = []
        for row in record.spread:
            value = _polynomial(row, g).clamp_min(0)
            spreads.append(torch.maximum(value, spreads[-1]) if spreads else value)
        return record.scale * shift, record.scale * _Curve(nodes, spreads).at(u)


def _polynomial(coefficients: tuple[float, ...], g: Tensor) -> Tensor:
    total = torch.zeros_like(g)
    for coefficient in reversed(coefficients):
        total = total * g + coefficient
    return total
