"""The chips of a run: opened in its folder, known by position to every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..chip import Chip, ChipTile
from ..chip.connect import replace
from ..core.errors import DataError
from .storage import make

Opener = Callable[[Path], Chip]
"""Opens a chip whose exchange, if it has one, lies in this folder: `partial(ProcessChip, command)`, say."""
CHIPS = "chips"


class Chips:
    """Arrays of a model that live on chips.

    A checkpoint holds how many requests each chip has answered. A run that goes on from there asks the rest again, and
    the chips' own records answer what was done already: no pulse is sent twice, and the run takes the same way.

    Arguments:
        openers: by the name of the array.
        folder: of the run.
        tell: hears what the user should know.
    """

    def __init__(self, openers: Mapping[str, Opener], folder: Path, tell: Callable[[str], object]) -> None:
        self.programmed = False
        """Whether the cells have been brought to the weights that the run begins with."""
        self.opened: dict[str, Chip] = {}
        self.tiles: dict[str, ChipTile] = {}
        try:
            for name, opener in openers.items():
                place = folder / CHIPS / name
                make(place)
                self.opened[name] = opener(place)
                self.opened[name].tell = tell
        except BaseException:
            self.close()
            raise

    def connect(self, model: nn.Module) -> None:
        """Put the arrays of a model onto the chips; nothing is asked of them yet.

        Raises:
            InputError: a name is unknown, or a chip does not fit.
        """
        self.tiles = replace(model, self.opened)

    def transfer(self) -> int:
        """Programme the weights that the run begins with; the number of cells that were given up."""
        lost = sum(int(tile.transfer().sum()) for tile in self.tiles.values())
        self.programmed = True
        return lost

    def survey(self) -> None:
        """Read all cells, for the run's record."""
        for tile in self.tiles.values():
            tile.survey()

    def state(self) -> dict[str, Any] | None:
        """For a checkpoint; None where there is no chip."""
        if not self.opened:
            return None
        positions = {name: chip.position for name, chip in self.opened.items()}
        return {"positions": positions, "programmed": self.programmed}

    def load(self, state: dict[str, Any] | None, folder: Path) -> None:
        """Go on from `state()`.

        Raises:
            DataError: the run was begun with other chips.
        """
        positions = {} if state is None else state["positions"]
        if set(positions) != set(self.opened):
            begun, now = (", ".join(sorted(names)) or "no chip" for names in (positions, self.opened))
            remedy = "Go on with the same: memlearn resume " + " ".join(
                [str(folder), *(f"--chip {name}=COMMAND" for name in positions)]
            )
            raise DataError(f"{folder}: the run was begun with {begun}, and not {now}. {remedy}")
        for name, chip in self.opened.items():
            chip.rewind(positions[name])
        self.programmed = bool(state and state["programmed"])

    def forget(self, state: dict[str, Any] | None) -> None:
        """What came before a checkpoint need not be answered again."""
        for name, position in (state or {"positions": {}})["positions"].items():
            self.opened[name].forget(position)

    def table(self) -> dict[str, dict[str, Any]]:
        """Name and size of each, for the record."""
        return {
            name: {
                "chip": chip.name,
                "rows": chip.rows,
                "columns": chip.columns,
                "g_min": chip.g_min,
                "g_max": chip.g_max,
            }
            for name, chip in self.opened.items()
        }

    def close(self) -> None:
        """Let all go."""
        for chip in self.opened.values():
            chip.close()
