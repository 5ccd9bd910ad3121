"""What a finished run leaves behind: its figures and its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from ..compound import Compound
from ..core.component import Component, kind_of
from ..core.ledger import Event
from ..cost import write_energy
from ..learning import FloatReference, Rule
from ..learning.fused import fuse
from ..nn import array_layers, tiles
from . import costs, network
from .config import Experiment
from .session import Session, pulsed_share
from .storage import ARRAYS, write_bytes
from .versions import versions
from .writes import eliminated, images_to_first_failure


def result(session: Session) -> dict[str, Any]:
    """The figures of result.json; the test images are read here, once.

    Everything but `train_seconds` depends on the experiment alone. Events are those of training: evaluation reads are
    not part of what learning costs.
    """
    experiment, data, batch = session.experiment, session.data, session.experiment.training.evaluate_batch
    last, layers = session.history[-1], _layers(session)
    cells, total = session.cells, session.ledger.total
    pulses = sum(layer["pulses_total"] for layer in layers)
    twin = session.twin
    return {
        "name": experiment.name,
        "test_accuracy": network.accuracy(session.main.model, data.test, batch),
        "validation_accuracy": last["validation_accuracy"],
        "float_test_accuracy": None if twin is None else network.accuracy(twin.model, data.test, batch),
        "float_network": None if twin is None else network.float_network(experiment, data),
        "start": session.started,
        "epochs": session.epoch,
        "images": session.overall.images,
        "train_seconds": session.seconds,
        "simulated_seconds": session.overall.steps * experiment.training.seconds_per_batch,
        "cells": cells,
        "pulses_total": pulses,
        "write_energy": write_energy(session.ledger, experiment.device),
        "pulses_per_cell_mean": pulses / max(1, cells),
        "pulses_per_cell_p99": _all_p99(session),
        "pulses_per_cell_max": max((layer["pulses_per_cell_max"] for layer in layers), default=0),
        "cells_pulsed_per_step": pulsed_share(session.overall, cells),
        "adc_conversions": total(Event.ADC),
        "dac_conversions": total(Event.DAC),
        "comparisons": total(Event.COMPARISON),
        **_methods(session),
        "notes": experiment.device.notes,
        **({"chips": session.chips.table()} if session.chips is not None and session.chips.opened else {}),
        **_staleness(session),
        "seed": experiment.seed,
        "versions": versions(),
        "layers": layers,
        **_wear(session, layers),
        "ledger": session.ledger.state(),
        "amounts": session.ledger.amounts(),
        "cost": None if (bill := costs.bill_of(session)) is None else bill.table(),
        "sources": list(dict.fromkeys(s for part in _components(experiment) for s in part.sources)),
    }


def write_arrays(session: Session, folder: Path) -> None:
    """arrays.safetensors: conductances (S) before and after, pulses, and weights of each layer.

    Raises:
        DataError: the disk is full, or the folder cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    if session.chips is not None:
        session.chips.survey()
    for name, tile in tiles(session.main.model).items():
        unused = ~tile.used()
        tensors[f"conductance_initial/{name}"] = session.initial[name].float().masked_fill(unused, torch.nan)
        tensors[f"conductance/{name}"] = tile.conductance.float().masked_fill(unused, torch.nan)
        tensors[f"pulses/{name}"] = tile.counters[..., 0].to(torch.int32)
        tensors[f"weight/{name}"] = tile.weight().float()
    for name, layer in array_layers(session.main.model).items() if isinstance(session.main.rule, Rule) else ():
        if isinstance(layer.tile, Compound):  # its parts have weights of their own above
            tensors[f"weight/{name}"] = layer.tile.weight().float()
    for name, module in network.weight_layers(session.main.model):
        if isinstance(module, torch.nn.Linear):
            tensors[f"weight/{name}"] = module.weight.detach().T
        elif isinstance(module, torch.nn.Conv2d):  # kernels as columns, as arrays hold them
            tensors[f"weight/{name}"] = module.weight.detach().permute(2, 3, 1, 0).flatten(0, 2)
    write_bytes(folder / ARRAYS, save({key: value.contiguous() for key, value in tensors.items()}))


