"""The training loop, in one place: one batch, and consecutive batches.

Everybody may write a loop of their own (forward, `loss.backward()`, `rule.step()`); this is the one that runs use, and
the place where a faster path can stand in for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from ..core.errors import InputError
from ..ops.pulse_update import Tally
from ..tile import Tile
from .fused import fuse
from .rule import Rule

Loss = Callable[[Tensor, Tensor], Tensor]
"""The mean over samples, a scalar, from outputs (samples, classes) and labels (samples,)."""


class Learner(Protocol):
    """What the loop needs of a rule: `Rule`, or the yardstick's `PlainSGD`."""

    def step(self) -> Tally:
        """Use what the backward pass has left."""
        ...

    def zero_grad(self) -> None:
        """Forget what the backward pass has left."""
        ...


class BatchOutcome(NamedTuple):
    """What one batch did."""

    loss: float
    """Mean over the samples."""
    correct: int
    """Samples whose largest output, in the training read itself, was that of their label."""
    pulses: int
    """Pulses sent to cells."""
    cells: int
    """Distinct cells that received any."""


class Pace(NamedTuple):
    """How much time each batch takes, in which cells leak, drift and relax."""

    seconds: float = 0.0
    temperature: float = 300.0
    """K."""

    def wait(self, model: nn.Module) -> None:
        """Let that time pass in all tiles of a model; cells that only pulses change do not notice."""
        if self.seconds:
            for module in model.modules():
                if isinstance(module, Tile) and not module.array.device.plain:
                    module.relax(self.seconds, temperature=self.temperature)


class Totals(NamedTuple):
    """What consecutive batches did, added up."""

    images: int = 0
    loss_sum: float = 0.0
    """Sum over images."""
    correct: int = 0
    pulses: int = 0
    cells_pulsed_sum: int = 0
    """Distinct cells pulsed in a step, summed over steps."""
    steps: int = 0

    def plus(self, other: Totals) -> Totals:
        """Both together."""
        return Totals(
            self.images + other.images,
            self.loss_sum + other.loss_sum,
            self.correct + other.correct,
            self.pulses + other.pulses,
            self.cells_pulsed_sum + other.cells_pulsed_sum,
            self.steps + other.steps,
        )


def train_batch(model: nn.Module, rule: Learner, loss: Loss, inputs: Tensor, labels: Tensor) -> BatchOutcome:
    """Read forward, read the error back, write.

    Arguments:
        model: in training mode.
        rule: what turns the error into pulses.
        loss: its derivative is the error at the outputs.
        inputs: (samples, features).
        labels: (samples,), int64.
    """
    outputs = model(inputs)
    cost = loss(outputs, labels)
    cost.backward()
    tally = rule.step()
    rule.zero_grad()
    correct = int((outputs.detach().argmax(1) == labels).sum())
    return BatchOutcome(float(cost.detach()), correct, tally.pulses, tally.cells)


def train_images(
    model: nn.Module, rule: Learner, loss: Loss, inputs: Tensor, labels: Tensor, batch: int, *, pace: Pace | None = None
) -> Totals:
    """Train on images in the order given, batch after batch; the last batch may be smaller.

    Arguments:
        model, rule, loss: as in `train_batch`; the model is put into training mode.
        inputs: (n, features).
        labels: (n,), int64.
        batch: images between two writes.
        pace: time that passes after each batch.

    Returns:
        Sums over the batches. Several calls, each of whole batches, train exactly as one call does. Where the network
        is simple enough, one compiled call does it all (`fused`), with the same pulses.

    Raises:
        InputError: batch is not positive, or inputs and labels differ in number.
    """
    if batch < 1:
        raise InputError("batch", batch, "must be at least 1")
    if len(inputs) != len(labels):
        raise InputError("labels", len(labels), f"must be as many as the inputs, {len(inputs)}")
    model.train()
    trainer = fuse(model, rule, loss) if isinstance(rule, Rule) and isinstance(loss, nn.Module) else None
    if trainer is not None and len(labels):
        return Totals(len(labels), *trainer.train(inputs, labels, batch), -(-len(labels) // batch))
    totals = Totals()
    for first in range(0, len(labels), batch):
        x, y = inputs[first : first + batch], labels[first : first + batch]
        done = train_batch(model, rule, loss, x, y)
        totals = totals.plus(Totals(len(y), done.loss * len(y), done.correct, done.pulses, done.cells, 1))
        if pace is not None:
            pace.wait(model)
    return totals
