"""Capacitor: charge packets on a gate, nearly equal, with noise that no bound silences, and a leak."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity, setting
from ..ops.pulse_update import Kernels
from .affine import KERNELS, columns
from .base import AbstractDevice
from .effects import CycleToCycle, Retention
from .state import Cells


class Capacitor(AbstractDevice):
    """Volatile cell: a linear step with additive cycle noise, and between pulses a leak towards a level of rest.

        up     D (1 - slope_up w / b+) + noise,  w = G - middle, b+ > 0 > b- the cell's own bounds of w
        down   D (1 - slope_down w / b-) + noise,  noise = cycle_to_cycle.range_spread x range x normal, at any w
        leak   G(t + dt) = rest + (G(t) - rest) exp(-dt / tau)

    Also for leaky electrochemical cells, whose place of rest is their retention convergence point. Time passes in
    `relax`, never by itself: tau is in seconds, where published simulators count mini-batches. By default the leak goes
    to mid-range, zero weight of a cell against a mid-range reference. Slopes, states and noise are those published for
    the capacitor array; tau = 1 s is an example, as no time in seconds was found.
    """

    kind: Literal["capacitor"] = "capacitor"
    kernels: ClassVar[Kernels] = KERNELS
    step_columns: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Li et al., VLSI Technology (2018): capacitor cells",
        "Rasch et al., IEEE AICAS (2021), arXiv 2104.02184: values, with a lifetime of 1e6 mini-batches",
        "Noh et al., Sci. Adv. (2024): retention convergence point of electrochemical cells",
    )

    states: float = quantity(400, unit="1", ge=2, doc="range / mean step at mid-range")
    slope_up: float = quantity(0.05, unit="1", doc="loss of the up step at the upper bound: 0 constant, 1 soft bound")
    slope_down: float = quantity(
        0.05, unit="1", doc="loss of the down step at the lower bound: 0 constant, 1 soft bound"
    )
    cycle_to_cycle: CycleToCycle = setting(CycleToCycle(range_spread=7.5e-4), doc="variation from pulse to pulse")
    retention: Retention = setting(Retention(time_constant=1.0, rest=0.5), doc="the leak, and where it goes")

    def columns(self, cells: Cells) -> list[Tensor]:
        """Step at the bound ahead and slope, up then down."""
        return columns(cells, self.middle, (self.slope_up + cells.shape_up, self.slope_down + cells.shape_down))
