"""What resistive wires cost in training: a step with them beside the same step with ideal lines, in the same run.

Both train on the same images in turn, as `memlearn run` does with its default settings: what is not compiled by stages,
every event counted, the heat of reads and pulses added up. Processor time, one thread. What wires make of reads and
writes is held against iterative solutions of the same networks before anything is timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..arrays.wires import ResistiveWires, solve, write_voltages
from ..core.errors import InputError
from ..core.ledger import Ledger
from ..datasets import Data, Split
from ..learning.loop import train_images
from ..nn import attach_ledger, tiles
from ..tile import Tile
from . import network
from .bench import check_names, drawn_images
from .bench_wires import WrongCurrents
from .config import Experiment
from .threads import one_thread
from .writes import census_of

PASSES: dict[str, dict[str, Any]] = {
    "reads": {},
    "1T1R": {"writes": "exact", "selection": {"kind": "one_transistor"}},
    "V/2": {"writes": "mean", "selection": {"kind": "v_half"}},
}
"""Which passes see the wires: both reads; and the write, exact where gates switch other rows off, else `mean`."""
RULES = ("sign_backprop", "siamese")
_STEEPNESS = 10.0
_READ, _WRITTEN = 1e-5, {"exact": 1e-4, "mean": 0.03}
"""Largest errors with which something is still timed: of a current relative to the largest, of a voltage relative to
the pulse. Tiles hold single precision; what `mean` leaves out is in docs/wires.md."""


class Step(NamedTuple):
    """One side of a comparison."""

    experiment: Experiment
    model: torch.nn.Module
    rule: Any
    loss: torch.nn.Module

    def train(self, inputs: Tensor, labels: Tensor) -> tuple[float, int]:
        """Processor time of one step, s, and its pulses."""
        started = time.process_time()
        done = train_images(self.model, self.rule, self.loss, inputs, labels, len(labels))
        return time.process_time() - started, done.pulses


def bench_wires_training(
    rules: tuple[str, ...] = RULES,
    *,
    passes: tuple[str, ...] = tuple(PASSES),
    size: int = 128,
    r_on: float = 1e4,
    steps: int = 9,
    data: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Time training through resistive wires, 1 ohm a segment, ideal drivers and senses.

    Arguments:
        rules: "sign_backprop", 784-300-10, batch 32; "siamese", 784-128-10, batch 64, 60 pulses at most.
        passes: "reads", "1T1R", "V/2"; see `PASSES`.
        size: word lines and bit lines of a tile.
        r_on: ohm, of the cells: they conduct from 0.1 / r_on to 1 / r_on.
        steps: that are timed, after two that are not.
        data: folder with MNIST; None draws images as sparse as MNIST's.

    Yields:
        One record per rule and choice of passes, as plain data.

    Raises:
        InputError: an unknown name, or a number that is not positive.
        WrongCurrents: a read or a write is not what the network makes of it.
    """
    check_names("rule", rules, RULES)
    check_names("passes", passes, tuple(PASSES))
    if size < 2 or not r_on > 0 or steps < 1:
        raise InputError("size, r_on, steps", (size, r_on, steps), "must be positive, size at least 2")
    with one_thread():
        pixels, labels = drawn_images(data)
        for rule in rules:
            for chosen in passes:
                yield _record(rule, chosen, size, r_on, steps, Split(pixels, labels))


def _record(rule: str, passes: str, size: int, r_on: float, steps: int, split: Split) -> dict[str, Any]:
    """Time one case."""
    ideal, wired = (_side(rule, which, size, r_on, split) for which in (None, passes))
    batch = wired.experiment.training.batch
    taken: list[tuple[float, float]] = []
    pulses: list[tuple[int, int]] = []
    for k in range(steps + 2):
        chosen = slice(k * batch % (len(split.labels) - batch), None)
        x, y = split.inputs[chosen][:batch], split.labels[chosen][:batch]
        plain, with_wires = (side.train(x, y) for side in (ideal, wired))
        if k == 0:
            _verify(wired)
        if k >= 2:
            taken.append((plain[0], with_wires[0]))
            pulses.append((plain[1], with_wires[1]))
    mean, median = ([f(side) for side in zip(*taken, strict=True)] for f in (statistics.mean, statistics.median))
    return {
        "rule": rule,
        "passes": passes,
        "writes": PASSES[passes].get("writes", "none"),
        "tiles": sum(tile.tiles[0] * tile.tiles[1] for tile in tiles(wired.model).values()),
        "size": size,
        "r_on": r_on,
        "batch": batch,
        "steps": steps,
        "ideal_ms": round(1e3 * median[0], 3),
        "ms": round(1e3 * median[1], 3),
        "times": round(median[1] / median[0], 2),
        "times_mean": round(mean[1] / mean[0], 2),
        "ideal_pulses": round(statistics.mean(p for p, _ in pulses), 1),
        "pulses": round(statistics.mean(p for _, p in pulses), 1),
    }


