"""Descent whose gradient waits as a few outer products, and is written as such."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ...core.component import quantity, setting
from ...programming import CountedProducts, StochasticTrains
from .. import automatic
from ..accumulate import LowRank
from ..automatic import Facts, known
from ..credit import Backprop
from ..rule import Parts, Rate
from .base import AbstractRule


class LowRankSGD(AbstractRule):
    """Stochastic gradient descent that writes `rank` outer products for every `samples`: few pulses, little memory."""

    kind: Literal["low_rank_sgd"] = "low_rank_sgd"
    sources: ClassVar[tuple[str, ...]] = LowRank.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / outer product of the factors; none: automatic"
    )
    rank: int = quantity(4, unit="1", ge=1, le=64, doc="outer products that are kept, and written at a time")
    samples: int = quantity(100, unit="1", ge=1, doc="outer products that are summed before a write")
    method: Literal["lrt", "lrt_unbiased", "sbpca"] = setting("lrt", doc="how the sum is brought back to its rank")
    write: Literal["trains", "counts"] = setting(
        "trains", doc="trains: products are multiplied in the array; counts: in digital, weight by weight, as written"
    )
    max_length: int = quantity(31, unit="1", ge=1, le=31, doc="longest train, in slots")
    layer_rates: tuple[Rate, ...] = setting(
        (), doc="what the learning rate is multiplied by, layer by layer from the input; empty: 1 in all"
    )

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate: that of batches of `samples`, as the samples' sum is written, not their mean."""
        gathered = max(self.samples, facts.batch)
        rate = automatic.learning_rate(facts._replace(batch=gathered))
        return {"learning_rate": float(f"{rate * facts.batch / gathered:.3g}")}

    def parts(self) -> Parts:
        """Analogue backward read, factors at low rank, stochastic trains or counted pulses."""
        rate = known(self.resolved().learning_rate)
        if self.write == "trains":
            writer = StochasticTrains(learning_rate=rate, max_length=self.max_length)
        else:
            writer = CountedProducts(learning_rate=rate)
        accumulator = LowRank(rank=self.rank, samples=self.samples, method=self.method)
        return Parts(credit=Backprop(), accumulator=accumulator, writer=writer, layer_rates=self.layer_rates)
