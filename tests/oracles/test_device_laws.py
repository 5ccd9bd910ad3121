"""Laws of reference/devices.md, sections 2.2 and 2.4 to 2.6, against forms that are not those of the code.

Double precision, w = G - middle, cells unlike each other unless a test says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import AbstractDevice, ExponentialStep, LinearStep, NeuroSimCurve, PowerStep
from memlearn.devices.effects import DeviceToDevice
from memlearn.devices.neurosim_curve import a_to_label, curvature, label_to_a, step_and_slope

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


RERAM = {"A_up": -1.18445, "A_down": -0.081404, "gamma_up": 5.0, "gamma_down": 5.0, "a": -0.5, "b": -0.5}
PCM = {"A_up": -27.235, "A_down": -2.235, "gamma_up": 2.5, "gamma_down": 2.5, "a": -1.0, "b": 0.0}
CMOS = {"A_up": 0.3, "A_down": 0.2, "gamma_up": 2.0, "gamma_down": 3.0, "a": 0.4, "b": 0.2}


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("fit", [RERAM, PCM, CMOS], ids=["reram", "pcm", "cmos"])
def test_exponential_step_against_a_walk_as_published(n, fit):
    cells = Cells(ExponentialStep(states=2000, asymmetry=0.1, **fit, **SPREAD))
    width, w = cells.above + cells.below, np.zeros(SHAPE)
    for _ in range(n):
        z = 2 * fit["a"] * w / width + fit["b"]
        w = w + cells.up * np.maximum(0, 1 - fit["A_up"] * np.exp(fit["gamma_up"] * z))
        w = np.clip(w, -cells.below, cells.above)
    assert cells.close(cells.pulse(n), w)
    for _ in range(n):
        z = 2 * fit["a"] * w / width + fit["b"]
        w = w - cells.down * np.maximum(0, 1 - fit["A_down"] * np.exp(-fit["gamma_down"] * z))
        w = np.clip(w, -cells.below, cells.above)
    assert cells.close(cells.pulse(-n), w)


@pytest.mark.parametrize("n", PULSES)
def test_exponential_step_in_closed_form(n):
    # dw = D (1 + exp(-c w)) summed by hand: with v = exp(c w), v' = v exp(c D (1 + 1/v)); small steps follow
    # w + ln(1 + exp(-c w)) / c, that is ln(v + 1) = ln 2 + c D t, to first order in D.
    law = ExponentialStep(states=100_000, A_up=-1.0, A_down=0.0, gamma_up=2.0, a=-0.5, b=0.0, g_min=0.0, g_max=2e-5)
    cells, rate = Cells(law), 2.0 / law.range
    exact = np.log(2 * np.exp(rate * law.mean_step * n) - 1) / rate
    assert cells.close(cells.pulse(n), np.full(SHAPE, exact), 1e-5)


def test_published_brackets_and_symmetric_point_of_the_reram_fit():
    # Section 2.5: up step 2.18 D at w = -1 and 1.01 D at +1, down 1.08 and 13.1, symmetric point -0.2172 of 1. The
    # published ratio of down to up steps is 1 - 0.259359.
    ratio = 1 - 0.259359
    law = ExponentialStep(states=1481, asymmetry=(1 - ratio) / (1 + ratio), **RERAM)
    half, scale = 0.5 * law.range, law.mean_step * (1 + law.asymmetry)
    columns = [column.numpy() for column in law.init((1,), STREAM, torch.float64).parameters.unbind(-1)]

    def response(w: float, up: bool) -> float:
        step = law.kernels.step(np.array([law.middle + w * half]), columns, up)
        return float(step[0]) / scale / (1 if up else ratio)

    found = [response(w, up) for up in (True, False) for w in (-1, 1)]
    assert found == pytest.approx([2.18, 1.01, 1.08, 13.1], rel=5e-3)
    assert response(-0.2172, True) == pytest.approx(ratio * response(-0.2172, False), rel=1e-4)
    assert law.middle_factor(True) == pytest.approx(response(0, True), rel=1e-12)
    assert law.middle_factor(False) == pytest.approx(response(0, False), rel=1e-12)


def test_a_bracket_below_zero_is_no_step():
    law = ExponentialStep(A_up=1.5, gamma_up=1.0, A_down=0.0, a=-1.0, b=0.0)
    cells = Cells(law)
    assert law.middle_factor(True) == 0.0 and not cells.pulse(100).any() and (cells.pulse(-1) < 0).all()


LABELS = [0.01, 0.10, 0.5, 1, 1.94, 2.40, 3.68, 4.88, 6, 6.76, 9]
CURVATURES = [126.268958, 12.625807, 2.519877, 1.251653, 0.629249, 0.499181]
CURVATURES += [0.300644, 0.200303, 0.135619, 0.100251, 0.022810]


@pytest.mark.parametrize(("label", "a"), list(zip(LABELS, CURVATURES, strict=True)))
def test_labels_of_the_published_table(label, a):
    assert label_to_a(label) == pytest.approx(a, abs=1e-6) and label_to_a(-label) == -label_to_a(label)
    assert a_to_label(label_to_a(-label)) == pytest.approx(-label, rel=1e-9)


def test_labels_near_zero_are_the_straight_line():
    assert label_to_a(0.0) == np.inf and a_to_label(np.inf) == 0.0
    assert label_to_a(1e-7) == pytest.approx(1.26269e7, rel=1e-5)
    assert a_to_label(1.26269e7) == pytest.approx(1e-7, rel=1e-5)
    assert step_and_slope(np.array(0.0), 50) == (0.04, 0.0)
    assert step_and_slope(np.array(1e-11), 50) == (pytest.approx(0.04, rel=1e-10), pytest.approx(5e-12))


def test_labels_and_curvatures_are_inverse_everywhere():
    labels = np.concatenate([np.linspace(-10, 10, 2001), np.logspace(-9, 1, 200)])
    back = [a_to_label(1 / k) if k else 0.0 for k in curvature(labels)]
    assert np.allclose(back, labels, rtol=1e-11, atol=0)
    assert np.array_equal(curvature(np.array([-40.0, 11.0])), curvature(np.array([-10.0, 10.0])))


def test_impossible_labels_are_refused():
    for value in (10.2, -11.0, float("nan")):
        with pytest.raises(InputError, match="must lie from -10 to 10"):
            label_to_a(value)
    for value in (0.0, float("nan")):
        with pytest.raises(InputError, match="other than zero"):
            a_to_label(value)
    for value in (0.0, 1e-4):
        with pytest.raises(InputError, match="must have a label from -10 to 10"):
            NeuroSimCurve(a_down=value)


def curve(y: float, a: float, x: float) -> float:
    """y after x more of the range's pulses on the exponential curve of section 2.4."""
    b = -np.expm1(-1 / a)
    start = -a * np.log1p(-y * b)
    return float(np.clip(-np.expm1(-(start + x) / a) / b, 0, 1)) if start + x < 1 else 1.0


