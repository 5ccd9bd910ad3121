"""The filter's likelihood against numerical integration over the hidden states, and against a particle filter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from memlearn.devices.fitting import kernels
from memlearn.devices.fitting.laws import LAWS
from tests.fit_data import SHAPES

GRID = 1201


def theta_of(law: str, *, cycle: float, additive: float, read: float, step: float = 0.05) -> np.ndarray:
    noises = [math.log(max(x, 1e-17)) for x in (cycle, additive, read, 0.0)]
    return np.concatenate([[math.log(step), 0.1, 0.0, 1.0], SHAPES[law], noises])


def filtered(law: str, theta: np.ndarray, y: np.ndarray, up: np.ndarray) -> np.ndarray:
    out, setup = np.empty((5, y.size)), (math.nan, -0.2, 1e-12)
    kernels.run_filter(LAWS[law].code, theta, setup, y, up, np.ones(y.size, np.int64), out)
    return out[0]


def normal(x: np.ndarray, mean: np.ndarray | float, spread: np.ndarray | float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / spread) ** 2) / (spread * math.sqrt(2 * math.pi))


def integrated(law: str, theta: np.ndarray, y: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Log-density of each reading by sums over a fine grid of states, with two points of mass at the bounds."""
    code, read = LAWS[law].code, math.exp(theta[-2])
    cycle, additive = math.exp(theta[-4]), math.exp(theta[-3])
    grid = np.linspace(-0.3, 1.3, GRID)
    width, inside = grid[1] - grid[0], (grid > 0) & (grid < 1)
    weight = normal(grid, y[0], read) * width
    points = np.array([0.0, 0.0])  # mass exactly at the lower and the upper bound
    out = np.zeros(y.size)
    for t in range(1, y.size):
        states = np.concatenate([grid, [0.0, 1.0]])
        mass = np.concatenate([weight, points])
        sizes = np.array([kernels.step_at(code, theta, math.nan, float(x), bool(up[t]))[0] for x in states])
        means = states + sizes if up[t] else states - sizes
        spreads = np.maximum(cycle * sizes + additive, 1e-9)
        moved = (normal(grid[:, None], means[None], spreads[None]) * mass[None]).sum(axis=1) * width
        below = moved[grid <= 0].sum()
        above = moved[grid >= 1].sum()
        weight, points = np.where(inside, moved, 0.0), np.array([below, above])
        seen = normal(y[t], grid, read)
        at = normal(y[t], np.array([0.0, 1.0]), read)
        total = (weight * seen).sum() + (points * at).sum()
        out[t] = math.log(total)
        weight, points = weight * seen / total, points * at / total
    return out


@pytest.mark.parametrize("law", ["constant_step", "linear_step"])
@pytest.mark.parametrize("start", [0.4, 0.93])
def test_densities_agree_with_integration_away_from_bounds_and_at_them(law: str, start: float):
    theta = theta_of(law, cycle=0.3, additive=0.01, read=0.02)
    generator = np.random.Generator(np.random.Philox(key=7))
    up = np.array([True] * 5 + [False] * 3)
    y = kernels.simulate(LAWS[law].code, theta, (math.nan, -0.2, 0.0), start, up, np.ones(8, np.int64),
                         generator.standard_normal(16))  # fmt: skip
    ours, exact = filtered(law, theta, y, up)[1:], integrated(law, theta, y, up)[1:]
    # Away from the bounds a constant step makes everything normal and the filter exact, but for the grid.
    tolerance = 2e-3 if law == "constant_step" and start < 0.5 else 0.15
    assert np.abs(ours - exact).max() < tolerance
    assert abs(ours.sum() - exact.sum()) < 2 * tolerance


def test_the_first_prediction_at_a_bound_is_exact():
    theta = theta_of("constant_step", cycle=0.5, additive=0.0, read=0.02)
    up = np.array([True, True])
    for second in (0.9, 0.98, 1.0, 1.03):
        y = np.array([0.96, second])
        ours, exact = filtered("constant_step", theta, y, up)[1], integrated("constant_step", theta, y, up)[1]
        assert ours == pytest.approx(exact, abs=5e-3)


@pytest.mark.parametrize("law", ["soft_bounds", "power_step", "exponential_step"])
def test_a_long_trace_agrees_with_a_particle_filter(law: str):
    theta = theta_of(law, cycle=0.3, additive=0.004, read=0.015, step=0.03)
    generator = np.random.Generator(np.random.Philox(key=3))
    up = np.r_[np.ones(40, bool), np.zeros(40, bool)]
    counts = np.ones(up.size, np.int64)
    y = kernels.simulate(LAWS[law].code, theta, (math.nan, -0.2, 0.0), 0.1, up, counts, generator.standard_normal(200))
    ours = filtered(law, theta, y, up)[1:].sum()
    estimates = [particles(law, theta, y, up, seed) for seed in range(4)]
    error = 0.4 + 3 * np.std(estimates)
    assert abs(ours - np.mean(estimates)) < error


def particles(law: str, theta: np.ndarray, y: np.ndarray, up: np.ndarray, seed: int, count: int = 2000) -> float:
    generator = np.random.Generator(np.random.Philox(key=seed + 100))
    nodes = np.linspace(-0.1, 1.1, 2401)
    table = {w: np.array([kernels.step_at(LAWS[law].code, theta, math.nan, float(x), w)[0] for x in nodes])
             for w in (True, False)}  # fmt: skip
    cycle, additive, read = math.exp(theta[-4]), math.exp(theta[-3]), math.exp(theta[-2])
    x, total = y[0] + read * generator.standard_normal(count), 0.0
    for t in range(1, y.size):
        size = np.interp(x, nodes, table[bool(up[t])])
        size = size + (cycle * size + additive) * generator.standard_normal(count)
        x = np.clip(x + size if up[t] else x - size, 0, 1)
        weight = normal(y[t], x, read)
        total += math.log(weight.mean())
        place = (np.arange(count) + generator.random()) / count
        x = x[np.searchsorted(np.cumsum(weight) / weight.sum(), place).clip(0, count - 1)]
    return total


def test_steps_are_those_of_the_package():
    from memlearn.devices.fitting.export import device_class

    for law, shapes in SHAPES.items():
        assert device_class(law).model_fields["kind"].default == law
        theta = theta_of(law, cycle=0.1, additive=0.0, read=0.01)
        assert len(shapes) == len(theta) - 8
        h = 1e-6
        for up in (True, False):
            for z in (0.1, 0.5, 0.9):
                size, slope = kernels.step_at(LAWS[law].code, theta, math.nan, z, up)
                higher = kernels.step_at(LAWS[law].code, theta, math.nan, z + h, up)[0]
                assert (higher - size) / h == pytest.approx(slope, abs=1e-4)
