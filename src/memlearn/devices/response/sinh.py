"""Field-driven motion: exponential in the voltage."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...core.component import quantity
from .base import AbstractResponse


class SinhResponse(AbstractResponse):
    """sinh(k share) / sinh(k), k the nominal voltage / V0 of the law sinh(V / V0): ions that hop in a field.

    With the default, 0.9 of the voltage makes 0.37 of the step, half of it 0.7 %, a third of it 0.13 %.
    """

    kind: Literal["sinh"] = "sinh"
    sources: ClassVar[tuple[str, ...]] = (
        "Strukov and Williams, Appl. Phys. A 94:515 (2009): exponential ionic drift",
        "The default steepness is an example, and no measured device",
    )

    steepness: float = quantity(10.0, unit="1", gt=0, le=60, doc="nominal voltage / V0")

    def factor(self, share: Tensor) -> Tensor:
        """As above."""
        # exp(k (share - 1)) (1 - exp(-2 k share)) / (1 - exp(-2 k)): nothing overflows.
        k = self.steepness
        return torch.exp(k * (share - 1)) * torch.expm1(-2 * k * share) * (1 / math.expm1(-2 * k))
