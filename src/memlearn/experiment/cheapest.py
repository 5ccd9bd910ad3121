"""Which windows programme a network at least energy without losing more accuracy than allowed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from ..core.errors import InputError
from ..core.ledger import Event, Ledger
from ..cost import write_energy
from ..programming.base import Parallelism
from ..programming.schemes import WriteVerify
from . import network, start
from .config import Experiment
from .transfer import trained


class Programming(NamedTuple):
    """A way to programme, and what came of it."""

    tolerance: float
    """Half-width of the window, relative to the range, of targets in the upper half of it."""
    tolerance_low: float
    """Of targets in the lower half."""
    parallel: Parallelism
    """Cells written at the same time."""
    accuracy: float
    """Of the validation images."""
    energy: float | None
    """J, in the cells."""
    pulses: int
    slots: int
    """Pulses one after another."""


def programmings(
    experiment: Experiment,
    *,
    tolerances: Sequence[float] = (0.02, 0.05, 0.1, 0.2),
    orders: Sequence[Parallelism] = ("row", "column"),
    data_directory: Path | None = None,
) -> list[Programming]:
    """Train outside once, programme fresh arrays in every way, and read the validation images.

    Arguments:
        experiment: with a `start`, write-verify and validation images.
        tolerances: windows, which both halves of the range take in turn.
        orders: which cells are written at the same time.
        data_directory: as of `run`.

    Raises:
        InputError: the experiment has no `start`, no write-verify or no validation images.
    """
    settings = experiment.start
    if settings is None or not isinstance(settings.scheme, WriteVerify):
        raise InputError("experiment.start", settings, "must programme by write_verify", "Give it a [start] table.")
    data = experiment.data.load(data_directory)
    if not len(data.validation.labels):
        raise InputError("experiment.data.validation", 0, "must be at least 1", "Choices are made on these images.")
    outside, stream = trained(experiment, data)
    found = []
    for high, low, order in product(tolerances, tolerances, orders):
        scheme = settings.scheme.replace(tolerance=high, tolerance_low=low)
        model, ledger = network.build(experiment, data), Ledger()
        start.program(model, outside, settings.replace(scheme=scheme, parallel=order), data, stream, ledger)
        accuracy = network.accuracy(model, data.validation, experiment.training.evaluate_batch)
        assert accuracy is not None
        energy, count = write_energy(ledger, experiment.device), ledger.total
        found.append(Programming(high, low, order, accuracy, energy, count(Event.PULSE), count(Event.TRAIN_SLOT)))
    return found


def cheapest(found: Sequence[Programming], loss: float = 0.005) -> Programming:
    """The one with the least energy (pulses, where that is unknown), then time, within `loss` of the best accuracy.

    Raises:
        InputError: there is nothing to choose from.
    """
    if not found:
        raise InputError("found", 0, "must hold at least one way to programme")
    best = max(one.accuracy for one in found)
    good = [one for one in found if one.accuracy >= best - loss]
    return min(good, key=lambda one: (one.pulses if one.energy is None else one.energy, one.slots))
