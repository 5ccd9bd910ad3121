"""What the data cannot say, in plain words."""

from __future__ import annotations

import numpy as np

from . import kernels
from .estimate import Estimate
from .figures import residuals
from .intervals import Parameter
from .select import Score
from .traces import Traces

_FEW_PULSES = 40
_FEW_DEVICES = 5
_WIDE = 1.0
"""A ratio of interval to value above which a parameter is called unknown."""


def warnings(traces: Traces, found: Estimate, rows: tuple[Parameter, ...], scores: tuple[Score, ...]) -> list[str]:
    """Sentences for the user, most important first."""
    out: list[str] = []
    devices = found.task.packed.devices
    pulses = {way: sum(int(n[1:][u[1:] == way].sum()) for n, u in zip(traces.pulses, traces.up, strict=True))
              for way in (True, False)}  # fmt: skip
    for way, name in ((True, "up"), (False, "down")):
        if pulses[way] < _FEW_PULSES:
            out.append(f"Only {pulses[way]} {name} pulses: shape and noise of {name} steps are hardly known.")
    for entry, name, where in ((kernels.LOWER, "lower", "lowest"), (kernels.UPPER, "upper", "highest")):
        if entry in found.pinned:
            out.append(f"The {name} bound is never approached: it is set to the {where} state seen and may lie beyond.")
    if devices == 1:
        out.append("One device only: nothing can be said about device-to-device variation; it is left at 0.")
    elif devices < _FEW_DEVICES:
        out.append(f"{devices} devices: their spreads are known to a factor of about two at best.")
    out += _noise(found, rows)
    for row in rows:
        if row.low is None or row.high is None or row.value <= 0:
            continue
        if row.high - row.low > 2 * _WIDE * row.value:
            out.append(f"{row.name} is hardly identified: {row.low:.3g} to {row.high:.3g} {row.unit}.")
    out += _shape(scores)
    out += _fit(found)
    if traces.affine is not None:
        out.append("The data are dimensionless: everything in S follows from the window that they were put into.")
    return out


def _noise(found: Estimate, rows: tuple[Parameter, ...]) -> list[str]:
    out, noise = [], {row.name: row for row in rows}
    if found.task.law.kind == "constant_step":
        out.append("A constant step cannot tell noise relative to the step from additive noise; it is called relative.")
    elif 0 not in found.silent and 1 not in found.silent:
        relative, additive = noise["cycle_to_cycle"], noise["additive"]
        if _wide(relative) or _wide(additive):
            out.append("Noise relative to the step and additive step noise can hardly be told apart in these data.")
    if 2 not in found.silent and 0 not in found.silent and (_wide(noise["read"]) or _wide(noise["cycle_to_cycle"])):
        out.append("Read noise and cycle-to-cycle noise can hardly be told apart in these data.")
    if {2, 3} <= set(found.silent):
        out.append("No read noise is seen next to the noise of the steps; it is set to 0 (limit in the table).")
    if {0, 1} <= set(found.silent):
        out.append("No noise of the steps is seen next to the read noise; cycle-to-cycle variation is set to 0.")
    return out


def _wide(row: Parameter) -> bool:
    return row.low is not None and row.high is not None and row.high > 4 * max(row.low, 1e-300)


def _shape(scores: tuple[Score, ...]) -> list[str]:
    if not any(score.chosen for score in scores):
        return []
    close = [s.law for s in scores if not s.chosen and s.worse <= s.error]
    out = []
    if close:
        out.append(f"The data cannot tell the chosen law from {', '.join(close)}; it has the fewest parameters.")
    if any(s.law == "linear_step" and s.chosen for s in scores):
        out.append("A linear step and NeuroSim's curve are one law: ask for neurosim_curve to have it under that name.")
    return out


def _fit(found: Estimate) -> list[str]:
    """What the residuals say against the model."""
    z = residuals(found)
    summary, out = z.summary(), []
    if summary["residual_beyond_4"] > max(2e-3, 3 / z.value.size):
        share = summary["residual_beyond_4"]
        out.append(f"{share:.2%} of the readings lie beyond 4 standard deviations: outliers, or steps far from normal.")
    if abs(summary["residual_neighbour_correlation"]) > 4 / np.sqrt(z.value.size) + 0.05:
        correlation = summary["residual_neighbour_correlation"]
        out.append(f"Neighbouring residuals are correlated ({correlation:+.2f}): noise with a memory, or a wrong law.")
    return out
