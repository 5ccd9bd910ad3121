"""What costs are made of: parts by pass, layer and component, and totals that are nothing but their sum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple


class Part(NamedTuple):
    """One term."""

    during: str
    """The pass: forward, backward, update, verify, and what others a ledger knows; "standby", or "" of areas."""
    layer: str
    component: str
    value: float
    """In the unit of its total."""


class Total(NamedTuple):
    """A sum of parts."""

    unit: str
    parts: tuple[Part, ...]

    @property
    def total(self) -> float:
        """All parts together."""
        return math.fsum(part.value for part in self.parts)

    def by(self, *keys: str) -> dict[Any, float]:
        """Sums by "during", "layer" or "component", largest first; by several, keyed by tuples."""
        found: dict[Any, list[float]] = {}
        for part in self.parts:
            key = tuple(getattr(part, name) for name in keys)
            found.setdefault(key[0] if len(key) == 1 else key, []).append(part.value)
        sums = {key: math.fsum(values) for key, values in found.items()}
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def table(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "total": self.total,
            "unit": self.unit,
            "by_pass": self.by("during"),
            "by_layer": self.by("layer"),
            "by_component": self.by("component"),
            "parts": [
                {"pass": part.during, "layer": part.layer, "component": part.component, "value": part.value}
                for part in self.parts
            ],
        }


def total(unit: str, parts: Iterable[Part]) -> Total:
    """The parts that are there; those of nothing are left out."""
    return Total(unit, tuple(part for part in parts if part.value))
