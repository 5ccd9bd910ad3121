"""The contract of weight cells: parts that add up to a weight, who is pulsed, and what passes between the parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Self, TypeAlias

from torch import Tensor

from ..arrays.mapping import AbstractMapping
from ..core.component import Component
from ..core.random import Stream
from ..core.types import Counts, PulsePlan
from ..devices import AbstractDevice
from ..periphery import ADC, DAC
from ..programming.schemes import AbstractScheme

Memory: TypeAlias = dict[str, Tensor]
"""Digital numbers that a cell keeps beside its arrays, by name; a `Compound` owns and saves them."""


class Part(NamedTuple):
    """One part of every weight: an array of its own, whose currents are multiplied by `gain` before they are summed."""

    name: str
    """In the ledger and in the run folder, after the layer's own name."""
    gain: float
    """Share of the part's own weight (-w_max .. w_max) in the whole; 0: it takes no part in reads."""
    device: AbstractDevice | None = None
    """Law of its cells; None for the array's own."""
    mapping: AbstractMapping | None = None
    """Which cells make its weights, w_max aside; None for the array's own."""
    reader: tuple[DAC, ADC] | None = None
    """Converters of its own reads, the ADC's range in units of w_max; None for the array's own."""
    hidden: bool = False
    """With gain 0: it holds whole what the others are to show, and is what is initialised and programmed."""


class Access(NamedTuple):
    """What a cell may do with one of its parts after a write; every read and every pulse of it is counted."""

    gain: float
    """Of the part's own weight in the whole, without sign."""
    step: float
    """Mean change of the part's own weight by one pulse."""
    w_max: float
    look: Callable[[Tensor | None], Tensor]
    """Read the weights of a mask (inputs, outputs), None for all, cell by cell: the part's own weights."""
    send: Callable[[Counts], object]
    """Pulse: signed counts by weight, (inputs, outputs)."""
    program: Callable[[Tensor, Tensor | None, AbstractScheme], Tensor]
    """Bring the weights of a mask, None for all, to these (inputs, outputs) by a scheme; weights as they were last
    read, as wanted outside the mask."""
    read_line: Callable[[int, float, Tensor | None], Tensor]
    """Drive one word line at a share of the full voltage, and read the weights (outputs,) on it through the part's own
    converters, less those of a reference (outputs,) on a line beside it, where one is given."""
    send_line: Callable[[int, Tensor], object]
    """Pulse the weights of one word line: signed counts (outputs,), int32."""
    symmetric: Callable[[], Tensor]
    """Weights (inputs, outputs) at which pulses up and down cancel: what an ideal calibration would find, uncounted."""
    stream: Stream
    """Of the weight's random numbers."""
    lines: int
    """Word lines."""


class AbstractCell(Component):
    """A weight is the sum of its parts, each times its gain and its sign: w = sum_k sign_k gain_k w_k.

    All parts are driven by the same drivers and sensed as one current. It holds no tensors: what a cell does between
    its parts follows from the number of the write, from counted reads and from its `Memory`.
    """

    jumps: ClassVar[bool] = False
    """Whether what reads see changes in jumps, so that a pulse may change nothing."""

    def settled(self, device: AbstractDevice) -> Self:
        """The same with every number set that was left to the device.

        Arguments:
            device: law of the array's cells.

        Raises:
            InputError: the settings do not fit the device.
        """
        return self

    def fitted(self, inputs: int, outputs: int, steps: Sequence[float]) -> Self:
        """The same with every number set that was left to the layer: its size, and the weight change that one pulse on
        each part makes there."""
        return self

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """At least one; the converters of the first serve all. Gains add up to 1 so that w_max stays what it is, or the
        first has gain 1 and what the others add comes on top."""

    def memory(self, inputs: int, outputs: int) -> Memory:
        """The digital numbers that it keeps, as they are before `start`."""
        return {}

    def start(self, parts: Sequence[Access], memory: Memory) -> None:
        """Fill the memory of new arrays; it is changed in place."""
        return None

    @property
    def bits_per_weight(self) -> int:
        """Digital memory that it needs for each weight."""
        return 0

    def signs(self, writes: int) -> tuple[int, ...]:
        """1 or -1 for each part: how it enters the sum after that many writes."""
        return (1,) * len(self.parts())

    def portions(self, plan: PulsePlan, writes: int) -> Sequence[tuple[PulsePlan, int]]:
        """A plan in the portions between which something may pass, each with the writes that it counts for."""
        return ((plan, 1),)

    @abstractmethod
    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """What each part gets of a plan by weight, as if its sign were 1; None for nothing."""

    @abstractmethod
    def step(self, steps: Sequence[float]) -> float:
        """Weight change of one planned pulse, from those that one pulse on each part makes; of a part with gain 0, from
        the change of its own weight."""

    def shown(self, weight: Tensor, w_max: float) -> Tensor:
        """What reads see of weights (inputs, outputs) that are set at once, where a hidden part holds them whole."""
        return weight

    def transfer(self, parts: Sequence[Access], writes: int, memory: Memory) -> None:
        """What passes between the parts after write number `writes`, 1 for the first; many cells have nothing to do.

        Until it returns the signs are those before this write.
        """
        return None
