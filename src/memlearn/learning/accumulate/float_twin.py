"""A floating-point twin of the weights: it learns, and only its quantised steps reach the cells."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity, setting
from ...core.types import Factors
from ...programming import Levels, Wanted
from .base import AbstractAccumulator


class FloatTwin(AbstractAccumulator):
    """W += learning_rate x gradient; the cells are programmed where round(W / step) has changed.

    With `hysteresis` h, a level is kept until W is more than (1/2 + h) steps away from it, so that a twin that trembles
    about the border of two levels does not have its cells programmed to and fro.

    A weight has the levels -(levels - 1) .. levels - 1, a step is w_max / (levels - 1): a pair of devices of `levels`
    levels each. What rounding leaves over stays in the twin; without it (`residual` false) training stops. With
    `feedback`, the error of a programmed cell, as its last read shows it, goes into the twin too, so that later updates
    make it good.
    """

    gives: ClassVar[Literal["factors", "dense", "targets"]] = "targets"
    kind: Literal["float_twin"] = "float_twin"
    sources: ClassVar[tuple[str, ...]] = ("Tan et al. (2024), Siamese learning: float twin, sparse updates",)

    levels: int = quantity(16, unit="1", ge=2, le=4096, doc="levels of one device")
    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="change of the twin / gradient of the batch's mean loss")
    residual: bool = setting(True, doc="keep what rounding leaves over")
    feedback: float = quantity(0.0, unit="1", ge=0, le=1, doc="part of a programming error that goes into the twin")
    hysteresis: float = quantity(0.0, unit="1", ge=0, le=1, doc="steps beyond half of one before a level is left")
    gradient: Literal["levels", "float"] = setting("levels", doc="weights that the error is sent back through")

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

    def add(self, memory: Tensor | None, factors: Factors) -> Wanted:
        """The levels before, and after this batch."""
        assert memory is not None
        # Sums and levels in place: layer-sized temporaries cost more than the arithmetic.
        twin, levels, w_max = memory[0], memory[1], self._w_max(memory)
        twin.add_(factors.sum().to(twin), alpha=self.learning_rate).clamp_(-w_max, w_max)
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
        return 32

    def _quantise(self, memory: Tensor) -> None:
        """Put the twin, on the grid of levels, where the programmed weights are kept."""
        step = self._w_max(memory) / (self.levels - 1)
        torch.div(memory[0], step, out=memory[1]).round_().mul_(step)

    @staticmethod
    def _w_max(memory: Tensor) -> float:
        return float(memory[2].flatten()[0])
