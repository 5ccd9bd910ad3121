"""A floating-point twin of the weights: it learns, and only its quantised steps reach the cells."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity, setting
from ...core.errors import InputError
from ...core.types import Factors
from ...ops import random
from ...ops.quantise import quantised
from ...programming import Levels, Wanted, WriteAddress
from .base import AbstractAccumulator


class FloatTwin(AbstractAccumulator):
    """W += learning_rate x gradient; the cells are programmed where round(W / step) has changed.

    With `hysteresis` h, a level is kept until W is more than (1/2 + h) steps away from it, so that a twin that trembles
    about the border of two levels does not have its cells programmed to and fro.

    A weight has the levels -(levels - 1) .. levels - 1, a step is w_max / (levels - 1): a pair of devices of `levels`
    levels each. A `grid` of two or three weights takes the sign of W instead: -w_max or w_max, and 0 between where
    |W| < `zero_below` x the layer's mean |W|. What rounding leaves over stays in the twin; without it (`residual`
    false) training stops. With `feedback`, the error of a programmed cell, as its last read shows it, goes into the
    twin too, so that later updates make it good.

    With `bits`, the twin is a digital counter of that many bits, sign included, between -w_max and w_max: what is added
    to it is rounded up or down by chance, so that the mean is kept.
    """

    gives: ClassVar[Literal["factors", "dense", "targets"]] = "targets"
    kind: Literal["float_twin"] = "float_twin"
    sources: ClassVar[tuple[str, ...]] = (
        "Tan et al. (2024), Siamese learning: float twin, sparse updates",
        "Courbariaux et al., NIPS 2015, arXiv 1511.00363: binary weights with float ones behind them",
        "Li and Liu, arXiv 1605.04711 (2016): ternary weights, zero below 0.7 of the mean magnitude",
    )

    levels: int = quantity(16, unit="1", ge=2, le=4096, doc="levels of one device")
    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="change of the twin / gradient of the batch's mean loss")
    residual: bool = setting(True, doc="keep what rounding leaves over")
    feedback: float = quantity(0.0, unit="1", ge=0, le=1, doc="part of a programming error that goes into the twin")
    hysteresis: float = quantity(0.0, unit="1", ge=0, le=1, doc="steps beyond half of one before a level is left")
    grid: Literal["uniform", "binary", "ternary"] = setting("uniform", doc="weights that are programmed")
    zero_below: float = quantity(0.7, unit="1", ge=0, doc="of a ternary grid: weights below this x the mean size are 0")
    bits: int | None = quantity(
        None, unit="bit", ge=2, le=24, doc="size of the twin as a digital counter, with sign; none: floating point"
    )
    gradient: Literal["levels", "float"] = setting("levels", doc="weights that the error is sent back through")

    def model_post_init(self, _: object) -> None:
        """Two or three weights have no spacing that a hysteresis could be measured in."""
        if self.grid != "uniform" and self.hysteresis:
            allowed = f"must be 0 for the grid {self.grid}"
            raise InputError("hysteresis", self.hysteresis, allowed, 'Use the grid "uniform", or leave it out.')

    def init(self, weight: Tensor, w_max: float) -> Tensor | None:
        """(3, inputs, outputs): the twin, the weights that are programmed, and w_max in every element."""
        twin = weight.detach().float().clamp(-w_max, w_max)
        memory = torch.stack([twin, torch.zeros_like(twin), torch.full_like(twin, w_max)])
        self._quantise(memory)
        return memory

    def twin(self, memory: Tensor | None) -> Tensor | None:
        """The programmed levels, or the twin itself."""
        assert memory is not None
        return memory[1 if self.gradient == "levels" else 0]

    def programmed(self, memory: Tensor | None) -> Tensor | None:
        """The levels."""
        assert memory is not None
        return memory[1]

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Wanted:
        """The levels before, and after this batch."""
        assert memory is not None
        # Sums and levels in place: layer-sized temporaries cost more than the arithmetic.
        twin, levels, w_max = memory[0], memory[1], self._w_max(memory)
        twin.add_(factors.sum().to(twin), alpha=self.learning_rate).clamp_(-w_max, w_max)
        self._round(twin, w_max, at)
        before = levels.clone()
        self._quantise(memory)
        if self.hysteresis:
            bound = (0.5 + self.hysteresis) * w_max / (self.levels - 1)
            torch.where((twin - before).abs_() <= bound, before, levels, out=levels)
        if not self.residual:
            twin.copy_(levels)
        return Levels(before, levels, self.feedback > 0)

    def reached(self, memory: Tensor | None, weight: Tensor) -> None:
        """Put part of the programming error into the twin."""
        assert memory is not None
        memory[0].sub_(weight.to(memory) - memory[1], alpha=self.feedback)

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """The twin; the programmed level follows from it."""
        return self.bits or 32

    def _round(self, twin: Tensor, w_max: float, at: WriteAddress | None) -> None:
        """Put what a counter holds onto its whole numbers, up or down with the odds of what is left over."""
        if self.bits is None:
            return
        assert at is not None
        count = w_max / (2 ** (self.bits - 1) - 1)
        lot = random.uniform(at.stream.child("counter"), at.event, twin.shape, twin)
        twin.div_(count).add_(lot).floor_().mul_(count).clamp_(-w_max, w_max)

    def _quantise(self, memory: Tensor) -> None:
        """Put the twin, on the grid of levels, where the programmed weights are kept."""
        if self.grid != "uniform":
            memory[1].copy_(quantised(memory[0], self.grid, self._w_max(memory), zero_below=self.zero_below))
            return
        step = self._w_max(memory) / (self.levels - 1)
        torch.div(memory[0], step, out=memory[1]).round_().mul_(step)

    @staticmethod
    def _w_max(memory: Tensor) -> float:
        return float(memory[2].flatten()[0])
