"""V/3: no cell but the selected one sees more than a third of the pulse's voltage."""

from __future__ import annotations

from typing import ClassVar, Literal

from .base import AbstractSelection


class ThirdVoltage(AbstractSelection):
    """Unselected word lines V/3, unselected bit lines 2V/3: cells on a selected line see V/3, all others -V/3.

    One selected cell among M x N equal ones costs E = width V^2 G [1 + (M N - 1) / 9]: more than V/2 from 4 x 4 cells
    on, 2N/9 times as much for large N x N. The disturbing voltage falls to two thirds; the price is that all cells see
    it, most of them with the other sign.
    """

    kind: Literal["v_third"] = "v_third"
    sources: ClassVar[tuple[str, ...]] = (
        "A. Chen, IEEE Trans. Electron Devices 60:1318 (2013), half-voltage and third-voltage schemes",
    )
    word_share: ClassVar[float] = 1 / 3
    bit_share: ClassVar[float] = 2 / 3
