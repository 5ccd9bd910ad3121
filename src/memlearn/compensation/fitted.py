"""Gains from what is read and what should be: what every fitted gain shares."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def balanced(read: Tensor, ideal: Tensor, over: tuple[int, ...]) -> Tensor:
    """The gains c for which c x read has the mean magnitude of ideal, so that nothing is left that looks like a bias.

    Arguments as of `fitted`. Least squares come nearer to each current, but leave a mean error, which a difference of
    two large currents does not forgive.
    """
    got, wanted = ((x * ideal.sign()).sum(over, keepdim=True) for x in (read, ideal))
    return (wanted / got.where(got > 0, 1)).where((got > 0) & (wanted > 0), 1)


def fitted(read: Tensor, ideal: Tensor, over: tuple[int, ...]) -> Tensor:
    """The gains c for which c x read is nearest to ideal; 1 where nothing was read, or nothing should have been.

    Arguments:
        read, ideal: A, equal shapes.
        over: the axes that share a gain; they stay, of size 1.
    """
    power, wanted = (x.square().sum(over, keepdim=True) for x in (read, ideal))
    return ((read * ideal).sum(over, keepdim=True) / power.where(power > 0, 1)).where(power * wanted > 0, 1)


def stored(gain: Tensor, bits: int | None, largest: float) -> Tensor:
    """A gain as a circuit holds it: steps of equal size from 0 to `largest` x 2^bits / (2^bits - 1), 1 among them.

    Arguments:
        gain: >= 0.
        bits: of the register; None is exact.
        largest: that can be set; larger ones are cut.
    """
    cut = gain.clamp(0, largest)
    if bits is None:
        return cut
    step = 1 / max(math.floor((2**bits - 1) / largest), 1)
    return (torch.round(cut / step) * step).where(gain != 1, 1)
