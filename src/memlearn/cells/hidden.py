"""A cell of two or three values that reads see, and an analogue one behind it that learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..arrays.mapping import AnyMapping, DifferentialPair
from ..core.component import quantity, setting
from ..core.types import PulsePlan
from ..devices import AnyDevice
from ..ops.quantise import quantised
from ..programming.schemes import AnyScheme, WriteVerify
from .base import AbstractCell, Access, Memory, Part


class Hidden(AbstractCell):
    """Pulses of updates move an analogue conductance; the shown cells hold its sign (and 0 where it is small).

    Every `look_every` writes both parts are read cell by cell, and shown weights that are no longer what the hidden
    ones ask for are programmed. Only shown cells are in the way of a read, so that errors pass the quantised weights
    while the pulses go to what is behind them: the straight-through estimator without any digital weight. A hidden
    weight within `hysteresis` of a border changes nothing, or its read noise would.
    """

    jumps: ClassVar[bool] = True
    kind: Literal["hidden"] = "hidden"
    sources: ClassVar[tuple[str, ...]] = (
        "Courbariaux et al., NIPS 2015, arXiv 1511.00363: binary weights with hidden ones behind them",
        "Nguyen et al., Neuromorph. Comput. Eng. 2:032001 (2022): binary and ternary synapses",
    )

    weights: Literal["binary", "ternary"] = setting("binary", doc="-1 and 1, or 0 too, times w_max")
    zero_below: float = quantity(0.7, unit="1", ge=0, doc="ternary: hidden weights below this x their mean size are 0")
    hidden_device: AnyDevice | None = setting(None, doc="law of the hidden cells; none: as the shown ones")
    hidden_mapping: AnyMapping = setting(DifferentialPair(), doc="which hidden cells make a weight")
    look_every: int = quantity(1, unit="1", ge=1, doc="writes from look to look")
    hysteresis: float = quantity(
        0.0, unit="1", ge=0, lt=1, doc="distance from a border, relative to w_max, at which a shown weight changes"
    )
    scheme: AnyScheme = setting(WriteVerify(tolerance=0.1), doc="how shown cells are programmed")

    def parts(self) -> tuple[Part, ...]:
        """Shown, hidden."""
        return Part("shown", 1.0), Part("hidden", 0.0, self.hidden_device, self.hidden_mapping, hidden=True)

    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """To the hidden cell."""
        return None, plan

    def step(self, steps: Sequence[float]) -> float:
        """That of the hidden cell."""
        return steps[1]

    def transfer(self, parts: Sequence[Access], writes: int, memory: Memory) -> None:
        """Shown weights follow the hidden ones."""
        if writes % self.look_every:
            return
        shown, hidden = parts
        value, held, w_max = hidden.look(None), shown.look(None), shown.w_max
        wanted = self.shown(value, w_max)
        if self.hysteresis:
            slack, nearest = self.hysteresis * w_max, self._on_grid(held, w_max)
            kept = [nearest == self.shown(value + side, w_max) for side in (-slack, slack)]
            wanted = nearest.where(kept[0] | kept[1], wanted)
        wrong = (wanted - held).abs() > 0.5 * w_max
        if bool(wrong.any()):
            shown.program(wanted, wrong, self.scheme)

    def shown(self, weight: Tensor, w_max: float) -> Tensor:
        """Sign, or sign and zero."""
        return quantised(weight, self.weights, w_max, zero_below=self.zero_below)

    def _on_grid(self, held: Tensor, w_max: float) -> Tensor:
        """The values that shown weights stand for, as read."""
        if self.weights == "ternary":
            return held.div(w_max).round().clamp(-1, 1).mul(w_max)
        return torch.where(held < 0, -w_max, w_max).to(held)
