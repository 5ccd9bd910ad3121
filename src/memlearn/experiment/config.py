"""An experiment: everything that decides a run's figures, as one strict component."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from ..cells import AnyCell, Single
from ..compound import weight_step
from ..core.component import Component, quantity, setting
from ..core.errors import InputError
from ..cost import Cost
from ..datasets import AnyDataset, Digits
from ..devices import AnyDevice, ConstantStep, presets
from ..devices.presets import resolved
from ..learning import AnyRule, Facts, FloatReference
from ..learning.gates import AnyGate, Everything
from ..learning.rules import SGD
from ..tile import Array, Crossbar, Periphery
from .networks import MLP, AnyNetwork
from .start import Start
from .tables import with_nones


class Wear(Component):
    """What is counted of writes and wear beside the ledger."""

    baselines: Literal["auto", "always", "never"] = setting(
        "auto",
        doc="count the writes of three baselines on the run's own gradients: auto where cells are programmed to "
        "targets; compiled training of whole batches is not used then",
    )
    threshold: float = quantity(
        0.1, unit="1", gt=0, le=1, doc="of the baseline that writes large gradients: fraction of the layer's largest"
    )
    closed_loop_pulses: float | None = quantity(
        None, unit="1", gt=0, doc="pulses of a baseline's write of a weight; none: as many as the run's own writes take"
    )
    endurance: float = quantity(1e5, unit="1", gt=0, doc="pulses that a cell is assumed to survive, for its lifetime")


class Training(Component):
    """How long, in what portions, and with what beside it."""

    epochs: int = quantity(10, unit="1", ge=1, doc="passes over the training images")
    batch: int = quantity(32, unit="1", ge=1, doc="images between two writes")
    images_per_epoch: int | None = quantity(
        None, unit="1", ge=1, doc="images that an epoch draws from the training images, none twice; none takes all"
    )
    rate_decay: float = quantity(
        1.0, unit="1", gt=0, le=1, doc="the rule's rate after an epoch / before: scales trains, and 1 / thresholds"
    )
    seconds_per_batch: float = quantity(
        0.0, unit="s", ge=0, doc="time that passes after each batch, in which cells leak, drift and relax"
    )
    temperature: float = quantity(300.0, unit="K", gt=0, doc="of the cells meanwhile")
    threads: int = quantity(1, unit="1", ge=1, le=256, doc="of the pulse kernels; no figure depends on it")
    backend: Literal["auto", "cpu", "reference"] = setting(
        "auto", doc="cpu: compiled kernels, reference: stage by stage, auto: the fastest that fits"
    )
    float_reference: FloatReference | None = setting(
        None, doc="train the same network in plain floating point too, on the same images in the same order"
    )
    gate: AnyGate = setting(Everything(), doc="which neurons learn")
    wear: Wear = setting(Wear(), doc="counts of writes and wear")
    energy: bool = setting(True, doc="add up the heat of reads and pulses in the cells; else costs take mean cells")
    checkpoint_every: int = quantity(10_000, unit="1", ge=1, doc="images between checkpoints, within an epoch")
    snapshots: int = quantity(
        12, unit="1", ge=0, le=100, doc="small pictures of the arrays that are kept of the training, for the report"
    )
    evaluate_batch: int = quantity(
        1000, unit="1", ge=1, doc="images of one evaluation read; with read noise another value draws other numbers"
    )

    @property
    def slowest(self) -> float:
        """The rate of the last epoch."""
        return self.rate_decay ** (self.epochs - 1)


class Experiment(Component):
    """One run. The same experiment on the same backend gives the same figures to the last bit, times aside."""

    name: str = setting("experiment", doc="a short name, for tables and reports")
    description: str = setting("", doc="what is tried, in a sentence or two")
    reproduces: str = setting("", doc="which published system this reproduces, and what of it not")
    data: AnyDataset = setting(Digits(), doc="what is learnt")
    network: AnyNetwork = setting(MLP(), doc="layers, neurons and loss; an mlp where no kind is named")
    device: AnyDevice = setting(ConstantStep(), doc="law of the cells")
    crossbar: Crossbar = setting(Crossbar(), doc="shape and wiring of the tiles")
    periphery: Periphery = setting(Periphery(), doc="converters of both directions")
    cell: AnyCell | None = setting(
        None, doc="parts of a weight, each with cells of its own; none: as the rule wants them, else a single one"
    )
    rule: AnyRule = setting(SGD(), doc="what learns")
    start: Start | None = setting(
        None, doc="train outside, and programme the arrays, before the rule learns; none: random weights"
    )
    training: Training = setting(Training(), doc="epochs, batches, checkpoints")
    cost: Cost = setting(Cost(), doc="what reads, writes and circuits are taken to cost; nothing learns otherwise")
    seed: int = quantity(0, unit="1", doc="of all that is random: devices, noise, initial weights, order of images")

    def model_post_init(self, _: Any) -> None:
        """A rule must fit the converters; better to say so here than after the data has been loaded."""
        if not self.name.strip():
            raise InputError("name", self.name, "must not be empty", "It names the run in tables and reports.")
        named, wanted = self.cell, self.rule.cell
        if named is not None and wanted is not None and named.kind != wanted.kind:
            allowed = f"must be {wanted.kind} for the rule {self.rule.kind}"
            raise InputError("cell.kind", named.kind, allowed, "Leave cell out, or use another rule.")
        if not isinstance(self.rule, FloatReference):
            slowest, batch = self.training.slowest, self.training.batch
            facts = Facts.of(self.device, batch=batch, slowest=slowest) if self.rule.is_open else None
            parts = self.rule.resolved(facts).parts()
            parts.credit.check(self.array)
            parts.writer.check(self.device)
            last = slowest * min(parts.layer_rates, default=1.0)
            for w_max in set(self.network.w_max) or {self.crossbar.mapping.w_max}:
                crossbar = self.crossbar.replace(mapping=self.crossbar.mapping.replace(w_max=w_max))
                parts.accumulator.check(parts.writer.quantum(last, weight_step(self.array.replace(crossbar=crossbar))))

    @property
    def array(self) -> Array:
        """What every layer's arrays are made of."""
        cell = self.cell or self.rule.cell or Single()
        return Array(
            device=self.device, crossbar=self.crossbar, periphery=self.periphery, cell=cell.settled(self.device)
        )

    @property
    def backend(self) -> Literal["cpu", "reference"]:
        """The backend that "auto" stands for."""
        return "cpu" if self.training.backend == "auto" else self.training.backend

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The experiment that a TOML or JSON table describes; "none" stands for the null that TOML lacks.

        A `network` without a kind is an mlp. A `device` may be `{ preset = "..." }` or `{ file = "..." }`, with further
        settings; the experiment holds what that stands for.
        """
        if isinstance(table.get("device"), Mapping):
            table = {**table, "device": resolved(table["device"])}
        if isinstance(table.get("cell"), Mapping):
            table = {**table, "cell": _with_devices(table["cell"])}
        if isinstance(table.get("rule"), Mapping) and isinstance(table["rule"].get("cells"), Mapping):
            table = {**table, "rule": {**table["rule"], "cells": _with_devices(table["rule"]["cells"])}}
        if isinstance(table.get("network"), Mapping):
            table = {**table, "network": {"kind": "mlp", **table["network"]}}
        return super().from_table(with_nones(cls, table))

    def digest(self) -> str:
        """A fingerprint of the settings, by which a checkpoint knows its experiment."""
        text = json.dumps(self.table(), sort_keys=True, allow_nan=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment file, for editors that check TOML; null is written "none" there."""
    found = _toml(Experiment.model_json_schema())
    law = found["properties"]["device"]
    words = {"preset": {"type": "string", "enum": presets()}, "file": {"type": "string"}}
    named = [{"type": "object", "properties": {key: word}, "required": [key]} for key, word in words.items()]
    found["properties"]["device"] = {"description": law.pop("description", ""), "anyOf": [law, *named]}
    return found


def _with_devices(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A weight cell whose devices may be named, as that of the experiment."""
    named = {key for key, value in cell.items() if isinstance(value, Mapping) and {"preset", "file"} & set(value)}
    return {key: resolved(value) if key in named else value for key, value in cell.items()}


def _toml(node: Any) -> Any:
    if isinstance(node, dict):
        if node.get("type") == "null":
            return {"const": "none"}
        return {key: _toml(value) for key, value in node.items() if not (key == "default" and value is None)}
    return [_toml(item) for item in node] if isinstance(node, list) else node
