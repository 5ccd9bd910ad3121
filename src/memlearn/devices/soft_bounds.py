"""Soft bounds: the step shrinks towards the bound that is being approached."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..ops.pulse_update import Kernels, compile_step
from .base import AbstractDevice
from .state import Cells


def step(g: Any, p: Any, up: bool) -> Any:
    """S: affine in the distance to the bound ahead: p[2] + p[3] (upper - g) up, p[4] + p[5] (g - lower) down."""
    if up:
        return p[2] + p[3] * (p[1] - g)
    return p[4] + p[5] * (g - p[0])


class SoftBounds(AbstractDevice):
    """A mix of constant step (0) and full soft bounds (1), per polarity.

        up     D [(1 - mix) + mix (upper - g) / (upper - middle)]
        down   D [(1 - mix) + mix (g - lower) / (middle - lower)]

    D is the step at the middle of the nominal range; with mix = 1 it reaches zero at the cell's own bound.
    """

    kind: Literal["soft_bounds"] = "soft_bounds"
    kernels: ClassVar[Kernels] = compile_step(step)
    step_columns: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Fusi and Abbott, Nat. Neurosci. 10:485 (2007), soft bounds",
        "Frascaroli et al., Sci. Rep. 8:7178 (2018), soft bounds measured in memristors",
    )

    mix_up: float = quantity(1.0, unit="1", ge=0, le=1, doc="non-linearity of up pulses: 0 constant, 1 soft bound")
    mix_down: float = quantity(1.0, unit="1", ge=0, le=1, doc="non-linearity of down pulses: 0 constant, 1 soft bound")

    def columns(self, cells: Cells) -> list[Tensor]:
        """Constant part and slope, up then down; a stuck cell has neither."""
        above = (cells.upper - self.middle).where(cells.up > 0, self.range)
        below = (self.middle - cells.lower).where(cells.down > 0, self.range)
        mix_up = (self.mix_up + cells.shape_up).clamp(0, 1)
        mix_down = (self.mix_down + cells.shape_down).clamp(0, 1)
        return [
            (1 - mix_up) * cells.up,
            mix_up * cells.up / above,
            (1 - mix_down) * cells.down,
            mix_down * cells.down / below,
        ]
