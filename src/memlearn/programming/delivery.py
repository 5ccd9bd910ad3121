"""Writes as they arrive: the voltage at every cell, step by step, where lines have a resistance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from ..arrays.selection import Exposures
from ..arrays.wires import ResistiveWires
from ..arrays.wires.writing import Standing, bent_voltages, gated, row_by_row, shares
from ..core.errors import InputError
from ..core.random import Stream
from ..core.types import SIGN_BIT, Counts, Drive, PulsePlan, Trains
from ..devices import AbstractDevice, Backend, DeviceState
from ..ops.pulse_update import Tally, stamp
from ..ops.wires import owed as debts
from .base import Parallelism

_CHUNK = 32
"""Steps of an array whose fields are held at once."""


class Steps(NamedTuple):
    """Steps of one polarity that happen at once, or in any order; none pulses a cell that another pulses."""

    array: Tensor
    """int64, (steps,): the physical array of each."""
    rows: Tensor
    """bool, (steps, rows): selected word lines."""
    columns: Tensor
    """bool, (steps, columns)."""
    up: bool
    turn: int = 0
    """Which of its cells' pulses this is: what is random in them is drawn under this number."""
    averaged: bool = False
    """One row each, with the other word lines as they are on the mean of these steps."""


class _How(NamedTuple):
    """What the steps of a write share."""

    drive: Drive | None
    stream: Stream
    event: int
    backend: Backend
    threads: int
    owed: Tensor | None
    """(2, arrays, rows, columns): mean steps up and down that disturbs amount to, while they wait for one another."""


class Delivered(NamedTuple):
    """What a write did."""

    tally: Tally
    exposures: Exposures
    """Cells under voltage, added up over the steps."""
    slots: int
    """Steps one after the other, of the array that needs most."""


