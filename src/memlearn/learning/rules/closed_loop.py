"""Rules that programme cells to targets, with reads in between."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ...core.component import quantity, setting
from ...programming import ClosedLoop, Program
from ...programming.base import Parallelism
from ...programming.schemes import ReadWrite as ReadWriteScheme
from ...programming.schemes import WriteVerify
from .. import automatic
from ..accumulate import FloatTwin
from ..automatic import Facts, known
from ..credit import TwinBackprop
from ..rule import Parts
from .base import AbstractRule


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
    marked_after: int = quantity(
        0, unit="1", ge=0, le=255, doc="failures in a row after which a cell is not programmed again; 0: never"
    )
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
        scheme = WriteVerify(tolerance=window, max_pulses=self.max_pulses, marked_after=self.marked_after)
        writer = Program(scheme=scheme, parallel=self.parallel)
        return Parts(credit=TwinBackprop(), accumulator=twin, writer=writer, every=self.every)


class QuantisedSynapses(AbstractRule):
    """Binary or ternary weights: a hidden weight learns by the straight-through estimator, the cells hold its sign.

    Forward through the cells, back in digital through the weights that they should hold; only weights that change
    are programmed. The mapping's `w_max` is the size of the weights: about 2 sqrt(2 / inputs) suits a layer that is not
    normalised.
    """

    kind: Literal["quantised"] = "quantised"
    sources: ClassVar[tuple[str, ...]] = (
        "Nguyen et al., Neuromorph. Comput. Eng. 2:032001 (2022): binary and ternary synapses",
        *FloatTwin.sources[1:],
    )

    weights: Literal["binary", "ternary"] = setting("ternary", doc="-1 and 1, or 0 too, times w_max")
    learning_rate: float = quantity(
        0.1, unit="1", gt=0, doc="change of the hidden weight / gradient of the batch's mean loss"
    )
    zero_below: float = quantity(0.7, unit="1", ge=0, doc="ternary: weights below this x the layer's mean size are 0")
    bits: int | None = quantity(
        None, unit="bit", ge=2, le=24, doc="of a hidden weight as a digital counter; none: floating point"
    )
    every: int = quantity(1, unit="1", ge=1, doc="batches whose gradients gather before the hidden weights learn")
    tolerance: float = quantity(0.1, unit="1", gt=0, le=1, doc="half-width of the verify window, relative to the range")
    max_pulses: int = quantity(500, unit="1", ge=1, doc="after which a cell is given up")
    marked_after: int = quantity(
        0, unit="1", ge=0, le=255, doc="failures in a row after which a cell is not programmed again; 0: never"
    )
    parallel: Parallelism = setting("row", doc="cells written at the same time")

    def parts(self) -> Parts:
        """Backward in digital through the quantised weights, write-verify of what changes."""
        twin = FloatTwin(
            grid=self.weights, zero_below=self.zero_below, learning_rate=self.learning_rate, bits=self.bits
        )
        scheme = WriteVerify(tolerance=self.tolerance, max_pulses=self.max_pulses, marked_after=self.marked_after)
        writer = Program(scheme=scheme, parallel=self.parallel)
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
