"""Which law: by the likelihood of readings that took no part in the fit."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import jumps
from .estimate import Estimate, filtered
from .hierarchy import climb
from .packed import Packed

FOLDS = 5
_BLOCKS = 20
"""Blocks that a trace is cut into."""
_SHORTEST = 5
_FLAT = 1e-3
"""Share of a flat density over the range of the data in what readings are judged by."""


class Score(NamedTuple):
    """A law's held-out log-likelihood; `worse` is how far below the best, with the standard error of the difference."""

    law: str
    parameters: int
    held_out: float
    per_reading: float
    worse: float
    error: float
    chosen: bool = False


def blocks(packed: Packed) -> np.ndarray:
    """(readings,): number of the block that each reading belongs to, -1 for the first of a trace."""
    number, out = 0, np.full(packed.y.size, -1)
    for a, b in zip(packed.starts[:-1], packed.starts[1:], strict=True):
        length = max(_SHORTEST, math.ceil((b - a - 1) / _BLOCKS))
        own = np.arange(b - a - 1) // length
        out[a + 1 : b] = number + own
        number += int(own[-1]) + 1
    return out


def folds(block: np.ndarray) -> tuple[int, np.ndarray]:
    """How many folds, and (readings,) the fold of each, -1 for none.

    Blocks are dealt by lot, the same for every law: dealt in turn they would fall into step with the pulse cycles, and
    one fold would hold out the same states everywhere.
    """
    number = int(block.max()) + 1
    count = min(FOLDS, number)
    lot = np.random.Generator(np.random.Philox(key=number)).permutation(number) % count
    return count, np.where(block >= 0, lot[block], -1)


def tempered(log_density: np.ndarray) -> np.ndarray:
    """Log-density with a thousandth of a flat one mixed in: one impossible reading must not decide between laws."""
    return np.logaddexp(math.log(1 - _FLAT) + log_density, math.log(_FLAT))


def held_out(found: Estimate) -> np.ndarray:
    """(blocks,): log-likelihood of every block under the law fitted to the other folds.

    A held-out reading still tells the filter where the state is: it is predicted from the readings before it.
    """
    task, point = found.task, found.point
    packed = task.packed
    block = blocks(packed)
    count, of_fold = folds(block)
    scores = np.zeros(int(block.max()) + 1)
    for fold in range(count):
        out = of_fold == fold
        part = task._replace(packed=packed.weighted(np.where(out, 0.0, 1.0)))
        fitted = climb(part, point, rounds=3, gain=0.5) if packed.many else climb(part, point, rounds=6, gain=0.05)
        for i in range(packed.devices):
            for trace, rows in zip(packed.of_device[i], filtered(part, fitted, i), strict=True):
                a, b = packed.starts[trace], packed.starts[trace + 1]
                chosen = out[a:b]
                np.add.at(scores, block[a:b][chosen], tempered(rows[0][chosen]))
    return scores


def held_out_jumps(packed: Packed) -> np.ndarray | None:
    """The same for the jump table; None when there are too few pulses for one."""
    block = blocks(packed)
    count, of_fold = folds(block)
    scores = np.zeros(int(block.max()) + 1)
    for fold in range(count):
        out = of_fold == fold
        table = jumps.table_of(packed.weighted(np.where(out, 0.0, 1.0)))
        if table is None:
            return None
        np.add.at(scores, block[out], tempered(jumps.log_density(table, packed)[out]))
    return scores


def choose(scores: dict[str, np.ndarray], parameters: dict[str, int], readings: int) -> tuple[Score, ...]:
    """Score every law and choose: the fewest parameters among those within one standard error of the best.

    Arguments:
        scores: (blocks,) of each law.
        parameters: how many shapes each law has.
        readings: how many readings were held out in all.
    """
    totals = {law: float(s.sum()) for law, s in scores.items()}
    best = max(totals, key=lambda law: totals[law])
    rows = []
    for law, own in scores.items():
        difference = scores[best] - own
        error = float(difference.std(ddof=1) * math.sqrt(difference.size)) if difference.size > 1 else 0.0
        rows.append(Score(law, parameters[law], totals[law], totals[law] / readings, float(difference.sum()), error))
    good = [row for row in rows if row.worse <= row.error]
    winner = min(good, key=lambda row: (row.parameters, row.worse))
    ordered = sorted(rows, key=lambda row: -row.held_out)
    return tuple(row._replace(chosen=row.law == winner.law) for row in ordered)
