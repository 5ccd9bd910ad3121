"""What writes find in the cells, for the ledger: conductance under every pulse, and beside it on the same lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..arrays.wires import Matrices
from ..core.ledger import Amount
from ..core.types import SIGN_BIT, Counts, Trains
from ..ops.heat import EITHER, HEAT, ON_COLUMNS, ON_ROWS, PULSES, SLOTS, WRITTEN, Survey, squares, survey

Amounts = dict[Amount, float]
_UP = (Amount.PULSE_UP, Amount.HEAT_UP, Amount.WRITTEN_UP, Amount.SLOT_UP, Amount.TURN_UP, Amount.BESIDE_UP,
       Amount.AROUND_UP)  # fmt: skip
_DOWN = (Amount.PULSE_DOWN, Amount.HEAT_DOWN, Amount.WRITTEN_DOWN, Amount.SLOT_DOWN, Amount.TURN_DOWN,
         Amount.BESIDE_DOWN, Amount.AROUND_DOWN)  # fmt: skip


class Sums(NamedTuple):
    """Conductances of lines, S, float64."""

    rows: np.ndarray
    """(tiles, rows)."""
    columns: np.ndarray
    """(tiles, columns)."""

    @classmethod
    def of(cls, cells: Tensor) -> Sums:
        """Of cells (tile rows, tile columns, rows, columns)."""
        flat = cells.detach().flatten(0, 1)
        # Short sums in the cells' own precision, long ones of these in double.
        return cls(*(flat.sum(axis).double().cpu().numpy() for axis in (-1, -2)))

    def mean(self, other: Sums) -> Sums:
        """Between these and others."""
        return Sums((self.rows + other.rows) / 2, (self.columns + other.columns) / 2)


class Kept:
    """Sums that are formed again only where something has happened."""

    def __init__(self) -> None:
        self._when: list[int] = []
        self._sums: Sums | None = None

    def of(self, when: list[int], cells: Callable[[], Tensor]) -> Sums:
        """The sums of cells after these events."""
        if self._sums is None or when != self._when:
            self._when, self._sums = when, Sums.of(cells())
        return self._sums


class PulseMeter:
    """Looks at cells before and after a plan of counts is sent to them, or lends trains what they add up in.

    Arguments:
        plan: `Counts` with the shape of the cells, or `Trains` over their lines.
        cells: S, (tile rows, tile columns, rows, columns), before the write.
        sums: of their lines.
        sharing: bit lines that take turns at a write driver.
    """

    def __init__(self, plan: Counts | Trains, cells: Tensor, sums: Sums, sharing: int = 1) -> None:
        self.plan, self.sums, self.shape = plan, sums, tuple(cells.shape)
        self.found = np.zeros(3, np.int64)
        """What a law's trains add to."""
        self.surveys = [Survey.empty(*own, sharing) for own in zip(sums.rows, sums.columns, strict=True)]
        if isinstance(plan, Counts):
            counts = plan.pulses.detach().cpu().to(torch.int32).reshape(len(self.surveys), -1)
            self._counts = counts.contiguous().numpy()
            self._look(cells, False)

    def amounts(self, cells: Tensor, pulses: int, slots: int) -> Amounts:
        """What the write has found.

        Arguments:
            cells: after it.
            pulses: that it sent.
            slots: of trains, added up over samples.
        """
        if isinstance(self.plan, Counts):
            self._look(cells, True)
            return count_amounts(self.surveys, self.sums)
        tall, wide, height, width = self.shape
        fires = [_fires(words) for words in (self.plan.rows, self.plan.columns)]
        rows = np.repeat(fires[0].reshape(tall, 1, height), wide, 1).reshape(-1, height)
        columns = np.repeat(fires[1].reshape(1, wide, width), tall, 0).reshape(-1, width)
        found = self.found.astype(np.float64) * np.array([1, 1e-15, 1e-15])
        return train_amounts(found, float(pulses), rows, columns, self.sums, slots)

    def _look(self, cells: Tensor, after: bool) -> None:
        seen = cells.detach().cpu().contiguous().reshape(len(self.surveys), -1).numpy()
        for out, own, g in zip(self.surveys, self._counts, seen, strict=True):
            survey(out, own, g, after)


