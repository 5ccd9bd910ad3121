"""Fit device laws to traces, and choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...core.errors import DataError, InputError, nearest
from . import jumps, select
from .estimate import Estimate, refine, sketch
from .export import neurosim
from .intervals import errors, parameters
from .kernels import SHAPES, STEP
from .laws import LAWS
from .packed import Packed, pack
from .reading import read_traces
from .result import DeviceFit
from .start import glance
from .traces import Traces
from .warn import warnings

CHOICES = ("auto", *LAWS, "neurosim_curve", "jump_table")
_TABLE = 1000
"""What a jump table counts as, in parameters: it is taken when nothing simpler predicts as well."""
_SEEDS = ("constant_step", "soft_bounds")
"""Laws that a single device's fit starts from: with few readings the likelihood has many tops."""
_ENOUGH = 20
"""Steps without which laws cannot be compared."""


def fit(traces: Traces | str | Path, law: str = "auto", *, thorough: bool = True) -> DeviceFit:
    """Fit a device law to measured traces.

    Arguments:
        traces: traces, or a file that `read_traces` can read without options.
        law: one of `CHOICES`; "auto" takes the law with the best held-out likelihood, or the simplest one that is
            within a standard error of it.
        thorough: walk the likelihood where its curvature is not to be trusted; slower.

    Raises:
        InputError: an unknown law.
        DataError: a file without usable traces, or too few steps for the law.
    """
    if law not in CHOICES:
        raise InputError("law", law, "unknown law", nearest(law, CHOICES))
    measured = traces if isinstance(traces, Traces) else read_traces(traces)
    packed = pack(measured)
    if law == "jump_table":
        return _tabulated(measured, packed, ())
    if law != "auto":
        kind = "linear_step" if law == "neurosim_curve" else law
        seeds = [_sketched(measured, packed, simple, ()) for simple in _SEEDS if packed.devices == 1 and simple != kind]
        return _result(measured, law, refine(_sketched(measured, packed, kind, seeds)), (), thorough)
    steps = packed.y.size - (len(packed.starts) - 1)
    if steps < _ENOUGH:
        text = f"at least {_ENOUGH} are needed, or a law that you name"
        raise DataError(f"{measured.source}: {steps} steps are too few to choose a law; {text}.")
    found: dict[str, Estimate] = {}
    for kind, one in LAWS.items():
        found[kind] = _sketched(measured, packed, kind, list(found.values()) if one.parameters else ())
    scores = {kind: select.held_out(one) for kind, one in found.items()}
    counts = {kind: one.parameters for kind, one in LAWS.items()}
    if (tabulated := select.held_out_jumps(packed)) is not None:
        scores["jump_table"], counts["jump_table"] = tabulated, _TABLE
    table = select.choose(scores, counts, steps)
    winner = next(score.law for score in table if score.chosen)
    if winner == "jump_table":
        return _tabulated(measured, packed, table)
    return _result(measured, winner, refine(found[winner]), table, thorough)


def _sketched(traces: Traces, packed: Packed, kind: str, seeds: Sequence[Estimate]) -> Estimate:
    return sketch(packed, LAWS[kind], glance(packed), relative_read=traces.affine is None, seeds=seeds)


def _result(
    traces: Traces, law: str, found: Estimate, scores: tuple[select.Score, ...], thorough: bool
) -> DeviceFit:
    rows = parameters(found, errors(found), thorough=thorough)
    told = tuple(warnings(traces, found, rows, scores))
    if law == "neurosim_curve":
        theta = found.point.theta
        up, down = (float(np.exp(theta[STEP] + sign * theta[STEP + 1])) for sign in (1, -1))
        neurosim(float(theta[SHAPES]), float(theta[SHAPES + 1]), up, down, float(theta[3] - theta[2]))
    return DeviceFit(law, rows, scores, told, traces, found, None, found.task.packed)


def _tabulated(traces: Traces, packed: Packed, scores: tuple[select.Score, ...]) -> DeviceFit:
    table = jumps.table_of(packed)
    if table is None:
        raise DataError(f"{traces.source}: too few single pulses for a jump table.")
    told = ["A jump table has no read noise of its own: what the reads added is part of the jumps."]
    if packed.devices > 1:
        told.append("A jump table mixes the devices: their differences are part of the jumps.")
    return DeviceFit("jump_table", (), scores, tuple(told), traces, None, table, packed)
