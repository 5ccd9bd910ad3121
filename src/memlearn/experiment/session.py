"""A run in memory: what learns, how far it is, and how it goes on after a stop."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import DataError, InputError
from ..core.ledger import Ledger
from ..core.random import Stream
from ..datasets import Data
from ..learning import FloatReference, Rule
from ..learning.census import Census
from ..learning.loop import Loss, Pace, Totals, train_images
from ..learning.plain import PlainSGD, StraightThroughSGD
from ..nn import TernaryMarginLoss, attach_ledger, tiles
from . import network
from .checkpoint import Checkpoint, prefixed
from .chips import Chips
from .config import Experiment
from .snapshots import Snapshots
from .storage import CHECKPOINT
from .transfer import programmed
from .versions import versions
from .writes import census_of, snapshot

SPAN = 512
"""Images between two looks at the clock and at Ctrl-C, rounded up to whole batches."""


@dataclass
class Trainee:
    """A network with what trains it; `totals` are those of the epoch at work."""

    model: nn.Module
    rule: Rule | PlainSGD
    loss: Loss
    totals: Totals = field(default_factory=Totals)
    pace: Pace | None = None

    def train(self, inputs: Tensor, labels: Tensor, batch: int) -> None:
        """Train on these images."""
        done = train_images(self.model, self.rule, self.loss, inputs, labels, batch, pace=self.pace)
        self.totals = self.totals.plus(done)

    @property
    def accuracy(self) -> float:
        """Of the training reads of the epoch so far."""
        return self.totals.correct / max(1, self.totals.images)

    @property
    def mean_loss(self) -> float | None:
        """Of the epoch so far; None where a float network has diverged."""
        mean = self.totals.loss_sum / max(1, self.totals.images)
        return mean if math.isfinite(mean) else None

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Everything to go on from, for a checkpoint."""
        return {**prefixed(name, self.model.state_dict()), **prefixed(f"{name}_rule", self.rule.state())}

    def load(self, checkpoint: Checkpoint, name: str) -> None:
        """Go on from `tensors`."""
        self.model.load_state_dict(checkpoint.part(name))
        self.rule.load(checkpoint.part(f"{name}_rule"))


