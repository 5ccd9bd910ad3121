"""Corrections of tiles: what is built, what cells are to hold, and the gains on their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..arrays.gains import LineGains
from ..core.component import kind_of
from ..core.errors import InputError
from ..core.ledger import Event, Pass
from ..programming.schemes import AbstractScheme, Order
from ..tile import Array, Tile
from .base import AbstractCorrection, Cost, Mapped, start

_ORDER = ("array", "mapping", "read")


def built(array: Array, corrections: Sequence[AbstractCorrection]) -> Array:
    """The arrays to be built for corrections: lines, tiles and mapping.

    Arguments:
        array: as it would be without.
        corrections: in order.
    """
    for one in corrections:
        array = one.built(array)
    return array


def correct(
    tile: Tile,
    corrections: Sequence[AbstractCorrection],
    inputs: Tensor,
    *,
    weight: Tensor | None = None,
    scheme: AbstractScheme | None = None,
) -> Mapped:
    """Write a tile's weights with corrections, then fit what acts on its reads to the cells as they are.

    Arguments:
        tile: built for these corrections, see `built`; earlier gains are dropped.
        corrections: those of the mapping first, those of reads last.
        inputs: (samples, inputs), values of typical forward reads.
        weight: (inputs, outputs) wanted; None keeps those that the cells stand for.
        scheme: how the cells are brought to what was worked out; None sets them, within their bounds, for nothing.

    Returns:
        The arrays as corrected, in float64, and their cost.

    Raises:
        InputError: the order is wrong, or the tile was not built for the corrections.
    """
    _check(tile, corrections)
    device, crossbar = tile.array.device, tile.array.crossbar
    weight = (tile.weight() if weight is None else weight).to(tile.conductance)
    target = crossbar.mapping.conductances(tile.cut_weights(weight), device.g_min, device.g_max) * tile.used()
    inputs = line_voltages(tile, inputs)
    signal = crossbar.mapping.column_signal(torch.eye(target.shape[-1]).double())
    ends = {"g_min": device.g_min, "g_max": device.g_max}
    mapped = start(target.double(), crossbar.wires, inputs=inputs, signal=signal, **ends)
    for one in corrections:
        mapped = mapped if one.acts == "read" else one.correct(mapped)
    _write(tile, mapped.conductance, scheme)
    mapped = mapped._replace(conductance=device.visible(tile.state).double() * tile.used())
    for one in corrections:
        mapped = one.correct(mapped) if one.acts == "read" else mapped
    ones = bool((mapped.row_gain == 1).all()) and bool((mapped.column_gain == 1).all())
    tile.gains = None if ones else LineGains(mapped.row_gain.to(target), mapped.column_gain.to(target))
    return mapped


def line_voltages(tile: Tile, values: Tensor) -> Tensor:
    """V on the word lines, (tile rows, 1, samples, rows), float64, for values (samples, inputs) of forward reads."""
    voltage = tile.drive(values, Pass.FORWARD)[0].voltage
    return tile.array.crossbar.mapping.row_lines(voltage).transpose(0, 1)[:, None].double()


def effective_weight(tile: Tile) -> Tensor:
    """What a noise-free forward read multiplies its inputs with, (inputs, outputs): wires and gains included."""
    mapping, crossbar = tile.array.crossbar.mapping, tile.array.crossbar
    matrix = tile.matrices(tile.array.device.visible(tile.state) * tile.used(), False)
    lines = mapping.row_lines(torch.eye(tile.part[0]).to(matrix))
    if tile.gains is None:
        current = lines @ matrix
    else:
        current = tile.gains.restore(tile.gains.drive(lines) @ matrix)
    parts = mapping.column_signal(current) * (crossbar.read_voltage / tile.unit_current)
    return parts.transpose(1, 2).flatten(2).flatten(0, 1)[: tile.inputs, : tile.outputs]


class Layer(NamedTuple):
    """A corrected tile of a model."""

    mapped: Mapped
    values: Tensor
    """(samples, inputs): what its forward reads were given."""


def correct_model(
    model: nn.Module,
    corrections: Sequence[AbstractCorrection],
    inputs: Tensor,
    *,
    weights: Mapping[str, Tensor] | None = None,
    scheme: AbstractScheme | None = None,
) -> dict[str, Layer]:
    """Correct every tile of a model, in the order in which reads pass them.

    The typical inputs of a tile are what reaches it through the tiles before, which are corrected by then.

    Arguments:
        model: with in-memory layers, in the order of their use; weights of one part.
        corrections, scheme: as of `correct`.
        inputs: (samples, ...) of the model.
        weights: (inputs, outputs) wanted, by the name of the tile; those that are not named stay.

    Returns:
        By the name of the tile, as in `named_modules`.

    Raises:
        InputError: the model has no tile, or one that no read passes.
    """
    tiles = {name: module for name, module in model.named_modules() if isinstance(module, Tile)}
    if not tiles:
        raise InputError("model", type(model).__name__, "has no tile", "Use memlearn.nn.convert.")
    found, training = {}, model.training
    model.eval()
    for name, tile in tiles.items():
        with torch.no_grad(), _listening(tile) as heard:
            model(inputs)
        if not heard:
            raise InputError("model", name, "is a tile that no read passes", "Correct it by itself, with `correct`.")
        values = torch.cat(heard)
        wanted = None if weights is None else weights.get(name)
        found[name] = Layer(correct(tile, corrections, values, weight=wanted, scheme=scheme), values)
    model.train(training)
    return found


def total(layers: Mapping[str, Layer]) -> Cost:
    """What the corrections of all tiles cost; `signal` is the least of them."""
    cost = Cost()
    for layer in layers.values():
        cost = cost.plus(layer.mapped.cost._replace(signal=1.0))
    return cost._replace(signal=min((layer.mapped.cost.signal for layer in layers.values()), default=1.0))


@contextmanager
def _listening(tile: Tile) -> Iterator[list[Tensor]]:
    """The values of a tile's forward reads meanwhile."""
    heard: list[Tensor] = []
    plain = tile.read

    def read(values: Tensor) -> Tensor:
        heard.append(values.detach().clone())
        return plain(values)

    tile.read = read  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        del tile.read


