"""Laws of reference/devices.md, sections 2.2 and 2.4 to 2.6, against forms that are not those of the code.

Double precision, w = G - middle, cells unlike each other unless a test says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import AbstractDevice, LinearStep, PowerStep
from memlearn.devices.effects import DeviceToDevice

STREAM = Stream.root(4)
SHAPE = (1, 1, 5, 8)
PULSES = [1, 2, 3, 10, 64, 1000, 10_000]
SPREAD: dict[str, Any] = {"device_to_device": DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.3)}


class Cells:
    """Cells of a law, and what their closed forms need, from the definition: not through the law's own columns."""

    def __init__(self, law: AbstractDevice) -> None:
        self.law, self.event = law, 0
        self.state = law.init(SHAPE, STREAM, torch.float64)
        effect, size, like = law.device_to_device, torch.Size(SHAPE), torch.empty(0, dtype=torch.float64)
        step = law.mean_step * effect.step_factor(size, STREAM, like)
        shift = law.asymmetry + effect.balance_shift(size, STREAM, like)
        self.up, self.down = (step * (1 + shift)).numpy(), (step * (1 - shift)).numpy()
        lower, upper = (self.state.parameters[..., k].numpy() for k in (0, 1))
        self.above, self.below = upper - law.middle, law.middle - lower

    def pulse(self, n: int) -> np.ndarray:
        """w after n more pulses (down for negative n)."""
        plan = Counts(torch.full(SHAPE, n, dtype=torch.int32))
        self.state, _ = self.law.pulse(self.state, plan, STREAM, self.event)
        self.event += 1
        return self.state.conductance.numpy() - self.law.middle

    def close(self, w: np.ndarray, exact: np.ndarray, tolerance: float = 1e-6) -> bool:
        """Relative to the way that a cell can go."""
        return bool((np.abs(w - exact) < tolerance * (self.above + self.below)).all())


def affine(w: np.ndarray, step: np.ndarray, slope: float, bound: np.ndarray, n: int) -> np.ndarray:
    """n times w <- min(w + D max(1 - slope w / b, 0), b), which goes to (or away from) b / slope geometrically."""
    if slope == 0:
        return np.minimum(w + n * step, bound)
    goal, rate = bound / slope, slope * step / bound
    with np.errstate(over="ignore"):
        moved = np.minimum(goal + (w - goal) * (1 - rate) ** n, bound)
    return np.where(slope * w < bound, moved, w)


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("states", [20, 1000])
@pytest.mark.parametrize("slopes", [(0.0, 0.0), (0.1153, 0.5085), (1.0, 0.9), (-0.4, 0.3), (0.6, -0.5)])
def test_linear_step(n, states, slopes):
    cells = Cells(LinearStep(states=states, slope_up=slopes[0], slope_down=slopes[1], asymmetry=0.1, **SPREAD))
    top = affine(np.zeros(SHAPE), cells.up, slopes[0], cells.above, n)
    assert cells.close(cells.pulse(n), top)
    assert cells.close(cells.pulse(-n), -affine(-top, cells.down, slopes[1], cells.below, n))


def test_a_linear_step_is_never_negative():
    # Slope 4: steps end at a quarter of the way; slope -4: steps vanish below a quarter of the way down.
    cells = Cells(LinearStep(states=100, slope_up=4.0, slope_down=0.0))
    assert cells.close(cells.pulse(10_000), 0.25 * cells.above)
    cells = Cells(LinearStep(states=100, slope_up=-4.0, slope_down=0.0))
    below = cells.pulse(-40)
    assert (below < -0.25 * cells.below).all() and np.array_equal(cells.pulse(50), below)


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("exponents", [(0.0, 1.0), (0.5, 2.0), (3.0, 1.7)])
def test_power_step_against_a_walk_as_published(n, exponents):
    # Section 2.6: D' ((b+ - w) / (b+ - b-)) ** exponent, with the D' that gives the step D at mid-range.
    cells = Cells(PowerStep(states=300, exponent_up=exponents[0], exponent_down=exponents[1], **SPREAD))
    width, w = cells.above + cells.below, np.zeros(SHAPE)
    up = cells.up * (width / cells.above) ** exponents[0]
    down = cells.down * (width / cells.below) ** exponents[1]
    for _ in range(n):
        w = np.minimum(w + up * ((cells.above - w) / width) ** exponents[0], cells.above)
    assert cells.close(cells.pulse(n), w)
    for _ in range(n):
        w = np.maximum(w - down * ((w + cells.below) / width) ** exponents[1], -cells.below)
    assert cells.close(cells.pulse(-n), w)


@pytest.mark.parametrize("n", PULSES)
def test_power_step_one_is_a_soft_bound(n):
    cells = Cells(PowerStep(states=50, **SPREAD))
    top = affine(np.zeros(SHAPE), cells.up, 1.0, cells.above, n)
    assert cells.close(cells.pulse(n), top)
    assert cells.close(cells.pulse(-n), -affine(-top, cells.down, 1.0, cells.below, n))


def test_the_published_power_step_is_two_to_the_exponent_larger():
    # Equal bounds: D' = 2 ** exponent D. One pulse from mid-range moves D' / 2 ** exponent.
    cells = Cells(PowerStep(states=50, exponent_up=3.0))
    published = 8 * cells.law.mean_step
    assert cells.close(cells.pulse(1), np.full(SHAPE, published * 0.5**3), 1e-12)
