"""What a run used: its arrays, and what happened in them. Plain data, from which costs are computed at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..core.ledger import Amount, Event

Counts = Mapping[str, float]
"""Events and amounts by name."""
WHOLE = ("forward", "backward")
"""Passes that read whole arrays."""


class Side(NamedTuple):
    """The circuits of one direction of a read."""

    drive: Literal["dac", "switch"]
    drive_bits: int | None
    """None: continuous."""
    sense: Literal["adc", "comparator", "analogue"]
    sense_bits: int | None
    sharing: int
    """Lines that take turns at one circuit."""


class Pulse(NamedTuple):
    """A pulse, where the device states it."""

    voltage: float | None
    width: float | None


class ArrayUse(NamedTuple):
    """One stack of equal tiles, and what it did."""

    name: str
    tiles: tuple[int, int]
    rows: int
    """Word lines of a tile."""
    columns: int
    """Bit lines of a tile."""
    inputs: int
    outputs: int
    cells: int
    """In use, of all tiles."""
    g_min: float
    g_max: float
    g_mean: float
    """S, of the cells, mean of before and after the run."""
    read_voltage: float
    up: Pulse
    down: Pulse
    forward: Side
    backward: Side
    writes: Literal["trains", "counts", "closed"]
    """Outer products of trains, numbers of pulses, or programming to targets."""
    counts: Mapping[str, Counts]
    """Of each pass."""
    leads: bool = True
    """The first array of its layer: what a layer keeps in digital is charged with it."""
    write_sharing: int = 1
    """Bit lines that take turns at a write driver."""
    pulses_mean: float = 0.0
    """Pulses of a cell."""
    pulses_p99: float = 0.0
    pulses_max: float = 0.0

    def count(self, during: str, event: Event | Amount) -> float:
        """How often, or how much."""
        return self.counts.get(during, {}).get(event.value, 0.0)

    def reads(self, during: str) -> float:
        """Vectors that were read in the whole array; 0 in passes that read single lines."""
        return self.count(during, Event.CELL_READ) / self.cells if during in WHOLE else 0.0

    def single_lines(self, during: str) -> float:
        """Word lines of a tile that were read alone, as transfers and looks at few cells do."""
        return 0.0 if during in WHOLE else self.count(during, Event.CELL_READ) / self.columns

    @property
    def stack(self) -> int:
        """Tiles."""
        return self.tiles[0] * self.tiles[1]


class Use(NamedTuple):
    """What a run used."""

    arrays: tuple[ArrayUse, ...]
    others: Mapping[str, Mapping[str, Counts]]
    """Of neurons and losses: name, pass, event."""
    images: int
    steps: int
    """Writes of the rule."""
    batch: int
    input_bits: int
    """Of an image, as the first layer's drivers take it."""
    weight_bits: int
    """Digital memory per weight."""
    neuron_bits: int
    """Digital memory per neuron and sample."""
    gradient: Literal["none", "add", "multiply"]
    """What forming a weight's gradient takes in digital, per sample; nothing where pulses form it in the array."""
    mirror: bool
    """Errors go back through weights in digital."""
    endurance: float | None
    """Pulses that a cell survives; None: unknown."""
    endurance_from: str
    """Who says so."""

    def kept_bits(self, array: ArrayUse) -> int:
        """Bits that an array's layer keeps in digital: numbers per weight, and per neuron and sample of a batch."""
        if not array.leads:
            return 0
        return array.inputs * array.outputs * self.weight_bits + self.batch * array.outputs * self.neuron_bits

    def table(self) -> dict[str, Any]:
        """As plain data, for JSON; `from_table` reads it back."""
        return {**self._asdict(), "arrays": [_plain(array) for array in self.arrays]}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Use:
        """What `table` gave."""
        return cls(**{**table, "arrays": tuple(_array(array) for array in table["arrays"])})


_PARTS: dict[str, type] = {"up": Pulse, "down": Pulse, "forward": Side, "backward": Side}


def _plain(array: ArrayUse) -> dict[str, Any]:
    return {key: value._asdict() if key in _PARTS else value for key, value in array._asdict().items()}


def _array(table: Mapping[str, Any]) -> ArrayUse:
    parts = {key: _PARTS[key](**value) if key in _PARTS else value for key, value in table.items()}
    return ArrayUse(**{**parts, "tiles": tuple(table["tiles"])})
