"""Zero shifting: pulses, which are counted, find the symmetric point of every cell; a reference takes a copy of it."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ..compound import Compound
from ..core.component import Component, quantity
from ..core.errors import InputError
from ..core.ledger import Pass
from ..core.types import Counts
from ..nn import array_layers, counted_as
from ..ops import random
from ..tile import Tile


class ZeroShifting(Component):
    """Pulses up and down in turn, on all cells at once, until these stop moving; then a read, copied into a reference.

    A cell whose steps up and down differ by slope x distance from its symmetric point comes nearer to it by that slope
    with every pulse, until its own noise stops it at a spread of s D / sqrt(2 slope) (s: spread of a pulse relative to
    its step D). The last up and the last down pulse are both followed by a read: their mean lies in the middle.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Kim, Rasch et al., arXiv 1907.10228 (2019), zero shifting",
        "Noh et al., Sci. Adv. 10:eadl3350 (2024), training and retention in ECRAM arrays",
        "Gong and Rasch, IEDM (2022): 5 % of error of a reference",
    )

    pairs: int = quantity(2000, unit="1", ge=1, doc="most pairs of pulses")
    look_every: int = quantity(20, unit="1", ge=1, doc="pairs between two looks whether cells still move")
    tolerance: float = quantity(
        0.0005,
        unit="1",
        ge=0,
        doc="they stand still when their mean way from the start since the last look is below, over w_max",
    )
    copy_error: float = quantity(0.0, unit="1", ge=0, doc="spread of the copy in the reference, relative to w_max")


class Calibrated(NamedTuple):
    """What a calibration found and what it took."""

    reference: Tensor
    """(inputs, outputs): weights that stand in the reference."""
    pairs: int
    """Of pulses that every cell got."""
    pulses: int
    """Of all cells."""
    settled: bool
    """Whether the cells stopped moving before the pairs ran out."""


def calibrate(model: nn.Module, settings: ZeroShifting) -> dict[str, Calibrated]:
    """Zero-shift every fast array of a model and put what is found into its reference array.

    Arguments:
        model: with weights of a second array whose reference is an array; before it learns, as its fast cells move.
        settings: as of `zero_shift`.

    Returns:
        What each calibration found and took, by the name of the array.

    Raises:
        InputError: no weight of the model has a reference array.
    """
    found: dict[str, Calibrated] = {}
    for name, layer in array_layers(model).items():
        tile = layer.tile
        if not isinstance(tile, Compound):
            continue
        for k, (part, array) in enumerate(tile.tiles_of.items()):
            if f"reference{k}" in tile.memory:
                found[f"{name}.{part}"] = done = zero_shift(array, settings)
                tile.memory[f"reference{k}"].copy_(done.reference)
    if not found:
        raise InputError("model", type(model).__name__, "has no reference array", "Take a rule of a second array.")
    return found


def zero_shift(tile: Tile, settings: ZeroShifting) -> Calibrated:
    """Bring every cell of a tile to its symmetric point and read it; counted under the pass "calibration".

    Arguments:
        tile: its cells stay at their symmetric points.
        settings: when to stop, and how well a reference takes the copy.
    """
    with counted_as(Pass.CALIBRATION, tile):
        return _shifted(tile, settings)


def _shifted(tile: Tile, settings: ZeroShifting) -> Calibrated:
    """See `zero_shift`."""
    everything = torch.ones(tile.inputs, tile.outputs, dtype=torch.bool, device=tile.conductance.device)
    up = Counts(everything.int())
    down = Counts(-up.pulses)
    w_max, pulses, pairs, settled = tile.array.crossbar.mapping.w_max, 0, 0, False
    start = before = middle = tile.look_at_weights(everything).clone()
    while pairs < settings.pairs and not settled:
        todo = min(settings.look_every, settings.pairs - pairs)
        for _ in range(todo - 1):
            pulses += tile.write(up).pulses + tile.write(down).pulses
        pulses += tile.write(up).pulses
        high = tile.look_at_weights(everything).clone()
        pulses += tile.write(down).pulses
        middle = (high + tile.look_at_weights(everything)) / 2
        # Away from where they started: noise, of the reads too, has no such direction and drops out of the mean.
        move = float(((before - start).sign() * (middle - before)).mean()) / w_max
        settled = pairs > 0 and move <= settings.tolerance
        pairs, before = pairs + todo, middle
    copy = middle
    if settings.copy_error:
        at = int(tile.events[2])
        error = random.normal(tile.stream.child("copy"), at, middle.shape, middle)
        copy = middle + settings.copy_error * w_max * error
    return Calibrated(copy, pairs, pulses, settled)
