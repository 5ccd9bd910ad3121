"""The published rules by name: each is a choice of credit, accumulator and writer.

    rule = memlearn.learning.sign_backprop(model, threshold=2)
    ...
    loss.backward(); rule.step(); rule.zero_grad()

Any other combination is a rule too: `Rule(model, Parts(credit=..., accumulator=..., writer=...))`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

from torch import nn

from ..cells import AnyCell, Carry, MajorMinor, Volatile
from ..core.component import Component, choice, kind_of, members, quantity, setting
from ..core.errors import InputError
from ..nn import array_layers
from ..programming import (
    BlindPulses,
    ClosedLoop,
    MultiThreshold,
    OuterProduct,
    Program,
    RoundedCounts,
    Sign,
    StochasticTrains,
    Threshold,
)
from ..programming.base import Parallelism
from ..programming.schemes import ReadWrite as ReadWriteScheme
from ..programming.schemes import WriteVerify
from . import automatic
from .accumulate import AnyAccumulator, BatchCounter, DigitalValue, FloatTwin, PerSample, PersistentCounter
from .automatic import Facts, known
from .credit import Backprop, SignBackprop, TwinBackprop
from .rule import Parts, Rate, Rule


class AbstractRule(Component):
    """Settings of a published rule; those that are None are set from the device and the layers (docs/rules.md)."""

    @abstractmethod
    def parts(self) -> Parts:
        """Credit, accumulator and writer."""

    @property
    def cell(self) -> AnyCell | None:
        """The weight cells that the rule is made for; None where any will do."""
        return None

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """Values for the settings that may be left open, by name."""
        return {}

    def choices(self, facts: Facts) -> dict[str, Any]:
        """Those of them that are left open here."""
        return {name: value for name, value in self.automatic(facts).items() if getattr(self, name) is None}

    @property
    def is_open(self) -> bool:
        """Whether anything is left open."""
        return any(getattr(self, name) is None for name in self.automatic(Facts()))

    def resolved(self, facts: Facts | None = None) -> Self:
        """A copy with nothing left open; without facts, for a plain device of 64 states."""
        return self.replace(**self.choices(facts or Facts()))

    def attach(self, model: nn.Module, *, batch: int = 32, slowest: float = 1.0) -> Rule:
        """The rule at work on a model.

        Arguments:
            model: with in-memory layers.
            batch: samples between two writes, for settings that are left open.
            slowest: the lowest rate that a schedule will set, for the same.
        """
        for name, layer in array_layers(model).items():
            if self.cell is not None and layer.tile.array.cell.kind != self.cell.kind:
                allowed = f"must be {self.cell.kind} for {kind_of(type(self))}"
                raise InputError(f"{name}.array.cell", layer.tile.array.cell.kind, allowed, "Give the Array such cells")
        chosen = self.choices(Facts.of_model(model, batch=batch, slowest=slowest)) if self.is_open else {}
        rule = Rule(model, self.replace(**chosen).parts())
        rule.choices = chosen
        return rule


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


class Siamese(AbstractRule):
    """A float twin learns through the array's own forward pass; only cells whose level changes are programmed."""

    kind: Literal["siamese"] = "siamese"
    sources: ClassVar[tuple[str, ...]] = FloatTwin.sources

    levels: int = quantity(16, unit="1", ge=2, le=4096, doc="levels of one device")
    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="change of the twin / gradient of the batch's mean loss")
    every: int = quantity(1, unit="1", ge=1, doc="batches whose gradients gather before the twin learns")
    residual: bool = setting(True, doc="keep what rounding leaves over; without it training stops")
    feedback: float = quantity(0.0, unit="1", ge=0, le=1, doc="part of a programming error that goes into the twin")
    hysteresis: float = quantity(
        0.0, unit="1", ge=0, le=1, doc="level spacings beyond half of one before a cell is programmed anew"
    )
    tolerance: float = quantity(0.3, unit="1", gt=0, le=1, doc="half-width of the verify window, in level spacings")
    max_pulses: int = quantity(500, unit="1", ge=1, doc="after which a cell is given up")
    parallel: Parallelism = setting("row", doc="cells written at the same time")

    def parts(self) -> Parts:
        """Backward in digital through the twin, write-verify of what changes."""
        # Both cells of a pair, or a cell against mid-range, move by half of what the weight does.
        window = self.tolerance / (2 * (self.levels - 1))
        twin = FloatTwin(
            levels=self.levels,
            learning_rate=self.learning_rate,
            residual=self.residual,
            feedback=self.feedback,
            hysteresis=self.hysteresis,
        )
        writer = Program(scheme=WriteVerify(tolerance=window, max_pulses=self.max_pulses), parallel=self.parallel)
        return Parts(credit=TwinBackprop(), accumulator=twin, writer=writer, every=self.every)


