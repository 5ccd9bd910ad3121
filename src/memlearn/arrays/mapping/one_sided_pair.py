"""Two cells that can only be raised make a weight: w = w_max (G+ - G-) / (g_max - g_min), refreshed now and then."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ...core.component import quantity
from ...core.types import Counts, Trains
from .base import Access, interleave
from .pair import AbstractPair


class OneSidedPair(AbstractPair):
    """Bit lines 2j and 2j + 1 carry G+ and G-; pulses up go to G+, pulses down go *up* on G-. No cell is pulsed down.

    Both cells of a pair rise until nothing is left to rise. So every `refresh_every` writes all cells are read, one by
    one; where the larger of a pair lies above `refresh_high` of the range and the smaller above `refresh_low`, both are
    reset by a pulse down, and the difference that was read is written again: a pulse up on its side, a read of the
    pair, and so on while more than half a mean step is missing, at most `refresh_pulses` times. All of these reads and
    pulses go through the device's law, and are counted.
    """

    kind: Literal["one_sided_pair"] = "one_sided_pair"
    sources: ClassVar[tuple[str, ...]] = (
        "Burr et al., IEEE Trans. Electron Devices 62:3498 (2015): pairs of phase-change cells, occasional reset",
        "Rasch et al., IEEE AICAS (2021), arXiv 2104.02184: refresh thresholds 0.75 and 0.25",
    )

    refresh_every: int = quantity(100, unit="1", ge=0, doc="writes from refresh to refresh; 0: never")
    refresh_high: float = quantity(0.75, unit="1", ge=0, le=1, doc="above this place in the range the larger cell lies")
    refresh_low: float = quantity(0.25, unit="1", ge=0, le=1, doc="above this place in the range the smaller one lies")
    refresh_pulses: int = quantity(100, unit="1", ge=1, doc="most pulses that write a difference again")

    def pair_conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """The cell of the other sign stays at g_min: there is room for both to rise."""
        part = weight * (g_max - g_min)
        return interleave(part.clamp_min(0), (-part).clamp_min(0)) + g_min

    def pair_pulses(self, pulses: Tensor) -> Tensor:
        """Pulses up on G+, or on G-."""
        return interleave(pulses.clamp_min(0), (-pulses).clamp_min(0))

    def trains(self, plan: Trains, turn: int = 0) -> Trains:
        """The line of G- fires in the same slots with the other sign, and what would pulse a cell down does not."""
        return super().trains(plan, turn)._replace(only_up=True)

    def refresh(self, cells: Access, writes: int) -> None:
        """Reset the pairs that have no room left, and write their differences again."""
        if not self.refresh_every or writes % self.refresh_every:
            return
        seen = cells.look(cells.used)
        place = (seen - cells.g_min) / (cells.g_max - cells.g_min)
        larger, smaller = place[..., 0::2].maximum(place[..., 1::2]), place[..., 0::2].minimum(place[..., 1::2])
        worn = (larger > self.refresh_high) & (smaller > self.refresh_low)
        if not worn.any():
            return
        wanted = seen[..., 0::2] - seen[..., 1::2]  # pair by pair, where several devices share a weight
        cells.send(Counts(-interleave(worn, worn).int()))
        for _ in range(self.refresh_pulses):
            seen = cells.look(interleave(worn, worn))
            now = seen[..., 0::2] - seen[..., 1::2]
            worn = worn & ((wanted - now) * wanted.sign() > 0.5 * cells.g_step)
            if not worn.any():
                return
            cells.send(Counts(self.pair_pulses((wanted.sign() * worn).int())))
