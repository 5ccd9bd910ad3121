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
from memlearn.devices import Capacitor, JumpTable, OneSided, PiecewiseStep, SoftBounds, SoftBoundsReference
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, Retention, StuckCells
from memlearn.ops import random

from .test_device_laws import PULSES, SHAPE, SPREAD, STREAM, Cells, affine


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


def soft(w: np.ndarray, step: np.ndarray, bound: np.ndarray, n: int) -> np.ndarray:
    """Section 2.3: n up pulses in closed form."""
    return bound - (bound - w) * (1 - step / bound) ** n


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("reference", ["symmetric_point", "none"])
@pytest.mark.parametrize("states", [20, 1000])
def test_soft_bounds_read_against_a_reference(n, reference, states):
    law = SoftBoundsReference(states=states, asymmetry=0.2, reference=reference, reference_error=0.05, **SPREAD)
    cells = Cells(law)
    plain = Cells(SoftBounds(states=states, asymmetry=0.2, **SPREAD))
    cells.above, cells.below = plain.above, plain.below
    error = random.normal(STREAM.child("reference"), 0, torch.Size(SHAPE), torch.empty(0, dtype=torch.float64)).numpy()
    r = 0.05 * 0.5 * law.range * error
    if reference == "symmetric_point":
        r += (cells.up - cells.down) / (cells.up / cells.above + cells.down / cells.below)
    # A new cell stands at its reference; what a tile keeps is the way from there.
    top = soft(r, cells.up, cells.above, n)
    assert cells.close(cells.pulse(n) + r, top)
    assert cells.close(cells.pulse(-n) + r, -soft(-top, cells.down, cells.below, n))


def test_random_pulses_pull_to_zero_but_for_the_error_of_the_reference():
    many = (1, 1, 100, 100)
    for error in (0.0, 0.05):
        law = SoftBoundsReference(states=400, asymmetry=0.3, reference_error=error, **SPREAD)
        state = law.init(many, STREAM, torch.float64)
        mean = torch.zeros(many, dtype=torch.float64)
        for event in range(3000):
            sign = 1 if event % 2 else -1
            state, _ = law.pulse(state, Counts(torch.full(many, sign, dtype=torch.int32)), STREAM, event)
            mean += (state.conductance - law.middle) * ((event >= 2998) / 2)
        free = (state.parameters[..., 2:4] > 0).all(-1)
        found = mean[free] / (0.5 * law.range)
        assert abs(float(found.mean())) < 0.003 and float(found.std()) == pytest.approx(error, rel=0.05, abs=0.003)


def test_a_stuck_cell_is_read_where_it_is_stuck_and_new_cells_at_zero():
    law = SoftBoundsReference(asymmetry=0.4, reference_error=0.1, faults=StuckCells(low=0.2))
    state = law.init((1, 1, 50, 50), STREAM)
    stuck = state.parameters[..., 0] == state.parameters[..., 1]
    assert stuck.any() and torch.allclose(state.conductance[stuck], torch.tensor(law.g_min))
    assert torch.allclose(state.conductance[~stuck], torch.tensor(law.middle)) and state.parameters.isfinite().all()


def test_a_difference_may_be_negative_also_beside_an_effect():
    law = SoftBoundsReference(asymmetry=0.5, g_min=0.0, write_noise={"relative": 1e-9})
    state = law.init((1, 1, 3, 3), STREAM)
    state, _ = law.pulse(state, Counts(torch.full((1, 1, 3, 3), -1000, dtype=torch.int32)), STREAM, 0)
    assert (law.visible(state) < -0.4 * law.middle).all()


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("rest", [0.5, 0.0, 0.2])
def test_capacitor_between_pulses_and_leaks(n, rest):
    leak, silent = Retention(time_constant=3.0, rest=rest), CycleToCycle()
    cells = Cells(Capacitor(slope_up=0.05, slope_down=-0.1, cycle_to_cycle=silent, retention=leak, **SPREAD))
    goal = rest * (cells.above + cells.below) - cells.below
    exact = affine(np.zeros(SHAPE), cells.up, 0.05, cells.above, n)
    assert cells.close(cells.pulse(n), exact)
    for seconds in (0.5, 0.0, 2.0):
        cells.state = cells.law.relax(cells.state, seconds, STREAM, 0)
    exact = goal + (exact - goal) * np.exp(-2.5 / 3.0)
    assert cells.close(cells.state.conductance.numpy() - cells.law.middle, exact)
    assert cells.close(cells.pulse(-n), -affine(-exact, cells.down, -0.1, cells.below, n))