def _staleness(session: Session) -> dict[str, Any]:
    """What reading through stale matrices did, where that was allowed; relative errors."""
    found = {name: tile.matrices.staleness() for name, tile in tiles(session.main.model).items()}
    stale = {name: of._asdict() for name, of in found.items() if of is not None}
    return {"stale_reads": stale} if stale else {}


def _layers(session: Session) -> list[dict[str, Any]]:
    """Size and wear, array by array; a layer may have several."""
    found = []
    for name, tile in tiles(session.main.model).items():
        pulses = tile.counters[..., 0][tile.used()]
        found.append(
            {
                "name": name,
                "inputs": tile.inputs,
                "outputs": tile.outputs,
                "cells": tile.cells,
                "pulses_total": int(pulses.sum(dtype=torch.int64)),
                "pulses_per_cell_mean": float(pulses.double().mean()),
                "pulses_per_cell_p99": _p99(pulses),
                "pulses_per_cell_max": int(pulses.max()),
            }
        )
    return found


def _all_p99(session: Session) -> int:
    """Over the cells of all layers."""
    found = [tile.counters[..., 0][tile.used()] for tile in tiles(session.main.model).values()]
    return _p99(torch.cat(found)) if found else 0


def _p99(pulses: torch.Tensor) -> int:
    """The smallest count that 99 % of the cells do not exceed; sorted, as torch.quantile refuses more than 2^24."""
    return int(pulses.sort().values[-(-99 * len(pulses) // 100) - 1])


def _wear(session: Session, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """What was written beside what simpler rules would have written, and how long the cells last."""
    wear, last, rule = session.experiment.training.wear, session.writes(), session.main.rule
    most = max((layer["pulses_per_cell_max"] for layer in layers), default=0)
    saved = None
    if isinstance(rule, Rule) and rule.census is not None and session.first is not None and last is not None:
        saved = eliminated(session.first, last, session.experiment, rule.census)
    return {
        "writes_eliminated": saved,
        "pulses_per_cell": {
            layer["name"]: {figure: layer[f"pulses_per_cell_{figure}"] for figure in ("mean", "p99", "max")}
            for layer in layers
        },
        "endurance": wear.endurance,
        "images_to_first_failure": images_to_first_failure(session.overall.images, most, wear),
    }


def _methods(session: Session) -> dict[str, Any]:
    """What learnt how, and what it needs in digital."""
    experiment, rule = session.experiment, session.main.rule
    if not isinstance(rule, Rule):
        return {
            "digital_bits_per_weight": None,
            "digital_bits_per_neuron": None,
            "digital_bits_per_line": None,
            "device": None,
            "mapping": None,
            "cell": None,
            "backward_method": "floating point",
            "update_method": "stochastic gradient descent in floating point",
            "backend": "torch",
            "kernel": "torch",
            "choices": {},
        }
    memory = rule.digital_memory(experiment.training.batch)
    trainer = fuse(session.main.model, rule, session.main.loss)
    return {
        "digital_bits_per_weight": memory.bits_per_weight,
        "digital_bits_per_neuron": memory.bits_per_neuron,
        "digital_bits_per_line": memory.bits_per_line,
        "device": experiment.device.kind,
        "mapping": experiment.crossbar.mapping.kind,
        "cell": experiment.array.cell.table(),
        "backward_method": rule.credit.method,
        "update_method": f"{kind_of(type(rule.accumulator))} + {kind_of(type(rule.writer))}",
        "backend": experiment.backend,
        "kernel": "stages" if trainer is None else trainer.kernel,
        "choices": {f"rule.{name}": value for name, value in rule.choices.items()},
    }


def _components(experiment: Experiment) -> Iterator[Component]:
    """Every part of an experiment, the parts of its rule included."""
    yield from _within(experiment)
    if not isinstance(experiment.rule, FloatReference):
        yield from _within(experiment.rule.parts())
        yield from _within(experiment.array.cell)


def _within(part: Component) -> Iterator[Component]:
    yield part
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Component) and getattr(value, "active", True):  # an effect at rest has no part in the run
            yield from _within(value)
