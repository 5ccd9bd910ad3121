"""One threshold against several, on a regression: where a sound comes from (after Gao et al. 2022).

    python experiments/multi_threshold.py

Two microphones, 12 frequencies: cosine and sine of the phase between them, with noise, for directions from -80 to 80
degrees. 24-24-1, soft-bound pairs (64 states, mix 0.5, 30 % of cycle and device noise), batches of 32, 4,000
directions, four epochs. One pulse where the gradient reaches a threshold, against up to four pulses where it reaches
once, twice, four times and eight times as much. Each row names the first threshold; the rows to compare are the best of
each kind on 1,000 validation directions; errors are root mean squares, mean of five seeds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

import memlearn
from memlearn.devices import SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning import Parts, Rule
from memlearn.learning.rules import AbstractRule, Custom
from memlearn.nn import tiles
from memlearn.periphery import Tanh
from memlearn.programming import MultiThreshold, Threshold

FIRST = (0.003, 0.01, 0.02, 0.04, 0.08)
"""Gradients of the mean squared error of a batch at which the first pulse is fired."""
DEVICE = SoftBounds(
    states=64,
    mix_up=0.5,
    mix_down=0.5,
    cycle_to_cycle=CycleToCycle(spread=0.3),
    device_to_device=DeviceToDevice(step=0.3),
)


def directions(number: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (number, 24) and directions over 80 degrees (number, 1)."""
    generator = torch.Generator().manual_seed(seed)
    angle = (2 * torch.rand(number, 1, generator=generator) - 1) * math.radians(80)
    phase = angle.sin() * torch.linspace(0.3, 3.0, 12)
    features = torch.cat([phase.cos(), phase.sin()], 1)
    noise = 0.1 * torch.randn(features.shape, generator=generator)
    return features + noise, angle / math.radians(80)


def error(model: nn.Module, seed: int, number: int) -> float:
    """Root mean square, degrees."""
    x, y = directions(number, seed)
    model.eval()
    with torch.no_grad():
        return 80 * float((model(x) - y).square().mean().sqrt())


def rules() -> Iterator[tuple[str, AbstractRule]]:
    """Every threshold, alone and as the first of four."""
    for first in FIRST:
        yield f"one threshold, {first:g}", Custom(rule=Parts(writer=Threshold(threshold=first)))
    for first in FIRST:
        several = MultiThreshold(thresholds=(first, 2 * first, 4 * first, 8 * first), relative=False)
        yield f"four thresholds from {first:g}", Custom(rule=Parts(writer=several))


def train(settings: AbstractRule, seed: int) -> tuple[float, float, float]:
    """Errors on validation and on test directions, degrees, and pulses a cell."""
    array = memlearn.Array(device=DEVICE)
    model = nn.Sequential(
        memlearn.nn.Linear(24, 24, array=array, seed=10 * seed),
        memlearn.nn.Neuron(Tanh(), seed=10 * seed + 1),
        memlearn.nn.Linear(24, 1, array=array, seed=10 * seed + 2),
    )
    rule: Rule = settings.attach(model)
    x, y = directions(4000, 100 + seed)
    for epoch in range(4):
        model.train()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1000 * seed + epoch))
        for chosen in order.split(32):
            nn.functional.mse_loss(model(x[chosen]), y[chosen]).backward()
            rule.step()
            rule.zero_grad()
    pulses = [float(tile.counters[..., 0][tile.used()].double().mean()) for tile in tiles(model).values()]
    return error(model, 7, 1000), error(model, 8, 2000), sum(pulses) / len(pulses)


def main() -> None:
    """The table."""
    torch.set_num_threads(1)
    sys.stdout.write(f"{'rule':36}{'validation':>12}{'test':>10}{'pulses a cell':>15}\n")
    for name, settings in rules():
        runs = [train(settings, seed) for seed in range(5)]
        validation, test, pulses = (sum(run[k] for run in runs) / len(runs) for k in range(3))
        sys.stdout.write(f"{name:36}{validation:11.2f}°{test:9.2f}°{pulses:15.1f}\n")


if __name__ == "__main__":
    main()
