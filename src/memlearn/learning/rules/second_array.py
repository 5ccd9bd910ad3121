"""Rules whose gradient is gathered in a second, fast array: the Tiki-Taka family, on `cells.SecondArray`.

Settings that are named here make the weight cells; what they leave open follows from the device, the layers and, for
the fast array's rate, from running means of the factors (docs/second_array.md).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ...cells import AnyCell, SecondArray
from ...core.component import quantity, setting
from ...devices import AnyDevice
from ...programming import StochasticTrains
from .. import automatic
from ..accumulate import PerSample, ScaledSample
from ..automatic import Facts, known
from ..credit import AnyCredit, Backprop
from ..rule import Parts, Rule
from .base import AbstractRule

_FITTED = "gain", "settle", "most", "transfer_every"
"""Settings of every second array that follow from device and layer where they are left open."""


class AbstractTransferRule(AbstractRule):
    """What the rules of a second array share."""

    learning_rate: float | None = quantity(
        None, unit="1", gt=0, doc="change of the fast weight / outer product of the factors; none: by `slots`"
    )
    slots: float | None = quantity(
        None, unit="1", gt=0, doc="pulses for the largest product of a usual sample, by running means; none: automatic"
    )
    max_length: int = quantity(31, unit="1", ge=1, le=31, doc="longest train, in slots")
    credit: AnyCredit = setting(Backprop(), doc="whose error, in what form")
    fast: AnyDevice | None = setting(None, doc="law of the fast array; none: as the slow one")
    transfer_every: int | None = quantity(None, unit="1", ge=1, doc="outer products from transfer to transfer; none: 1")
    unit: Literal["product", "batch"] = setting("product", doc="what transfer_every counts; batch: whole writes")
    gain: float | None = quantity(
        None, unit="1", gt=0, doc="pulses on the slow array per weight read; none: from its device"
    )
    settle: float | None = quantity(
        None, unit="1", ge=0, doc="reads of a line after which its gain has halved, 0: it stays; none: as the cell says"
    )
    most: int | None = quantity(
        None, unit="1", ge=1, le=31, doc="most pulses of a weight at a transfer; none: states / 100 of the slow array"
    )
    read_bits: int | None = quantity(8, unit="bit", ge=2, le=24, doc="of the converters of transfer reads; none: exact")

    @property
    def cell(self) -> AnyCell | None:
        """Slow and fast arrays."""
        return self._cell()

    def automatic(self, facts: Facts) -> dict[str, Any]:
        """Pulses of the fast array; the cell sets what else is left open, layer by layer."""
        chopped = self._cell().chopper != "none"
        return {"slots": automatic.slots(facts if self.fast is None else Facts.of(self.fast), chopped)}

    def set_by_cells(self, rule: Rule) -> dict[str, Any]:
        """Gain and interval of each layer, and the period of a regular chopper, where they are left open."""
        wanted = self._cell()
        left_open = [key for key in _FITTED if getattr(wanted, key) is None]
        if wanted.chopper == "regular" and wanted.period is None:
            left_open.append("period")
        return {
            f"{name}.{key}": getattr(layer.tile.array.cell, key)
            for name, layer in rule.layers.items()
            for key in left_open
        }

    def parts(self) -> Parts:
        """Trains of each sample's outer product."""
        rate = 1.0 if self.learning_rate is None else self.learning_rate
        writer = StochasticTrains(learning_rate=rate, max_length=self.max_length)
        accumulator = ScaledSample(slots=known(self.resolved().slots)) if self.learning_rate is None else PerSample()
        return Parts(credit=self.credit, accumulator=accumulator, writer=writer)

    def _cell(self, **options: Any) -> SecondArray:
        """The weight cells, with further options."""
        shared = {name: getattr(self, name) for name in ("fast", "transfer_every", "unit", "gain", "settle", "most")}
        sense = SecondArray().sense.replace(bits=self.read_bits)
        return SecondArray(**{**shared, "sense": sense, **options})


class TikiTaka(AbstractTransferRule):
    """Tiki-Taka, version 1: reads of the fast array, less each cell's symmetric point, pulse the slow one."""

    kind: Literal["tiki_taka"] = "tiki_taka"
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[:1]

    reference_error: float = quantity(0.0, unit="1", ge=0, doc="spread of the reference array, relative to w_max")

    def _cell(self, **options: Any) -> SecondArray:
        return super()._cell(buffer="none", reference_error=self.reference_error, **options)


