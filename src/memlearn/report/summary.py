"""A run in words: the paragraph and the headline figures on top of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import formats
from .chart import with_unit
from .folder import Result, Run
from .tables import gap


class Headline(NamedTuple):
    """A figure that deserves large type: its value, what it is, and a remark."""

    value: str
    meaning: str
    remark: str


def paragraph(runs: Sequence[Run]) -> str:
    """What came out, in two to five sentences."""
    return _one(runs[0].result) if len(runs) == 1 else _several(runs)


def headlines(result: Result) -> list[Headline]:
    """The four figures that a reader looks for first."""
    known = f"float reaches {formats.percent(result.float_test_accuracy)}"
    yardstick = known if gap(result) is not None else "no float yardstick"
    reads = f"{formats.count(result.dac_conversions)} by DACs, {formats.count(result.comparisons)} comparisons"
    return [
        Headline(formats.percent(result.test_accuracy), "test accuracy", yardstick),
        Headline(
            formats.figure(result.pulses_per_cell_mean),
            "pulses per cell",
            f"busiest cell: {formats.count(result.pulses_per_cell_max)}",
        ),
        Headline(formats.share(result.cells_pulsed_per_step), "of the cells pulsed per step", _size(result)),
        _spent(result) or Headline(formats.count(result.adc_conversions), "conversions by ADCs", reads),
    ]


def _spent(result: Result) -> Headline | None:
    if result.cost is None:
        return None
    energy, time, area = (result.cost[what]["total"] for what in ("energy", "latency", "area"))
    remark = f"in {with_unit(time, 's', digits=3)} on {1e6 * area:.3g} mm²"
    return Headline(with_unit(energy, "J", digits=3), "energy of the training", remark)


def _one(result: Result) -> str:
    parts = []
    if result.test_accuracy is None:
        parts.append("The run has no test accuracy.")
    else:
        parts.append(f"The arrays classify {formats.percent(result.test_accuracy)} of the test set correctly"
                     f"{_against_float(result)}.")
    if result.epochs is not None:
        took = f" in {formats.seconds(result.train_seconds)}" if result.train_seconds is not None else ""
        parts.append(f"Training took {formats.many(result.epochs, 'epoch')}{took}.")
    if result.pulses_total is not None:
        cells = f" on {formats.many(result.cells, 'cell')}" if result.cells is not None else ""
        parts.append(
            f"It cost {formats.count(result.pulses_total)} programming pulses{cells}: "
            f"{formats.figure(result.pulses_per_cell_mean)} per cell on average and "
            f"{formats.count(result.pulses_per_cell_max)} on the busiest one."
        )
    if result.cells_pulsed_per_step is not None:
        parts.append(f"A training step pulsed {formats.share(result.cells_pulsed_per_step)} of the cells.")
    if (spent := _spent(result)) is not None and result.cost is not None:
        by_pass = result.cost["energy"]["by_pass"]
        most = max(by_pass, key=lambda name: by_pass[name], default=None)
        share = by_pass[most] / (result.cost["energy"]["total"] or 1.0) if most else 0.0
        where = f", {formats.percent(share, digits=0)} of it in the {most} pass" if most else ""
        parts.append(f"The training takes {spent.value}{where}, {spent.remark}.")
    parts.append(
        f"Reading took {formats.count(result.adc_conversions)} ADC conversions, "
        f"{formats.count(result.dac_conversions)} DAC conversions and {formats.count(result.comparisons)} comparisons."
    )
    return " ".join(parts)


def _several(runs: Sequence[Run]) -> str:
    parts = []
    scored = [(run.result.test_accuracy, run) for run in runs if run.result.test_accuracy is not None]
    if scored:
        high, best = max(scored, key=lambda pair: pair[0])
        low, _ = min(scored, key=lambda pair: pair[0])
        parts.append(f"The best run, {best.label}, classifies {formats.percent(high)} of the test set correctly"
                     f"{_against_float(best.result)}.")
        if len(scored) > 1:
            parts.append(f"The runs spread over {formats.points(high - low).lstrip('+')} points.")
    else:
        parts.append("None of the runs has a test accuracy.")
    worn = [(run.result.pulses_per_cell_mean, run) for run in runs if run.result.pulses_per_cell_mean is not None]
    if len(worn) > 1:
        least, gentle = min(worn, key=lambda pair: pair[0])
        most, _ = max(worn, key=lambda pair: pair[0])
        parts.append(f"{gentle.label} wears its cells least, with {formats.figure(least)} pulses per cell on average; "
                     f"the hardest writer needs {formats.figure(most)}.")
    return " ".join(parts)


def _against_float(result: Result) -> str:
    difference = gap(result)
    if difference is None:
        return ""
    yardstick = formats.percent(result.float_test_accuracy)
    size = formats.points(abs(difference)).lstrip("+")
    if size == "0.00":
        return f", as many as the same network in floating point ({yardstick})"
    side = "below" if difference < 0 else "above"
    return f", {size} points {side} the same network in floating point ({yardstick})"


def _size(result: Result) -> str:
    if result.cells is None or result.pulses_total is None:
        return ""
    return f"{formats.count(result.pulses_total)} pulses on {formats.many(result.cells, 'cell')}"