class ReadWrite(AbstractRule):
    """One read, the inverse of the nominal curve, one burst, for every weight that a batch wants to change."""

    kind: Literal["read_write"] = "read_write"
    sources: ClassVar[tuple[str, ...]] = ReadWriteScheme.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / gradient of the batch's mean loss; none: automatic"
    )

    every: int = quantity(1, unit="1", ge=1, doc="batches whose gradients gather before a write")

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """The learning rate."""
        return {"learning_rate": automatic.learning_rate(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, read-write."""
        writer = ClosedLoop(learning_rate=known(self.resolved().learning_rate), scheme=ReadWriteScheme())
        return Parts(writer=writer, every=self.every)


class ReadWriteVerify(AbstractRule):
    """The closed-loop baseline: every weight that a batch wants to change is pulsed and read until it is there.

    Changes below `tolerance` are lost, so that a small learning rate or a wide window freezes training.
    """

    kind: Literal["read_write_verify"] = "read_write_verify"
    sources: ClassVar[tuple[str, ...]] = WriteVerify.sources

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="wanted weight change / gradient of the batch's mean loss; none: automatic"
    )
    tolerance: float | None = quantity(
        None, unit="1", gt=0, le=1, doc="half-width of the window, relative to the range; none: automatic"
    )
    max_pulses: int = quantity(500, unit="1", ge=1, doc="after which a cell is given up")
    parallel: Parallelism = setting("row", doc="cells written at the same time")

    every: int = quantity(1, unit="1", ge=1, doc="batches whose gradients gather before a write")

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """Learning rate and window."""
        return {"learning_rate": automatic.learning_rate(facts), "tolerance": automatic.tolerance(facts)}

    def parts(self) -> Parts:
        """Analogue backward read, a sum per weight, write-verify."""
        chosen = self.resolved()
        scheme = WriteVerify(tolerance=known(chosen.tolerance), max_pulses=self.max_pulses)
        writer = ClosedLoop(learning_rate=known(chosen.learning_rate), scheme=scheme, parallel=self.parallel)
        return Parts(writer=writer, every=self.every)


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
        return SGD(learning_rate=self.resolved().learning_rate, max_length=self.max_length).parts()


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
        return SGD(learning_rate=self.resolved().learning_rate, max_length=self.max_length).parts()


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


def multi_threshold(model: nn.Module, **settings: Any) -> Rule:
    """`MultiThresholdRule` at work on a model; settings as its fields."""
    return MultiThresholdRule(**settings).attach(model)


def outer_product_sgd(model: nn.Module, **settings: Any) -> Rule:
    """`IdealSGD` at work on a model; settings as its fields."""
    return IdealSGD(**settings).attach(model)


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


def periodic_carry(model: nn.Module, **settings: Any) -> Rule:
    """`PeriodicCarry` at work on a model; settings as its fields."""
    return PeriodicCarry(**settings).attach(model)


def weighted_synapse(model: nn.Module, **settings: Any) -> Rule:
    """`WeightedSynapse` at work on a model; settings as its fields."""
    return WeightedSynapse(**settings).attach(model)


def capacitor_transfer(model: nn.Module, **settings: Any) -> Rule:
    """`CapacitorTransfer` at work on a model; settings as its fields."""
    return CapacitorTransfer(**settings).attach(model)


def read_write(model: nn.Module, **settings: Any) -> Rule:
    """`ReadWrite` at work on a model; settings as its fields."""
    return ReadWrite(**settings).attach(model)


def read_write_verify(model: nn.Module, **settings: Any) -> Rule:
    """`ReadWriteVerify` at work on a model; settings as its fields."""
    return ReadWriteVerify(**settings).attach(model)


MEMBERS = members(globals(), AbstractRule)
AnyRule = choice(MEMBERS)
