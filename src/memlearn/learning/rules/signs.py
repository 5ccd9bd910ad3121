"""Rules that write one pulse, or few, by the sign of the gradient and by thresholds."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ...core.component import quantity, setting
from ...programming import MultiThreshold, Sign, Threshold
from .. import automatic
from ..accumulate import AnyAccumulator, BatchCounter, PersistentCounter
from ..automatic import Facts, known
from ..credit import Backprop, SignBackprop
from ..rule import Parts, Rate
from .base import AbstractRule


class Manhattan(AbstractRule):
    """One identical pulse per weight and batch, by the sign of the summed gradient."""

    kind: Literal["manhattan"] = "manhattan"
    sources: ClassVar[tuple[str, ...]] = Sign.sources

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, one pulse by its sign."""
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=Sign())


class ThresholdManhattan(AbstractRule):
    """The Manhattan rule where the summed gradient is large enough, relative to the layer's largest."""

    kind: Literal["threshold_manhattan"] = "threshold_manhattan"
    sources: ClassVar[tuple[str, ...]] = Threshold.sources

    threshold: float | None = quantity(
        None, unit="1", gt=0, le=1, doc="fraction of the layer's largest summed gradient; none: automatic"
    )

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The threshold."""
        return {"threshold": automatic.relative_threshold(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, one pulse where it is large."""
        writer = Threshold(threshold=known(self.resolved().threshold), relative=True)
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=writer)


class MultiThresholdRule(AbstractRule):
    """The threshold rule with several thresholds: one pulse for each that the summed gradient reaches."""

    kind: Literal["multi_threshold"] = "multi_threshold"
    sources: ClassVar[tuple[str, ...]] = MultiThreshold.sources

    thresholds: tuple[Rate, ...] = setting(
        (0.2, 0.4, 0.6, 0.8), doc="fractions of the layer's largest summed gradient, rising"
    )

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, as many pulses as thresholds are reached."""
        writer = MultiThreshold(thresholds=self.thresholds)
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=writer)


class SignBackpropagation(AbstractRule):
    """Binary signals forward, ternary errors back, a counter per weight and batch, one pulse at its threshold."""

    kind: Literal["sign_backprop"] = "sign_backprop"
    sources: ClassVar[tuple[str, ...]] = SignBackprop.sources

    threshold: float | None = quantity(None, unit="1", gt=0, doc="counts that fire a pulse; none: automatic")
    accumulator: AnyAccumulator = setting(BatchCounter(), doc="the counters")

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The threshold, of counts of one batch or of counts that persist."""
        lasting = isinstance(self.accumulator, PersistentCounter)
        threshold = automatic.counter_threshold(facts) if lasting else automatic.batch_threshold(facts)
        return {"threshold": threshold}

    def parts(self) -> Parts:
        """Ternary backward read, counters, one pulse at the threshold."""
        writer = Threshold(threshold=known(self.resolved().threshold))
        return Parts(credit=SignBackprop(), accumulator=self.accumulator, writer=writer)


class SignBackpropagationCounter(AbstractRule):
    """Sign backpropagation with counters that outlive the batch: what does not reach the threshold is not lost."""

    kind: Literal["sign_backprop_counter"] = "sign_backprop_counter"
    sources: ClassVar[tuple[str, ...]] = PersistentCounter.sources

    threshold: float | None = quantity(None, unit="1", gt=0, doc="counts that fire a pulse; none: automatic")
    bits: int | None = quantity(None, unit="bit", ge=2, le=16, doc="size of one counter, with sign; none: automatic")

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The threshold, and the bits that hold it."""
        threshold = self.threshold or automatic.counter_threshold(facts)
        return {"threshold": threshold, "bits": automatic.counter_bits(facts, threshold)}

    def parts(self) -> Parts:
        """Ternary backward read, counters that persist, one pulse at the threshold."""
        chosen = self.resolved()
        return Parts(
            credit=SignBackprop(),
            accumulator=PersistentCounter(bits=known(chosen.bits)),
            writer=Threshold(threshold=known(chosen.threshold)),
        )
