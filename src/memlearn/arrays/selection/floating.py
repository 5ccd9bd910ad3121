"""Floating: all other lines are left to themselves."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .base import AbstractSelection, LineShares


class Floating(AbstractSelection):
    """Only the selected lines are driven; the others come to what the cells make of them.

    Current sneaks from a selected word line through three cells in a row to a selected bit line. Of M x N equal cells,
    one of them selected, those on its word line see V (M - 1) / (M + N - 1), those on its bit line V (N - 1) / (M + N -
    1), all others -V / (M + N - 1): much as in V/2, without drivers for it, but what a cell sees depends on all others.
    Nominal voltages are those of equal cells.
    """

    kind: Literal["floating"] = "floating"
    sources: ClassVar[tuple[str, ...]] = (
        "Sneak path of three cell groups in series: derived for memlearn from Kirchhoff's laws",
    )
    word_share: ClassVar[float] = math.nan
    bit_share: ClassVar[float] = math.nan

    def levels(self, rows: Tensor, columns: Tensor) -> LineShares:
        """Unselected bit lines b and word lines w: r (1 - b) = (M - r) (b - w), c w = (N - c) (b - w)."""
        r, c = rows.double().sum(-1, keepdim=True), columns.double().sum(-1, keepdim=True)
        # Groups in series: r (N - c) cells to the bit lines, (M - r) (N - c) between, (M - r) c to the ground.
        others, beside = rows.shape[-1] - r, columns.shape[-1] - c
        into, between, out = (1 / cells.clamp_min(1e-300) for cells in (r * beside, others * beside, others * c))
        whole = into + between + out
        # Where all lines of a kind are selected, those of the other kind that are not join the driven ones.
        word = torch.where(others > 0, out / whole, 1.0).where(beside > 0, 0.0)
        bit = ((out + between) / whole).where(others > 0, 1.0)
        return LineShares(torch.where(rows, 1.0, word), torch.where(columns, 0.0, bit))
