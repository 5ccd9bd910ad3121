"""A second, fast array that gathers the gradient and passes it on to the slow one line by line: Tiki-Taka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from ..core.component import quantity, setting
from ..core.errors import InputError
from ..core.types import SIGN_BIT, Counts, PulsePlan
from ..devices import AbstractDevice, AnyDevice, SoftBoundsReference
from ..ops import random
from ..periphery import ADC, DAC
from .base import AbstractCell, Access, Memory, Part

_SHARE = 1 / 16
"""Pulses for a read of one step of the slower array, where the gain is left open and reads see the fast array."""
_FIRST = 0.4
"""The same at first where they do not: the gain falls from there."""
_SETTLE = 15.0
"""Reads of a line after which such a gain has halved."""
_STATES = 100
"""Up to so many states a transfer may move a weight by one pulse; beyond, by more in proportion, to move it as far."""


class SecondArray(AbstractCell):
    """w = slow + gamma fast (+ gamma^2 faster ...): pulses of updates go to the fastest array.

    After every `transfer_every` outer products the next word line j of it is driven alone and read, less its reference;
    with the signs c_j of the word line's chopper and o of the bit lines', by which the pulses of updates are turned,

        u = c_j o (v - reference)

    is what the line has gathered, in weights, and the slower array's line j gets pulses for `gain` u of it (docs/
    second_array.md). Lines come in their order, over and over. With gamma = 0 reads do not see the fast array at all.

    buffer   none      gain u pulses, whole ones and the rest by lot
             digital   H += gain u, trunc(H) pulses at most `most`, taken out of H (or H *= forget where any were sent)
             average   M += average (u - M), gain M pulses by lot
    """

    kind: Literal["second_array"] = "second_array"
    sources: ClassVar[tuple[str, ...]] = (
        "Gokmen and Haensch, Front. Neurosci. 14:103 (2020): Tiki-Taka",
        "Gokmen, Front. Artif. Intell. 4:699148 (2021): a digital buffer between the arrays",
        "Rasch, Carta, Fagbohungbe, Gokmen, Nat. Commun. 15:7133 (2024): choppers, dynamic reference",
        "Wu, Gokmen, Rasch, Chen, arXiv 2406.12774 (2024): residual learning, both arrays in the reads",
        "Li et al., arXiv 2510.02516 (2025): several arrays with geometric gains",
        "Xiao et al., arXiv 2602.21321 (2026): tracking the symmetric point",
    )

    arrays: int = quantity(1, unit="1", ge=1, le=8, doc="arrays beside the slow one, each passing on to the one before")
    gamma: float = quantity(0.0, unit="1", ge=0, le=1, doc="gain of an array in the one before; 0: not in reads")
    fast: AnyDevice | None = setting(None, doc="law of the arrays beside the slow one; none: as the slow one")
    transfer_every: int | None = quantity(None, unit="1", ge=1, doc="outer products from transfer to transfer; none: 1")
    slower: int | None = quantity(
        None, unit="1", ge=1, doc="how many times rarer each slower array passes on; none: the number of lines"
    )
    unit: Literal["product", "batch"] = setting(
        "product", doc="what transfer_every counts: outer products, positions of a convolution apart, or whole writes"
    )
    read_share: float = quantity(1.0, unit="1", gt=0, le=1, doc="of the drivers' range, on a line that is read")
    drive: DAC = setting(DAC(), doc="converter of the line that is read")
    sense: ADC = setting(ADC(output_range=1.0), doc="converters of its weights; range in units of w_max")
    buffer: Literal["none", "digital", "average"] = setting("digital", doc="what stands between the arrays")
    gain: float | None = quantity(
        None,
        unit="1",
        gt=0,
        doc="pulses per weight read; none: 0.4 for each step of the slower array, 1/16 where reads see the fast one",
    )
    settle: float | None = quantity(
        None,
        unit="1",
        ge=0,
        doc="reads of a line after which its gain has halved, gain / (1 + reads / settle), 0: it stays; none: 15 where "
        "the gain is open and reads do not see the fast array, else 0 (docs/automatic_gains.md)",
    )
    most: int | None = quantity(
        None,
        unit="1",
        ge=1,
        le=31,
        doc="most pulses of a weight at a transfer; none: states / 100 of the slow array, 1 to 31, where reads do not "
        "see the fast one, else 1",
    )
    forget: float | None = quantity(
        None, unit="1", ge=0, lt=1, doc="what a pulse leaves of a digital buffer; none: all but what pulses stand for"
    )
    average: float = quantity(0.1, unit="1", gt=0, le=1, doc="share of a new read in a moving average")
    chopper: Literal["none", "random", "regular"] = setting("none", doc="how the signs of word lines change")
    flip: float = quantity(0.1, unit="1", gt=0, le=1, doc="probability that a sign changes after a read")
    period: int | None = quantity(
        None, unit="1", ge=1, doc="reads between regular changes of sign; none: 2, tracked 10"
    )
    output_flip: float = quantity(
        0.0, unit="1", ge=0, le=1, doc="probability that the signs of bit lines change, each pass over all word lines"
    )
    reference: Literal["array", "own", "dynamic", "tracked"] | None = setting(
        None,
        doc="what is subtracted from reads: array (each cell's symmetric point), own (nothing more than the cells' own "
        "reference), dynamic (the level under the other sign), tracked (running mean); none: own where cells have one, "
        "else array",
    )
    reference_error: float = quantity(0.0, unit="1", ge=0, doc="spread of a reference array, relative to w_max")
    reference_drift: float = quantity(
        0.0, unit="1", ge=0, doc="by how much it wanders from read to read of a line, standard deviation over w_max"
    )
    reference_rate: float | None = quantity(
        None,
        unit="1",
        gt=0,
        le=1,
        doc="share of a new read in the mean; none: 1/2, beyond 10 reads 5 / period; tracked 1 / period",
    )

    def model_post_init(self, _: Any) -> None:
        """Options must fit each other."""
        if self.arrays > 1 and not self.gamma:
            raise InputError("gamma", self.gamma, "must be positive with several arrays", "0.2, for instance.")
        if self.reference == "dynamic" and self.chopper != "regular":
            raise InputError("chopper", self.chopper, 'must be "regular" for the dynamic reference')
        if self.reference == "tracked" and self.chopper == "none":
            allowed = "must not be none for a tracked reference, which would take the gradient for an offset"
            raise InputError("chopper", self.chopper, allowed, 'Take "regular" or "random".')

    def settled(self, device: AbstractDevice) -> Self:
        """With interval, period, reference and most pulses."""
        period = self.period or (2 if self.reference == "dynamic" else 10)
        share = 1 if self.gamma else round(device.range / device.mean_step / _STATES)
        chosen = {"transfer_every": self.transfer_every or 1}
        own = isinstance(self.fast or device, SoftBoundsReference)
        rate = min(0.5, 5 / period) if self.reference != "tracked" else 1 / period
        return self.replace(
            **chosen,
            most=self.most or min(31, max(1, share)),
            period=period,
            reference=self.reference or ("own" if own else "array"),
            reference_rate=self.reference_rate or rate,
        )

    def fitted(self, inputs: int, outputs: int, steps: Sequence[float]) -> Self:
        """With the gain and how it falls, and the interval of slower arrays."""
        share = _SHARE if self.gamma else _FIRST
        settle = _SETTLE if self.gain is None and not self.gamma else 0.0
        if self.settle is not None:
            settle = self.settle
        return self.replace(gain=self.gain or share / steps[0], settle=settle, slower=self.slower or inputs)

    def gain_at(self, passes: int) -> float:
        """Pulses per weight read of a line that has been read so many times before."""
        gain = self.gain or 1.0
        return gain / (1 + passes / self.settle) if self.settle else gain

    def parts(self) -> tuple[Part, ...]:
        """The slow array, then the faster ones in turn."""
        reader = self.drive, self.sense
        names = ["fast"] if self.arrays == 1 else [f"fast{k}" for k in range(1, self.arrays + 1)]
        fast = [Part(name, self.gamma**k, self.fast, None, reader) for k, name in enumerate(names, 1)]
        return Part("slow", 1.0), *fast

    def step(self, steps: Sequence[float]) -> float:
        """That of the fastest array's own weight."""
        return steps[-1] / (self.gamma**self.arrays or 1.0)

    @property
    def bits_per_weight(self) -> int:
        """Of numbers of 32 bits: a buffer for each array that has one, mean and frozen reference."""
        words = self.arrays * (self.buffer != "none")
        return 32 * (words + {"dynamic": 2, "tracked": 1}.get(self.reference or "", 0))

    def memory(self, inputs: int, outputs: int) -> Memory:
        """Buffers, signs, means and references."""
        kept: Memory = {}
        if self.buffer != "none":
            kept |= {f"buffer{k}": torch.zeros(inputs, outputs) for k in range(1, self.arrays + 1)}
        if self.chopper != "none":
            kept["signs"] = torch.ones(inputs)
        if self.output_flip:
            kept["output_signs"] = torch.ones(outputs)
        if self.reference in ("dynamic", "tracked"):
            kept["mean"] = torch.zeros(inputs, outputs)
        if self.reference == "dynamic":
            kept["frozen"] = torch.zeros(inputs, outputs)
        if self.reference == "array" or self.reference is None:
            kept |= {f"reference{k}": torch.zeros(inputs, outputs) for k in range(1, self.arrays + 1)}
        return kept

    def start(self, parts: Sequence[Access], memory: Memory) -> None:
        """Bring reference arrays to the symmetric points, as nearly as they are known."""
        for k in range(1, self.arrays + 1):
            if f"reference{k}" in memory:
                points, part = memory[f"reference{k}"].copy_(parts[k].symmetric()), parts[k]
                if self.reference_error:
                    drawn = random.normal(part.stream.child("reference", k), 0, points.shape, points)
                    points.add_(drawn * (self.reference_error * part.w_max))

    def portions(self, plan: PulsePlan, writes: int) -> Sequence[tuple[PulsePlan, int]]:
        """Up to the next transfer; a plan of counts knows no single products, and is one."""
        if isinstance(plan, Counts) or self.unit == "batch":
            return ((plan, 1),)
        every, found, first = self.transfer_every or 1, [], 0
        while first < len(plan.rows):
            last = min(len(plan.rows), first + every - (writes + first) % every)
            found.append((plan._replace(rows=plan.rows[first:last], columns=plan.columns[first:last]), last - first))
            first = last
        return found

    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """To the fastest array, with the signs of the choppers."""
        return *[None] * self.arrays, self._chopped(plan, memory.get("signs"), memory.get("output_signs"))

    def transfer(self, parts: Sequence[Access], writes: int, memory: Memory) -> None:
        """The next line of each array whose time it is, the fastest first."""
        period = self.transfer_every or 1
        for k in range(self.arrays, 0, -1):
            if writes % period:
                return
            self._pass_on(k, parts, writes // period - 1, memory)
            period *= self.slower or 1

    def _pass_on(self, k: int, parts: Sequence[Access], number: int, memory: Memory) -> None:
        """Transfer `number` (0, 1, 2, ...) from array k to the one before it."""
        last, points = k == self.arrays, memory.get(f"reference{k}")
        source, target = parts[k], parts[k - 1]
        passes, line = divmod(number, source.lines)
        seen = source.read_line(line, self.read_share, None if points is None else points[line])
        u = self._against_reference(line, passes, seen, memory) if last else seen
        if last:
            u = self._demodulated(line, u, memory)
        target.send_line(line, self._pulses(k, line, u, number, source, memory))
        if last:
            self._flip(line, passes, number, source, memory)
        if points is not None and self.reference_drift:
            drawn = random.normal(source.stream.child("wander", k), number, points[line].shape, points)
            points[line] += drawn * (self.reference_drift * source.w_max)

    def _against_reference(self, line: int, passes: int, seen: Tensor, memory: Memory) -> Tensor:
        """A read less the reference that is kept in digital, where one is; it learns from the read."""
        if self.reference not in ("dynamic", "tracked"):
            return seen
        mean, rate = memory["mean"][line], self.reference_rate or 1.0
        if self.reference == "tracked":
            if passes == 0:
                mean.copy_(seen)
            u = seen - mean
        else:
            frozen, period = memory["frozen"][line], self.period or 1
            if passes % period == 0:
                frozen.copy_(mean)
            u = seen - frozen if passes >= period else torch.zeros_like(seen)
        mean.add_((seen - mean) * rate)
        return u

    @staticmethod
    def _demodulated(line: int, u: Tensor, memory: Memory) -> Tensor:
        """With the signs under which the line was written."""
        if "signs" in memory:
            u = u * memory["signs"][line]
        return u * memory["output_signs"] if "output_signs" in memory else u

    def _pulses(self, k: int, line: int, u: Tensor, number: int, source: Access, memory: Memory) -> Tensor:
        """Pulses (outputs,), int32, for what a line has gathered."""
        gain, most = self.gain_at(number // source.lines), self.most or 1
        if self.buffer == "digital":
            held = memory[f"buffer{k}"][line]
            held.add_(u * gain)
            sent = held.trunc().clamp(-most, most)
            held.copy_(held - sent if self.forget is None else held.where(sent == 0, held * self.forget))
            return sent.int()
        if self.buffer == "average":
            held = memory[f"buffer{k}"][line]
            held.add_((u - held) * self.average)
            u = held
        wanted, lot = u * gain, random.uniform(source.stream.child("rest", k), number, u.shape, u)
        whole = wanted.abs().floor()
        return ((whole + (lot < wanted.abs() - whole)) * wanted.sign()).clamp(-most, most).int()

    def _flip(self, line: int, passes: int, number: int, source: Access, memory: Memory) -> None:
        """Change signs whose time it is, after a read."""
        if self.chopper == "regular" and (passes + 1) % (self.period or 1) == 0:
            memory["signs"][line] *= -1
        elif self.chopper == "random":
            signs = memory["signs"]
            if float(random.uniform(source.stream.child("chopper"), number, (1,), signs)) < self.flip:
                signs[line] *= -1
        if self.output_flip and line == source.lines - 1:
            signs = memory["output_signs"]
            lot = random.uniform(source.stream.child("output chopper"), number, signs.shape, signs)
            signs.copy_(signs.where(lot >= self.output_flip, -signs))

    @staticmethod
    def _chopped(plan: PulsePlan, rows: Tensor | None, columns: Tensor | None) -> PulsePlan:
        """A plan with the signs of its lines turned."""
        if isinstance(plan, Counts):
            pulses = plan.pulses
            pulses = pulses if rows is None else pulses * rows[:, None].to(pulses)
            return plan._replace(pulses=pulses if columns is None else pulses * columns.to(pulses))
        turned = [
            line if signs is None else line ^ ((signs < 0).to(line.device).long() << SIGN_BIT)
            for line, signs in ((plan.rows, rows), (plan.columns, columns))
        ]
        return plan._replace(rows=turned[0], columns=turned[1])
