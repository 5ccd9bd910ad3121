"""Least squares on single arrays: the floor of plain SGD and its removal, what more tiles bring, what zero costs.

    python experiments/least_squares.py [floor] [tiles] [zero]

The arrays of `weight_programming.py`, without wrong references. All figures are relative to half the range and over
five seeds, side by side as columns of one layer.

floor   Outputs are measured with noise sigma; cells have 1000 states and no spread. E|u| of an update does not vanish
        at the target, and soft bounds at +-tau pull to zero: E[u] = E|u| w / tau, with uniform inputs
        W* - w = 1.5 E|e| w / tau, where e is the noise and what the missing weights themselves leave of the outputs.
        Shown is the slope of W* - w over w, of weights averaged over the second half of the run.
tiles   Cells of few states, 30 % spreads, 2 to 4 arrays, each with half the gain of the one before and a digital
        buffer in between, beside Tiki-Taka v2.
zero    Cells whose symmetric points spread by 0.4: error that is left and pulses a fast cell, of v2 after zero shifting
        by so many pairs, and of rules that need no calibration.
"""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor
from weight_programming import SIZE, device, layer, learn, say

from memlearn.devices import SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning.calibrate import ZeroShifting, calibrate
from memlearn.learning.rules import (
    AGAD,
    SGD,
    AbstractRule,
    MultiTile,
    ResidualLearning,
    TikiTakaV2,
    Tracked,
)
from memlearn.nn import Linear, tiles

WIDTH = 5 * SIZE


def target(scale: float = 1.0) -> Tensor:
    """Weights wanted, uniform within half the range."""
    return scale * (torch.rand(SIZE, WIDTH, generator=torch.Generator().manual_seed(0)) - 0.5)


def rms(made: Linear, wanted: Tensor) -> float:
    """What is missing."""
    return float((made.tile.weight() - wanted).square().mean().sqrt())


def slope(rule: AbstractRule, sigma: float, products: int) -> float:
    """Of W* - w over w, in weights averaged over the second half of a run."""
    plain = {"cycle_to_cycle": CycleToCycle(), "device_to_device": DeviceToDevice()}
    made, wanted = layer(rule, device(1000, **plain), WIDTH, seed=3), target()
    mean, looks = torch.zeros_like(wanted), 0

    def watch(done: int) -> None:
        nonlocal mean, looks
        if 2 * done > products:
            looks += 1
            mean += (made.tile.weight() - mean) / looks

    learn(made, rule, wanted, products, sigma, watch)
    return float(((wanted - mean) * mean).sum() / mean.square().sum())


def expected(sigma: float) -> float:
    """The closed form: slope s with s = 1.5 E|e|, e normal, of the noise and of s / (1 + s) W* x."""
    variance, found = float(target().square().mean()) * SIZE / 3, 0.0
    for _ in range(100):
        found = 1.5 * (2 / math.pi * (sigma**2 + variance * (found / (1 + found)) ** 2)) ** 0.5
    return found


def floor(products: int = 20_000) -> None:
    """SGD against residual learning."""
    say("| sigma / tau | closed form | SGD | residual learning |\n|---|---|---|---|")
    for sigma in (0.1, 0.2, 0.4):
        rate = 1.0 * 2 / 1000
        found = [slope(rule, sigma, products) for rule in (SGD(learning_rate=rate), RESIDUAL)]
        say(f"| {sigma} | {expected(sigma):.3f} | " + " | ".join(f"{s:.3f}" for s in found) + " |")


RESIDUAL = ResidualLearning(learning_rate=2e-3, gamma=0.4, gain=20.0, most=10)


def tiles_table(products: int = 6000) -> None:
    """Error by number of arrays."""
    say("| states | Tiki-Taka v2 | " + " | ".join(f"{n + 1} tiles" for n in (1, 2, 3)) + " |\n|---|---|---|---|---|")
    for states in (4, 10, 16):
        rate = 2 / states
        rules: list[AbstractRule] = [TikiTakaV2(learning_rate=rate)]
        rules += [MultiTile(learning_rate=rate, arrays=n, gamma=0.5, slower=5, buffer="digital") for n in (1, 2, 3)]
        errors = []
        for rule in rules:
            made = layer(rule, device(states), WIDTH, seed=3)
            learn(made, rule, target(), products)
            errors.append(rms(made, target()))
        say(f"| {states} | " + " | ".join(f"{e:.3f}" for e in errors) + " |")


def zero(products: int = 5000, states: float = 20) -> None:
    """Calibration by pulses against rules without."""
    rate = 2 / states
    say(
        "| rule | pairs | calibrating pulses a fast cell | training pulses a fast cell | error |\n|---|---|---|---|---|"
    )
    cases: list[tuple[str, AbstractRule, int]] = [
        *(("v2, zero-shifted", TikiTakaV2(learning_rate=rate), pairs) for pairs in (0, 3, 10, 30, 100, 300)),
        ("tracked", Tracked(learning_rate=rate), 0),
        ("AGAD", AGAD(learning_rate=rate), 0),
    ]
    for name, rule, pairs in cases:
        made, spent = uncalibrated(rule, states), 0
        fast = list(tiles(made).values())[-1]
        if isinstance(rule, TikiTakaV2):
            made.tile.memory["reference1"].zero_()  # nothing is known
        if pairs:
            spent = sum(done.pulses for done in calibrate(made, ZeroShifting(pairs=pairs, tolerance=0.0)).values())
        learn(made, rule, target(), products)
        trained = int(fast.counters[..., 0].sum()) - spent
        cells = SIZE * WIDTH
        say(f"| {name} | {pairs} | {spent / cells:.0f} | {trained / cells:.0f} | {rms(made, target()):.3f} |")


def uncalibrated(rule: AbstractRule, states: float) -> Linear:
    """Arrays whose cells' symmetric points spread by 0.4 of half the range."""
    spread = DeviceToDevice(step=0.3, upper_bound=0.3, lower_bound=0.3, balance=0.8)
    cells = SoftBounds(
        g_min=10e-6, g_max=30e-6, states=states, cycle_to_cycle=CycleToCycle(spread=0.3), device_to_device=spread
    )
    return layer(rule, cells, WIDTH, seed=3)


def main() -> None:
    """The tables asked for, or all."""
    torch.set_num_threads(1)
    tables = {"floor": floor, "tiles": tiles_table, "zero": zero}
    for name in sys.argv[1:] or tables:
        say(f"\n{name}\n")
        tables[name]()


if __name__ == "__main__":
    main()
