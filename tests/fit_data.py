"""Synthetic pulse traces with known truth, for the tests of the fit."""

from __future__ import annotations

import math

import numpy as np

from memlearn.devices.fitting import Traces, kernels
from memlearn.devices.fitting.laws import LAWS

SCALE, ZERO = 1e-5, 2e-6
SHAPES = {
    "constant_step": (0.0, 0.0),
    "soft_bounds": (1.0, 1.0),
    "linear_step": (0.4, 0.7),
    "power_step": (math.log(2.0), math.log(1.5)),
    "exponential_step": (-0.9, -2.0, 0.3, 1.0),
}


def synthetic(
    law: str, seed: int, *, devices: int = 4, cycles: int = 2, pulses: int = 100, cycle: float = 0.3,
    read: float = 0.01, states: float = 50, spread: float = 0.2,
) -> Traces:  # fmt: skip
    """Traces of a law whose bounds are 2 and 12 uS; devices differ in step, balance and bounds."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    up = np.tile(np.r_[np.ones(pulses, bool), np.zeros(pulses, bool)], cycles)
    size = np.array([spread, 0.25 * spread, 0.2 * spread, 0.2 * spread])
    traces = []
    for _ in range(devices):
        own = np.array([-math.log(states), 0.05, 0.0, 1.0]) + size * generator.standard_normal(4)
        noises = [math.log(max(x, 1e-17)) for x in (cycle, 0, read, 0)]
        theta = np.concatenate([own, SHAPES[law], noises])
        setup, counts = (0.5, -ZERO / SCALE, 0.0), np.ones(up.size, np.int64)
        normals = generator.standard_normal(2 * up.size)
        traces.append(ZERO + SCALE * kernels.simulate(LAWS[law].code, theta, setup, 0.1, up, counts, normals))
    return Traces.of(traces, [up] * devices, source=f"{law} {seed}")
