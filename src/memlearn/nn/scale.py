"""A digital scale for each output of an array, which learns beside the pulses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.ledger import Event, Ledger, Pass
from .base import Follower


class OutputScale(Follower):
    """y = scale x, output by output; the scales learn by plain descent, in digital, at every step of the model's rule.

    One 32-bit number for each output line, and one multiplication an output and read in either direction. A network
    whose weights end at w_max gets larger sums where it wants them, and small ones use more of their cells' range.

    Arguments:
        outputs: lines.
        learning_rate: of the scales; a rule's schedule multiplies it.
        start: scale of all lines at the beginning.
        least: below which no scale falls, so that none changes its sign.

    Source:
        Rasch et al., Nat. Commun. 14:5282 (2023), learned digital scales of columns.
    """

    bits_per_line = 32

    def __init__(self, outputs: int, *, learning_rate: float = 0.01, start: float = 1.0, least: float = 1e-3) -> None:
        super().__init__()
        for name, value in (("learning_rate", learning_rate), ("start", start), ("least", least)):
            if not value > 0:
                raise InputError(name, value, "must be positive")
        self.learning_rate, self.least = learning_rate, least
        self.scale = nn.Parameter(torch.full((outputs,), float(start)))
        self.ledger: Ledger | None = None
        self.name = "scale"

    def forward(self, values: Tensor) -> Tensor:
        """(..., outputs) to the same."""
        if self.ledger is not None:
            self.ledger.count(self.name, Pass.FORWARD, Event.LINE_GAIN, values.numel())
            if torch.is_grad_enabled():
                self.ledger.count(self.name, Pass.BACKWARD, Event.LINE_GAIN, values.numel())
        return values * self.scale

    def follow(self, rate: float) -> None:
        """One step of descent on what backward passes have left."""
        if self.scale.grad is not None:
            with torch.no_grad():
                self.scale.sub_(self.scale.grad, alpha=self.learning_rate * rate).clamp_(min=self.least)
        self.forget()

    def forget(self) -> None:
        """Without the gradient."""
        self.scale.grad = None