class Delivery:
    """Sends plans to cells through the lines of their arrays.

    The steps of `Counts` are taken line by line (or cell by cell), pulses up before pulses down; those of `Trains`
    sample by sample and slot by slot, signs of rows and columns apart: ++ and --, then +- and -+.

    Arguments:
        wires: resistances, selection, order, and whether conductances are frozen for a while.
        device: law of the cells.
        used: mask of the cells that exist, (tile rows, tile columns, rows, columns).

    Raises:
        InputError: the law says nothing about pulses that arrive in part, or a selector that is not ohmic stands in
            series and the pulses' voltages are not known.
    """

    def __init__(self, wires: ResistiveWires, device: AbstractDevice, used: Tensor) -> None:
        device.check_partial()
        self.wires, self.device, self.scheme = wires, device, wires.selection
        self.shape = used.shape
        self.network = wires.drivers.network(*used.shape[2:])
        flat = used.reshape(-1, *used.shape[2:])
        self.lines_used = flat.any(-1), flat.any(-2)
        self.averages = (
            wires.writes == "mean" and wires.linear and not math.isnan(self.scheme.word_share + self.scheme.bit_share)
        )
        self.heights = tuple(abs(pulse.voltage or 0.0) for pulse in (device.down_pulse, device.up_pulse))
        if not wires.linear and not all(self.heights):
            allowed = "is required, as that of down_pulse, where a selector bends currents"
            raise InputError("device.up_pulse.voltage", None, allowed, "In V: how far it conducts depends on it.")
        one = torch.tensor([True, False])
        level = self.scheme.nominal(one, one)
        self.live = bool(level[0, 1] != 0), bool(level[1, 0] != 0), bool(level[1, 1] != 0)

    def send(
        self,
        state: DeviceState,
        plan: PulsePlan,
        stream: Stream,
        event: int,
        *,
        order: Parallelism = "row",
        backend: Backend = "cpu",
        threads: int = 1,
    ) -> Delivered:
        """Pulse the cells of a plan and disturb those beside them; the state is changed in place.

        Arguments:
            state: the cells.
            plan: `Counts` with the shape of the cells, or `Trains` over their lines.
            stream, event: address of the random numbers.
            order: cells of a plan of counts that are written at once; "array" is written row by row.
            backend, threads: as of `AbstractDevice.pulse`; fields are solved by as many threads.
        """
        if plan.drive is not None and not self.wires.linear:
            allowed = "can have no voltage of its own behind a selector that is not ohmic"
            raise InputError("plan.drive", "given", allowed, 'Take pulses of one voltage, or an "ohmic" selector.')
        total, done = Exposures(0, 0, 0), torch.zeros(self.lines_used[0].shape[0], dtype=torch.int64)
        adds = self.wires.writes != "exact" and bool(self.device.step_columns)
        owed = torch.zeros(2, *self.lines_used[0].shape, self.shape[3]) if adds else None
        before = cells = None
        for key, steps in self._steps(plan, order):
            if key is None or key != before:
                self._settle(state, owed, stream, event)
                cells, before = Standing(self._seen(state), self.network), key
            assert cells is not None
            total = Exposures(*(a + b for a, b in zip(total, self._exposures(steps), strict=True)))
            done += torch.bincount(steps.array, minlength=len(done))
            drawn = stream.child("turn", steps.turn) if steps.turn else stream
            self._send(state, cells, steps, _How(plan.drive, drawn, event, backend, threads, owed))
        self._settle(state, owed, stream, event)
        self.device.settle(state, stream, event)
        if isinstance(plan, Counts):
            tally = Tally(int(plan.pulses.abs().sum()), int(torch.count_nonzero(plan.pulses)))
        else:
            tally = Tally(total.selected, int((state.counters[..., 1] == stamp(event)).sum()))
        return Delivered(tally, total, int(done.max()))

    def rows(self, cells: Tensor, columns: Tensor) -> Tensor:
        """What reaches the cells of each word line while it is written alone, parts of the pulse, (rows, columns).

        Arguments:
            cells: S, (rows, columns), float64, of one array, with what stands in series with them.
            columns: bool, (rows, columns): the bit lines selected with each word line.
        """
        place = torch.arange(len(cells))
        if self.scheme.gated and self.wires.linear:
            return gated(cells, place, self.scheme.lines(torch.eye(len(cells)).bool(), columns).bit, self.network)
        if self.averages:
            array = torch.zeros_like(place)
            standing = Standing(cells[None], self.network)
            return row_by_row(standing, array, place, columns, self.scheme, self.wires.write_tolerance).row
        return self._solved(cells, torch.eye(len(cells)).bool(), columns, True)[place, place]

    def _settle(self, state: DeviceState, owed: Tensor | None, stream: Stream, event: int) -> None:
        """Disturb cells by what they are owed."""
        if owed is not None:
            for amount, up in zip(owed, (True, False), strict=True):
                self.device.nudge(state, amount.reshape(self.shape), up, stream, event)
            owed.zero_()

    def _owe(
        self, how: _How, where: tuple[Tensor, ...] | int | slice, shares: Tensor, up: bool, times: Tensor | None
    ) -> None:
        """Write down what these shares (steps, ...) do to the cells of a place, no place twice."""
        assert how.owed is not None
        for way, amount in zip((up, not up), self.device.exposure(shares, up, times), strict=True):
            if amount is not None:
                how.owed[0 if way else 1][where] += amount

    def _seen(self, state: DeviceState) -> Tensor:
        """S, (arrays, rows, columns): what the network is made of now; a copy where it must stay as it is."""
        seen = self.wires.folded(self.device.visible(state).cpu().reshape(-1, *self.shape[2:]))
        return seen if self.wires.writes == "exact" else seen.clone()

    # What is written in which order.

    def _steps(self, plan: PulsePlan, order: Parallelism) -> Iterator[tuple[object, Steps]]:
        """The steps, each with a key: those of equal keys see the same conductances; None: those of the moment."""
        if isinstance(plan, Trains):
            return self._of_trains(plan)
        pulses = plan.pulses.cpu().reshape(-1, *self.shape[2:])
        order = "row" if order == "array" else order
        if self.scheme.gated and order != "column":
            return self._row_by_row_apart(pulses, order)
        return self._line_by_line(pulses, order) if self.wires.writes == "exact" else self._frozen(pulses, order)

    def _row_by_row_apart(self, pulses: Tensor, order: Parallelism) -> Iterator[tuple[object, Steps]]:
        """Rows that do not know of each other: all at once, each in its own order."""
        for j in range(pulses.shape[2]) if order == "cell" else (slice(None),):
            part = pulses if order == "row" else _only(pulses, (slice(None), j))
            for up in (True, False):
                for turn in range(_longest(part, up)):
                    yield None if self.wires.writes == "exact" else turn, _steps(part, "row", up, turn)

    def _line_by_line(self, pulses: Tensor, order: Parallelism) -> Iterator[tuple[object, Steps]]:
        """Line after line, all its pulses up, then all down; the physical arrays at the same time."""
        lines = 2 if order == "column" else 1
        for line in pulses.any(0).any(3 - lines - 1).nonzero()[:, 0].tolist():
            here = _only(pulses, (line, slice(None)) if lines == 1 else (slice(None), line))
            cells = here.any(0).any(0).nonzero()[:, 0].tolist() if order == "cell" else (None,)
            for j in cells:
                part = here if j is None else _only(here, (line, j))
                for up in (True, False):
                    for turn in range(_longest(part, up)):
                        yield None, _steps(part, order, up, turn)

    def _frozen(self, pulses: Tensor, order: Parallelism) -> Iterator[tuple[object, Steps]]:
        """The first pulses of all cells, then the second ones, ...; all lines see the same conductances meanwhile."""
        for turn in range(max(_longest(pulses, True), _longest(pulses, False))):
            for up in (True, False):
                if _longest(pulses, up) > turn:
                    steps = _steps(pulses, order, up, turn)
                    yield turn, steps._replace(averaged=self.averages and order == "row")

    def _of_trains(self, plan: Trains) -> Iterator[tuple[object, Steps]]:
        """Sample after sample, slot after slot; frozen conductances are those before the sample."""
        tall, wide, height, width = self.shape
        for sample in range(len(plan.rows)):
            rows = plan.rows[sample].cpu().reshape(tall, 1, height).expand(-1, wide, -1).reshape(-1, height)
            columns = plan.columns[sample].cpu().reshape(1, wide, width).expand(tall, -1, -1).reshape(-1, width)
            minus = (rows >> SIGN_BIT & 1).bool(), (columns >> SIGN_BIT & 1).bool()
            for slot in range(SIGN_BIT):
                fires, crosses = (rows >> slot & 1).bool(), (columns >> slot & 1).bool()
                if not (bool(fires.any()) and bool(crosses.any())):
                    continue
                for signs in ((False, False), (True, True), (False, True), (True, False)):
                    up = signs[0] == signs[1]
                    if plan.only_up and not up:
                        continue
                    row, column = fires & (minus[0] == signs[0]), crosses & (minus[1] == signs[1])
                    array = (row.any(-1) & column.any(-1)).nonzero()[:, 0]
                    if len(array):
                        key = None if self.wires.writes == "exact" else sample
                        turn = 1 + sample * SIGN_BIT + slot
                        yield key, Steps(array, row[array], column[array], up, turn)

    # What a step does.

    def _send(self, state: DeviceState, standing: Standing, steps: Steps, how: _How) -> None:
        """Pulse the selected cells of these steps by what arrives, and disturb the others."""
        shape = standing.cells.shape
        plan, arrived = torch.zeros(shape, dtype=torch.int32), torch.zeros(shape)
        if steps.averaged:
            place = steps.rows.int().argmax(-1)
            around = row_by_row(standing, steps.array, place, steps.columns, self.scheme, self.wires.write_tolerance)
            row = around.row.float()
            self._enter(plan, arrived, steps, row)
            self._disturb(state, steps, row, how)
            self._disturb_others(state, steps, around.others, how)
        for chosen, share in () if steps.averaged else self._shares(standing.cells, steps, how.threads):
            picked = Steps(steps.array[chosen], steps.rows[chosen], steps.columns[chosen], steps.up)
            self._enter(plan, arrived, picked, share)
            self._disturb(state, picked, share, how)
        sent = Counts(plan.reshape(self.shape), how.drive, arrived.reshape(self.shape))
        self.device.pulse(state, sent, how.stream, how.event, backend=how.backend, threads=how.threads, more=True)

    def _shares(self, cells: Tensor, steps: Steps, threads: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Which steps, and parts of the pulse: (steps, rows, columns), or (steps, columns) where a row is alone."""
        if self.scheme.gated and self.wires.linear and bool((steps.rows.sum(-1) == 1).all()):
            place = steps.rows.int().argmax(-1)
            bit = self.scheme.lines(steps.rows, steps.columns).bit
            yield torch.arange(len(place)), gated(cells[steps.array, place].double(), place, bit, self.network).float()
            return
        groups = [
            part
            for array in steps.array.unique().tolist()
            for part in (steps.array == array).nonzero()[:, 0].split(_CHUNK)
        ]

        def solve(chosen: Tensor) -> Tensor:
            one = cells[steps.array[chosen[0]]].double()
            return self._solved(one, steps.rows[chosen], steps.columns[chosen], steps.up).float()

        if threads == 1:
            yield from ((chosen, solve(chosen)) for chosen in groups)
            return
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(groups), threads):
                some = groups[first : first + threads]
                yield from zip(some, pool.map(solve, some), strict=True)

    def _solved(self, cells: Tensor, rows: Tensor, columns: Tensor, up: bool) -> Tensor:
        """Parts of the pulse in one array, (steps, rows, columns), float64; what a selector takes is its part."""
        given, selector = (cells, rows, columns), self.wires.selector
        if self.wires.linear or selector is None:
            return shares(*given, self.scheme, self.network, self.wires.write_tolerance)
        height = self.heights[up]
        heights = torch.full((len(rows),), height, dtype=torch.float64)
        found = bent_voltages(*given, heights, self.scheme, self.network, self.wires.write_tolerance, selector)
        return torch.from_numpy(selector.share(found.numpy(), height))

    def _enter(self, plan: Tensor, arrived: Tensor, steps: Steps, share: Tensor) -> None:
        """Write down one pulse for each selected cell, and what reaches it; both (arrays, rows, columns)."""
        sign = 1 if steps.up else -1
        if share.dim() == 2:
            place = steps.rows.int().argmax(-1)
            plan[steps.array, place] = sign * steps.columns.int()
            arrived[steps.array, place] = share
            return
        step, row, column = (steps.rows[:, :, None] & steps.columns[:, None, :]).nonzero(as_tuple=True)
        where = steps.array[step], row, column
        plan[where] = sign
        arrived[where] = share[step, row, column]

    def _disturb(self, state: DeviceState, steps: Steps, share: Tensor, how: _How) -> None:
        """Cells that are not selected, and see a part of the pulse nonetheless."""
        if share.dim() == 2:
            others = share.masked_fill(steps.columns, 0)
            if not bool(others.any()):
                return
            at = steps.array, steps.rows.int().argmax(-1)
            if how.owed is not None:
                self._owe(how, at, others[None], steps.up, None)
                return
            lines = DeviceState(*(part.flatten(0, 1)[at] for part in state))
            self.device.disturb(lines, others[None], steps.up, how.stream, how.event)
            state.conductance.flatten(0, 1)[at] = lines.conductance
            return
        array = int(steps.array[0])
        others = share.masked_fill(steps.rows[:, :, None] & steps.columns[:, None, :], 0)
        if how.owed is not None:
            self._owe(how, array, others, steps.up, None)
            return
        one = DeviceState(*(part.flatten(0, 1)[array] for part in state))
        self.device.disturb(one, others, steps.up, how.stream.child("array", array), how.event)

    def _disturb_others(self, state: DeviceState, steps: Steps, shares: Tensor, how: _How) -> None:
        """Cells of word lines that are not selected, as often as their bit lines were, and as they were not."""
        if how.owed is not None and self.device.answers_alike:
            place = steps.rows.int().argmax(-1)
            own, stands = torch.zeros(how.owed.shape[1:], dtype=torch.bool), torch.zeros(how.owed.shape[1:3]).bool()
            own[steps.array, place], stands[steps.array, place] = steps.columns, True
            done = self.device.strength(shares.abs(), steps.up)
            ways = how.owed[0 if steps.up else 1], how.owed[1 if steps.up else 0]
            debts.add(*(part.numpy() for part in (*ways, done, shares, own, stands)))
            return
        arrays, width = len(self.lines_used[0]), self.shape[3]
        chosen = torch.zeros(arrays, width).index_add_(0, steps.array, steps.columns.float())
        total = torch.bincount(steps.array, minlength=arrays).float()
        place = steps.rows.int().argmax(-1)
        # Array by array: what is worked on stays in the cache.
        for array in steps.array.unique().tolist():
            own = steps.array == array
            selected = chosen[array].expand(self.shape[2:]).clone()
            rest = total[array] - selected
            selected[place[own]] -= steps.columns[own].float()
            rest[place[own]] -= (~steps.columns[own]).float()
            times = torch.stack([selected, rest])
            if how.owed is not None:
                self._owe(how, array, shares[:, array], steps.up, times)
                continue
            one = DeviceState(*(part.flatten(0, 1)[array] for part in state))
            stream = how.stream.child("others", array)
            self.device.disturb(one, shares[:, array], steps.up, stream, how.event, times=times)

    def _exposures(self, steps: Steps) -> Exposures:
        """By the scheme's nominal voltages, of cells that exist."""
        rows, columns = (used[steps.array] for used in self.lines_used)
        r, c = ((on & used).sum(-1) for on, used in ((steps.rows, rows), (steps.columns, columns)))
        other_r, other_c = rows.sum(-1) - r, columns.sum(-1) - c
        beside, below, rest = self.live
        half = beside * (r * other_c) + below * (other_r * c)
        return Exposures(int((r * c).sum()), int(half.sum()), int(rest * (other_r * other_c).sum()))


def _only(pulses: Tensor, at: tuple[int | slice, int | slice]) -> Tensor:
    """The same pulses in one place of each array, and none elsewhere."""
    part = torch.zeros_like(pulses)
    part[:, at[0], at[1]] = pulses[:, at[0], at[1]]
    return part


def _longest(pulses: Tensor, up: bool) -> int:
    """Most pulses of a polarity that a cell gets."""
    return max(0, int(pulses.max() if up else -pulses.min()))


def _steps(pulses: Tensor, order: Parallelism, up: bool, turn: int) -> Steps:
    """A step for each line, or cell, where cells (arrays, rows, columns) have more than `turn` pulses of a polarity."""
    wanted = pulses > turn if up else pulses < -turn
    if order == "row":
        array, row = wanted.any(-1).nonzero(as_tuple=True)
        return Steps(array, _one(row, wanted.shape[1]), wanted[array, row], up, turn)
    if order == "column":
        array, column = wanted.any(-2).nonzero(as_tuple=True)
        return Steps(array, wanted[array, :, column], _one(column, wanted.shape[2]), up, turn)
    array, row, column = wanted.nonzero(as_tuple=True)
    return Steps(array, _one(row, wanted.shape[1]), _one(column, wanted.shape[2]), up, turn)


def _one(which: Tensor, lines: int) -> Tensor:
    """bool, (n, lines): one line selected in each."""
    return torch.nn.functional.one_hot(which, lines).bool()
