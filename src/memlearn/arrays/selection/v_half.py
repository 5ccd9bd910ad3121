"""V/2: all other lines at half the pulse's voltage."""

from __future__ import annotations

from typing import ClassVar, Literal

from .base import AbstractSelection


class HalfVoltage(AbstractSelection):
    """Selected word line V, selected bit line 0, all others V/2: cells on a selected line see V/2, all others nothing.

    One selected cell among M x N equal ones costs E = width V^2 G [1 + (M + N - 2) / 4].
    """

    kind: Literal["v_half"] = "v_half"
    sources: ClassVar[tuple[str, ...]] = (
        "A. Chen, IEEE Trans. Electron Devices 60:1318 (2013), half-voltage and third-voltage schemes",
    )
    word_share: ClassVar[float] = 1 / 2
    bit_share: ClassVar[float] = 1 / 2
