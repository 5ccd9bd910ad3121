"""Counts of named physical events, by layer and pass; energy, time and area are computed from them afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum


class Pass(StrEnum):
    """Which of the three passes (or which service) caused an event."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"
    VERIFY = "verify"


class Event(StrEnum):
    """Everything that is counted. The name says component and act."""

    DAC = "dac.conversion"
    ADC = "adc.conversion"
    COMPARISON = "comparator.comparison"
    WINNER = "winner_take_all.decision"
    CELL_READ = "cell.read"
    PULSE = "cell.pulse"
    PULSED_CELL = "cell.pulsed"
    HALF_SELECTED = "cell.half_selected"
    UNSELECTED = "cell.unselected"
    TRAIN_SLOT = "line.train_slot"
    CELL_WRITE = "cell.write"
    SINGLE_READ = "cell.single_read"
    READ_SLOT = "line.read_slot"
    GIVEN_UP = "cell.given_up"
    DOSE_UP = "cell.dose_up_fS"
    """Conductances before pulses up of closed loops, added up, fS: times V^2 t of a pulse, the energy in the cells."""
    DOSE_DOWN = "cell.dose_down_fS"
    """Likewise of pulses down."""
    LINE_GAIN = "line.gain"
    DIGITAL_ADD = "digital.add"
    STORED_BIT = "neuron.stored_bit"


class Ledger:
    """Counts events per (layer, pass, event). A tile without a ledger pays one `if` and counts nothing."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, layer: str, during: Pass, event: Event, n: int) -> None:
        """Add `n` events.

        Arguments:
            layer: name of the layer, as in `module.named_modules()`.
            during: the pass that caused them.
            event: what happened.
            n: how often.
        """
        if n:
            self._counts[layer, during.value, event.value] += int(n)

    def total(self, event: Event, *, layer: str | None = None, during: Pass | None = None) -> int:
        """The number of events, optionally of one layer or one pass only."""
        return sum(
            n
            for (where, when, what), n in self._counts.items()
            if what == event.value and layer in (None, where) and during in (None, when)
        )

    def __iter__(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        return iter(sorted(self._counts.items()))

    def clear(self) -> None:
        """Forget every count."""
        self._counts.clear()

    def state(self) -> dict[str, int]:
        """The counts as plain data, keyed `layer/pass/event`; `load` reads it back."""
        return {"/".join(key): n for key, n in self}

    def load(self, state: dict[str, int]) -> None:
        """Replace the counts by those of `state()`."""
        self._counts = Counter({self._key(key): n for key, n in state.items()})

    @staticmethod
    def _key(text: str) -> tuple[str, str, str]:
        layer, during, event = text.rsplit("/", 2)
        return layer, during, event
