"""Faulty cells: finding them by pulses and reads, and putting hidden neurons where they hurt least."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..arrays.mapping.pair import AbstractPair
from ..compound import AnyTile
from ..core.errors import InputError
from ..core.types import Counts
from ..tile import Tile


class FaultMap(NamedTuple):
    """What a test has found of the cells of a tile, (tile rows, tile columns, rows, columns) each."""

    stuck: Tensor
    """Cells that hardly move, bool."""
    value: Tensor
    """S: what they were last read at."""


class HasTile(Protocol):
    """A layer, of which only the arrays are looked at."""

    tile: AnyTile


def detect(tile: Tile, pulses: int = 20, moved: float = 0.1) -> FaultMap:
    """Find cells that do not move: read all, pulse up, read, pulse down, read. What they held is lost.

    Every pulse and every read is counted in the tile's ledger.

    Arguments:
        tile: whose cells.
        pulses: sent up, and twice as many down, so that a cell at either end shows itself.
        moved: part of the nominal range by which a sound cell moves, up or down.
    """
    # Copies, because a read without noise may be the cells themselves, which are about to move.
    used, start = tile.used(), tile.look(tile.used()).clone()
    each = torch.full(tile.conductance.shape, pulses, dtype=torch.int32) * used.int()
    tile.pulse(Counts(each), pulses)
    high = tile.look(used).clone()
    tile.pulse(Counts(-2 * each), 2 * pulses)
    low = tile.look(used).clone()
    travelled = torch.maximum((high - start).abs(), (high - low).abs())
    return FaultMap((travelled < moved * tile.array.device.range) & used, low)


def reorder(
    weights: Mapping[str, Tensor], layers: Mapping[str, HasTile], faults: Mapping[str, FaultMap], rounds: int = 3
) -> dict[str, Tensor]:
    """Where the hidden neurons of a stack of dense layers go, so that faulty cells meet weights that fit them.

    A neuron is a column of its layer and a row of the next: both move together, and the network computes the same, so
    that no wire has to be crossed. One layer after another is assigned at least cost (Kuhn and Munkres), the others as
    they are; cost is the squared error of the weights relative to their layer's.

    Arguments:
        weights: (inputs, outputs) by layer, from input to output, as arrays hold them.
        layers: with the tiles of the same names; pairs of cells only.
        faults: by name.
        rounds: times through all layers.

    Returns:
        For each layer but the last: the neuron (as numbered now) at each place, (outputs,).

    Raises:
        InputError: a layer is no pair of cells, or sizes do not follow each other as those of dense layers do.
    """
    names = list(weights)
    for first, second in pairwise(names):
        wide, tall = weights[first].shape[1], weights[second].shape[0]
        if tall not in (wide, wide + 1):
            allowed = f"must be the outputs of {first}, {wide}, and a bias line"
            raise InputError(f"weights[{second!r}]", tuple(weights[second].shape), allowed, "Remap dense layers only.")
    order = {name: torch.arange(weight.shape[1]) for name, weight in weights.items()}
    for _ in range(rounds):
        for before, name, after in zip([None, *names[:-2]], names[:-1], names[1:], strict=True):
            mine = weights[name] if before is None else _rows(weights[name], order[before])
            cost = _column_cost(mine, layers[name].tile, faults[name])
            cost = cost + _row_cost(weights[after][:, order[after]], layers[after].tile, faults[after], len(cost))
            _, neuron = linear_sum_assignment(cost.T.numpy())  # place by place
            order[name] = torch.from_numpy(neuron)
    return {name: order[name] for name in names[:-1]}


def whole(cells: Tensor, tile: Tile) -> Tensor:
    """Cells of all tiles side by side, (physical rows, physical columns) of the layer, without unused ones."""
    mapping = tile.array.crossbar.mapping
    if not isinstance(mapping, AbstractPair):
        raise InputError("mapping", mapping.kind, "must be a pair of cells for faults to be mapped round")
    rows, columns = mapping.physical(tile.inputs, tile.outputs)
    return cells.transpose(1, 2).flatten(2).flatten(0, 1)[:rows, :columns]


def _rows(weight: Tensor, order: Tensor) -> Tensor:
    """Rows in a new order; that of a bias stays last."""
    return torch.cat([weight[order], weight[len(order) :]])


def _column_cost(weight: Tensor, tile: AnyTile, faults: FaultMap) -> Tensor:
    """Cost of each neuron (columns of `weight`) at each place, (neurons, places)."""
    single, target, stuck, value = _laid_out(weight, tile, faults)
    per, neurons = target.shape[1] // weight.shape[1], weight.shape[1]
    found = torch.zeros(neurons, neurons, dtype=torch.float64)
    for place in range(neurons):
        here = slice(per * place, per * (place + 1))
        rows = stuck[:, here].any(1).nonzero()[:, 0]
        if len(rows):
            bad, held = (part[rows, here].repeat(1, neurons) for part in (stuck, value))
            found[:, place] = _error(single, target[rows], bad, held, weight[rows]).sum(0)
    return found / weight.double().square().sum()


def _row_cost(weight: Tensor, tile: AnyTile, faults: FaultMap, neurons: int) -> Tensor:
    """Cost of each neuron (rows of `weight`) at each place, (neurons, places)."""
    single, target, stuck, value = _laid_out(weight, tile, faults)
    found = torch.zeros(neurons, neurons, dtype=torch.float64)
    for place in range(neurons):
        if stuck[place].any():
            bad, held = (part[place].expand(neurons, -1) for part in (stuck, value))
            found[:, place] = _error(single, target[:neurons], bad, held, weight[:neurons]).sum(1)
    return found / weight.double().square().sum()


def _laid_out(weight: Tensor, tile: AnyTile, faults: FaultMap) -> tuple[Tile, Tensor, Tensor, Tensor]:
    """The tile, and targets, stuck cells and their values, (physical rows, physical columns) of the layer."""
    if not isinstance(tile, Tile):
        raise InputError("cell", tile.cell.kind, "has several parts, which are not mapped round faults")
    device, mapping = tile.array.device, tile.array.crossbar.mapping
    stuck, value = whole(faults.stuck, tile), whole(faults.value, tile)
    return tile, mapping.conductances(weight, device.g_min, device.g_max), stuck, value


def _error(tile: Tile, target: Tensor, stuck: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """Squared errors of weights whose stuck cells stay where they are."""
    device, mapping = tile.array.device, tile.array.crossbar.mapping
    held = torch.where(stuck, value.to(target), target)
    return (mapping.weight(held, device.g_min, device.g_max) - weight).double().square()