def test_capacitor_noise_is_the_same_everywhere_and_adds_in_variance():
    law, many = Capacitor(slope_up=1.0, slope_down=1.0), (1, 1, 100, 1000)
    for x, n in ((0.5, 1), (0.9, 1), (0.5, 9)):
        state = law.init(many, STREAM, torch.float64)
        state.conductance.fill_(law.g_min + x * law.range)
        state, _ = law.pulse(state, Counts(torch.full(many, n, dtype=torch.int32)), STREAM, 0)
        # Soft bounds shrink what earlier pulses have left by (1 - 2 / states) a pulse.
        kept = sum((1 - 2 / law.states) ** (2 * k) for k in range(n))
        assert float(state.conductance.var()) == pytest.approx(kept * (7.5e-4 * law.range) ** 2, rel=0.03)
        exact = affine(np.full(1, (x - 0.5) * law.range), np.array([law.mean_step]), 1.0, np.array([law.range / 2]), n)
        assert float(state.conductance.mean()) - law.middle == pytest.approx(exact[0], rel=1e-3)


@pytest.mark.parametrize("n", PULSES)
def test_one_sided_steps_against_a_walk_as_published(n):
    # Section 2.5 with w from 0 to 2: D (1 - A exp(gamma z)), A = -27.235, gamma = 2.5, z = -2 w / 2.
    cells = Cells(OneSided(states=2000, asymmetry=0.1, reset_level=0.02, **SPREAD))
    width = cells.above + cells.below
    w = 2 * cells.below / width
    for _ in range(n):
        w = np.minimum(w + 2 * cells.up / width * (1 + 27.235 * np.exp(-2.5 * w)), 2)
    assert cells.close(cells.pulse(n), w * width / 2 - cells.below)
    level = np.clip(0.02 * cells.law.range - cells.below, None, cells.above)
    for resets in (-1, -n):
        assert cells.close(cells.pulse(resets), level, 1e-12)


@pytest.mark.parametrize("n", PULSES)
def test_one_sided_steps_in_closed_form(n):
    # dx = D (1 + boost exp(-k x)): v = exp(k x) follows v + boost = (v0 + boost) exp(k D n), to first order in D.
    law = OneSided(states=1_000_000, boost=27.235, decay=5.0)
    cells = Cells(law)
    v = (np.exp(2.5) + 27.235) * np.exp(5.0 / law.states * n) - 27.235
    assert cells.close(cells.pulse(n), np.full(SHAPE, (np.log(v) / 5.0 - 0.5) * law.range), 2e-6)


def test_published_steps_of_the_one_sided_fit():
    law = OneSided()
    columns = [column.numpy() for column in law.init((1,), STREAM, torch.float64).parameters.unbind(-1)]
    steps = law.kernels.step(np.array([law.g_min, law.g_max, law.middle]), columns, True) / law.mean_step
    assert steps == pytest.approx([28.235, 1.1835, law.middle_factor(True)], rel=1e-4)


def test_a_reset_has_the_stated_level_and_spreads():
    many = (1, 1, 100, 1000)
    law = OneSided(g_min=50e-6, g_max=60e-6, reset_level=0.3, reset_device_spread=0.02, reset_cycle_spread=0.04)
    state, reset = law.init(many, STREAM, torch.float64), Counts(torch.full(many, -1, dtype=torch.int32))
    found = []
    for event in range(2):
        state, _ = law.pulse(state, reset, STREAM, event)
        found.append(((state.conductance - law.g_min) / law.range - 0.3).flatten())
    both = torch.stack(found)
    assert float(both.mean()) == pytest.approx(0, abs=5e-4)
    assert float(both.var()) == pytest.approx(0.02**2 + 0.04**2, rel=0.03)
    assert float(torch.cov(both)[0, 1]) == pytest.approx(0.02**2, rel=0.05)
    between = ((both[1] - both[0]) / (0.04 * np.sqrt(2))).numpy()
    assert stats.kstest(between, "norm").pvalue > 1e-3 and np.abs(between).max() > 4


@pytest.mark.parametrize("x", [0.1, 0.5, 0.8])
def test_three_terms_of_noise_of_one_sided_steps(x):
    terms, many = CycleToCycle(spread=0.6, range_spread=0.01, slope=0.0648), (1, 1, 100, 1000)
    law = OneSided(states=1000, cycle_to_cycle=terms, device_to_device=DeviceToDevice())
    state = law.init(many, STREAM, torch.float64)
    state.conductance.fill_(law.g_min + x * law.range)
    state, _ = law.pulse(state, Counts(torch.ones(many, dtype=torch.int32)), STREAM, 0)
    moved = (state.conductance - law.g_min).numpy().ravel() / law.range - x
    step = (1 + 27.235 * np.exp(-5 * x)) / 1000
    deviation = 0.6 * step + 0.01 + 0.0648 * x
    assert moved.mean() == pytest.approx(step, abs=4 * deviation / np.sqrt(len(moved)))
    assert moved.std() == pytest.approx(deviation, rel=0.01)
    assert stats.kstest((moved - step) / deviation, "norm").pvalue > 1e-3
