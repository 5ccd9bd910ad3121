"""Only the head learns, as in hybrid training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ...core.component import quantity
from ...core.errors import InputError
from .base import AbstractGate


class LastLayers(AbstractGate):
    """The last layers learn; those before stay as they were programmed."""

    kind: Literal["last_layers"] = "last_layers"
    sources: ClassVar[tuple[str, ...]] = ("Yao et al., Nature 577:641 (2020): hybrid training of the last layer",)

    number: int = quantity(1, unit="1", ge=1, doc="layers that learn, counted from the output")

    def layers(self, names: Sequence[str]) -> Sequence[str]:
        """The last ones.

        Raises:
            InputError: there are fewer.
        """
        if self.number > len(names):
            raise InputError("gate.number", self.number, f"at most {len(names)}, the layers that there are")
        return names[len(names) - self.number :]
