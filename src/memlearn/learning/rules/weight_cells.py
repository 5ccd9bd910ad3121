"""Rules that are made for weights of several cells."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ...cells import AnyCell, Carry, Hidden, MajorMinor, Volatile
from ...core.component import quantity, setting
from ...programming import MultiThreshold, RoundedCounts, StochasticTrains
from .. import automatic
from ..accumulate import BatchCounter, PerSample
from ..automatic import Facts, known
from ..credit import Backprop
from ..rule import Parts
from .base import AbstractRule


class PeriodicCarry(AbstractRule):
    """Stochastic gradient descent on the lowest digit of weights of several digits, which is carried now and then."""

    kind: Literal["periodic_carry"] = "periodic_carry"
    sources: ClassVar[tuple[str, ...]] = Carry.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / outer product of the factors; none: automatic"
    )
    max_length: int = quantity(31, unit="1", ge=1, le=31, doc="longest train, in slots")
    cells: Carry = setting(Carry(), doc="digits, base, interval; where the experiment names no weight cell")

    @property
    def cell(self) -> AnyCell | None:
        """Digits."""
        return self.cells

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate."""
        return {"learning_rate": automatic.learning_rate(facts)}

    def parts(self) -> Parts:
        """As `sgd`."""
        return _trains(self.resolved().learning_rate, self.max_length)


class WeightedSynapse(AbstractRule):
    """Signs of the batch's gradient on major and minor cells: small errors move the minor one, large ones the major."""

    kind: Literal["weighted_synapse"] = "weighted_synapse"
    sources: ClassVar[tuple[str, ...]] = MajorMinor.sources

    threshold: float = quantity(0.005, unit="1", gt=0, lt=1, doc="fraction of the layer's largest gradient: minor cell")
    second_threshold: float = quantity(0.4, unit="1", gt=0, le=1, doc="the same: major cell")
    cells: MajorMinor = setting(
        MajorMinor(update="by_threshold"), doc="gain and update; where the experiment names no weight cell"
    )

    @property
    def cell(self) -> AnyCell | None:
        """Major and minor."""
        return self.cells

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, one pulse by the threshold that it passes."""
        writer = MultiThreshold(thresholds=(self.threshold, self.second_threshold))
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=writer)


class CapacitorTransfer(AbstractRule):
    """Stochastic gradient descent on a volatile cell, whose content is transferred to lasting ones now and then."""

    kind: Literal["capacitor_transfer"] = "capacitor_transfer"
    sources: ClassVar[tuple[str, ...]] = Volatile.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / outer product of the factors; none: automatic"
    )
    max_length: int = quantity(31, unit="1", ge=1, le=31, doc="longest train, in slots")
    cells: Volatile = setting(Volatile(), doc="fast cell, interval; where the experiment names no weight cell")

    @property
    def cell(self) -> AnyCell | None:
        """Volatile and lasting."""
        return self.cells

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate."""
        return {"learning_rate": automatic.learning_rate(facts)}

    def parts(self) -> Parts:
        """As `sgd`."""
        return _trains(self.resolved().learning_rate, self.max_length)


class AnalogueHidden(AbstractRule):
    """Binary or ternary weights in front of analogue ones, which pulses of the gradient's sign move: straight through.

    A weight gets a pulse with the probability (wanted change / change of a pulse), so that small gradients count on
    average: no digital weight is kept anywhere.
    """

    kind: Literal["analogue_hidden"] = "analogue_hidden"
    sources: ClassVar[tuple[str, ...]] = Hidden.sources

    learning_rate: float = quantity(
        0.1, unit="1", gt=0, doc="mean change of the hidden weight / gradient of the batch's mean loss"
    )
    cells: Hidden = setting(Hidden(), doc="values, hidden device; where the experiment names no weight cell")

    @property
    def cell(self) -> AnyCell | None:
        """Shown and hidden."""
        return self.cells

    def parts(self) -> Parts:
        """Analogue backward read through the shown weights, a sum per weight, pulses by chance."""
        writer = RoundedCounts(learning_rate=self.learning_rate, rounding="stochastic")
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=writer)


def _trains(learning_rate: float | None, max_length: int) -> Parts:
    """What `sgd` does."""
    writer = StochasticTrains(learning_rate=known(learning_rate), max_length=max_length)
    return Parts(credit=Backprop(), accumulator=PerSample(), writer=writer)
