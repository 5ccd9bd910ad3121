"""The matrices of an array's reads, solved again only where cells have changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .base import AbstractWires, Sight


class Staleness(NamedTuple):
    """How wrong matrices were that were used although cells had changed, at the moments when they were solved again."""

    solutions: int
    """Arrays solved again."""
    mean: float
    """Difference of the old matrix and the new one / the new one, root mean squares; mean of all solutions."""
    worst: float


class Matrices(nn.Module):
    """A memory of `transfer`: what has been solved for these conductances is not solved again.

    Cells change on any pulse, drift or fault, so that the conductances themselves are compared, array by array: exact,
    and cheap beside a solution. Once both directions have been asked for, both are solved together. Where
    `wires.patience` is above 1, an array is solved again at so many changes only, and what is read in between is stale:
    an approximation, whose error is measured at each solution. What it depends on is part of the state.

    Arguments:
        wires: whose.
        like: S, (..., rows, columns): of the shape and type of the conductances to come.
    """

    solved: Tensor
    seen: Tensor
    waits: Tensor
    errors: Tensor

    def __init__(self, wires: AbstractWires, like: Tensor | None = None) -> None:
        super().__init__()
        self.wires = wires
        self._ways: dict[bool, Sight] = {}
        self._hot: set[bool] = set()
        self._last: tuple[Tensor, Tensor] | None = None
        if like is not None and wires.patience > 1:
            self._start(like)

    def forward(self, conductance: Tensor, transposed: bool) -> Tensor:
        """S, (..., rows, columns): `transfer` of conductances of the same shape; not to be changed in place."""
        if self.wires.cheap:
            return self.wires.transfer(conductance, transposed=transposed)
        return self._sight(conductance, transposed).matrix

    def power(self, conductance: Tensor, voltage: Tensor, transposed: bool) -> Tensor:
        """W, (...): `wires.power` of a read, from the solution that the read has used."""
        if self.wires.cheap:
            return self.wires.power(conductance, voltage, transposed=transposed)
        if not self.wires.linear:
            if self._last is not None and self._last[0] is voltage:
                return self._last[1]
            return self.wires.power(conductance, voltage, transposed=transposed)
        if transposed not in self._hot:
            # From now on: admittances cost little beside the matrices that they are solved with.
            self._hot.add(transposed)
            self._ways.pop(transposed, None)
        return self._sight(conductance, transposed).power(voltage, transposed)

    def singly(self, conductances: Tensor | Iterable[Tensor], voltage: Tensor, transposed: bool) -> Tensor:
        """A, (..., samples, lines): currents of a read without a matrix that is remembered.

        Arguments:
            conductances: S, (..., rows, columns): of all samples, or of one after the other.
            voltage: V, (..., samples, driven lines).
            transposed: the bit lines are driven.
        """
        same = isinstance(conductances, Tensor)
        pairs = zip([conductances] if same else conductances, [voltage] if same else voltage.split(1, -2), strict=True)
        if self.wires.linear:
            read = self.wires.currents_transposed if transposed else self.wires.currents
            return torch.cat([read(g, part) for g, part in pairs], dim=-2)
        found = [self.wires.bent(g, part, transposed=transposed) for g, part in pairs]
        self._last = voltage, torch.stack([watts for _, watts in found]).sum(0)
        return torch.cat([current for current, _ in found], dim=-2)

    def _sight(self, conductance: Tensor, transposed: bool) -> Sight:
        """What reads of a direction see of these cells, or of those that were solved last."""
        if not self._fits(conductance):
            self._start(conductance)
        self._renew(conductance)
        if transposed not in self._ways:
            hot = transposed in self._hot
            self._ways[transposed] = self.wires.sights(self.solved, (transposed,), heat=hot)[0]
        return self._ways[transposed]

    def staleness(self) -> Staleness | None:
        """What stale matrices did to the reads; None where there are none."""
        if self.wires.patience == 1 or not hasattr(self, "errors"):
            return None
        number, total, worst = self.errors.tolist()
        return Staleness(int(number), total / number if number else 0.0, worst)

    def _fits(self, conductance: Tensor) -> bool:
        if not hasattr(self, "solved"):
            return False
        return self.solved.shape == conductance.shape and self.solved.dtype == conductance.dtype

    def _start(self, like: Tensor) -> None:
        kept = self.wires.patience > 1
        self._ways = {}
        never = torch.full_like(like, torch.nan)
        self.register_buffer("solved", never, persistent=kept)
        self.register_buffer("seen", never.clone() if kept else None, persistent=kept)
        self.register_buffer("waits", torch.zeros(like.shape[:-2], dtype=torch.int32), persistent=kept)
        self.register_buffer("errors", torch.zeros(3, dtype=torch.float64), persistent=kept)

    def _renew(self, conductance: Tensor) -> None:
        """Solve the arrays again whose turn it is."""
        patience = self.wires.patience
        due = self._changed(conductance, self.seen if patience > 1 else self.solved)
        if not bool(due.any()):
            return
        if patience > 1:
            self.seen = conductance.clone()
            self.waits = self.waits + due
            due = due & ((self.waits >= patience) | self.solved.isnan().flatten(-2).any(-1))
            if not bool(due.any()):
                return
            self.waits = self.waits.masked_fill(due, 0)
        before, ways = self._ways, tuple(self._ways)
        fresh = self.wires.sights(conductance[due], ways, heat=bool(self._hot)) if ways else []
        self.solved = self.solved.to(conductance.device).where(~due[..., None, None], conductance)
        for way, new in zip(ways, fresh, strict=True):
            old = before[way]
            if patience > 1:
                self._measure(old.matrix[due], new.matrix)
            driven = None
            if way in self._hot and old.driven is not None and new.driven is not None:
                driven = _put(old.driven, due, new.driven)
            self._ways[way] = Sight(_put(old.matrix, due, new.matrix), driven)
            if way in self._hot and (old.driven is None) != (new.driven is None):
                del self._ways[way]  # all arrays or none: what is known must not depend on the order of events

    def _measure(self, old: Tensor, new: Tensor) -> None:
        """Enter how wrong the old matrices (arrays, rows, columns) had become."""
        apart = (old - new).double().square().sum((-2, -1)).sqrt()
        error = apart / new.double().square().sum((-2, -1)).sqrt().clamp_min(1e-300)
        total = self.errors + error.new_tensor([len(error), float(error.sum()), 0.0])
        total[2] = max(float(total[2]), float(error.max()))
        self.errors = total

    @staticmethod
    def _changed(conductance: Tensor, before: Tensor) -> Tensor:
        """bool, (...): arrays with another cell than before."""
        return (before.to(conductance.device) != conductance).flatten(-2).any(-1)


def _put(whole: Tensor, due: Tensor, part: Tensor) -> Tensor:
    """A copy with the due arrays exchanged."""
    if bool(due.all()):
        return part.reshape(whole.shape)
    changed = whole.clone()
    changed[due] = part
    return changed
