"""What accounting costs: training with a ledger that measures, one that counts, and none, turn by turn in one run.

All three train the same cells through the same images, so that they send the same pulses. One thread, processor time;
the order changes from turn to turn, and ratios are taken within a turn, so that other work on the machine matters less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from ..arrays.wires import IdealWires, ResistiveWires
from ..core.errors import InputError
from ..core.ledger import Ledger
from ..learning.fused import fuse
from ..nn import attach_ledger
from .bench import Learner, check_names, drawn_images
from .bench_cases import RULES, SIDE, SIZES, Case
from .threads import one_thread

NETWORKS = ("mlp", "cnn", "wires")
IMAGES = {"mlp": {1: 512, 8: 2048}, "cnn": {}, "wires": {}}
FEWEST = {"mlp": 4096, "cnn": 320, "wires": 256}
"""Images of a turn, by network and batch; of other batches."""
WIRED = ((SIDE // 2) ** 2, 64, 10)
"""With wires, on images of half the side."""
OHM = 1.0
TURNS = 7


class Accounted(NamedTuple):
    """A rule on a network, at a batch."""

    rule: str
    network: str
    batch: int


CASES = (
    *(Accounted(rule, "mlp", 64) for rule in ("sgd", "manhattan", "mixed_precision", "siamese", "sign_backprop")),
    Accounted("sign_backprop", "mlp", 32),
    *(Accounted(rule, "mlp", 1) for rule in ("sgd", "manhattan", "mixed_precision", "sign_backprop")),
    *(Accounted(rule, "cnn", 64) for rule in ("manhattan", "sign_backprop")),
    *(Accounted(rule, "wires", 64) for rule in ("manhattan", "mixed_precision")),
)
"""What is timed where nothing is asked for."""


def bench_costs(
    rules: tuple[str, ...] = (),
    *,
    network: str | None = None,
    batches: tuple[int, ...] = (),
    turns: int = TURNS,
    data: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Time accounting.

    Arguments:
        rules: names of rules; none for those of `CASES`.
        network: "mlp", 784-256-128-10; "cnn", LeNet by stages; "wires", 196-64-10 with a resistance of 1 ohm a segment;
            None for all of `CASES`.
        batches: images between two writes; none for those of `CASES`.
        turns: of each of the three, after one that is not timed.
        data: folder with MNIST; None draws images as sparse as MNIST's.

    Yields:
        One record per rule, network and batch.

    Raises:
        InputError: an unknown name, or a number below 1.
    """
    check_names("rule", rules, RULES)
    check_names("network", (network or "mlp",), NETWORKS)
    for argument, least in (("batch", min(batches, default=1)), ("turns", turns)):
        if least < 1:
            raise InputError(argument, least, "must be at least 1")
    with one_thread():
        inputs, labels = drawn_images(data)
        for case in _chosen(rules, network, batches):
            yield _record(case, inputs, labels, turns)


def _chosen(rules: tuple[str, ...], network: str | None, batches: tuple[int, ...]) -> list[Accounted]:
    """Those of `CASES` that were asked for; what was asked for and is not there is added."""
    if not batches and not (rules and network):
        return [case for case in CASES if case.rule in (rules or RULES) and network in (None, case.network)]
    own = [case.network for case in CASES if case.rule in rules] or ["mlp"]
    return [
        Accounted(rule, where, batch)
        for rule in rules or dict.fromkeys(case.rule for case in CASES if case.network == (network or "mlp"))
        for where in ([network] if network else list(dict.fromkeys(own)))
        for batch in batches or (64,)
    ]


def _record(case: Accounted, inputs: Tensor, labels: Tensor, turns: int) -> dict[str, Any]:
    number = min(IMAGES[case.network].get(case.batch, FEWEST[case.network]), len(labels)) // case.batch * case.batch
    x, y = inputs[:number], labels[:number]
    if case.network == "wires":
        x = nn.functional.avg_pool2d(x.reshape(-1, 1, SIDE, SIDE), 2).flatten(1)
    learners = {"off": _learner(case, None), "counted": _learner(case, Ledger())}
    learners["measured"] = _learner(case, Ledger(measures=True))
    pulses = {name: learner.train(x, y, case.batch) for name, learner in learners.items()}
    seconds: dict[str, list[float]] = {name: [] for name in learners}
    names = list(learners)
    for turn in range(turns):
        for name in names[turn % 3 :] + names[: turn % 3]:
            started = time.process_time()
            pulses[name] += learners[name].train(x, y, case.batch)
            seconds[name].append(time.process_time() - started)
    ratios = {
        name: [a / b for a, b in zip(seconds[name], seconds["off"], strict=True)] for name in ("counted", "measured")
    }
    trainer = learners["off"].trainer
    return {
        **case._asdict(),
        "path": "stages" if trainer is None else trainer.kernel,
        "threads": 1,
        "turns": turns,
        "images": number,
        "same_pulses": len(set(pulses.values())) == 1,
        "us_per_sample": {name: round(min(each) / number * 1e6, 2) for name, each in seconds.items()},
        "counted": round(statistics.median(ratios["counted"]), 3),
        "measured": round(statistics.median(ratios["measured"]), 3),
        "fastest": round(min(seconds["measured"]) / min(seconds["off"]), 3),
        "measured_range": [round(pick(ratios["measured"]), 3) for pick in (min, max)],
    }


def _learner(case: Accounted, ledger: Ledger | None) -> Learner:
    wired = case.network == "wires"
    wires = ResistiveWires(r_word_line=OHM, r_bit_line=OHM) if wired else IdealWires()
    network = "mlp" if wired else case.network
    built = Case(case.rule, network, "rewired", "constant_step").in_situ(wires, WIRED if wired else SIZES)
    model, rule, loss = built
    model.train()
    attach_ledger(model, ledger)
    return Learner(model, rule, loss, fuse(model, rule, loss))
