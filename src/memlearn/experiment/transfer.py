"""How weights that were trained outside get into an experiment's arrays, and what is left of them there."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..core.ledger import Event, Ledger
from ..core.random import Stream
from ..cost import write_energy
from ..datasets import Data
from . import network, start
from .config import Experiment


def programmed(experiment: Experiment, model: nn.Module, data: Data) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Do what `experiment.start` says to the arrays of a model.

    Returns:
        The weights (inputs, outputs) by layer before they were quantised, from which a digital memory may go on; and
        the figures, as result.json holds them under "start": accuracies in floating point, quantised, and read through
        the arrays afterwards; what the programming took.
    """
    settings = experiment.start
    assert settings is not None
    (outside, stream), ledger = trained(experiment, data), Ledger()
    figures = {**_accuracies("float", outside.model, experiment, data), **_quantised(outside, experiment, data)}
    found = start.program(model, outside, settings, data, stream, ledger)
    figures |= {**_accuracies("transferred", model, experiment, data), **found}
    for event in (Event.PULSE, Event.SINGLE_READ, Event.CELL_READ, Event.CELL_WRITE, Event.GIVEN_UP, Event.TRAIN_SLOT):
        figures[event.value] = ledger.total(event)
    figures["write_energy"] = write_energy(ledger, experiment.device)
    return outside.weights(), {**figures, "ledger": ledger.state()}


def trained(experiment: Experiment, data: Data) -> tuple[start.Outside, Stream]:
    """The network of `experiment.start`, trained outside, and whose random numbers its programming takes."""
    assert experiment.start is not None
    stream = Stream.root(experiment.seed).child("start")
    outside = start.Outside(network.build_float(experiment, data), network.w_max(experiment))
    start.train(outside, experiment.start, data.train, stream)
    return outside, stream


def _quantised(outside: start.Outside, experiment: Experiment, data: Data) -> dict[str, float | None]:
    """Accuracies with the weights that will be programmed; the network is left as it was."""
    assert experiment.start is not None
    kept = [parameter.detach().clone() for parameter, _ in outside.most()]
    for parameter, most in outside.most():
        parameter.data = start.quantised(parameter.data, experiment.start.grid, most, experiment.start.levels)
    figures = _accuracies("quantised", outside.model, experiment, data)
    for (parameter, _), old in zip(outside.most(), kept, strict=True):
        parameter.data = old
    return figures


def _accuracies(stage: str, model: nn.Module, experiment: Experiment, data: Data) -> dict[str, float | None]:
    """Of the validation and of the test images; nothing is chosen by them here."""
    batch = experiment.training.evaluate_batch
    splits = (("validation", data.validation), ("test", data.test))
    return {f"{stage}_{name}_accuracy": network.accuracy(model, split, batch) for name, split in splits}
