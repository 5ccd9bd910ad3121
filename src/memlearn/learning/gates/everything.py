"""No gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .base import AbstractGate


class Everything(AbstractGate):
    """All neurons of all layers learn."""

    kind: Literal["everything"] = "everything"

    def layers(self, names: Sequence[str]) -> Sequence[str]:
        """All."""
        return names
