"""Fit synthetic data with known truth: coverage of the stated 95 % intervals, and how often the right law is chosen.

    python experiments/fit_synthetic.py --draws 100

Ten devices, four branches of 100 pulses each, 50 states, cycle-to-cycle variation of 30 % of a step, read noise of 1 %
of the range, and devices that differ in step, balance, bounds and shape.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np

from memlearn.devices.fitting import DeviceFit, Traces, fit, kernels
from memlearn.devices.fitting.laws import LAWS

SCALE, ZERO = 1e-5, 2e-6
"""S: range of the synthetic device, and its lowest conductance."""
STEP, BALANCE, CYCLE, READ = 1 / 50, 0.05, 0.3, 0.01
SPREADS = {"step": 0.2, "balance": 0.05, "g_min": 0.04, "g_max": 0.04}
SHAPES = {
    "constant_step": (0.0, 0.0),
    "soft_bounds": (1.0, 1.0),
    "linear_step": (0.4, 0.7),
    "power_step": (math.log(1.5), math.log(0.7)),
    "exponential_step": (-0.9, -2.0, 0.3, 1.0),
}
SHAPE_SPREAD = 0.08
"""Of linear slopes and of the logarithms of exponents."""


def draw(law: str, seed: int, *, devices: int = 10, cycles: int = 2, pulses: int = 100) -> Traces:
    """Synthetic traces of a law."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    up = np.tile(np.r_[np.ones(pulses, bool), np.zeros(pulses, bool)], cycles)
    shapes, noises = np.array(SHAPES[law]), [math.log(CYCLE), kernels.OFF, math.log(READ), kernels.OFF]
    traces = []
    for _ in range(devices):
        own = [math.log(STEP), BALANCE, 0.0, 1.0] + np.array(list(SPREADS.values())) * generator.standard_normal(4)
        shape = shapes + SHAPE_SPREAD * generator.standard_normal(shapes.size) * LAWS[law].spread
        theta = np.concatenate([own, shape, noises])
        normals = generator.standard_normal(2 * up.size)
        counts = np.ones(up.size, np.int64)
        y = kernels.simulate(LAWS[law].code, theta, (0.5, -ZERO / SCALE, 0.0), 0.1, up, counts, normals)
        traces.append(ZERO + SCALE * y)
    return Traces.of(traces, [up] * devices, source=f"{law}, draw {seed}")


def truth(law: str) -> dict[str, float]:
    """The population's parameters, under the names of a fit."""
    rows = {"step_up": SCALE * STEP * math.exp(BALANCE), "step_down": SCALE * STEP * math.exp(-BALANCE)}
    rows |= {"g_min": ZERO, "g_max": ZERO + SCALE, "cycle_to_cycle": CYCLE, "read": SCALE * READ}
    shapes = SHAPES[law]
    if law == "linear_step":
        rows |= {"slope_up": shapes[0], "slope_down": shapes[1]}
    if law == "power_step":
        rows |= {"exponent_up": math.exp(shapes[0]), "exponent_down": math.exp(shapes[1])}
    if law == "exponential_step":
        rows |= {"A_up": 1 - math.exp(-shapes[0]), "A_down": 1 - math.exp(-shapes[2])}
        rows |= {"gamma_up": shapes[1], "gamma_down": shapes[3]}
    units = {"step": 1.0, "balance": 1.0, "g_min": SCALE, "g_max": SCALE}
    rows |= {f"spread of {name}": units[name] * spread for name, spread in SPREADS.items()}
    if LAWS[law].spread:
        rows |= {f"spread of {name}": SHAPE_SPREAD for name in LAWS[law].shapes}
    return rows


def covered(found: DeviceFit, true: dict[str, float]) -> Iterator[tuple[str, bool]]:
    """Whether each interval holds the truth."""
    for name, value in true.items():
        row = found[name]
        low, high = (-math.inf if row.low is None else row.low), (math.inf if row.high is None else row.high)
        yield name, low <= value <= high


def study(law: str, draws: int, *, first: int = 0, cover: bool = True, choose: bool = True) -> dict[str, object]:
    """Coverage, mean width of the intervals over the truth, and choices, over many draws of one law."""
    inside: Counter[str] = Counter()
    chosen: Counter[str] = Counter()
    widths: dict[str, list[float]] = {}
    seconds, true = [], truth(law)
    for seed in range(first, first + draws):
        traces = draw(law, seed)
        began = time.process_time()
        if cover:
            found = fit(traces, law)
            inside.update(name for name, hit in covered(found, true) if hit)
            for name, value in true.items():
                low, high = found[name].low, found[name].high
                wide = math.inf if low is None or high is None else (high - low) / abs(value)
                widths.setdefault(name, []).append(wide)
            seconds.append(time.process_time() - began)
        if choose:
            chosen[fit(traces, thorough=False).law] += 1
    record: dict[str, object] = {"law": law, "draws": draws, "first": first}
    if cover:
        record["inside"] = {name: inside[name] for name in true}
        record["width"] = {name: round(float(np.mean(widths[name])), 3) for name in true}
        record["seconds_median"] = round(float(np.median(seconds)), 3)
    return {**record, "chosen": dict(chosen)} if choose else record


def main() -> None:
    """Print one record a law."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--law", choices=list(SHAPES), action="append")
    parser.add_argument("--no-choice", action="store_true", help="coverage only")
    parser.add_argument("--no-coverage", action="store_true", help="choice of the law only")
    given = parser.parse_args()
    for law in given.law or SHAPES:
        cover, choose = not given.no_coverage, not given.no_choice
        record = study(law, given.draws, first=given.first, cover=cover, choose=choose)
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
