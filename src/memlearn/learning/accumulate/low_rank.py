"""The gradient of many samples, kept as a few outer products."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ...core.component import quantity, setting
from ...core.errors import InputError
from ...core.types import Counts, Factors
from ...ops import low_rank, random
from ...programming import WriteAddress
from .base import AbstractAccumulator


class LowRank(AbstractAccumulator):
    """Sum of the outer products of `samples` samples at rank `rank`, then given as so many pairs of factors, and reset.

    It takes sample after sample, whatever a batch is. `lrt` decomposes a core of (rank + 1)^2 numbers for each and
    drops the smallest singular value, `lrt_unbiased` mixes it at random into the others, so that the mean over the
    random signs is the exact sum; `sbpca` turns the subspace towards each block by a power iteration, without any
    decomposition. Exact, all three, where the sum has no more than that rank. Per layer of n inputs and d outputs it
    needs `rank` numbers for each input and each output line, rank (n + d) in all, instead of n d.
    """

    kind: Literal["low_rank"] = "low_rank"
    gives: ClassVar[Literal["factors", "dense", "targets"]] = "factors"
    sources: ClassVar[tuple[str, ...]] = (
        "Gural, Nadeau, Tikekar, Murmann, arXiv 2009.03887 (2020): low-rank training, LRT",
        "Benzing et al., ICML (2019), arXiv 1902.03993: the unbiased mixture of least variance",
        "Hoskins et al., Front. Neurosci. 13:793 (2019); Huang et al., ACM JETC 19:15 (2023): streaming batch PCA",
    )

    rank: int = quantity(4, unit="1", ge=1, le=64, doc="outer products that are kept, and written at a time")
    samples: int = quantity(100, unit="1", ge=1, doc="outer products that are summed before a write")
    method: Literal["lrt", "lrt_unbiased", "sbpca"] = setting("lrt", doc="how the sum is brought back to its rank")
    block: int = quantity(32, unit="1", ge=1, doc="sbpca: most samples of one power iteration; a batch may hold fewer")

    def init(self, weight: Tensor, w_max: float) -> Tensor | None:
        """(1 + rank, inputs + outputs), zero: the number of samples in the first, then the factors, side by side.

        Raises:
            InputError: a rank that the layer's smaller side does not reach (`sbpca` needs so many directions).
        """
        if self.method == "sbpca" and self.rank > min(weight.shape):
            allowed = f"at most {min(weight.shape)}, the smaller side of a layer"
            raise InputError("accumulator.rank", self.rank, allowed, 'Lower it, or use the method "lrt".')
        return torch.zeros(1 + self.rank, sum(weight.shape))

    def add(self, memory: Tensor | None, factors: Factors, at: WriteAddress | None = None) -> Factors:
        """The factors that are due after these samples, `rank` for each `samples` that are full; mostly none."""
        assert memory is not None
        inputs, done = factors.rows.shape[1], int(memory[0, 0])
        rows, columns = (side.detach().cpu().double().numpy() for side in factors)
        kept = memory[1:].cpu().double().numpy().T
        held = kept[:inputs], kept[inputs:]
        given: list[tuple[np.ndarray, np.ndarray]] = []
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + self.samples - done)
            held = self._gathered(held, rows[start:stop], columns[start:stop], start, at)
            done, start = done + stop - start, stop
            if done == self.samples:
                given.append(held)
                done, held = 0, (np.zeros_like(held[0]), np.zeros_like(held[1]))
        memory[1:] = torch.from_numpy(np.concatenate(held).T).to(memory)
        memory[0] = done
        sides = [np.concatenate([pair[k].T for pair in given]) for k in (0, 1)] if given else [rows[:0], columns[:0]]
        return Factors(*(torch.from_numpy(s).to(f) for s, f in zip(sides, factors, strict=True)))

    def settle(self, memory: Tensor | None, plan: Counts, quantum: float) -> None:
        """Nothing: what has been given has gone, and no number per weight could hold a remainder."""

    def bits_per_weight(self, batch: int, ternary: bool) -> int:
        """None: its numbers belong to lines."""
        return 0

    def bits_per_line(self) -> int:
        """`rank` numbers of 32 bits for each input and each output line."""
        return 32 * self.rank

    def _gathered(
        self, held: low_rank.Pair, x: np.ndarray, e: np.ndarray, first: int, at: WriteAddress | None
    ) -> low_rank.Pair:
        """The factors held (inputs, rank), (outputs, rank), after further samples, of which `first` is the number."""
        if self.method == "sbpca":
            for start in range(0, len(x), self.block):
                part = slice(start, start + self.block)
                fresh = self._drawn(at, first + start, len(held[1]) * self.rank, normal=True)
                held = low_rank.turn(*held, x[part], e[part], fresh.reshape(-1, self.rank))
            return held
        for number in range(len(x)):
            signs = self._drawn(at, first + number, self.rank + 1) if self.method == "lrt_unbiased" else None
            held = low_rank.append(*held, x[number], e[number], signs)
        return held

    @staticmethod
    def _drawn(at: WriteAddress | None, number: int, size: int, *, normal: bool = False) -> np.ndarray:
        """Signs at random, or normal numbers, that belong to a sample of a step."""
        if at is None:
            raise InputError("at", None, "must be given: the method draws random numbers")
        stream, like = at.stream.child("low_rank", number), torch.empty(0, dtype=torch.float64)
        if normal:
            return random.normal(stream, at.event, (size,), like).numpy()
        return np.where(random.uniform(stream, at.event, (size,), like).numpy() < 0.5, -1.0, 1.0)