def count_amounts(surveys: list[Survey], sums: Sums) -> Amounts:
    """Of plans of counts, written row by row: a word line is selected for as long as its longest cell takes.

    Arguments:
        surveys: of each tile, with the heat before and after added up.
        sums: of the tiles' lines.
    """
    found: Amounts = {}
    wholes = [float(own.sum()) for own in sums.rows]
    for way, names in enumerate((_UP, _DOWN)):
        ways = [tile.found[way] for tile in surveys]
        heat, slots = sum(own[HEAT] for own in ways) / 2, [own[SLOTS] for own in ways]
        beside = sum(own[ON_ROWS] + own[ON_COLUMNS] for own in ways) - 2 * heat
        whole = sum(n * own for n, own in zip(slots, wholes, strict=True))
        pulses, written = (sum(own[what] for own in ways) for what in (PULSES, WRITTEN))
        values = pulses, heat, written, sum(slots), max(slots), beside, whole - beside - heat
        found.update(zip(names, map(float, values), strict=True))
    found[Amount.WRITTEN] = float(sum(tile.found[0, EITHER] for tile in surveys))
    return found


def train_amounts(
    found: np.ndarray, pulses: float, rows: np.ndarray, columns: np.ndarray, sums: Sums, slots: float
) -> Amounts:
    """Of trains: lines see half a pulse whenever they fire alone, of either direction alike.

    Arguments:
        found: pulses up, and the conductance that pulses up and down found, S.
        pulses: in all.
        rows, columns: times that lines fired, (tiles, lines).
        sums: of the tiles' lines.
        slots: that the array took.
    """
    rise, fall = float(found[1]), float(found[2])
    beside = float((rows * sums.rows).sum() + (columns * sums.columns).sum()) - 2 * (rise + fall)
    around = slots * float(sums.rows.sum()) - beside - rise - fall
    return {
        Amount.PULSE_UP: float(found[0]),
        Amount.PULSE_DOWN: pulses - float(found[0]),
        Amount.HEAT_UP: rise,
        Amount.HEAT_DOWN: fall,
        Amount.BESIDE_UP: beside / 2,
        Amount.BESIDE_DOWN: beside / 2,
        Amount.AROUND_UP: around / 2,
        Amount.AROUND_DOWN: around / 2,
        Amount.FIRED_ROW: float(rows.sum()),
        Amount.FIRED_COLUMN: float(columns.sum()),
    }


def read_amounts(lines: Tensor, cells: Tensor, matrices: Matrices, sums: Sums, transposed: bool) -> Amounts:
    """Of a read: the sum of V^2 G, of the cells' conductances behind ideal lines; resistive ones take a part of the
    voltage, and let word lines drive each other: their heat is what the sources deliver (`Matrices.power`).

    Arguments:
        lines: V, (tile rows or 1, tile columns or 1, samples, lines): what the driven lines carry.
        cells: S, (tile rows, tile columns, rows, columns), as reads see them.
        matrices: of the array's wires.
        sums: of the cells.
        transposed: the bit lines are driven.
    """
    copies = cells.shape[0 if transposed else 1]
    volts = lines.detach().cpu().flatten(0, 1).contiguous().numpy()
    found = np.zeros((len(volts), volts.shape[2]))
    driven = sum(squares(own, voltage) for own, voltage in zip(found, volts, strict=True))
    if matrices.wires.cheap:
        each = (sums.columns if transposed else sums.rows).reshape(*cells.shape[:2], -1)
        heat = float((found.reshape(*lines.shape[:2], -1) * each).sum())
    else:
        heat = float(matrices.power(cells, lines, transposed).sum())
    return {Amount.DRIVEN: driven * copies, Amount.SQUARE: float(found.sum()) * copies, Amount.READ_HEAT: heat}


def _fires(words: Tensor) -> np.ndarray:
    """Slots in which each line fires, added up over samples, (lines,)."""
    bits = (words.detach().cpu() & ((1 << SIGN_BIT) - 1)).contiguous().numpy()
    return np.unpackbits(bits.view(np.uint8), axis=1).reshape(*bits.shape, 64).sum((0, 2)).astype(np.float64)