@dataclass
class Session:
    """A run between its beginning and its end."""

    experiment: Experiment
    data: Data
    data_directory: Path | None
    main: Trainee
    twin: Trainee | None
    """The yardstick, if it is trained too."""
    initial: dict[str, Tensor]
    """Conductances before training, by layer."""
    ledger: Ledger = field(default_factory=Ledger)
    history: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 0
    """Epochs done."""
    image: int = 0
    """Images done in the epoch at work."""
    overall: Totals = field(default_factory=Totals)
    """Of all finished epochs."""
    seconds: float = 0.0
    """Spent training in the arrays, in all sittings together; evaluation and yardstick aside."""
    epoch_seconds: float = 0.0
    first: dict[str, Any] | None = None
    """Writes of the first epoch, where they are counted and it is over."""
    started: dict[str, Any] | None = None
    """Figures of the programming before training, where there is one and it is done."""

    snapshots: Snapshots = field(default_factory=lambda: Snapshots(0, 0))

    chips: Chips | None = None
    """Where some of the arrays live, if they are not all simulated."""

    @property
    def cells(self) -> int:
        """Of all layers."""
        return sum(tile.cells for tile in tiles(self.main.model).values())

    @property
    def batch(self) -> int:
        """Images between two writes."""
        return self.experiment.training.batch

    def prepare(self) -> None:
        """Train outside and programme the arrays, if the experiment says so and it has not been done."""
        start = self.experiment.start
        if start is None or self.started is not None:
            return
        weights, self.started = programmed(self.experiment, self.main.model, self.data)
        self.main.rule = _attach(self.experiment, self.main.model, weights)

    def order(self) -> Tensor:
        """The images of the epoch at work, in order: of seed and epoch alone, so that a resumed run knows them too."""
        stream = Stream.root(self.experiment.seed).child("order", self.epoch)
        generator = torch.Generator().manual_seed(stream.torch_seed())
        order = torch.randperm(len(self.data.train.labels), generator=generator)
        return order[: self.experiment.training.images_per_epoch]

    def train_span(self, order: Tensor) -> None:
        """Train on the next few images; only this is counted and timed."""
        span = -(-min(SPAN, self.experiment.training.checkpoint_every) // self.batch) * self.batch
        chosen = order[self.image : self.image + span]
        inputs, labels = self.data.train.inputs[chosen], self.data.train.labels[chosen]
        self._schedule()
        started = time.perf_counter()
        self._count(self.ledger)
        self.main.train(inputs, labels, self.batch)
        self._count(None)
        taken = time.perf_counter() - started
        if self.twin is not None:
            self.twin.train(inputs, labels, self.batch)
        self.image += len(chosen)
        self.seconds += taken
        self.epoch_seconds += taken
        self.look()

    def look(self) -> None:
        """Take a picture of the arrays if one is due; chips are not read for it."""
        if self.chips is None or not self.chips.opened:
            self.snapshots.look(self.overall.images + self.main.totals.images, tiles(self.main.model))

    def finish_epoch(self) -> dict[str, Any]:
        """Evaluate, write the epoch's record, and stand at the beginning of the next one."""
        validation, batch = self.data.validation, self.experiment.training.evaluate_batch
        totals = self.main.totals
        self.overall = self.overall.plus(totals)
        record: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "train_loss": self.main.mean_loss,
            "train_accuracy": self.main.accuracy,
            "validation_accuracy": network.accuracy(self.main.model, validation, batch),
            "pulses_total": self.overall.pulses,
            "cells_pulsed_per_step": pulsed_share(totals, self.cells),
            "seconds": self.epoch_seconds,
        }
        if self.twin is not None:
            record["float_train_accuracy"] = self.twin.accuracy
            record["float_validation_accuracy"] = network.accuracy(self.twin.model, validation, batch)
            self.twin.totals = Totals()
        self.history.append(record)
        if self.epoch == 0:
            self.first = self.writes()
        self.epoch, self.image, self.epoch_seconds, self.main.totals = self.epoch + 1, 0, 0.0, Totals()
        return record

    def writes(self) -> dict[str, Any] | None:
        """Writes so far beside those of the baselines, where they are counted."""
        census = self._census
        return None if census is None else snapshot(census, self.ledger)

    def checkpoint(self) -> Checkpoint:
        """The run at rest."""
        record = {
            "experiment": self.experiment.digest(),
            "data": fingerprint(self.data),
            "versions": versions(),
            "data_directory": None if self.data_directory is None else str(self.data_directory),
            "epoch": self.epoch,
            "image": self.image,
            "overall": _plain(self.overall),
            "totals": _plain(self.main.totals),
            "twin_totals": None if self.twin is None else _plain(self.twin.totals),
            "seconds": self.seconds,
            "epoch_seconds": self.epoch_seconds,
            "history": self.history,
            "ledger": self.ledger.state(),
            "amounts": self.ledger.amounts(),
            "census": census.state() if (census := self._census) is not None else None,
            "first": self.first,
            "chips": None if self.chips is None else self.chips.state(),
            "started": self.started,
        }
        twin = self.twin.tensors("float") if self.twin is not None else {}
        pictures = prefixed("snapshots", self.snapshots.tensors())
        return Checkpoint({**self.main.tensors("model"), **twin, **pictures}, record)

    def load(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Go on from a checkpoint of the same experiment and data.

        Raises:
            DataError: the experiment or the data has changed since.
        """
        record = checkpoint.record
        for key, now, what in (
            ("experiment", self.experiment.digest(), "config.json was changed"),
            ("data", fingerprint(self.data), "the data set is another one"),
        ):
            if record[key] != now:
                raise DataError(f"{folder / CHECKPOINT}: {what} since it was written. Restore it, or start a new run.")
        if self.chips is not None:
            self.chips.load(record.get("chips"), folder)
        self.main.load(checkpoint, "model")
        self.main.totals = _totals(record["totals"])
        if self.twin is not None:
            self.twin.load(checkpoint, "float")
            self.twin.totals = _totals(record["twin_totals"])
        self.ledger.load(record["ledger"])
        self.ledger.load_amounts(record["amounts"])
        self.snapshots.load(checkpoint.part("snapshots"))
        if (census := self._census) is not None:
            census.load(record["census"])
        self.first, self.started = record["first"], record["started"]
        self.history = record["history"]
        self.epoch, self.image = record["epoch"], record["image"]
        self.overall = _totals(record["overall"])
        self.seconds, self.epoch_seconds = record["seconds"], record["epoch_seconds"]

    @property
    def _census(self) -> Census | None:
        return self.main.rule.census if isinstance(self.main.rule, Rule) else None

    def _schedule(self) -> None:
        """Rates of the epoch at work."""
        training = self.experiment.training
        if isinstance(self.main.rule, Rule):
            self.main.rule.rate = training.rate_decay**self.epoch
        elif isinstance(self.experiment.rule, FloatReference):
            self.main.rule.rate = self.experiment.rule.rate_decay**self.epoch
        if self.twin is not None and training.float_reference is not None:
            self.twin.rule.rate = training.float_reference.rate_decay**self.epoch

    def _count(self, ledger: Ledger | None) -> None:
        if isinstance(self.main.rule, Rule):
            attach_ledger(self.main.model, ledger)
            if isinstance(self.main.loss, TernaryMarginLoss):
                self.main.loss.ledger = ledger


def begin(experiment: Experiment, data_directory: Path | None) -> Session:
    """Load the data and build everything; nothing is written.

    Raises:
        DataError: the data is missing or damaged.
        InputError: settings do not fit each other or the data.
    """
    data = experiment.data.load(data_directory)
    drawn, there = experiment.training.images_per_epoch, len(data.train.labels)
    if drawn is not None and drawn > there:
        raise InputError("training.images_per_epoch", drawn, f"at most {there}, the training images that there are")
    twin, yardstick = None, experiment.training.float_reference
    if isinstance(experiment.rule, FloatReference):
        main = _float_trainee(experiment, data, experiment.rule)
    else:
        model = network.build(experiment, data)
        pace = Pace(experiment.training.seconds_per_batch, experiment.training.temperature)
        rule, loss = _attach(experiment, model), network.build_loss(experiment.network)
        main = Trainee(model, rule, loss, pace=pace)
        if yardstick is not None:
            twin = _float_trainee(experiment, data, yardstick)
    initial = {name: tile.conductance.clone() for name, tile in tiles(main.model).items()}
    ledger = Ledger(measures=experiment.training.energy)
    snapshots = Snapshots(experiment.training.snapshots, experiment.training.epochs * (drawn or there))
    return Session(experiment, data, data_directory, main, twin, initial, ledger, snapshots=snapshots)


def pulsed_share(totals: Totals, cells: int) -> float:
    """The fraction of the cells that a step pulses, mean over steps."""
    return totals.cells_pulsed_sum / max(1, totals.steps * cells)


def _attach(experiment: Experiment, model: nn.Module, start: dict[str, Tensor] | None = None) -> Rule:
    """The rule at work, with what it leaves open set for this model, batch and schedule, and its writes counted."""
    training = experiment.training
    options = {"batch": training.batch, "slowest": training.slowest, "gate": training.gate}
    rule = experiment.rule.attach(model, **options, start=start)
    rule.census = census_of(experiment, rule)
    return rule


def fingerprint(data: Data) -> str:
    """By which a checkpoint knows its data: sizes and labels of all parts."""
    state = hashlib.blake2b(digest_size=16)
    for split in (data.train, data.validation, data.test):
        state.update(f"{tuple(split.inputs.shape)}".encode())
        state.update(split.labels.numpy().tobytes())
    return state.hexdigest()


def _float_trainee(experiment: Experiment, data: Data, settings: FloatReference) -> Trainee:
    model = network.build_float(experiment, data)
    rate, loss = settings.learning_rate, network.float_loss()
    if settings.levels is None:
        return Trainee(model, PlainSGD(model, rate), loss)
    limits = network.parameter_limits(experiment, model)
    return Trainee(model, StraightThroughSGD(model, rate, settings.levels, limits), loss)


def _plain(totals: Totals) -> dict[str, Any]:
    """JSON has no NaN, which is what the loss of a float network that diverges sums up to: written in hexadecimal."""
    return {**totals._asdict(), "loss_sum": totals.loss_sum.hex()}


def _totals(record: dict[str, Any]) -> Totals:
    return Totals(**{**record, "loss_sum": float.fromhex(record["loss_sum"])})
