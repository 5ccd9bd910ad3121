"""The credit contract: whose error reaches a layer, and in what form."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from ...core.component import Component
from ...tile import Array


class AbstractCredit(Component):
    """How the error that a layer receives is represented before it drives the bit lines and enters the update."""

    method: ClassVar[str]
    """The backward method, for the run record."""
    ternary: ClassVar[bool] = False
    """Whether every signal is -1, 0 or 1."""

    through_twin: ClassVar[bool] = False
    """Whether the error goes back through the accumulator's twin instead of the arrays."""

    @abstractmethod
    def signal(self, wanted: Tensor) -> Tensor:
        """What the bit lines carry, from minus the derivative of the loss, (samples, outputs)."""

    def check(self, array: Array) -> None:
        """Raise InputError where the array's converters do not fit this credit."""
        return None
