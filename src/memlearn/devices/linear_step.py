"""Linear step: the step changes in proportion to the conductance."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity
from ..ops.pulse_update import Kernels
from .affine import KERNELS, columns
from .base import AbstractDevice
from .state import Cells


class LinearStep(AbstractDevice):
    """Steps that change linearly with the conductance, per polarity; b+ > 0 > b- are the cell's own bounds of w.

        w = G - middle
        up     D (1 - slope_up w / b+)
        down   D (1 - slope_down w / b-)

    D is the step at the middle of the nominal range. Slope 0 is a constant step and 1 a soft bound; 0.1 is a step at
    the bound ahead that is 10 % below D. A negative slope lets steps grow on the way (a down branch that retraces the
    up branch), a slope above 1 ends the way before the bound; no step is ever negative. Additive cycle noise, which
    does not shrink with the step, is the `range_spread` of `cycle_to_cycle`.
    """

    kind: Literal["linear_step"] = "linear_step"
    kernels: ClassVar[Kernels] = KERNELS
    step_columns: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Rasch et al., IEEE AICAS (2021), arXiv 2104.02184: linear-step device",
        "Tang et al., IEDM (2018): ECRAM that follows it, slopes 0.1153 up and 0.5085 down",
    )

    slope_up: float = quantity(0.1, unit="1", doc="loss of the up step at the upper bound: 0 constant, 1 soft bound")
    slope_down: float = quantity(
        0.1, unit="1", doc="loss of the down step at the lower bound: 0 constant, 1 soft bound"
    )

    def columns(self, cells: Cells) -> list[Tensor]:
        """Step at the bound ahead and slope, up then down."""
        return columns(cells, self.middle, (self.slope_up + cells.shape_up, self.slope_down + cells.shape_down))
