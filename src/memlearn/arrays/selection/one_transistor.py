"""1T1R: gates along the word lines switch the cells of all other rows off."""

from __future__ import annotations

from typing import ClassVar, Literal

from .base import AbstractSelection


class OneTransistor(AbstractSelection):
    """Cells of unselected word lines are switched off; unselected bit lines are held at the selected word line's V.

    Without wire resistance no cell but the selected ones sees a voltage. With it, cells of a selected word line and
    unselected bit lines see how far the word line falls. The gate's own charge is counted, cells apart.
    """

    kind: Literal["one_transistor"] = "one_transistor"
    sources: ClassVar[tuple[str, ...]] = (
        "Chen, Peng and Yu, IEEE TCAD 37:3067 (2018), NeuroSim: row-by-row 1T1R write",
    )
    word_share: ClassVar[float] = 1.0
    bit_share: ClassVar[float] = 1.0
    gated: ClassVar[bool] = True
