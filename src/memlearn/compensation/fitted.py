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


def apart(read: Tensor, ideal: Tensor, signal: Tensor | None) -> Tensor:
    """The gains c, (..., lines), for which what is sensed of c x read, a difference of lines, is nearest to the ideal.

    Least squares of all lines that are sensed together, from `balanced` gains: what a gain of one line leaves, that of
    the other takes back. A thousandth of a thousandth of the curvature holds gains that no input tells apart.

    Arguments:
        read, ideal: A, (..., samples, lines).
        signal: (lines, outputs): what each line adds to what is sensed; None: every line is sensed by itself.
    """
    if signal is None:
        return fitted(read, ideal, (-2,))[..., 0, :]
    start = balanced(read, ideal, (-2,))
    together = signal.to(read) @ signal.to(read).T
    curvature = (read.mT @ read) * together
    slope = (read * ((ideal - start * read) @ together)).sum(-2)
    own = curvature.diagonal(dim1=-2, dim2=-1)
    held = torch.diag_embed((1e-6 * own).where(own > 0, 1))
    return (start[..., 0, :] + torch.linalg.solve(curvature + held, slope[..., None])[..., 0]).clamp_min(0)


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
