"""Power step: the step shrinks as a power of the distance to the bound that is being approached."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..ops.pulse_update import Kernels, compile_step
from .base import AbstractDevice
from .state import Cells


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] ((upper - g) p[3]) ** p[4] up, p[5] ((g - lower) p[6]) ** p[7] down."""
    if up:
        return p[2] * ((p[1] - g) * p[3]) ** p[4]
    return p[5] * ((g - p[0]) * p[6]) ** p[7]


class PowerStep(AbstractDevice):
    """Steps that follow a power of the distance to the cell's own bound ahead, per polarity.

        up     D ((upper - g) / (upper - middle)) ** exponent_up
        down   D ((g - lower) / (middle - lower)) ** exponent_down

    D is the step at the middle of the nominal range. Fusi and Abbott divide by the whole range instead: their D is
    2 ** exponent times this one for bounds at equal distances. Exponent 1 is a soft bound, 0 a constant step.
    """

    kind: Literal["power_step"] = "power_step"
    kernels: ClassVar[Kernels] = compile_step(step)
    step_columns: ClassVar[tuple[int, ...]] = (2, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Fusi and Abbott, Nat. Neurosci. 10:485 (2007)",
        "Frascaroli et al., Sci. Rep. 8:7178 (2018)",
    )

    exponent_up: float = quantity(1.0, unit="1", ge=0, doc="of up pulses: 0 constant, 1 soft bound, above 1 steeper")
    exponent_down: float = quantity(
        1.0, unit="1", ge=0, doc="of down pulses: 0 constant, 1 soft bound, above 1 steeper"
    )

    def columns(self, cells: Cells) -> list[Tensor]:
        """Step, 1 / distance from mid-range to the bound ahead, exponent; up then down."""
        # A stuck cell has no distance to its bounds, and no step.
        above = (cells.upper - self.middle).where(cells.up > 0, self.range)
        below = (self.middle - cells.lower).where(cells.down > 0, self.range)
        powers = (self.exponent_up + cells.shape_up, self.exponent_down + cells.shape_down)
        return [cells.up, 1 / above, powers[0].clamp_min(0), cells.down, 1 / below, powers[1].clamp_min(0)]
