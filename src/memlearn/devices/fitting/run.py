"""Fit device laws to traces, and choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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

Scores = tuple[select.Score, ...]
CHOICES = ("auto", *LAWS, "neurosim_curve", "jump_table")
_TABLE = 1000
"""What a jump table counts as, in parameters: it is taken when nothing simpler predicts as well."""
_SEEDS = ("constant_step", "soft_bounds")
"""Laws that a single device's fit starts from: with few readings the likelihood has many tops."""
_REPLACES = 0.05
"""What takes the place of a law that failed must pass at this level: whoever tries often finds something at 1 %."""
_RULED_OUT = 2.0
"""Standard errors below the best held-out likelihood at which a law is not tried for want of a better one."""
_ENOUGH = 20
"""Steps without which laws cannot be compared."""


def fit(traces: Traces | str | Path, law: str = "auto", *, thorough: bool = True) -> DeviceFit:
    """Fit a device law to measured traces.

    Arguments:
        traces: traces, or a file that `read_traces` can read without options.
        law: one of `CHOICES`; "auto" takes the law with the best held-out likelihood, or the simplest one that is
            within a standard error of it; the jump table when no law passes the two-sample test and the table does.
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
    return _tested(measured, packed, found, table, winner, thorough)


def _tested(
    traces: Traces, packed: Packed, found: dict[str, Estimate], scores: Scores, winner: str, thorough: bool
) -> DeviceFit:
    """The winner if its simulated steps pass for measured ones; else another law that does; else the jump table.

    Laws are tried that held-out likelihood does not rule out. If nothing passes the winner stays.
    """
    close = [s.law for s in scores if s.law in found and s.law != winner and s.worse <= _RULED_OUT * s.error]
    failed: dict[str, float] = {}
    best: DeviceFit | None = None
    for kind in (winner, *close):
        result = _result(traces, kind, refine(found[kind]), _with_choice(scores, kind), thorough)
        test = result.test()
        result = replace(result, tested=test)
        if test.passed and not failed:
            return result
        if test.p_value > _REPLACES:
            return _told(result, _instead(failed, kind))
        failed[kind] = test.p_value
        best = best or result
    assert best is not None
    if jumps.table_of(packed) is None:
        return _told(best, f"{_failures(failed)} For a jump table, which could, there are too few single pulses.")
    tabulated = _tabulated(traces, packed, _with_choice(scores, "jump_table"))
    test = tabulated.test()
    if test.p_value <= _REPLACES:
        return _told(best, f"{_failures(failed)} A jump table does not either (p = {test.p_value:.2g}).")
    text = "So the steps are drawn from the measured ones: a jump table, with which simulated steps pass for measured"
    return _told(replace(tabulated, tested=test), f"{_failures(failed)} {text} (p = {test.p_value:.2g}).")


def _failures(failed: dict[str, float]) -> str:
    laws = ", ".join(f"{kind.replace('_', ' ')} p = {p:.2g}" for kind, p in failed.items())
    return f"No law with normal noise makes steps like the measured ones (two-sample test: {laws})."


def _instead(failed: dict[str, float], kind: str) -> str:
    laws = " and ".join(f"{name.replace('_', ' ')} (p = {p:.2g})" for name, p in failed.items())
    text = f"but not the two-sample test; {kind.replace('_', ' ')} passes it and predicts nearly as well"
    return f"Held-out likelihood and parsimony favour {laws}, {text}."


def _told(result: DeviceFit, text: str) -> DeviceFit:
    return replace(result, warnings=(text, *result.warnings))


def _with_choice(scores: Scores, law: str) -> Scores:
    return tuple(score._replace(chosen=score.law == law) for score in scores)


def _sketched(traces: Traces, packed: Packed, kind: str, seeds: Sequence[Estimate]) -> Estimate:
    return sketch(packed, LAWS[kind], glance(packed), relative_read=traces.affine is None, seeds=seeds)


def _result(
    traces: Traces, law: str, found: Estimate, scores: Scores, thorough: bool
) -> DeviceFit:
    rows = parameters(found, errors(found), thorough=thorough)
    told = tuple(warnings(traces, found, rows, scores))
    if law == "neurosim_curve":
        theta = found.point.theta
        up, down = (float(np.exp(theta[STEP] + sign * theta[STEP + 1])) for sign in (1, -1))
        neurosim(float(theta[SHAPES]), float(theta[SHAPES + 1]), up, down, float(theta[3] - theta[2]))
    return DeviceFit(law, rows, scores, told, traces, found, None, found.task.packed)


def _tabulated(traces: Traces, packed: Packed, scores: Scores) -> DeviceFit:
    table = jumps.table_of(packed)
    if table is None:
        raise DataError(f"{traces.source}: too few single pulses for a jump table.")
    told = ["A jump table has no read noise of its own: what the reads added is part of the jumps."]
    if packed.devices > 1:
        told.append("A jump table mixes the devices: their differences are part of the jumps.")
    return DeviceFit("jump_table", (), scores, tuple(told), traces, None, table, packed)
