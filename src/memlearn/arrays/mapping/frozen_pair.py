"""A pair of cells of which one is never pulsed: w = 2 w_max (G+ - G-) / (g_max - g_min), G- at mid-range."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from .base import interleave
from .pair import AbstractPair


class FrozenPair(AbstractPair):
    """Bit lines 2j and 2j + 1 carry G+ and G- of column j; an update pulses G+ alone, G- stays where it was made.

    A write costs half the pulses of a push-pull pair, and moves the weight as far: half the range stands for w_max. The
    frozen cell is a reference of the weight's own, beside it on the same word line, with its own faults and noise.
    """

    kind: Literal["frozen_pair"] = "frozen_pair"
    sources: ClassVar[tuple[str, ...]] = (
        "arXiv 2511.03858 (2025): Manhattan rule with one fixed device of each pair, half the training energy",
    )

    def unit_current(self, read_voltage: float, g_range: float) -> float:
        """Half the range stands for w_max."""
        return 0.5 * super().unit_current(read_voltage, g_range)

    def step(self, g_step: float, g_range: float) -> float:
        """One cell moves, half the range stands for w_max."""
        return 2 * super().step(g_step, g_range)

    def weight(self, conductance: Tensor, g_min: float, g_max: float) -> Tensor:
        """Against the frozen cell."""
        return 2 * super().weight(conductance, g_min, g_max)

    def pair_conductances(self, weight: Tensor, g_min: float, g_max: float) -> Tensor:
        """G+ = middle + w/w_max x half the range, G- in the middle."""
        half = weight * (0.5 * (g_max - g_min))
        return interleave(half, torch.zeros_like(half)) + 0.5 * (g_min + g_max)

    def pair_pulses(self, pulses: Tensor) -> Tensor:
        """G+ alone."""
        return interleave(pulses, torch.zeros_like(pulses))

    def pair_lines(self, columns: Tensor) -> Tensor:
        """The line of G- never fires."""
        return interleave(columns, torch.zeros_like(columns))
