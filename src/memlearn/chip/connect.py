"""Chips take the place of simulated arrays in a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from ..core.errors import InputError, nearest
from ..nn import tiles
from ..programming.schemes import WriteVerify
from ..tile import Tile
from .base import Chip
from .tile import ChipTile


def connect(
    model: nn.Module,
    chips: Mapping[str, Chip | Sequence[Chip]],
    *,
    program: bool = True,
    scheme: WriteVerify | None = None,
) -> dict[str, ChipTile]:
    """Put arrays of a model onto chips; the others stay simulated.

    Arguments:
        model: with in-memory layers; a rule may be at work on it already.
        chips: by the name of the array, as `memlearn.nn.tiles` gives it: "0" of the first layer of a Sequential,
            "layer1" of a run's network. Several where the layer is cut into tiles, row by row.
        program: bring the cells to the weights that the simulated arrays hold. Otherwise the chip stays as it is, and
            its cells are read into the host's notes.
        scheme: how cells are programmed then.

    Returns:
        The new tiles by name.

    Raises:
        InputError: a name is unknown, or a chip does not fit.
        ChipError: a chip does not answer.
    """
    connected = replace(model, chips, scheme=scheme)
    for tile in connected.values():
        tile.transfer() if program else tile.survey()
    return connected


def replace(
    model: nn.Module, chips: Mapping[str, Chip | Sequence[Chip]], *, scheme: WriteVerify | None = None
) -> dict[str, ChipTile]:
    """As `connect`, before anything is asked of the chips."""
    present = known(model, chips)
    made = {name: ChipTile(present[name], own, scheme=scheme) for name, own in chips.items()}
    for name, new in made.items():
        _exchange(model, present[name], new)
    return made


def known(model: nn.Module, names: Iterable[str]) -> dict[str, Tile]:
    """The arrays of a model by name, these names among them.

    Raises:
        InputError: one is not.
    """
    present = tiles(model)
    for name in names:
        if name not in present:
            raise InputError("chips", name, "is no array of this model", nearest(name, present))
    return present


def _exchange(model: nn.Module, old: Tile, new: ChipTile) -> None:
    """Wherever a module holds the old tile, it gets the new one."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child is old:
                parent.register_module(name, new)
