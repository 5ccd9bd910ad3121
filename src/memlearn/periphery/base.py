"""The periphery contract: what drives a line, and what senses one."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from ..core.component import Component
from ..core.ledger import Event
from ..core.random import Stream
from ..ops import random


class Address(NamedTuple):
    """Where a converter's random numbers come from, and in which layer and direction it stands."""

    stream: Stream
    event: int
    training: bool = False

    def child(self, *names: str | int) -> Address:
        """The same event in the stream of a part, so that two circuits of one read do not share their noise."""
        return self._replace(stream=self.stream.child(*names))


class Driven(NamedTuple):
    """What the drivers put on the lines."""

    voltage: Tensor
    """V, same shape as the values."""
    scale: Tensor | float
    """The value that stands for the full read voltage: one number, or (samples, 1, 1) where each sample has its own."""


class AbstractDriver(Component):
    """Turns the values of one line each into voltages."""

    event: ClassVar[Event | None] = None
    """What one use of one driver counts as; None for a plain switch."""

    def encode(self, values: Tensor, at: Address) -> Tensor:
        """What the driver's register holds for values (samples, lines): an update multiplies this, not the original.

        Driving an encoded value changes nothing more about it.
        """
        return values

    @abstractmethod
    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """Voltages for values.

        Arguments:
            values: (samples, tile lines, lines).
            read_voltage: V.
            at: address of the random numbers; fixed errors per converter use event 0 of their own stream.
        """


class AbstractSense(Component):
    """Turns the current of one line each into what the next stage sees."""

    joins_tiles: ClassVar[bool] = False
    """True: the currents of tiles that stand above each other meet on one node before they are sensed. False: each tile
    is sensed by itself and the numbers are added."""
    decides: ClassVar[bool] = False
    """True when the outcome is a decision, which no scale multiplies."""

    @abstractmethod
    def sense(self, current: Tensor, unit_current: float, at: Address) -> Tensor:
        """Values for currents.

        Arguments:
            current: A, (tile rows, tile columns, samples, lines).
            unit_current: A: the current that stands for the value 1.
            at: address of the random numbers.
        """

    @abstractmethod
    def uses(self, senses: int) -> dict[Event, int]:
        """What sensing `senses` lines once counts as."""


def per_converter(spread: float, lines: tuple[int, ...], sharing: int, stream: Stream, like: Tensor) -> Tensor:
    """Fixed errors of the converters, spread x normal, one per line; `sharing` neighbouring lines have the same one.

    Arguments:
        spread: standard deviation.
        lines: shape over tiles and lines; the last axis is the lines that share.
        sharing: lines per converter.
        stream: whose random numbers; drawn once, so always from event 0.
        like: gives dtype and device.
    """
    converters = -(-lines[-1] // sharing)
    drawn = spread * random.normal(stream, 0, (*lines[:-1], converters), like)
    return drawn.repeat_interleave(sharing, dim=-1)[..., : lines[-1]]


def disturbed(
    signal: Tensor,
    lines: tuple[int, ...],
    at: Address,
    *,
    gain_spread: float = 0.0,
    offset_spread: float = 0.0,
    noise: float = 0.0,
    sharing: int = 1,
) -> Tensor:
    """A signal with the errors of its circuits: each one's own gain and offset, then noise at every use.

    Arguments:
        signal: any shape that `lines` broadcasts to.
        lines: shape over tiles and lines of the circuits; the last axis is the lines that share.
        at: address of the random numbers.
        gain_spread: standard deviation of the gain from circuit to circuit, relative.
        offset_spread, noise: standard deviations, in the unit of the signal.
        sharing: lines per circuit.
    """
    if gain_spread:
        signal = signal * (1 + per_converter(gain_spread, lines, sharing, at.stream.child("gain"), signal))
    if offset_spread:
        signal = signal + per_converter(offset_spread, lines, sharing, at.stream.child("offset"), signal)
    if noise:
        signal = signal + noise * random.normal(at.stream.child("noise"), at.event, signal.shape, signal)
    return signal


def above(values: Tensor, threshold: Tensor | float) -> Tensor:
    """1 where a value lies above a threshold, else 0, in the values' own type."""
    # Into a tensor of that type at once: by way of a mask it takes ten times as long.
    return torch.gt(values.detach(), threshold, out=torch.empty_like(values))


def ternary(values: Tensor, dead_zone: float) -> Tensor:
    """The sign of the values, 0 within a dead zone."""
    return hardshrink(values, dead_zone).sign_()


def steps_per_side(bits: int) -> int:
    """Steps on each side of zero of a signed converter, whose zero is exact: 2^(bits - 1) - 1."""
    return 2 ** (bits - 1) - 1


def quantise(values: Tensor, levels: float, stochastic: bool, at: Address) -> Tensor:
    """Values in [-1, 1] on a grid of `levels` steps per unit; a stochastic grid is right on average.

    The memory of `values` is used up.
    """
    grid = values.mul_(levels)
    if stochastic:
        # Not floor(grid + uniform): that sum rounds, and now and then lifts a value that is on the grid already.
        low, lot = grid.floor(), random.uniform(at.stream.child("round"), at.event, values.shape, values)
        return (low + (lot < grid - low)) / levels
    return grid.round_().div_(levels)
