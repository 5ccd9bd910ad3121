"""More laws of reference/devices.md (2.3, 2.7 to 2.10) against closed forms that are not those of the code.

Double precision; `Cells` knows each cell's own steps and bounds from their definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from memlearn.core.errors import InputError
from memlearn.devices import PiecewiseStep

from .test_device_laws import PULSES, SHAPE, SPREAD, Cells


def piecewise(x: float, step: float, nodes: list[float], n: int) -> float:
    """x in 0..1 after n times x <- min(x + step line(nodes, x), 1), segment after segment, each in closed form.

    Within a segment x' = x + a + b x, so x goes away from (or to) the fixed point -a / b by (1 + b) a pulse.
    """
    last = len(nodes) - 1
    while n > 0 and x < 1:
        k = min(int(x * last), last - 1)
        b = step * (nodes[k + 1] - nodes[k]) * last
        a, end = step * nodes[k] - b * k / last, (k + 1) / last
        if a + b * x <= 0:
            return x
        if b == 0:
            inside = int(np.ceil((end - x) / a))
        elif end + a / b == 0 or (end + a / b) / (x + a / b) <= 0:
            inside = n
        else:
            inside = int(np.ceil(np.log((end + a / b) / (x + a / b)) / np.log1p(b)))
        inside = min(max(inside, 1), n)
        x = x + a * inside if b == 0 else -a / b + (x + a / b) * (1 + b) ** inside
        n -= inside
    return min(x, 1.0)


NODES: list[Any] = [
    ((1.6, 1.3, 1.0, 0.7, 0.4), (0.4, 0.7, 1.0, 1.3, 1.6)),
    ((2.0, 0.5, 1.5), (1.0, 1.0)),
    ((1.5, 1.0, 1.0, 0.5, 0.0), (0.0, 0.2, 2.0, 1.0)),
]


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("states", [20, 1000])
@pytest.mark.parametrize(("up", "down"), NODES)
def test_piecewise_step(n, states, up, down):
    cells = Cells(PiecewiseStep(states=states, nodes_up=up, nodes_down=down, asymmetry=0.1, **SPREAD))
    width = (cells.above + cells.below).ravel()
    start = [piecewise(below / w, step / w, list(up), n) for below, w, step in zip(
        cells.below.ravel(), width, cells.up.ravel(), strict=True
    )]  # fmt: skip
    assert cells.close(cells.pulse(n), np.reshape(start * width, SHAPE) - cells.below)
    end = [1 - piecewise(1 - x, step / w, list(down)[::-1], n) for x, w, step in zip(
        start, width, cells.down.ravel(), strict=True
    )]  # fmt: skip
    assert cells.close(cells.pulse(-n), np.reshape(end * width, SHAPE) - cells.below)


def test_a_piecewise_line_needs_two_points():
    for nodes in ((1.0,), (), (1.0, -0.1)):
        with pytest.raises(InputError, match="must be two or more steps >= 0"):
            PiecewiseStep(nodes_down=nodes)
