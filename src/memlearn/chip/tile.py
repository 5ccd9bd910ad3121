"""A tile whose cells are those of chips: what learns, converts and counts does not notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.component import kind_of
from ..core.errors import InputError
from ..core.types import SIGN_BIT, Counts, PulsePlan
from ..ops.pulse_update import Tally
from ..periphery import Address
from ..programming.heat import PulseMeter
from ..programming.schemes import AbstractScheme, Order, Programmed, WriteVerify
from ..tile import Tile
from .base import Chip, ChipError
from .messages import Arrays, Size, answered, asked, described

_SLACK = 1e-6
"""By which a chip's range may fall short of the device's, relative: files hold rounded numbers."""


class ChipTile(Tile):
    """A `Tile` on chips, one for each physical tile; converters, mapping and rules are the host's as before.

    Wires, noise and laws are the chip's own: those of the array play no part here.

    The array's device says what the host believes of the cells: their range, and the mean step that writers plan with.
    The buffers are the host's notes: `conductance` holds what was last seen of each cell by itself, `counters` the
    pulses sent. What the cells really are, the chip alone knows; `survey` looks.

    Arguments:
        tile: the tile whose place it takes, with its name, counts and notes.
        chips: one for each physical tile, row by row; each may be larger than the tile, which takes its first lines.
        scheme: how `initialise` and `transfer` programme the cells.
    """

    def __init__(self, tile: Tile, chips: Chip | Sequence[Chip], *, scheme: WriteVerify | None = None) -> None:
        options = {"backend": tile.backend, "dtype": tile.conductance.dtype, "threads": tile.threads, "most": tile.part}
        super().__init__(tile.inputs, tile.outputs, array=tile.array, stream=tile.stream, name=tile.name, **options)
        self.gains = tile.gains
        self.load_state_dict(tile.state_dict())
        self.ledger, self.serves = tile.ledger, tile.serves
        self.train(tile.training)
        self.delivery = None  # lines that weaken writes are the chip's own
        self.chips: tuple[Chip, ...] = (chips,) if isinstance(chips, Chip) else tuple(chips)
        self.scheme = scheme or WriteVerify()
        self._check()

    def transfer(self) -> Tensor:
        """Programme every cell to what the host's notes say, as after training in float: real pulses, counted by cell.

        Returns:
            Cells that were given up, bool, shape of the cells.
        """
        used, wanted = self.used(), self.conductance.clone()
        order = Order(wanted, used, self.stream, int(self.events[2]))
        return self._bring(self.scheme, order).failed

    def survey(self) -> Tensor:
        """Read every cell by itself into the host's notes; counts nothing. Returns S, shape of the cells."""
        self._seen(self.used(), Address(self.stream, 0))
        return self.conductance

    def place(self, conductance: Tensor) -> None:
        """Programme the cells to conductances, S, shape of the cells; a chip cannot be set but by pulses."""
        device = self.array.device
        self.conductance.copy_(conductance.to(self.conductance).clamp(device.g_min, device.g_max) * self.used())
        self.transfer()

    def relax(self, seconds: float, *, temperature: float = 300.0) -> None:
        """Nothing: on a chip time passes by itself."""

    # Where the cells come in.

    def _currents(self, voltage: Tensor, transposed: bool, at: Address) -> Tensor:
        (tall, wide), samples, lines = self.tiles, voltage.shape[2], self.conductance.shape[2 if transposed else 3]
        found = voltage.new_zeros(tall, wide, samples, lines)
        for (i, j), chip in self._places() if samples else ():
            driven = _numpy(voltage[i % voltage.shape[0], j % voltage.shape[1]])
            unused = (chip.columns if transposed else chip.rows) - driven.shape[1]
            do = "read_transposed" if transposed else "read"
            got = ask(chip, do, {"voltages": np.pad(driven, ((0, 0), (0, unused)))})
            found[i, j] = torch.from_numpy(got["currents"][:, :lines]).to(found)
        return found

    @property
    def measures(self) -> bool:
        """Never: what the cells are, the chip alone knows."""
        return False

    def _send(self, plan: PulsePlan, at: Address, meter: PulseMeter | None) -> Tally:
        if plan.drive is not None:
            allowed = "must be None: a chip sends pulses of its own"
            raise InputError("plan.drive", plan.drive, allowed, "Use a scheme or writer that chooses no voltage.")
        touched, total = torch.zeros_like(self.mask), 0
        for counts in _rounds(plan, self.conductance.shape):
            for place, chip in self._places():
                if bool((counts[place] != 0).any()):
                    ask(chip, "pulse", {"counts": _whole(counts[place], chip)})
            self.counters[..., 0] += counts.abs()
            touched |= counts != 0
            total += int(counts.abs().sum())
        return Tally(total, int(touched.sum()))

    def _seen(self, chosen: Tensor, at: Address) -> Tensor:
        for place, chip in self._places():
            if bool(chosen[place].any()):
                got = ask(chip, "conductances", {"cells": _whole(chosen[place], chip)})
                seen = self._cells(got["conductances"]).to(self.conductance)
                self.conductance[place] = seen.where(chosen[place], self.conductance[place])
        return self.conductance.clone()

    def _bring(self, scheme: AbstractScheme, order: Order) -> Programmed:
        tolerance, most = getattr(scheme, "tolerance", None), getattr(scheme, "max_pulses", None)
        if tolerance is None or most is None:
            allowed = "has no window that a chip could programme to"
            raise InputError("scheme", kind_of(type(scheme)), allowed, 'Take "write_verify".')
        if getattr(scheme, "erase", False):
            raise InputError("scheme.erase", True, "is not among what a chip can be asked for", "Leave it out.")
        seen, number = order.targets.clone(), self.counters[..., 0]
        pulses, reads, failed = torch.zeros_like(number), torch.zeros_like(number), torch.zeros_like(self.mask)
        settings = {"tolerance": tolerance * self.array.device.range, "max_pulses": most}
        for place, chip in self._places():
            chosen = order.chosen[place]
            if not bool(chosen.any()):
                continue
            arrays = {"cells": _whole(chosen, chip), "targets": _whole(order.targets[place], chip)}
            got = ask(chip, "program", arrays, settings)
            for whole, part in ((seen, "conductances"), (pulses, "pulses"), (reads, "reads"), (failed, "failed")):
                whole[place] = self._cells(got[part]).to(whole.dtype).where(chosen, whole[place])
        self.conductance.copy_(seen.where(order.chosen, self.conductance))
        self.counters[..., 0] += pulses
        return Programmed(pulses, reads, seen, failed)

    def _places(self) -> list[tuple[tuple[int, int], Chip]]:
        """The chips, each with its place in the stack of tiles."""
        wide = self.tiles[1]
        return [((number // wide, number % wide), chip) for number, chip in enumerate(self.chips)]

    def _cells(self, array: np.ndarray) -> Tensor:
        """Of a chip's cells, those that the tile has."""
        rows, columns = self.conductance.shape[2:]
        return torch.from_numpy(array[:rows, :columns])

    def _check(self) -> None:
        """As many chips as tiles, each large enough, in range."""
        tiles, (rows, columns), device = self.tiles, self.conductance.shape[2:], self.array.device
        if len(self.chips) != tiles[0] * tiles[1]:
            allowed = f"must be {tiles[0]} x {tiles[1]}, one for each tile of {self.name}"
            raise InputError("chips", len(self.chips), allowed, "Set crossbar.rows and crossbar.columns to the chip's.")
        for chip in self.chips:
            if chip.rows < rows or chip.columns < columns:
                allowed = f"is smaller than the tile of {rows} x {columns} cells that it shall hold"
                remedy = "Set crossbar.rows and crossbar.columns to the chip's."
                raise InputError(chip.name, f"{chip.rows} x {chip.columns} cells", allowed, remedy)
            if device.g_min < chip.g_min * (1 - _SLACK) or device.g_max > chip.g_max * (1 + _SLACK):
                allowed = f"does not hold the device's range, {device.g_min:g} to {device.g_max:g} S"
                remedy = "Give the array a device of the chip's range."
                raise InputError(chip.name, f"{chip.g_min:g} to {chip.g_max:g} S", allowed, remedy)


def ask(chip: Chip, do: str, arrays: Arrays, settings: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
    """Ask a chip, whoever has written it, and check both what it is asked and what it answers.

    Raises:
        InputError: what is asked has a wrong shape or value.
        ChipError: it does not answer, or not as it should.
    """
    size, settings = Size(chip.rows, chip.columns), settings or {}
    sent = asked(do, size, arrays, settings)
    if do == "program":
        got = chip.program(sent["cells"], sent["targets"], **settings)._asdict()
    elif do == "pulse":
        chip.pulse(sent["counts"])
        got = {}
    elif do == "conductances":
        got = {"conductances": chip.conductances(sent["cells"])}
    else:
        read = chip.read if do == "read" else chip.read_transposed
        got = {"currents": read(sent["voltages"])}
    try:
        return answered(do, size, got, sent)
    except ValueError as error:
        raise ChipError(chip.name, described(do, sent), f"{error}", "Correct the chip's driver.") from None


def _rounds(plan: PulsePlan, shape: torch.Size) -> list[Tensor]:
    """A plan as signed counts by cell (shape of the cells), one after another; trains sample by sample."""
    if isinstance(plan, Counts):
        return [plan.pulses]
    (tall, wide, height, width), found = shape, []
    slots = (1 << SIGN_BIT) - 1
    for row, column in zip(plan.rows, plan.columns, strict=True):
        rows, columns = row.reshape(tall, 1, height, 1), column.reshape(1, wide, 1, width)
        both = rows & columns & slots
        hits = sum(((both >> slot) & 1 for slot in range(SIGN_BIT)), torch.zeros_like(both))
        down = ((rows ^ columns) >> SIGN_BIT) & 1 == 1
        signed = hits.masked_fill(down, 0) if plan.only_up else torch.where(down, -hits, hits)
        found.append(signed.int())
    return found


def _whole(cells: Tensor, chip: Chip) -> np.ndarray:
    """A tile's cells as a chip's cells, zero where the chip is larger."""
    rows, columns = cells.shape
    return np.pad(_numpy(cells), ((0, chip.rows - rows), (0, chip.columns - columns)))


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy()
