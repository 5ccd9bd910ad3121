"""How many writes, pulses and turns a run saved, against three baselines that write more of the same gradients.

A write is a weight that is programmed, or pulsed, at a step; how many devices that is, the mapping says.

    eliminated = 1 - writes / writes of the baseline

Pulses of a baseline are its writes x the mean pulses of a write, and its time is its turns x the mean pulses of a turn,
as if no cell took longer than the mean: where several cells are written at the same time, this favours the baseline.
"""

from __future__ import annotations

from typing import Any

from ..core.ledger import Event, Ledger, Pass
from ..devices import AbstractDevice
from ..learning import Rule
from ..learning.census import KINDS, Census
from ..programming import ClosedLoop
from .config import Experiment, Wear

BASELINES = KINDS[1:]


def census_of(experiment: Experiment, rule: Rule) -> Census | None:
    """What counts the writes of a run, if they are to be counted."""
    wear, writer = experiment.training.wear, rule.writer
    closed = rule.accumulator.gives == "targets" or isinstance(writer, ClosedLoop)
    if wear.baselines == "never" or (wear.baselines == "auto" and not closed) or writer.accepts == "factors":
        return None
    return Census(wear.threshold, getattr(writer, "parallel", "array"))


def snapshot(census: Census, ledger: Ledger) -> dict[str, Any]:
    """The counts so far, as plain data; only of the arrays that the census knows, further copies aside."""

    def total(event: Event) -> int:
        return sum(ledger.total(event, layer=name, during=Pass.UPDATE) for name in census.layers)

    return {
        "writes": {kind: list(writes) for kind, writes in census.total().items()},
        "devices": total(Event.CELL_WRITE) or total(Event.PULSED_CELL),
        "pulses": total(Event.PULSE),
        "slots": total(Event.TRAIN_SLOT),
    }


def eliminated(first: dict[str, Any], last: dict[str, Any], experiment: Experiment, census: Census) -> dict[str, Any]:
    """The object `writes_eliminated` of result.json, from the counts after the first epoch and at the end."""
    wear, written = experiment.training.wear, last["writes"]["written"][0]
    given = wear.closed_loop_pulses
    return {
        "unit": "weights",
        "devices_per_weight": last["devices"] / written if written else None,
        "threshold": wear.threshold,
        "parallel": census.parallel,
        "pulses_per_write": given or (last["pulses"] / written if written else None),
        "pulses_per_write_from": "this run's own writes" if given is None else "training.wear.closed_loop_pulses",
        "first_epoch": _span(first, wear, experiment.device, census),
        "run": _span(last, wear, experiment.device, census),
    }


def images_to_first_failure(images: int, most: int, wear: Wear) -> float | None:
    """How far the cell with most pulses gets, if it goes on as it did in these images."""
    return images * wear.endurance / most if most else None


def _span(counts: dict[str, Any], wear: Wear, device: AbstractDevice, census: Census) -> dict[str, Any]:
    writes = counts["writes"]
    written = writes["written"][0]
    each = wear.closed_loop_pulses or (counts["pulses"] / written if written else 0.0)
    devices = counts["devices"] / written if written else 1.0
    turn = each if census.parallel == "cell" else each / devices
    seconds = _pulse_seconds(device)
    pulses = {kind: writes[kind][0] * each for kind in BASELINES}
    slots = {kind: writes[kind][1] * turn for kind in BASELINES}
    saved = {kind: _share(counts["pulses"], pulses[kind]) for kind in BASELINES}
    return {
        **{kind: _share(written, writes[kind][0]) for kind in BASELINES},
        "pulses": saved,
        "pulse_time": {**saved, "seconds": None if seconds is None else counts["pulses"] * seconds},
        "delay": {**{kind: _share(counts["slots"], slots[kind]) for kind in BASELINES}, "slots": counts["slots"]},
        "counts": {kind: writes[kind][0] for kind in KINDS},
    }


def _share(ours: float, theirs: float) -> float | None:
    """What is saved of a baseline; None where it does nothing itself."""
    return 1 - ours / theirs if theirs else None


def _pulse_seconds(device: AbstractDevice) -> float | None:
    """Mean width of the two pulses, where the device states it."""
    up, down = device.up_pulse.width, device.down_pulse.width
    return None if up is None or down is None else (up + down) / 2
