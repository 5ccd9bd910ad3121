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

from ..cells import AnyCell
from ..core.component import Component, choice, members, quantity, setting
from ..programming import BlindPulses, ClosedLoop, Program, RoundedCounts, Sign, StochasticTrains, Threshold
from ..programming.base import Parallelism
from ..programming.schemes import ReadWrite as ReadWriteScheme
from ..programming.schemes import WriteVerify
from .accumulate import AnyAccumulator, BatchCounter, DigitalValue, FloatTwin, PerSample, PersistentCounter
from .credit import Backprop, SignBackprop, TwinBackprop
from .rule import Parts, Rate, Rule


class AbstractRule(Component):
    """Settings of a published rule."""

    @abstractmethod
    def parts(self) -> Parts:
        """Credit, accumulator and writer."""

    @property
    def cell(self) -> AnyCell | None:
        """The weight cells that the rule is made for; None where any will do."""
        return None

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


class SignBackpropagationCounter(AbstractRule):
    """Sign backpropagation with counters that outlive the batch: what does not reach the threshold is not lost."""

    kind: Literal["sign_backprop_counter"] = "sign_backprop_counter"
    sources: ClassVar[tuple[str, ...]] = PersistentCounter.sources

    threshold: float = quantity(8.0, unit="1", gt=0, doc="counts that fire a pulse")
    bits: int = quantity(8, unit="bit", ge=2, le=16, doc="size of one counter, with sign")

    def parts(self) -> Parts:
        """Ternary backward read, counters that persist, one pulse at the threshold."""
        return Parts(
            credit=SignBackprop(),
            accumulator=PersistentCounter(bits=self.bits),
            writer=Threshold(threshold=self.threshold),
        )


class MixedPrecision(AbstractRule):
    """The gradient gathers in a digital number per weight; whole device steps of it are fired blindly."""

    kind: Literal["mixed_precision"] = "mixed_precision"
    sources: ClassVar[tuple[str, ...]] = DigitalValue.sources

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="wanted weight change / gradient of the batch's mean loss")
    granularity: float = quantity(1.0, unit="1", gt=0, doc="wanted change that fires a pulse, in mean device steps")

    def parts(self) -> Parts:
        """Analogue backward read, a number per weight, blind pulses."""
        return Parts(
            accumulator=DigitalValue(learning_rate=self.learning_rate), writer=BlindPulses(granularity=self.granularity)
        )


class Siamese(AbstractRule):
    """A float twin learns through the array's own forward pass; only cells whose level changes are programmed."""

    kind: Literal["siamese"] = "siamese"
    sources: ClassVar[tuple[str, ...]] = FloatTwin.sources

    levels: int = quantity(16, unit="1", ge=2, le=4096, doc="levels of one device")
    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="change of the twin / gradient of the batch's mean loss")
    every: int = quantity(1, unit="1", ge=1, doc="batches whose gradients gather before the twin learns")
    residual: bool = setting(True, doc="keep what rounding leaves over; without it training stops")
    feedback: float = quantity(0.0, unit="1", ge=0, le=1, doc="part of a programming error that goes into the twin")
    tolerance: float = quantity(0.3, unit="1", gt=0, le=1, doc="half-width of the verify window, in level spacings")
    max_pulses: int = quantity(500, unit="1", ge=1, doc="after which a cell is given up")
    parallel: Parallelism = setting("row", doc="cells written at the same time")

    def parts(self) -> Parts:
        """Backward in digital through the twin, write-verify of what changes."""
        # Both cells of a pair, or a cell against mid-range, move by half of what the weight does.
        window = self.tolerance / (2 * (self.levels - 1))
        twin = FloatTwin(
            levels=self.levels, learning_rate=self.learning_rate, residual=self.residual, feedback=self.feedback
        )
        writer = Program(scheme=WriteVerify(tolerance=window, max_pulses=self.max_pulses), parallel=self.parallel)
        return Parts(credit=TwinBackprop(), accumulator=twin, writer=writer, every=self.every)


class ReadWrite(AbstractRule):
    """One read, the inverse of the nominal curve, one burst, for every weight that a batch wants to change."""

    kind: Literal["read_write"] = "read_write"
    sources: ClassVar[tuple[str, ...]] = ReadWriteScheme.sources

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="wanted weight change / gradient of the batch's mean loss")

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, read-write."""
        return Parts(writer=ClosedLoop(learning_rate=self.learning_rate, scheme=ReadWriteScheme()))


class ReadWriteVerify(AbstractRule):
    """The closed-loop baseline: every weight that a batch wants to change is pulsed and read until it is there.

    Changes below `tolerance` are lost, so that a small learning rate or a wide window freezes training.
    """

    kind: Literal["read_write_verify"] = "read_write_verify"
    sources: ClassVar[tuple[str, ...]] = WriteVerify.sources

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="wanted weight change / gradient of the batch's mean loss")
    tolerance: float = quantity(0.005, unit="1", gt=0, le=1, doc="half-width of the window, relative to the range")
    max_pulses: int = quantity(500, unit="1", ge=1, doc="after which a cell is given up")
    parallel: Parallelism = setting("row", doc="cells written at the same time")

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, write-verify."""
        scheme = WriteVerify(tolerance=self.tolerance, max_pulses=self.max_pulses)
        return Parts(writer=ClosedLoop(learning_rate=self.learning_rate, scheme=scheme, parallel=self.parallel))


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
    rate_decay: float = quantity(1.0, unit="1", gt=0, le=1, doc="learning rate after an epoch / before")
    levels: int | None = quantity(
        None, unit="1", ge=2, le=4096, doc="quantise to so many levels a device, trained straight through; none: float"
    )

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


def siamese(model: nn.Module, **settings: Any) -> Rule:
    """`Siamese` at work on a model; settings as its fields."""
    return Siamese(**settings).attach(model)


def mixed_precision(model: nn.Module, **settings: Any) -> Rule:
    """`MixedPrecision` at work on a model; settings as its fields."""
    return MixedPrecision(**settings).attach(model)


def sign_backprop_counter(model: nn.Module, **settings: Any) -> Rule:
    """`SignBackpropagationCounter` at work on a model; settings as its fields."""
    return SignBackpropagationCounter(**settings).attach(model)


def read_write(model: nn.Module, **settings: Any) -> Rule:
    """`ReadWrite` at work on a model; settings as its fields."""
    return ReadWrite(**settings).attach(model)


def read_write_verify(model: nn.Module, **settings: Any) -> Rule:
    """`ReadWriteVerify` at work on a model; settings as its fields."""
    return ReadWriteVerify(**settings).attach(model)


MEMBERS = members(globals(), AbstractRule)
AnyRule = choice(MEMBERS)
