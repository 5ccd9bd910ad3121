"""Device laws against their closed forms (reference/devices.md, sections 2.1 to 2.3 and 6), in double precision.

Symbols of that page: w = G - middle, b+ and b- the bounds of w, D+ and D- the steps at w = 0.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import AbstractDevice, ConstantStep, DeviceState, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice

STREAM = Stream.root(4)
SHAPE = (1, 1, 5, 8)
PULSES = [1, 2, 3, 10, 64, 100, 1000, 10_000]
RANGE = {"g_min": 2e-6, "g_max": 20e-6}


class Cell(NamedTuple):
    """b+, b-, D+, D- of every cell, S."""

    upper: Tensor
    lower: Tensor
    up: Tensor
    down: Tensor


def spread(law: AbstractDevice) -> AbstractDevice:
    """The law with cells unlike each other."""
    return law.replace(
        device_to_device=DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.3), asymmetry=0.15
    )


def made(law: AbstractDevice) -> tuple[DeviceState, Cell]:
    """Cells, and what their closed forms need, from the definition: not through the columns of the law itself."""
    state, like = law.init(SHAPE, STREAM, torch.float64), torch.empty(0, dtype=torch.float64)
    effect, size = law.device_to_device, torch.Size(SHAPE)
    step = law.mean_step * effect.step_factor(size, STREAM, like)
    shift = law.asymmetry + effect.balance_shift(size, STREAM, like)
    bounds = (state.parameters[..., k] - law.middle for k in (1, 0))
    return state, Cell(*bounds, step * (1 + shift), step * (1 - shift))


def pulsed(law: AbstractDevice, state: DeviceState, n: int, event: int = 0) -> Tensor:
    """w after n more pulses (down for negative n)."""
    state, _ = law.pulse(state, Counts(torch.full(SHAPE, n, dtype=torch.int32)), STREAM, event)
    return state.conductance - law.middle


def close(w: Tensor, exact: Tensor, law: AbstractDevice, tolerance: float = 1e-9) -> bool:
    return float((w - exact).abs().max()) < tolerance * law.range


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("states", [20, 1000])
@pytest.mark.parametrize("law", [ConstantStep(**RANGE), spread(ConstantStep(**RANGE))], ids=["equal", "spread"])
def test_constant_step(law, states, n):
    law = law.replace(states=states)
    state, cell = made(law)
    top = torch.minimum(n * cell.up, cell.upper)
    assert close(pulsed(law, state, n), top, law)
    assert close(pulsed(law, state, -n), torch.maximum(top - n * cell.down, cell.lower), law)


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("states", [20, 1000])
@pytest.mark.parametrize("law", [SoftBounds(**RANGE), spread(SoftBounds(**RANGE))], ids=["equal", "spread"])
def test_soft_bounds(law, states, n):
    # w' = b+ - (b+ - w) r+^n with r+ = 1 - D+/b+;   w' = b- + (w - b-) r-^n with r- = 1 + D-/b-
    law = law.replace(states=states)
    state, cell = made(law)
    top = cell.upper - cell.upper * (1 - cell.up / cell.upper) ** n
    assert close(pulsed(law, state, n), top, law)
    assert close(pulsed(law, state, -n), cell.lower + (top - cell.lower) * (1 + cell.down / cell.lower) ** n, law)


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("mix", [0.1, 0.5, 0.9])
def test_mixed_bounds(n, mix):
    # D [(1 - mix) + mix (b+ - w)/b+] = D - (mix D/b+) w: affine, approaches b+/mix > b+, and is cut at b+ on its way.
    law = spread(SoftBounds(**RANGE, states=100, mix_up=mix, mix_down=1 - mix))
    state, cell = made(law)
    up = cell.upper / mix * (1 - (1 - mix * cell.up / cell.upper) ** n)
    top = torch.minimum(up, cell.upper)
    assert close(pulsed(law, state, n), top, law)
    goal = cell.lower / (1 - mix)
    down = goal + (top - goal) * (1 - (1 - mix) * cell.down / cell.lower.abs()) ** n
    assert close(pulsed(law, state, -n), torch.maximum(down, cell.lower), law)


def test_mixes_end_in_the_two_pure_laws():
    constant, soft = spread(ConstantStep(**RANGE)), spread(SoftBounds(**RANGE, mix_up=0.0, mix_down=0.0))
    for n in (1, 17, 200):
        ends = [pulsed(law, made(law)[0], n) for law in (constant, soft)]
        assert close(*ends, constant, 1e-14)


def test_response_of_the_sign_backpropagation_device():
    # systems.md 2.3: g <- g + dg [(1 - nl) + 2 nl (1 - g)] up, g - dg [(1 - nl) + 2 nl g] down, g in [0, 1], clipped.
    nl, law = 0.4, SoftBounds(**RANGE, states=64, mix_up=0.4, mix_down=0.4)
    state, g, dg = made(law)[0], 0.5, 1 / 64
    for event, sign in enumerate([1] * 70 + [-1] * 90 + [1, -1] * 10):
        g += dg * ((1 - nl) + 2 * nl * (1 - g)) if sign > 0 else -dg * ((1 - nl) + 2 * nl * g)
        g = min(max(g, 0.0), 1.0)
        assert close(pulsed(law, state, sign, event), torch.tensor((g - 0.5) * law.range, dtype=torch.float64), law)


@pytest.mark.parametrize("states", [50, 500])
def test_symmetric_point_of_soft_bounds(states):
    # w* = (D+ - D-) / (D+/b+ + D-/|b-|): there an up and a down pulse cancel; alternating pulses pull every cell to it.
    law = spread(SoftBounds(**RANGE, states=states))
    state, cell = made(law)
    point = (cell.up - cell.down) / (cell.up / cell.upper + cell.down / cell.lower.abs())
    assert close(cell.up * (1 - point / cell.upper), cell.down * (1 - point / cell.lower), law)
    for event in range(6 * states):
        above = pulsed(law, state, 1, 2 * event)
        below = pulsed(law, state, -1, 2 * event + 1)
    # The middle of the last zigzag; and exactly, the way to the fixed point of an up and a down pulse.
    assert close(0.5 * (above + below), point, law, 0.01)
    r_up, r_down = 1 - cell.up / cell.upper, 1 + cell.down / cell.lower
    fixed = (cell.lower * (1 - r_down) + r_down * cell.upper * (1 - r_up)) / (1 - r_up * r_down)
    assert close(below, fixed * (1 - (r_up * r_down) ** (6 * states)), law)


def test_interleaved_pulses_end_where_the_averages_say():
    # w' ~ w_inf + (w - w_inf) r+^n+ r-^n-; pulse order costs 5e-6 of 1 at D = 0.002 (measured on the reference page).
    law = SoftBounds(**RANGE, states=1000, asymmetry=0.2)
    state, cell = made(law)
    order = [1, 1, -1, 1, 1, 1, -1, 1, -1, 1, 1, -1, 1, 1, -1, 1, 1]  # 12 up, 5 down
    for event, sign in enumerate(order):
        w = pulsed(law, state, sign, event)
    pull = 12 * cell.up / cell.upper + 5 * cell.down / cell.lower.abs()
    goal = (12 * cell.up - 5 * cell.down) / pull
    exact = goal * (1 - (1 - cell.up / cell.upper) ** 12 * (1 + cell.down / cell.lower) ** 5)
    assert close(w, exact, law, 1e-4)


def test_spread_about_the_symmetric_point():
    # Alternating noisy pulses: standard deviation c sqrt(D / (2 A')), A' = dA/dw = 1/b for equal bounds and steps.
    c, shape = 0.3, (1, 1, 100, 200)
    law = SoftBounds(**RANGE, states=200, cycle_to_cycle=CycleToCycle(spread=c))
    state = law.init(shape, STREAM, torch.float64)
    for event in range(400):
        for sign in (1, -1):
            plan = Counts(torch.full(shape, sign, dtype=torch.int32))
            state, _ = law.pulse(state, plan, STREAM, 2 * event + (sign > 0))
    w = state.conductance - law.middle
    assert abs(float(w.mean())) < 0.01 * law.range
    exact = c * (law.mean_step * 0.5 * law.range / 2) ** 0.5
    assert abs(float(w.std()) / exact - 1) < 0.05
