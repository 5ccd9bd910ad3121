"""Gradient and information of the fit against differences of the plain filter, for every law."""

from __future__ import annotations

import math

import numpy as np
import pytest

from memlearn.devices.fitting import kernels
from memlearn.devices.fitting.laws import LAWS
from memlearn.devices.fitting.scores import scores
from tests.fit_data import SHAPES

ALL_SHAPES = {**SHAPES, "piecewise_step": (0.2, 0.1, -0.2, -0.5, 0.3, -0.1, 0.1, 0.4)}
READINGS = 120
H = 1e-6


@pytest.mark.parametrize("middle", [math.nan, 0.55])
@pytest.mark.parametrize("law", list(ALL_SHAPES))
def test_derivatives_are_those_of_the_filter(law: str, middle: float):
    generator = np.random.Generator(np.random.Philox(key=5))
    noises = np.log([0.3, 0.01, 0.02, 0.02])
    theta = np.concatenate([[math.log(0.07), 0.1, 0.02, 0.97], ALL_SHAPES[law], noises])
    code, setup = LAWS[law].code, (middle, -0.2, 1e-8)
    up = np.arange(READINGS) % READINGS < READINGS // 2
    pulses = generator.integers(0, 3, READINGS)
    normals = generator.standard_normal(4 * READINGS)
    y = kernels.simulate(code, theta, setup, 0.1, up, pulses, normals)
    weight = generator.random(READINGS)
    free, nudges = np.arange(theta.size), H * np.eye(theta.size)
    data = (y, up, pulses, weight, np.array([0, READINGS]), np.array([0]))

    def likelihood(moved: np.ndarray) -> float:
        return kernels.likelihood(code, moved[None], setup, *data)

    def filtered(moved: np.ndarray) -> np.ndarray:
        out = np.empty((5, READINGS))
        kernels.run_filter(code, moved, setup, y, up, pulses, out)
        return out

    base = filtered(theta)
    base[2, 0] = 1.0  # the first reading is not predicted
    assert 0.05 < base[3].mean() < 0.95, "readings next to the bounds and away from them"
    differences = np.array([(filtered(theta + n) - filtered(theta - n)) / (2 * H) for n in nudges])
    for exact in (True, False):
        total, gradient, information = scores(code, theta[None], setup, free, exact, *data)
        assert total == pytest.approx(likelihood(theta), abs=1e-9)
        expected = np.array([(likelihood(theta + n) - likelihood(theta - n)) / (2 * H) for n in nudges])
        assert np.abs(gradient[0] - expected).max() < 1e-5 * np.abs(expected).max()
        squared = exact & (base[3] == 1)
        mean = np.where(squared, differences[:, 0], differences[:, 1] / np.sqrt(base[2]))
        variance = np.where(squared, 0.0, math.sqrt(0.5) * differences[:, 2] / base[2])
        rows = np.sqrt(weight) * np.stack([mean, variance])
        rows[..., 0] = 0
        expected = np.einsum("akt,ajt->kj", rows, rows)
        assert np.abs(information[0] - expected).max() < 1e-5 * np.abs(expected).max()


def test_each_trace_counts_for_its_owner():
    theta = np.concatenate([[math.log(0.05), 0.0, 0.0, 1.0], (0.4, 0.7), np.log([0.3, 0.01, 0.02, 0.02])])
    up, pulses = np.ones(10, bool), np.ones(10, np.int64)
    y = np.linspace(0.1, 0.5, 10)
    one = (np.concatenate([y, y + 0.1]), np.tile(up, 2), np.tile(pulses, 2), np.ones(20), np.array([0, 10, 20]))
    free, setup = np.arange(4), (0.5, -0.2, 1e-8)
    both, apart, together = (
        scores(kernels.AFFINE, np.tile(theta, (n, 1)), setup, free, True, *one, np.array(owner))
        for n, owner in ((1, [0, 0]), (2, [0, 1]), (2, [1, 1]))
    )
    assert both[0] == pytest.approx(apart[0])
    assert np.allclose(both[1][0], apart[1].sum(axis=0)) and np.allclose(both[2][0], apart[2].sum(axis=0))
    assert not together[1][0].any() and np.allclose(together[2][1], both[2][0])
