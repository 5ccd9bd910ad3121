"""Piecewise step: the step between two bounds as a line through a few measured points."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numba.extending import register_jitable
from torch import Tensor

from ..core.component import setting
from ..core.errors import InputError
from ..ops.pulse_update import Kernels, Noise, compile_step
from .base import AbstractDevice
from .state import Cells


@register_jitable
def along(nodes: Any, x: Any) -> Any:
    """The line through `nodes`, equally spaced from x = 0 to 1, at x."""
    last = nodes.size - 1
    place = x * np.float32(last)
    # A float, as an integer would turn single precision into double.
    left = np.minimum(np.maximum(np.floor(place), np.float32(0)), np.float32(last - 1))
    k = np.int64(left)
    return nodes[k] + (nodes[k + 1] - nodes[k]) * (place - left)


def step(g: Any, p: Any, up: bool, table: Any) -> Any:
    """S: p[3] (line - p[4] (2 x - 1)) up, p[5] (line + p[6] (2 x - 1)) down, never negative; x = (g - lower) p[2]."""
    x, first = (g - p[0]) * p[2], np.int64(table[0])
    tilt = x + x - np.float32(1)
    if up:
        return p[3] * np.maximum(along(table[1:first], x) - p[4] * tilt, np.float32(0))
    return p[5] * np.maximum(along(table[first:], x) + p[6] * tilt, np.float32(0))


class PiecewiseStep(AbstractDevice):
    """Steps as straight lines between nodes that are equally spaced from the cell's own lower to its own upper bound.

        x = (G - lower) / (upper - lower)
        up     D line(nodes_up, x)
        down   D line(nodes_down, x)

    Nodes are steps relative to D = range / states, from the lower bound to the upper one for both polarities, which may
    have different numbers of them. The step at mid-range is D where the line is 1 there (`middle_factor`). A spread
    `shape` tilts the lines of a cell, as the slope of `linear_step` does: - shift (2 x - 1) up, + shift (2 x - 1) down;
    no step is ever negative.
    """

    kind: Literal["piecewise_step"] = "piecewise_step"
    kernels: ClassVar[Kernels] = compile_step(step, table=True)
    step_columns: ClassVar[tuple[int, ...]] = (3, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Rasch et al., IEEE AICAS (2021), arXiv 2104.02184: piecewise-step device",
        "Burr et al., IEEE Trans. Electron Devices 62:3498 (2015): steps against conductance, measured",
    )

    nodes_up: tuple[float, ...] = setting(
        (1.6, 1.3, 1.0, 0.7, 0.4), doc="up steps relative to range / states, from the lower to the upper bound"
    )
    nodes_down: tuple[float, ...] = setting(
        (0.4, 0.7, 1.0, 1.3, 1.6), doc="down steps relative to range / states, from the lower to the upper bound"
    )

    def model_post_init(self, context: Any) -> None:
        """A line needs two points; a step is not negative."""
        super().model_post_init(context)
        for name in ("nodes_up", "nodes_down"):
            nodes = getattr(self, name)
            if len(nodes) < 2 or min(nodes) < 0:
                raise InputError(name, nodes, "must be two or more steps >= 0", "A constant step is [1.0, 1.0].")

    @property
    def noise(self) -> Noise:
        """With the nodes: where the down ones begin, up ones, down ones."""
        table = np.array([1 + len(self.nodes_up), *self.nodes_up, *self.nodes_down])
        return super().noise._replace(table=table)

    def middle_factor(self, up: bool) -> float:
        """The line at mid-range."""
        return float(along(np.array(self.nodes_up if up else self.nodes_down), np.array([0.5]))[0])

    def columns(self, cells: Cells) -> list[Tensor]:
        """1 / width, then D and tilt, up then down."""
        # A stuck cell has no width, and no step.
        width = (cells.upper - cells.lower).where(cells.upper > cells.lower, self.range)
        return [1 / width, cells.up, cells.shape_up, cells.down, cells.shape_down]