class TikiTakaV2(AbstractTransferRule):
    """Tiki-Taka, version 2: a digital number per weight between the arrays."""

    kind: Literal["tiki_taka_v2"] = "tiki_taka_v2"
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[1:2]

    forget: float | None = quantity(
        None, unit="1", ge=0, lt=1, doc="what a pulse leaves of the buffer; none: all but what pulses stand for"
    )
    reference_error: float = quantity(0.0, unit="1", ge=0, doc="spread of the reference array, relative to w_max")
    reference_drift: float = quantity(0.0, unit="1", ge=0, doc="how far it wanders from read to read of a line")

    def _cell(self, **options: Any) -> SecondArray:
        own = {"reference_error": self.reference_error, "reference_drift": self.reference_drift}
        return super()._cell(buffer="digital", forget=self.forget, **own, **options)


class ChoppedTikiTaka(TikiTakaV2):
    """Chopped Tiki-Taka: version 2 with signs of the lines that change, so that a wrong reference averages out."""

    kind: Literal["chopped_tiki_taka"] = "chopped_tiki_taka"  # type: ignore[assignment]
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[2:3]

    flip: float = quantity(0.1, unit="1", gt=0, le=1, doc="probability that a word line's sign changes after a read")
    output_flip: float = quantity(0.0, unit="1", ge=0, le=1, doc="the same of bit lines, each pass over all word lines")

    def _cell(self, **options: Any) -> SecondArray:
        return super()._cell(chopper="random", flip=self.flip, output_flip=self.output_flip, **options)


class AGAD(AbstractTransferRule):
    """Analogue gradient accumulation with dynamic reference: what a line held under the other sign is its reference."""

    kind: Literal["agad"] = "agad"
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[2:3]

    forget: float | None = quantity(
        None, unit="1", ge=0, lt=1, doc="what a pulse leaves of the buffer; none: all but what pulses stand for"
    )
    period: int | None = quantity(None, unit="1", ge=1, doc="reads of a line from change to change of sign; none: 2")

    def _cell(self, **options: Any) -> SecondArray:
        own = {"chopper": "regular", "period": self.period, "reference": "dynamic"}
        return super()._cell(buffer="digital", forget=self.forget, **own, **options)


class ResidualLearning(AbstractTransferRule):
    """Residual learning: reads see slow + gamma fast, so that the fast array learns what the slow one does not hold."""

    kind: Literal["residual_learning"] = "residual_learning"
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[3:4]

    gamma: float = quantity(0.1, unit="1", gt=0, le=1, doc="gain of the fast array")
    average: float | None = quantity(
        None, unit="1", gt=0, le=1, doc="share of a new read in a digital moving average; none: no average"
    )

    def _cell(self, **options: Any) -> SecondArray:
        buffer = {"buffer": "none"} if self.average is None else {"buffer": "average", "average": self.average}
        return super()._cell(gamma=self.gamma, **buffer, **options)


class MultiTile(AbstractTransferRule):
    """Residual learning on several arrays of geometric gains, each of which passes on more rarely than the next."""

    kind: Literal["multi_tile"] = "multi_tile"
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[4:5]

    arrays: int = quantity(2, unit="1", ge=1, le=8, doc="arrays beside the slow one")
    gamma: float = quantity(0.25, unit="1", gt=0, le=1, doc="gain of each array in the one before")
    slower: int | None = quantity(
        None, unit="1", ge=1, doc="how many times rarer each slower array passes on; none: the number of lines"
    )
    buffer: Literal["none", "digital", "average"] = setting("none", doc="what stands between the arrays")

    def _cell(self, **options: Any) -> SecondArray:
        own = {"arrays": self.arrays, "gamma": self.gamma, "slower": self.slower, "buffer": self.buffer}
        return super()._cell(**own, **options)


class Tracked(AbstractTransferRule):
    """A chopped second array whose symmetric points are tracked in digital while it learns: no calibration."""

    kind: Literal["tracked"] = "tracked"
    sources: ClassVar[tuple[str, ...]] = SecondArray.sources[5:6]

    gamma: float = quantity(0.0, unit="1", ge=0, le=1, doc="gain of the fast array; 0: not in reads")
    period: int | None = quantity(None, unit="1", ge=1, doc="reads of a line from change to change of sign; none: 10")
    tracking: float | None = quantity(
        None, unit="1", gt=0, le=1, doc="share of a new read in the running symmetric point; none: 1 / period"
    )

    def _cell(self, **options: Any) -> SecondArray:
        own = {"chopper": "regular", "period": self.period, "reference": "tracked", "reference_rate": self.tracking}
        return super()._cell(buffer="digital", gamma=self.gamma, **own, **options)
