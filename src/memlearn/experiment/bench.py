"""How fast in-situ training is: multiples of plain PyTorch on the same network, batch and data, in the same run.

A kernel is timed only after it has been held against the stages that it replaces. One thread is used, and processor
time is what counts, so that other work on the machine matters less; both sides take turns, and the ratio is that of
their fastest turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..core.errors import InputError, MemlearnError, nearest
from ..datasets import Mnist
from ..learning import Rule
from ..learning.fused import AbstractFused, fuse
from ..learning.loop import train_batch
from ..nn import tiles
from .bench_cases import LEARNING_RATE, NETWORKS, RULES, SIDE, Case
from .bench_stages import Stage, measure_limits, stages_of_kernel, stages_of_rule
from .threads import one_thread

BATCHES = {"mlp": (1, 8, 64), "cnn": (64,)}
IMAGES = {"mlp": {1: 600, 8: 3200, 64: 9600}, "cnn": {1: 64, 8: 320, 64: 960}}
"""Images of one turn by network and batch; the last for others."""
TURNS = 5
SEEN, WARM = 64, 2048
"""Images on which a kernel is held against the stages, and those that it trains on before the second time."""
USUAL, MOST = 1e-2, 5e-2
"""What may get other pulses from the same state: of the pulsed cells in half of all batches, of all cells in any."""


class RedKernel(MemlearnError):
    """A kernel that disagrees with its reference is not timed."""


class Learner(NamedTuple):
    """One side of a comparison."""

    model: nn.Module
    rule: Rule
    loss: nn.Module
    trainer: AbstractFused | None
    """None where the stages train."""

    def train(self, inputs: Tensor, labels: Tensor, batch: int) -> int:
        """Train once through the images; pulses."""
        if self.trainer is not None:
            return self.trainer.train(inputs, labels, batch).pulses
        return self.train_by_stages(inputs, labels, batch)

    def train_by_stages(self, inputs: Tensor, labels: Tensor, batch: int) -> int:
        """The same, whether or not a kernel would fit."""
        self.model.train()
        groups = zip(inputs.split(batch), labels.split(batch), strict=True)
        return sum(train_batch(self.model, self.rule, self.loss, x, y).pulses for x, y in groups)


def bench_train(
    rules: tuple[str, ...] = RULES,
    *,
    network: str = "mlp",
    backward: str = "rewired",
    device: str = "constant_step",
    batches: tuple[int, ...] = (),
    data: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Time in-situ training against plain PyTorch.

    Arguments:
        rules: names of rules, see `bench_cases`.
        network: "mlp", 784-256-128-10, or "cnn", LeNet.
        backward: of the convolutions, "rewired" or "copy".
        device: kind of a law.
        batches: images between two writes; none for those of the network.
        data: folder with MNIST; None draws images as sparse as MNIST's.

    Yields:
        One record per rule and batch size.

    Raises:
        InputError: an unknown name, or a batch below 1.
        RedKernel: a fused kernel does not send the pulses that the stages send.
    """
    check_names("rule", rules, RULES)
    check_names("network", (network,), NETWORKS)
    cases = [Case(rule, network, backward, device) for rule in rules]
    with one_thread():
        inputs, labels = drawn_images(data)
        limits = measure_limits()
        for case in cases:
            for batch in batches or BATCHES[network]:
                if batch < 1:
                    raise InputError("batch", batch, "must be at least 1")
                record = _record(case, batch, inputs, labels, limits)
                yield {**record, "limits": limits.table()}


