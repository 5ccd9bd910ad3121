"""Counts of named physical events, by layer and pass; energy, time and area are computed from them afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum


class Pass(StrEnum):
    """Which of the three passes (or which service) caused an event."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"
    VERIFY = "verify"
    TRANSFER = "transfer"
    """From a fast array of a weight to a slower one: the reads of the one, the pulses on the other."""
    CALIBRATION = "calibration"


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


class Amount(StrEnum):
    """What is added up beside the counts, where a ledger measures: what reads and pulses find in the cells."""

    READ_HEAT = "cell.read_W"
    """Of reads: V^2 G of all cells, or what the sources deliver where lines have a resistance, over samples, W."""
    DRIVEN = "line.driven"
    """Lines that reads drive away from rest, each tile's its own."""
    SQUARE = "line.driven_V2"
    """V^2 of these, V^2."""
    PULSE_UP = "cell.pulse_up"
    """Pulses that raise."""
    PULSE_DOWN = "cell.pulse_down"
    """Pulses that lower."""
    HEAT_UP = "cell.pulse_up_S"
    """Of every pulse up, the mean of the cell's conductance before and after its write, S."""
    HEAT_DOWN = "cell.pulse_down_S"
    """Likewise of pulses down."""
    WRITTEN = "line.written"
    """Word lines with any pulse, write by write; where bit lines take turns at write drivers, turn by turn."""
    WRITTEN_UP = "line.written_up"
    """Those with any pulse up."""
    WRITTEN_DOWN = "line.written_down"
    """Likewise down."""
    SLOT_UP = "line.slot_up"
    """Most pulses up of a cell of each word line, added up over lines, turns at write drivers, writes and tiles."""
    SLOT_DOWN = "line.slot_down"
    """Likewise down."""
    TURN_UP = "array.turn_up"
    """The same of the tile that needs longest: turns, while tiles are written at the same time."""
    TURN_DOWN = "array.turn_down"
    """Likewise down."""
    BESIDE_UP = "cell.beside_up_S"
    """Conductance that shares a word line, or a bit line, with the cells that a pulse up is for, pulse by pulse, S."""
    BESIDE_DOWN = "cell.beside_down_S"
    """Likewise down."""
    AROUND_UP = "cell.around_up_S"
    """Conductance on neither of the two lines, pulse by pulse, S."""
    AROUND_DOWN = "cell.around_down_S"
    """Likewise down."""
    FIRED_ROW = "line.fired_row"
    """Times that word lines fired in trains."""
    FIRED_COLUMN = "line.fired_column"
    """Times that bit lines fired in trains."""


class Ledger:
    """Counts events per (layer, pass, event). A tile without a ledger pays one `if` and counts nothing.

    Arguments:
        measures: also add up what the cells themselves decide: the heat of reads and pulses.
    """

    def __init__(self, measures: bool = False) -> None:
        self.measures = measures
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._amounts: dict[tuple[str, str, str], float] = {}

    def add(self, layer: str, during: Pass, amount: Amount, value: float) -> None:
        """Add to an amount.

        Arguments:
            layer, during: as of `count`.
            amount: of what.
            value: how much, in the amount's own unit.
        """
        if value:
            key = layer, during.value, amount.value
            self._amounts[key] = self._amounts.get(key, 0.0) + float(value)

    def enter(self, layer: str, during: Pass, amounts: Mapping[Amount, float]) -> None:
        """Add to several."""
        when, kept = during.value, self._amounts
        for amount, value in amounts.items():
            if value:
                key = layer, when, amount.value
                kept[key] = kept.get(key, 0.0) + float(value)

    def amounts(self) -> dict[str, float]:
        """The amounts as plain data, keyed as `state`; `load_amounts` reads it back, to the last bit."""
        return {"/".join(key): value for key, value in sorted(self._amounts.items())}

    def load_amounts(self, amounts: dict[str, float]) -> None:
        """Replace the amounts by those of `amounts()`."""
        self._amounts = {self._key(key): float(value) for key, value in amounts.items()}

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
        """Forget every count and amount."""
        self._counts.clear()
        self._amounts.clear()

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