def _side(rule: str, passes: str | None, size: int, r_on: float, split: Split) -> Step:
    """A network at its beginning; the same cells at every call."""
    experiment = Experiment.from_table(_table(rule, passes, size, r_on))
    model = network.build(experiment, Data(split, split, split, 10, (28, 28)))
    learner = experiment.rule.attach(model, batch=experiment.training.batch)  # type: ignore[union-attr]
    learner.census = census_of(experiment, learner)
    loss = network.build_loss(experiment.network)
    attach_ledger(model, Ledger(measures=experiment.training.energy))
    return Step(experiment, model, learner, loss)


def _table(rule: str, passes: str | None, size: int, r_on: float) -> dict[str, Any]:
    """As experiments/sign_backprop_mnist.toml and siamese_mnist.toml, with cells of so many ohms."""
    wires = {"kind": "ideal"} if passes is None else {"kind": "resistive", **PASSES[passes]}
    device = {"g_min": 0.1 / r_on, "g_max": 1 / r_on, "voltage_response": {"kind": "sinh", "steepness": _STEEPNESS}}
    crossbar = {"rows": size, "columns": size, "wires": wires}
    if rule == "sign_backprop":
        neuron = {"kind": "binary_step", "window": 4.0}
        return {
            "network": {"hidden": [300], "bias": False, "initial_weight": 0.16, "loss": "ternary_margin",
                        "margin": 1.0, "neuron": neuron},
            "device": {"kind": "constant_step", "states": 64, **device},
            "crossbar": {**crossbar, "mapping": {"kind": "differential_pair", "w_max": 1.0}},
            "periphery": {
                "forward": {"drive": {"kind": "binary_driver", "threshold": 0.5}, "sense": {"kind": "analogue"}},
                "backward": {"drive": {"kind": "ternary_driver"},
                             "sense": {"kind": "ternary_comparator", "dead_zone": 0.1}},
            },
            "rule": {"kind": "sign_backprop", "threshold": 2.0},
            "training": {"batch": 32},
        }  # fmt: skip
    noise = {
        "cycle_to_cycle": {"spread": 0.3},
        "device_to_device": {"step": 0.3},
        "read_noise": {"absolute": 4.25e-3 / r_on},
    }
    return {
        "network": {"hidden": [128], "w_max": [0.3, 0.6], "initial_scale": 2.0},
        "device": {"kind": "soft_bounds", "states": 128, "mix_up": 0.5, "mix_down": 0.5, **noise, **device},
        "crossbar": crossbar,
        "periphery": {"forward": {"drive": {"kind": "dac", "bits": 8, "scaling": "max"},
                                  "sense": {"kind": "adc", "bits": 10, "output_range": 24.0}}},
        "rule": {"kind": "siamese", "levels": 16, "learning_rate": 0.1, "tolerance": 0.3, "parallel": "row",
                 "max_pulses": 60},
        "training": {"batch": 64},
    }  # fmt: skip


def _verify(step: Step) -> None:
    """The first array's read, and where writes see the lines a row's write, against iterative solutions."""
    tile: Tile = next(iter(tiles(step.model).values()))
    wires = tile.array.crossbar.wires
    assert isinstance(wires, ResistiveWires)
    seen = tile.array.device.visible(tile.state)
    one, lines = seen[0, 0].double(), dict[str, Any]()
    lines |= {"r_word_line": wires.r_word_line, "r_bit_line": wires.r_bit_line}
    drawn = torch.Generator().manual_seed(0)
    volts = torch.rand(4, len(one), generator=drawn, dtype=torch.float64)
    found, exact = volts @ tile.matrices(seen, False)[0, 0].double(), solve(one, volts, solver="lines", **lines)
    assert isinstance(exact, Tensor)
    _hold("a read", float((found - exact).abs().max() / exact.abs().max()), _READ)
    if tile.delivery is None:
        return
    rows = torch.eye(len(one), dtype=torch.bool)
    columns = torch.rand(len(one), one.shape[1], generator=drawn) < 0.1
    found = tile.delivery.rows(one, columns)
    some = torch.arange(0, len(one), max(1, len(one) // 4))
    exact = write_voltages(one, rows[some], columns[some], scheme=wires.selection, tolerance=1e-6, **lines)
    exact = exact[torch.arange(len(some)), some]
    _hold("a write", float((found[some] - exact).abs()[columns[some]].max()), _WRITTEN[wires.writes])


def _hold(what: str, error: float, most: float) -> None:
    if not error <= most:
        advice = "Run tests/oracles/test_wires.py and test_write_voltages.py; nothing was timed."
        raise WrongCurrents(f"{what} is wrong by {error:.1e}, more than {most:.0e}. {advice}")
