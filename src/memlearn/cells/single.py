"""A weight of one part: the array as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ..core.types import PulsePlan
from .base import AbstractCell, Memory, Part


class Single(AbstractCell):
    """One array, whose mapping alone says which cells make a weight."""

    kind: Literal["single"] = "single"
    sources: ClassVar[tuple[str, ...]] = ()

    def parts(self) -> tuple[Part, ...]:
        """One."""
        return (Part("only", 1.0),)

    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """All of it."""
        return (plan,)

    def step(self, steps: Sequence[float]) -> float:
        """Its own."""
        return steps[0]
