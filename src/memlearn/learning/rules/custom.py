"""A rule spelt out, and the yardstick that is none."""

from __future__ import annotations

from typing import Literal

from ...core.component import quantity, setting
from ..rule import Parts
from .base import AbstractRule


class Custom(AbstractRule):
    """Any combination, spelt out."""

    kind: Literal["custom"] = "custom"

    rule: Parts = setting(Parts(), doc="credit, accumulator and writer")

    def parts(self) -> Parts:
        """As given."""
        return self.rule


class FloatReference(AbstractRule):
    """The yardstick: the same network, data and batches in plain PyTorch, plain SGD, no arrays."""

    kind: Literal["float_reference"] = "float_reference"

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="of plain stochastic gradient descent")
    rate_decay: float = quantity(1.0, unit="1", gt=0, le=1, doc="learning rate after an epoch / before")
    levels: int | None = quantity(
        None, unit="1", ge=2, le=4096, doc="quantise to so many levels a device, trained straight through; none: float"
    )

    def parts(self) -> Parts:
        """It has none."""
        raise TypeError("float_reference trains plain torch layers; it has no parts")
