"""Constant step: every pulse moves the conductance by the same amount, up to a hard bound."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from ..ops.pulse_update import Kernels, compile_step
from .base import AbstractDevice
from .state import Cells


def step(g: Any, p: Any, up: bool) -> Any:
    """S: p[2] up, p[3] down, wherever the cell is."""
    if up:
        return p[2]
    return p[3]


class ConstantStep(AbstractDevice):
    """Identical steps D = (g_max - g_min) / states within each cell's own bounds: the ideal device of most theory."""

    kind: Literal["constant_step"] = "constant_step"
    kernels: ClassVar[Kernels] = compile_step(step)
    step_columns: ClassVar[tuple[int, ...]] = (2, 3)
    sources: ClassVar[tuple[str, ...]] = ("Gokmen and Vlasov, Front. Neurosci. 10:333 (2016), constant-step device",)

    def columns(self, cells: Cells) -> list[Tensor]:
        """The two step sizes."""
        return [cells.up, cells.down]
