"""A fast volatile cell that learns, and a slow lasting pair that now and then takes over what it has learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ..arrays.mapping import AnyMapping, ReferenceColumn
from ..core.component import quantity, setting
from ..core.types import PulsePlan
from ..devices import AnyDevice, Capacitor
from ..programming.schemes import AnyScheme, WriteVerify
from .base import AbstractCell, Access, Memory, Part


class Volatile(AbstractCell):
    """w = (gain slow + sign fast) / (gain + 1): pulses of updates go to the fast cell.

    Every `transfer_every` writes both are read, cell by cell; the slow cells are brought to the whole weight by closed
    loop, and the fast cell to zero, or with `keep_rest` to what the slow ones do not hold. With `inversion` the sign
    changes at each transfer, so that a fixed mismatch of up and down pulses of a fast cell cancels over two periods.
    """

    kind: Literal["volatile"] = "volatile"
    sources: ClassVar[tuple[str, ...]] = (
        "Ambrogio et al., Nature 558:60 (2018): 3T1C and phase-change cells, transfer, polarity inversion",
    )

    fast: AnyDevice = setting(Capacitor(), doc="law of the fast cells")
    fast_mapping: AnyMapping = setting(ReferenceColumn(), doc="which fast cells make a weight; w_max is the array's")
    gain: float = quantity(3.0, unit="1", gt=0, doc="of the slow cells' current")
    transfer_every: int = quantity(100, unit="1", ge=1, doc="writes from transfer to transfer")
    inversion: bool = setting(True, doc="change the sign of the fast cell at each transfer")
    keep_rest: bool = setting(False, doc="leave in the fast cell what the slow ones do not hold after a transfer")
    scheme: AnyScheme = setting(WriteVerify(), doc="how cells reach their targets at a transfer")

    def parts(self) -> tuple[Part, ...]:
        """Slow, fast."""
        slow, fast = self.gain / (self.gain + 1), 1 / (self.gain + 1)
        return Part("slow", slow), Part("fast", fast, self.fast, self.fast_mapping)

    def signs(self, writes: int) -> tuple[int, ...]:
        """The fast cell's changes at each transfer."""
        return 1, -1 if self.inversion and writes // self.transfer_every % 2 else 1

    def route(self, plan: PulsePlan, writes: int, memory: Memory) -> Sequence[PulsePlan | None]:
        """To the fast cell."""
        return None, plan

    def step(self, steps: Sequence[float]) -> float:
        """That of the fast cell."""
        return steps[1]

    def transfer(self, parts: Sequence[Access], writes: int, memory: Memory) -> None:
        """What the fast cell holds goes into the slow ones."""
        if writes % self.transfer_every:
            return
        slow, fast = parts
        (_, before), (_, after) = self.signs(writes - 1), self.signs(writes)
        whole = slow.gain * slow.look(None) + before * fast.gain * fast.look(None)
        reached = slow.program((whole / slow.gain).clamp(-slow.w_max, slow.w_max), None, self.scheme)
        rest = (whole - slow.gain * reached) * (after / fast.gain) if self.keep_rest else 0 * whole
        fast.program(rest.clamp(-fast.w_max, fast.w_max), None, self.scheme)
