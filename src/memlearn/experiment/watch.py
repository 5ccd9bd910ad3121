"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Tick(NamedTuple):
    """Where a run is."""

    epoch: int
    """The epoch at work, from 1."""
    epochs: int
    image: int
    """Images of this epoch so far."""
    images: int
    """Images of an epoch."""
    accuracy: float
    """Of the training reads of this epoch so far, a fraction."""
    pulses: int
    """Since the beginning of the run."""
    energy: float | None = None
    """J, since the beginning of the run, as known a moment ago; None where nobody asks or it has no price."""


class Watcher:
    """Hears of everything and says nothing; derive from it to show progress."""

    energy_every: float | None = None
    """s, between two bills that are drawn up for `Tick.energy`; None: it is not wanted."""

    def tick(self, tick: Tick) -> None:
        """Some images are done."""

    def epoch(self, record: dict[str, Any], epochs: int) -> None:
        """An epoch is done; `record` is its line of history.jsonl."""

    def note(self, text: str) -> None:
        """Something that the user should know, in a sentence."""
