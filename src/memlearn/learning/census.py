"""What a rule writes, held against what simpler rules would have written of the same gradients, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..compound import AnyTile
from ..core.types import Counts, Factors
from ..programming import Plan, Targets
from ..programming.base import Parallelism

KINDS: tuple[str, ...] = ("written", "all_cells", "nonzero_gradient", "threshold")
"""What the rule wrote, and the three baselines: every weight at every step, weights whose gradient is not zero,
weights whose gradient reaches a fraction of the layer's largest."""


class Summed(Factors):
    """Factors whose sum somebody has needed already."""

    total: Tensor

    @classmethod
    def of(cls, factors: Factors) -> Summed:
        """The same, with the sum."""
        made = cls(*factors)
        made.total = factors.sum()
        return made

    def sum(self) -> Tensor:
        """The sum of the outer products, (inputs, outputs)."""
        return self.total


class Writes(NamedTuple):
    """Weights written, and the turns that this takes."""

    weights: int = 0
    turns: int = 0
    """Cells, rows or columns one after another, whatever is written at the same time; tiles work in parallel."""

    def plus(self, other: Writes) -> Writes:
        """Both, one after the other."""
        return Writes(self.weights + other.weights, self.turns + other.turns)


class Census:
    """Counts weights (not devices) by layer. It looks at gradients and plans, and changes nothing.

    Arguments:
        threshold: of the third baseline, relative to the layer's largest gradient of the step.
        parallel: cells that are written at the same time.
    """

    def __init__(self, threshold: float, parallel: Parallelism) -> None:
        self.threshold, self.parallel = threshold, parallel
        self.layers: dict[str, dict[str, Writes]] = {}

    def gradient(self, name: str, tile: AnyTile, gradient: Tensor) -> None:
        """One step's gradient (inputs, outputs) of a layer, whether or not anything is written at it."""
        size = gradient.abs()
        peak = size.max() if size.numel() else size.sum()
        self._add(name, "all_cells", Writes(gradient.numel(), self._turns(tile)))
        self._add(name, "nonzero_gradient", self._writes(tile, size > 0))
        # A layer without any gradient has none that is large.
        self._add(name, "threshold", self._writes(tile, (size >= self.threshold * peak) & (peak > 0)))

    def plan(self, name: str, tile: AnyTile, plan: Plan) -> None:
        """What the rule writes; trains, whose coincidences nobody lists, are not counted."""
        if isinstance(plan, Counts):
            self._add(name, "written", self._writes(tile, plan.pulses != 0))
        elif isinstance(plan, Targets):
            rest = torch.zeros_like(plan.weight) if plan.relative else plan.previous
            chosen = torch.ones_like(plan.weight, dtype=torch.bool) if rest is None else plan.weight != rest
            self._add(name, "written", self._writes(tile, chosen))

    def total(self) -> dict[str, Writes]:
        """Of all layers, by kind."""
        found = dict.fromkeys(KINDS, Writes())
        for counts in self.layers.values():
            found = {kind: found[kind].plus(counts[kind]) for kind in KINDS}
        return found

    def state(self) -> dict[str, dict[str, list[int]]]:
        """The counts as plain data; `load` reads them back."""
        return {name: {kind: list(writes) for kind, writes in counts.items()} for name, counts in self.layers.items()}

    def load(self, state: Mapping[str, Mapping[str, list[int]]]) -> None:
        """Replace the counts by those of `state()`."""
        self.layers = {name: {kind: Writes(*n) for kind, n in counts.items()} for name, counts in state.items()}

    def _add(self, name: str, kind: str, writes: Writes) -> None:
        counts = self.layers.setdefault(name, dict.fromkeys(KINDS, Writes()))
        counts[kind] = counts[kind].plus(writes)

    def _writes(self, tile: AnyTile, chosen: Tensor) -> Writes:
        """Of a mask of weights (inputs, outputs)."""
        weights = int(torch.count_nonzero(chosen))
        single = tile.tiles == (1, 1)
        if self.parallel == "cell" and single:
            return Writes(weights, weights)
        cut = chosen[None, None] if single else tile.cut_weights(chosen)
        along = {"cell": (), "row": (-1,), "column": (-2,), "array": (-2, -1)}[self.parallel]
        lines = cut.amax(along) if along else cut
        return Writes(weights, int(lines.flatten(2).sum(2).max()) if lines.dim() > 2 else int(lines.amax()))

    def _turns(self, tile: AnyTile) -> int:
        """Of every weight."""
        rows, columns = tile.part
        return {"cell": rows * columns, "row": rows, "column": columns, "array": 1}[self.parallel]