@pytest.mark.parametrize("n", PULSES)
@pytest.mark.parametrize("labels", [(2.4, -4.88), (0.04, -0.63), (1.75, 1.46), (-1.0, -2.0), (3.0, 3.0)])
def test_neurosim_curve(n, labels):
    up, down = labels
    cells = Cells(NeuroSimCurve(states=97, pulses_down=120, label_up=up, label_down=down))
    top = curve(0.5, label_to_a(up), n / 97)
    assert np.abs(cells.pulse(n) / cells.law.range + 0.5 - top).max() < 1e-6
    y = 1 - curve(1 - top, -label_to_a(down), n / 120)
    assert np.abs(cells.pulse(-n) / cells.law.range + 0.5 - y).max() < 1e-6


TABLE_C = [
    (2.40, -4.88, (97, 100), 0.7623, 0.9865, 0.026815, 0.049364),
    (3.68, -6.76, (50, 50), 0.9306, 0.9999, 0.069157, 0.180876),
    (0.105, 2.40, (100, 100), 0.0416, -0.7623, 0.020003, 0.026545),
    (0.5, -0.5, (64, 64), 0.1959, 0.1959, 0.031561, 0.031561),
    (1.75, 1.46, (32, 32), 0.6120, -0.5293, 0.071131, 0.070866),
]


@pytest.mark.parametrize(("up", "down", "pulses", "g_up", "g_down", "d_up", "d_down"), TABLE_C)
def test_converted_values(up, down, pulses, g_up, g_down, d_up, d_down):
    by_label = NeuroSimCurve(states=pulses[0], pulses_down=pulses[1], label_up=up, label_down=down)
    for law in (by_label, by_label.replace(label_up=0.0, label_down=0.0, a_up=label_to_a(up), a_down=label_to_a(down))):
        assert law.affine(np.array(law.label(True)), True) == pytest.approx((d_up, g_up), abs=6e-5)
        assert law.affine(np.array(law.label(False)), False) == pytest.approx((d_down, g_down), abs=6e-5)


def test_labels_that_differ_from_cell_to_cell():
    # Small labels with a large spread: many change their sign, and every cell follows the curve of its own label.
    spread = DeviceToDevice(shape=0.5)
    cells = Cells(NeuroSimCurve(states=60, label_up=0.1, label_down=-0.1, device_to_device=spread))
    like = torch.empty(0, dtype=torch.float64)
    labels = 0.1 + spread.shape_shifts(torch.Size(SHAPE), STREAM, like)[0].numpy()
    assert (labels < 0).any() and (labels > 0).any()
    top = [curve(0.5, label_to_a(label), 7 / 60) for label in labels.ravel()]
    assert np.abs(cells.pulse(7) / cells.law.range + 0.5 - np.reshape(top, SHAPE)).max() < 1e-9
