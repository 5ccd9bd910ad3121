"""A layer with two thin arrays beside the large one: they learn, and what they have learnt is passed on at low rank."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..core.component import kind_of
from ..core.errors import InputError
from ..core.ledger import Pass
from ..core.types import Factors
from ..ops import random
from ..programming import AbstractWriter, StochasticTrains, Targets, WriteAddress
from ..programming.schemes import AnyScheme, WriteVerify
from ..tile import Array
from .base import Follower, counted_as
from .linear import Linear

_FITTING = 3.0
"""Standard deviations of B's weights that the range of its cells holds."""


class LowRankLinear(Follower):
    """y = C x + alpha A (B x): low-rank Tiki-Taka, three arrays with converters of their own.

    The rule of the model writes A (rank x outputs) and B (inputs x rank), the way back goes through both and through C.
    After every `transfer_every` samples A and B are read, line by line of the rank, and C gets their product as `rank`
    outer products of pulses; then A is brought to zero and B to new random weights, by counted reads and pulses. What A
    then still shows is read once more, and is no part of the next product: it would walk into C. C of n x d cells needs
    rank (n + d) cells beside it, not n d, and rank d numbers.

    Arguments:
        in_features, out_features, bias: as of `Linear`; the bias line of B stands for that of C.
        rank: lines between B and A.
        alpha: gain of the two, in digital.
        transfer_every: samples from transfer to transfer.
        share: of the product that goes over, 1 for all of it.
        writer: how C is written: any that takes factors; its own rate is multiplied by alpha and share.
        reset: how A and B reach their new weights; None: pulse and read until half a step away.
        spread: standard deviation of the new weights of B, in units of Kaiming's sqrt(2 / inputs); None: so that a
            transfer passes on, on average, what the gradient asks for (docs/low_rank.md).
        array, seed: as of `Linear`; further options too.

    Source:
        The layer of the same name in a public fork of the IBM analog hardware kit (no paper is known).
    """

    def __init__(  # noqa: PLR0913 - one number a line
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rank: int = 4,
        alpha: float = 1.0,
        transfer_every: int = 32,
        share: float = 1.0,
        writer: AbstractWriter | None = None,
        reset: AnyScheme | None = None,
        spread: float | None = None,
        array: Array | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        for name, value in (("rank", rank), ("transfer_every", transfer_every)):
            if value < 1:
                raise InputError(name, value, "must be at least 1")
        if not alpha > 0:
            raise InputError("alpha", alpha, "must be positive")
        self.writer = StochasticTrains(learning_rate=1.0) if writer is None else writer
        if self.writer.accepts != "factors":
            raise InputError("writer", kind_of(type(self.writer)), "must take factors", 'Use "stochastic_trains".')
        self.alpha, self.share, self.transfer_every = alpha, share, transfer_every
        self.visible = Linear(in_features, out_features, bias, array=array, seed=seed, **options)
        self.visible.follows = True
        first, second = (None if seed is None else seed + k for k in (1, 2))
        self.down = Linear(in_features, rank, bias, array=array, seed=first, **options)
        self.up = Linear(rank, out_features, False, array=array, seed=second, **options)
        device = self.up.tile.array.device
        near = WriteVerify(tolerance=min(1.0, 0.5 * device.mean_step / device.range))
        self.reset: AnyScheme = near if reset is None else reset
        even = min(1 / (alpha * math.sqrt(rank)), self.down.tile.array.crossbar.mapping.w_max / _FITTING)
        self.spread = even if spread is None else spread * math.sqrt(2 / in_features)
        self.seen: Tensor
        self.transfers: Tensor
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.left: Tensor
        self.register_buffer("transfers", torch.zeros((), dtype=torch.int64))
        self.register_buffer("left", torch.zeros(rank, out_features))
        self.up.initialise(torch.zeros(rank, out_features))
        self.down.initialise(self._fresh())

    def forward(self, values: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        if self.training and torch.is_grad_enabled():
            self.seen += values[..., 0].numel()
        return self.visible(values) + self.alpha * self.up(self.down(values))

    def follow(self, rate: float) -> None:
        """Pass on what A and B hold, when it is time."""
        if int(self.seen) < self.transfer_every:
            return
        self.seen.zero_()
        target = self.visible.tile
        at = WriteAddress(
            target.weight_step, self.alpha * self.share, target.stream.child("transfer"), int(self.transfers)
        )
        plan = self.writer.plan(self.held(), at)
        with counted_as(Pass.TRANSFER, target):
            if isinstance(plan, Targets):
                target.program(plan)
            else:
                target.write(plan)
        self.transfers += 1
        with counted_as(Pass.TRANSFER, self.down.tile), counted_as(Pass.TRANSFER, self.up.tile):
            self.up.program(torch.zeros(self.up.tile.inputs, self.up.tile.outputs), self.reset)
            self.down.program(self._fresh(), self.reset)
            self.left.copy_(self.up.tile.read(self._one()))

    def held(self) -> Factors:
        """What A has gathered and B shows when each line between them is read alone: rank pairs of factors."""
        one = self._one()
        with counted_as(Pass.TRANSFER, self.down.tile), counted_as(Pass.TRANSFER, self.up.tile):
            return Factors(self.down.tile.read_transposed(one), self.up.tile.read(one) - self.left)

    def _one(self) -> Tensor:
        """Each line between A and B alone."""
        return torch.eye(self.up.tile.inputs, dtype=self.up.tile.conductance.dtype)

    def _fresh(self) -> Tensor:
        """New weights of B."""
        tile = self.down.tile
        shape = tile.inputs, tile.outputs
        return self.spread * random.normal(tile.stream.child("fresh"), int(self.transfers), shape, tile.conductance)
