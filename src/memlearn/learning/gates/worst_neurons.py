"""Partial gating: only the neurons that are most responsible for the error learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from .base import AbstractGate


class WorstNeurons(AbstractGate):
    """The first samples are only looked at: each neuron adds up the size of its error. Then the worst part learns.

    The columns of all others are never pulsed, so that they need not be selected at all in a write.
    """

    kind: Literal["worst_neurons"] = "worst_neurons"
    sources: ClassVar[tuple[str, ...]] = (
        "Pham, Nguyen and Min, partial gating of memristor crossbars (2019), from its abstract; ranking inferred",
    )

    fraction: float = quantity(0.1, unit="1", gt=0, le=1, doc="of the neurons of each layer that learn, rounded up")
    images: int = quantity(1000, unit="1", ge=1, doc="samples whose errors are ranked")

    def layers(self, names: Sequence[str]) -> Sequence[str]:
        """All."""
        return names

    @property
    def looks(self) -> int:
        """As set."""
        return self.images

    def chosen(self, scores: Tensor) -> Tensor:
        """Those with the largest scores; the first ones where scores are equal."""
        most = math.ceil(self.fraction * len(scores) - 1e-9)
        order = torch.sort(scores, descending=True, stable=True).indices
        return torch.zeros_like(scores, dtype=torch.bool).index_fill_(0, order[:most], True)