def check_names(argument: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise InputError for the first name that is not known."""
    for name in names:
        if name not in known:
            raise InputError(argument, name, "unknown", nearest(name, known))


def _record(case: Case, batch: int, inputs: Tensor, labels: Tensor, limits: Any) -> dict[str, Any]:
    """Verify, time and take apart one case; both networks see the same images."""
    ours, twin, criterion = _learner(case), case.plain(), nn.CrossEntropyLoss()
    if ours.trainer is not None:
        _verify(case, batch, inputs, labels)
    images = min(IMAGES[case.network].get(batch, IMAGES[case.network][64]), len(labels)) // batch * batch
    inputs, labels = inputs[:images], labels[:images]
    optimiser = torch.optim.SGD(twin.parameters(), lr=LEARNING_RATE)

    def theirs() -> None:
        for x, y in zip(inputs.split(batch), labels.split(batch), strict=True):
            optimiser.zero_grad()
            criterion(twin(x), y).backward()
            optimiser.step()

    pulses, pairs = ours.train(inputs, labels, batch), []
    theirs()
    for _ in range(TURNS):
        started = time.process_time()
        pulses = ours.train(inputs, labels, batch)
        middle = time.process_time()
        theirs()
        pairs.append((middle - started, time.process_time() - middle))
    fastest, plain = (min(side) / len(labels) for side in zip(*pairs, strict=True))
    if ours.trainer is not None:
        stages = stages_of_kernel(ours.trainer, inputs, labels, batch, fastest, limits)
    else:
        few = max(batch, len(labels) // 4 // batch * batch)
        stages = stages_of_rule(lambda: ours.train(inputs[:few], labels[:few], batch), few, fastest)
    cells = sum(layer.tile.cells for layer in ours.rule.layers.values())
    return {
        **case._asdict(),
        "batch": batch,
        "threads": 1,
        "path": "stages" if ours.trainer is None else ours.trainer.kernel,
        "us_per_sample": round(fastest * 1e6, 2),
        "torch_us_per_sample": round(plain * 1e6, 2),
        "ratio": round(fastest / plain, 3),
        "ratio_range": [round(f(a / b for a, b in pairs if b), 3) for f in (min, max)],
        "pulses_per_sample": round(pulses / len(labels), 1),
        "cells_pulsed_by_one_sample": round(pulses / len(labels) / cells, 6),
        "stages": {stage.name: _figures(stage, fastest) for stage in stages},
    }


def _figures(stage: Stage, total: float) -> dict[str, Any]:
    return {
        "share": round(stage.seconds / total, 3),
        "us_per_sample": round(stage.seconds * 1e6, 2),
        "times_the_limit": round(stage.seconds / stage.limit, 1) if stage.limit else None,
        "limit": stage.why,
    }


def drawn_images(data: Path | None) -> tuple[Tensor, Tensor]:
    """16,000 images and labels: MNIST's, or drawn ones of ten classes with 19 % of the pixels lit, as in MNIST."""
    if data is not None:
        split = Mnist(validation=0, train_limit=16_000).load(data).train
        return split.inputs, split.labels
    generator, pixels = torch.Generator().manual_seed(0), SIDE * SIDE
    classes = torch.rand(10, pixels, generator=generator) < 0.17
    labels = torch.randint(10, (16_000,), generator=generator)
    lit = classes[labels] ^ (torch.rand(16_000, pixels, generator=generator) < 0.02)
    return lit * (0.2 + 0.8 * torch.rand(16_000, pixels, generator=generator)), labels


def _learner(case: Case) -> Learner:
    model, rule, loss = case.in_situ()
    model.train()
    return Learner(model, rule, loss, fuse(model, rule, loss))


def _verify(case: Case, batch: int, inputs: Tensor, labels: Tensor) -> None:
    """The fused kernel must send the pulses that the stages send, to the same cells, each batch from the same state.

    At the start, and again once the kernel has trained for a while: gains have fallen and signs have turned by then.
    """
    staged, fused = _learner(case), _learner(case)
    cells = sum(tile.cells for tile in tiles(staged.rule.model).values())
    batches, wrong, share = max(5, SEEN // batch), [], []
    for warm in (0, WARM // batch):
        if warm:
            fused.train(inputs[: warm * batch], labels[: warm * batch], batch)
            _copy_state(fused, staged)
        seen = slice(warm * batch, (warm + batches) * batch)
        for x, y in zip(inputs[seen].split(batch), labels[seen].split(batch), strict=True):
            before = _counts(staged)
            staged.train_by_stages(x, y, batch)
            fused.train(x, y, batch)
            ours, theirs = _counts(fused), _counts(staged)
            wrong.append(int((ours != theirs).sum()))
            share.append(wrong[-1] / max(1, int((theirs != before).sum())))
            _copy_state(staged, fused)
    # Sums are taken in another order, so that now and then a value falls to the other side of a converter's step, or a
    # binary neuron to the other state, and a few lines of cells go with it; most batches must not differ at all.
    if statistics.median(share) > USUAL or max(wrong) > MOST * cells:
        raise RedKernel(
            f"{case.rule}, {case.device}, batch {batch}: in the worst of {len(wrong)} batches {max(wrong)} cells of "
            f"{cells} got other pulses than from the stages, in the median batch {statistics.median(share):.2%} of the "
            "pulsed ones. Run tests/kernels/test_fused_*.py; nothing was timed."
        )


def _counts(learner: Learner) -> Tensor:
    return torch.cat([tile.counters[..., 0].flatten() for tile in tiles(learner.rule.model).values()])


def _copy_state(source: Learner, to: Learner) -> None:
    """Cells, counters, memories and everything random from one side to the other."""
    to.model.load_state_dict(source.model.state_dict())
    to.rule.load(source.rule.state())
