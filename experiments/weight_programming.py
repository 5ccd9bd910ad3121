"""The weight-programming toy: rules bring a tile to a target matrix, while references are wrong and states are few.

    python experiments/weight_programming.py [--out docs/images/weight_programming.svg] [--products 5000] [--seeds 5]

Every array learns y = W* x from random inputs: 20 x 20 targets, uniform within half the range, inputs uniform within
-1 .. 1, one outer product at a time, exact converters. Cells are soft-bounded with 30 % of spread from pulse to pulse,
of their steps and of their bounds; each is read against its symmetric point with an error of spread s, relative to half
the range. For a second array the error is that of the fast cells; for plain SGD, of the only ones there are. All
spreads and seeds stand side by side in one wide layer, whose columns know nothing of each other: they share inputs,
not errors, and rates are fixed. The figure is the standard deviation of W - W*, over all weights and seeds, relative to
half the range.

Published (Rasch et al., Nat. Commun. 15:7133 (2024), captions of the toy): v2 breaks as the reference spreads, chopped
v2 survives more, the error of AGAD does not depend on it down to few states.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from memlearn.arrays.mapping import ReferenceColumn
from memlearn.core.random import Stream
from memlearn.devices import SoftBoundsReference
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning.rules import AGAD, SGD, AbstractRule, ChoppedTikiTaka, TikiTakaV2
from memlearn.nn import Linear, tiles
from memlearn.ops import random
from memlearn.periphery import ADC, DAC
from memlearn.report.chart import Curve, Panel, as_svg
from memlearn.tile import Array, Crossbar, Periphery, Port

SIZE, BATCH = 20, 10
SPREADS = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)
STATES = (4, 10, 20, 50)
COLOURS = {"SGD": 3, "Tiki-Taka v2": 1, "chopped": 0, "AGAD": 2}
EXACT = Port(drive=DAC(bits=None, scaling="max"), sense=ADC(bits=None, output_range=1000.0))


def rules(step: float, pulses: float) -> dict[str, AbstractRule]:
    """By name: a product of 1 asks for `pulses` pulses of the array that it goes to; a transfer sends one at most."""
    rate = pulses * step
    return {
        "SGD": SGD(learning_rate=rate),
        "Tiki-Taka v2": TikiTakaV2(learning_rate=rate, most=1),
        "chopped": ChoppedTikiTaka(learning_rate=rate, most=1),
        "AGAD": AGAD(learning_rate=rate, most=1),
    }


def device(states: float, **options: Any) -> SoftBoundsReference:
    """The cells."""
    spread = DeviceToDevice(step=0.3, upper_bound=0.3, lower_bound=0.3)
    noise = CycleToCycle(spread=0.3)
    given = {"cycle_to_cycle": noise, "device_to_device": spread, **options}
    return SoftBoundsReference(g_min=10e-6, g_max=30e-6, states=states, **given)


def layer(rule: AbstractRule, cells: SoftBoundsReference, outputs: int, seed: int, **options: Any) -> Linear:
    """Arrays for a rule, at weight zero, read exactly."""
    crossbar = Crossbar(mapping=ReferenceColumn(w_max=1.0), columns=1 << 14)
    array = Array(device=cells, crossbar=crossbar, periphery=Periphery(forward=EXACT, backward=EXACT))
    if rule.cell is not None:
        sense = {"sense": ADC(bits=None, output_range=8.0)}
        array = array.replace(cell=rule.cell.replace(**{**sense, **options}))
    made = Linear(SIZE, outputs, bias=False, array=array, seed=seed)
    made.initialise(torch.zeros(SIZE, outputs))
    return made


def mistake(made: Linear, spread: Tensor) -> None:
    """Wrong references of the array that learns: `spread` (outputs,) of each column, relative to half the range.

    A cell that is read against a reference that is r too high has its bounds r lower, and keeps its slopes.
    """
    tile = list(tiles(made).values())[-1]
    cells = tile.parameters_[0, 0, :-1, :-1]
    drawn = random.normal(Stream.root(7).child("reference"), 0, cells.shape[:2], cells)
    shift = 0.5 * tile.array.device.range * drawn * spread
    cells[..., 0] -= shift
    cells[..., 1] -= shift
    tile.place(tile.conductance)  # where a bound has moved past a cell, it goes along


def learn(
    made: Linear,
    rule: AbstractRule,
    target: Tensor,
    products: int,
    noise: float = 0.0,
    watch: Callable[[int], None] = lambda done: None,
) -> None:
    """Descent on the squared error of so many products; outputs are measured with noise of this deviation.

    `watch` is told, after every tenth product, how many are done.
    """
    attached, generator = rule.attach(made, batch=1), torch.Generator().manual_seed(1)
    for number in range(1, products // BATCH + 1):
        inputs = 2 * torch.rand(BATCH, SIZE, generator=generator) - 1
        wanted = inputs @ target
        if noise:
            wanted = wanted + noise * torch.randn(wanted.shape, generator=generator)
        (0.5 * (made(inputs) - wanted) ** 2).sum().backward()
        attached.step()
        attached.zero_grad()
        watch(number * BATCH)


def error(rule: AbstractRule, states: float, spreads: Sequence[float], seeds: int, products: int) -> list[float]:
    """The error that is left, by spread."""
    width = len(spreads) * seeds * SIZE
    target = torch.rand(SIZE, width, generator=torch.Generator().manual_seed(0)) - 0.5
    made = layer(rule, device(states), width, seed=3)
    mistake(made, torch.tensor(spreads).repeat_interleave(seeds * SIZE))
    learn(made, rule, target, products)
    rest = (made.tile.weight() - target).reshape(SIZE, len(spreads), -1)
    return rest.square().mean((0, 2)).sqrt().tolist()


def say(line: str) -> None:
    """At once, as runs take a while."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """The grid as a table and a picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="the picture, an SVG")
    parser.add_argument("--products", type=int, default=5000, help="outer products of each run")
    parser.add_argument("--pulses", type=float, default=1.0, help="pulses that a product of 1 asks for")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    say("| states | rule | " + " | ".join(f"s = {100 * s:.0f} %" for s in SPREADS) + " |")
    say("|---" * (2 + len(SPREADS)) + "|")
    panels = []
    for states in STATES:
        curves = []
        for name, rule in rules(2 / states, given.pulses).items():
            found = error(rule, states, SPREADS, given.seeds, given.products)
            say(f"| {states} | {name} | " + " | ".join(f"{e:.3f}" for e in found) + " |")
            curves.append(Curve(name, "line", SPREADS, found, colour=COLOURS[name]))
        words = "Standard deviation of W - W*, relative to half the range, against the spread of the reference."
        panels.append(Panel(f"{states} states", words, "reference spread / half range", "weight error", tuple(curves)))
    if given.out is not None:
        title = "Programming 20 x 20 weights by gradients, with wrong references"
        given.out.write_text(as_svg(panels, columns=2, title=title))


if __name__ == "__main__":
    main()
