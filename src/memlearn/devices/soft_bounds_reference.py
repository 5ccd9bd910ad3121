"""Soft bounds with reference: cells that are read against their own symmetric point."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ..core.component import quantity, setting
from ..core.random import Stream
from ..ops import random
from ..ops.pulse_update import Kernels, compile_step
from .base import AbstractDevice
from .state import Cells


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] (upper - g) up, p[3] (g - lower) down."""
    if up:
        return p[2] * (p[1] - g)
    return p[3] * (g - p[0])


class SoftBoundsReference(AbstractDevice):
    """Soft bounds whose state w = G - middle is read as w - r; b+ > 0 > b- are the cell's own bounds of w.

        up     w + D+ (1 - w / b+)
        down   w - D- (1 + w / |b-|)
        r      w* + reference_error (range / 2) normal,  w* = (D+ - D-) / (D+ / b+ + D- / |b-|)

    At the symmetric point w* an up and a down pulse cancel, and random pulses pull every cell there. A reference at w*
    makes that pull one towards zero weight, which is why this is the usual device of algorithm papers; what is left of
    the trouble is the error of r. With reference "none" r is that error alone.

    A tile keeps the difference itself: its conductance is G - r, its bounds are the cell's less r, and the same law
    holds there with D+ (1 - r / b+) and D- (1 + r / |b-|) at zero. This is exact and costs nothing. It implies that the
    conductance of a tile is that of a cell *and* its reference, may be negative, and that relative read noise is
    relative to it. New cells stand at zero difference; a stuck cell is read where it is stuck. Reference cells, and the
    pulses that find w*, are not counted. Cycle noise that does not shrink towards the bounds, as published simulators
    have it for this device, is the `range_spread` of `cycle_to_cycle`.
    """

    kind: Literal["soft_bounds_reference"] = "soft_bounds_reference"
    kernels: ClassVar[Kernels] = compile_step(step)
    step_columns: ClassVar[tuple[int, ...]] = (2, 3)
    sources: ClassVar[tuple[str, ...]] = (
        "Gong et al., Nat. Commun. 9:2102 (2018), ReRAM with soft bounds",
        "Gong and Rasch, IEDM (2022), arrays: reference at the symmetric point with an error of 5 %",
        "Kim, Rasch et al., arXiv 1907.10228 (2019), zero-shifting: reading against the symmetric point",
    )

    reference: Literal["symmetric_point", "none"] = setting("symmetric_point", doc="what a cell is read against")
    reference_error: float = quantity(0.0, unit="1", ge=0, doc="spread of the reference, relative to half the range")

    def adjusted(self, cells: Cells, stream: Stream) -> Cells:
        """Bounds and steps of the difference."""
        above, below, free = cells.upper - self.middle, self.middle - cells.lower, cells.upper > cells.lower
        shift = torch.zeros_like(above)
        if self.reference == "symmetric_point":
            pull = cells.up / above + cells.down / below
            shift = ((cells.up - cells.down) / pull).where(free & (pull > 0), 0.0)
        if self.reference_error:
            error = random.normal(stream.child("reference"), 0, above.shape, above)
            shift = (shift + 0.5 * self.reference_error * self.range * error).where(free, 0.0)
        up, down = cells.up * (1 - shift / above).where(free, 0.0), cells.down * (1 + shift / below).where(free, 0.0)
        return cells._replace(up=up, down=down, lower=cells.lower - shift, upper=cells.upper - shift)

    def columns(self, cells: Cells) -> list[Tensor]:
        """Slope of either polarity, which is where the bounds are from."""
        # A stuck cell has no distance to its bounds, and no step.
        free = cells.upper > cells.lower
        above, below = cells.upper - self.middle, self.middle - cells.lower
        return [cells.up / above.where(free, self.range), cells.down / below.where(free, self.range)]
