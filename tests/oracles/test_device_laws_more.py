"""More laws of reference/devices.md (2.3, 2.7 to 2.10) against closed forms that are not those of the code.

Double precision; `Cells` knows each cell's own steps and bounds from their definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from memlearn.core.errors import InputError
from memlearn.core.types import Counts
from memlearn.devices import JumpTable, PiecewiseStep

from .test_device_laws import PULSES, SHAPE, SPREAD, STREAM, Cells


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


TABLE: dict[str, Any] = {
    "edges": (0.0, 0.2, 0.5, 1.0),
    "probabilities": (0.0, 0.1, 0.5, 0.9, 1.0),
    "up": ((0.01, 0.02, 0.04, 0.07, 0.1), (-0.05, -0.01, 0.02, 0.03, 0.2), (0.0, 0.0, 0.01, 0.02, 0.1)),
    "down": ((0.0, 0.0, 0.01, 0.02, 0.1), (0.0, 0.01, 0.02, 0.03, 0.04), (-0.05, 0.02, 0.04, 0.07, 0.1)),
}


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("x", [0.3, 0.35, 0.6, 0.75, 0.8])
def test_jump_table_draws_from_its_table(x, up):
    law, many = JumpTable(**TABLE), (1, 1, 100, 1000)
    state = law.init(many, STREAM, torch.float64)
    state.conductance.fill_(law.g_min + x * law.range)
    plan = Counts(torch.full(many, 1 if up else -1, dtype=torch.int32))
    moved = (law.pulse(state, plan, STREAM, 0)[0].conductance.numpy().ravel() - law.g_min) / law.range - x
    rows, middles = np.array(TABLE["up" if up else "down"]), [0.1, 0.35, 0.75]
    quantiles = np.array([np.interp(x, middles, rows[:, q]) for q in range(5)]) * (1 if up else -1)
    chances = np.array(TABLE["probabilities"])
    if not up:
        quantiles, chances = quantiles[::-1], 1 - chances[::-1]
    spread = np.unique(quantiles)  # of equal quantiles the distribution jumps
    if len(spread) == len(quantiles):
        assert stats.kstest(moved, lambda y: np.interp(y, quantiles, chances)).pvalue > 1e-3
    mean = law.mean_change(x, up) * (1 if up else -1)
    density = np.diff(chances)
    low, high = quantiles[:-1], quantiles[1:]
    variance = (density * (low**2 + low * high + high**2) / 3).sum() - mean**2
    assert (0.5 * (low + high) * density).sum() == pytest.approx(mean, rel=1e-12)
    assert moved.mean() == pytest.approx(mean, rel=0.01) and moved.var() == pytest.approx(variance, rel=0.03)
    assert len(np.unique(moved)) > 0.99 * 2**24 * -np.expm1(-len(moved) / 2**24) or len(spread) < len(quantiles)


@pytest.mark.parametrize("n", PULSES)
def test_a_table_without_spread_is_a_piecewise_step(n):
    # Rows of one value: between the middles of bins the step is a line through them, flat beyond.
    values, half = (0.03, 0.02, 0.004), {"edges": (0.0, 1 / 3, 2 / 3, 1.0), "probabilities": (0.0, 1.0)}
    rows = tuple((value, value) for value in values)
    cells = Cells(JumpTable(up=rows, down=rows[::-1], **half, **SPREAD))
    nodes, scale = [0.03, 0.03, 0.025, 0.02, 0.012, 0.004, 0.004], cells.law.range / cells.law.mean_step
    width = (cells.above + cells.below).ravel()
    start = [piecewise(below / w, step * scale / w, nodes, n) for below, w, step in zip(
        cells.below.ravel(), width, cells.up.ravel(), strict=True
    )]  # fmt: skip
    assert cells.close(cells.pulse(n), np.reshape(start * width, SHAPE) - cells.below)
    end = [1 - piecewise(1 - x, step * scale / w, nodes, n) for x, w, step in zip(
        start, width, cells.down.ravel(), strict=True
    )]  # fmt: skip
    assert cells.close(cells.pulse(-n), np.reshape(end * width, SHAPE) - cells.below)


def test_one_bin_is_the_same_everywhere():
    law = JumpTable(edges=(0.0, 1.0), up=((0.0, 0.01, 0.02, 0.03, 0.04),), down=((0.0, 0.01, 0.02, 0.03, 0.04),))
    assert law.mean_change(0.1, True) == law.mean_change(0.9, False) == pytest.approx(0.02)
    assert law.mean_step == pytest.approx(0.02 * law.range) and law.middle_factor(True) == pytest.approx(1)
    assert law.replace(states=25).middle_factor(True) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"edges": (0.0, 0.6, 0.5, 1.0)}, "edges = .* must ascend from 0 to 1"),
        ({"edges": (0.1, 0.5, 0.6, 1.0)}, "edges = .* must ascend from 0 to 1"),
        ({"probabilities": (0.0, 0.5, 0.5, 0.6, 1.0)}, "probabilities = .* must be two or more, ascending"),
        ({"probabilities": (0.0, 0.5, 0.6, 0.7, 1.1)}, "probabilities = .* must be two or more, ascending"),
        ({"probabilities": (0.0, 0.5, 1.0)}, "up = .* must be 3 rows .bins. of 3 quantiles"),
        ({"edges": (0.0, 1.0)}, "up = .* must be 1 rows .bins. of 5 quantiles"),
        ({"down": (*TABLE["down"][:2], (0.1, 0.0, 0.2, 0.3, 0.4))}, "down = .* must ascend within a row"),
        ({"up": ((-0.1,) * 5,) * 3}, "do not move a cell at mid-range on average. Give `states`"),
    ],
)
def test_a_table_that_is_none_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        JumpTable(**{**TABLE, **change})
