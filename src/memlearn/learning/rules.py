"""The published rules by name: each is a choice of credit, accumulator and writer.

    rule = memlearn.learning.sign_backprop(model, threshold=2)
    ...
    loss.backward(); rule.step(); rule.zero_grad()

Any other combination is a rule too: `Rule(model, Parts(credit=..., accumulator=..., writer=...))`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from torch import nn

from ..core.component import Component, choice, members, quantity, setting
from ..programming import RoundedCounts, Sign, StochasticTrains, Threshold
from .accumulate import AnyAccumulator, BatchCounter, PerSample
from .credit import Backprop, SignBackprop
from .rule import Parts, Rate, Rule


class AbstractRule(Component):
    """Settings of a published rule."""

    @abstractmethod
    def parts(self) -> Parts:
        """Credit, accumulator and writer."""

    def attach(self, model: nn.Module) -> Rule:
        """The rule at work on a model."""
        return Rule(model, self.parts())


class SGD(AbstractRule):
    """Stochastic gradient descent in the array: stochastic trains of every sample's outer product."""

    kind: Literal["sgd"] = "sgd"
    sources: ClassVar[tuple[str, ...]] = StochasticTrains.sources

    learning_rate: float = quantity(0.01, unit="1", gt=0, doc="wanted weight change / outer product of the factors")
    max_length: int = quantity(31, unit="1", ge=1, le=31, doc="longest train, in slots")
    update_management: bool = setting(True, doc="choose length and gains per sample from the largest factors")

    def parts(self) -> Parts:
        """Analogue backward read, nothing waits, stochastic trains."""
        writer = StochasticTrains(
            learning_rate=self.learning_rate, max_length=self.max_length, update_management=self.update_management
        )
        return Parts(credit=Backprop(), accumulator=PerSample(), writer=writer)


class RoundedSGD(AbstractRule):
    """Stochastic gradient descent with counted pulses: every weight gets its change, rounded to whole pulses.

    The product of the two factors is formed in digital, weight by weight, as device benchmarks do; `sgd` forms it in
    the array.
    """

    kind: Literal["rounded_sgd"] = "rounded_sgd"
    sources: ClassVar[tuple[str, ...]] = RoundedCounts.sources

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="wanted weight change / gradient of the batch")
    rounding: Literal["nearest", "stochastic"] = setting("nearest", doc="of the number of pulses")
    layer_rates: tuple[Rate, ...] = setting(
        (), doc="what the learning rate is multiplied by, layer by layer from the input; empty: 1 in all"
    )

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, that many pulses."""
        writer = RoundedCounts(learning_rate=self.learning_rate, rounding=self.rounding)
        return Parts(credit=Backprop(), accumulator=BatchCounter(), writer=writer, layer_rates=self.layer_rates)


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

    threshold: float = quantity(0.3, unit="1", gt=0, le=1, doc="fraction of the layer's largest summed gradient")

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, one pulse where it is large."""
        return Parts(
            credit=Backprop(), accumulator=BatchCounter(), writer=Threshold(threshold=self.threshold, relative=True)
        )


class SignBackpropagation(AbstractRule):
    """Binary signals forward, ternary errors back, a counter per weight and batch, one pulse at its threshold."""

    kind: Literal["sign_backprop"] = "sign_backprop"
    sources: ClassVar[tuple[str, ...]] = SignBackprop.sources

    threshold: float = quantity(2.0, unit="1", gt=0, doc="counts per batch that fire a pulse")
    accumulator: AnyAccumulator = setting(BatchCounter(), doc="the counters")

    def parts(self) -> Parts:
        """Ternary backward read, counters, one pulse at the threshold."""
        return Parts(credit=SignBackprop(), accumulator=self.accumulator, writer=Threshold(threshold=self.threshold))


class Custom(AbstractRule):
    """Any combination, spelt out."""

    kind: Literal["custom"] = "custom"

    rule: Parts = setting(Parts(), doc="credit, accumulator and writer")

    def parts(self) -> Parts:
        """As given."""
        return self.rule


class FloatReference(AbstractRule):
    """The yardstick: the same network, data and batches in plain PyTorch, plain SGD, no arrays."""

    kind: Literal["float_reference"] = "float_reference"

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="of plain stochastic gradient descent")

    def parts(self) -> Parts:
        """It has none."""
        raise TypeError("float_reference trains plain torch layers; it has no parts")


def sgd(model: nn.Module, **settings: Any) -> Rule:
    """`SGD` at work on a model; settings as its fields."""
    return SGD(**settings).attach(model)


def rounded_sgd(model: nn.Module, **settings: Any) -> Rule:
    """`RoundedSGD` at work on a model; settings as its fields."""
    return RoundedSGD(**settings).attach(model)


def manhattan(model: nn.Module, **settings: Any) -> Rule:
    """`Manhattan` at work on a model."""
    return Manhattan(**settings).attach(model)


def threshold_manhattan(model: nn.Module, **settings: Any) -> Rule:
    """`ThresholdManhattan` at work on a model; settings as its fields."""
    return ThresholdManhattan(**settings).attach(model)


def sign_backprop(model: nn.Module, **settings: Any) -> Rule:
    """`SignBackpropagation` at work on a model; settings as its fields."""
    return SignBackpropagation(**settings).attach(model)


MEMBERS = members(globals(), AbstractRule)
AnyRule = choice(MEMBERS)