def _write(tile: Tile, conductance: Tensor, scheme: AbstractScheme | None) -> None:
    """Bring the cells to conductances, S; a scheme's pulses and reads are counted."""
    if scheme is None:
        tile.place(conductance)
        return
    chosen = tile.used()
    order = Order(conductance.to(tile.conductance), chosen, tile.stream.child("corrected"), int(tile.events[2]))
    done = tile._bring(scheme, order)  # as the tile would, be it simulated or a chip
    tile.events[2] += scheme.events
    if tile.ledger is not None:
        for during, event, n in (
            (Pass.UPDATE, Event.PULSE, done.pulses[chosen]),
            (Pass.UPDATE, Event.CELL_WRITE, chosen),
            (Pass.UPDATE, Event.GIVEN_UP, done.failed[chosen]),
            (Pass.VERIFY, Event.SINGLE_READ, done.reads[chosen]),
        ):
            tile.ledger.count(tile.name, during, event, int(n.sum()))


def _check(tile: Tile, corrections: Sequence[AbstractCorrection]) -> None:
    """Refuse corrections in the wrong order, and tiles that were built without them."""
    kinds = [str(kind_of(type(one))) for one in corrections]
    stages = [_ORDER.index(one.acts) for one in corrections]
    if stages != sorted(stages):
        allowed = "must stand in the order in which they act: on the array, on the mapping, on reads"
        raise InputError("corrections", kinds, allowed)
    if tile.array != built(tile.array, corrections):
        raise InputError(
            "corrections", kinds, "change arrays that are built already", "Build it with `built(array, ...)`."
        )
