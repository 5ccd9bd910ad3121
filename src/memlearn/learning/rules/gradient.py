"""Rules that write the gradient itself: as trains, as counts, ideally, or out of a number that gathers it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ...core.component import quantity, setting
from ...programming import BlindPulses, OuterProduct, RoundedCounts, StochasticTrains
from .. import automatic
from ..accumulate import BatchCounter, DigitalValue, PerSample
from ..automatic import Facts, known
from ..credit import Backprop
from ..rule import Parts, Rate
from .base import AbstractRule


class SGD(AbstractRule):
    """Stochastic gradient descent in the array: stochastic trains of every sample's outer product."""

    kind: Literal["sgd"] = "sgd"
    sources: ClassVar[tuple[str, ...]] = StochasticTrains.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / outer product of the factors; none: automatic"
    )
    max_length: int = quantity(31, unit="1", ge=1, le=31, doc="longest train, in slots")
    update_management: bool = setting(True, doc="choose length and gains per sample from the largest factors")

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate."""
        return {"learning_rate": automatic.learning_rate(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, nothing waits, stochastic trains."""
        writer = StochasticTrains(
            learning_rate=known(self.resolved().learning_rate),
            max_length=self.max_length,
            update_management=self.update_management,
        )
        return Parts(credit=Backprop(), accumulator=PerSample(), writer=writer)


class RoundedSGD(AbstractRule):
    """Stochastic gradient descent with counted pulses: every weight gets its change, rounded to whole pulses.

    The product of the two factors is formed in digital, weight by weight, as device benchmarks do; `sgd` forms it in
    the array.
    """

    kind: Literal["rounded_sgd"] = "rounded_sgd"
    sources: ClassVar[tuple[str, ...]] = RoundedCounts.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / gradient of the batch; none: automatic"
    )
    rounding: Literal["nearest", "stochastic"] = setting("nearest", doc="of the number of pulses")
    layer_rates: tuple[Rate, ...] = setting(
        (), doc="what the learning rate is multiplied by, layer by layer from the input; empty: 1 in all"
    )

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate."""
        return {"learning_rate": automatic.learning_rate(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, that many pulses."""
        writer = RoundedCounts(learning_rate=known(self.resolved().learning_rate), rounding=self.rounding)
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=writer, layer_rates=self.layer_rates)


class IdealSGD(AbstractRule):
    """Stochastic gradient descent with ideal parallel writes: row pulses as wide as x, column pulses as high as d.

    What every blind rule would be on a device that does not exist; the yardstick *inside* the arrays.
    """

    kind: Literal["outer_product_sgd"] = "outer_product_sgd"
    sources: ClassVar[tuple[str, ...]] = OuterProduct.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="weight change / gradient of the batch's mean loss; none: automatic"
    )

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate."""
        return {"learning_rate": automatic.learning_rate(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, nothing waits, one pulse a cell and sample."""
        writer = OuterProduct(learning_rate=known(self.resolved().learning_rate))
        return Parts(credit=Backprop(), accumulator=PerSample(), writer=writer)


class MixedPrecision(AbstractRule):
    """The gradient gathers in a digital number per weight; whole device steps of it are fired blindly."""

    kind: Literal["mixed_precision"] = "mixed_precision"
    sources: ClassVar[tuple[str, ...]] = DigitalValue.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / gradient of the batch's mean loss; none: automatic"
    )
    granularity: float | None = quantity(
        None, unit="1", gt=0, doc="wanted change that fires a burst, in mean device steps; none: automatic"
    )

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """Learning rate and granularity."""
        return {"learning_rate": automatic.learning_rate(facts), "granularity": automatic.granularity(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, a number per weight, blind pulses."""
        chosen = self.resolved()
        return Parts(
            accumulator=DigitalValue(learning_rate=known(chosen.learning_rate)),
            writer=BlindPulses(granularity=known(chosen.granularity)),
        )
