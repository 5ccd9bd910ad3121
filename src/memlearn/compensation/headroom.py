"""How far wanted conductances must be scaled down so that cells have room to be raised."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Cost, Mapped


def scale(mapped: Mapped, needed: Tensor, wanted: float | None, margin: float, cut: float) -> Tensor:
    """The factor s of all targets of an array, (..., 1, 1): s x needed stays within the range of the cells.

    Arguments:
        mapped: range and cells.
        needed: S, (..., rows, columns), what the unscaled targets would need.
        wanted: the factor, or None for the largest that leaves room.
        margin: share of that which is used, <= 1: what cells gain, their neighbours lose, and need in turn.
        cut: fraction of an array's cells that may end at the ceiling.
    """
    if wanted is not None:
        return torch.full_like(needed[..., :1, :1], wanted)
    flat = needed.flatten(-2)
    most = flat.amax(-1) if cut == 0 else torch.quantile(flat, 1 - cut, dim=-1)
    most = most.where(most > 0, mapped.g_max)
    return (margin * mapped.g_max / most).clamp_max(1.0)[..., None, None]


def rescaled(mapped: Mapped, found: Mapped, s: Tensor, rounds: int) -> Mapped:
    """Targets found at the scale s, with the gain that makes it good and what finding and writing them costs.

    Arguments:
        mapped: before the correction.
        found: with the new targets.
        s: (..., 1, 1), of `scale`.
        rounds: solutions of each array that it took.
    """
    cost = Cost(
        shared_gains=mapped.arrays,
        solutions=rounds * mapped.arrays,
        cell_writes=mapped.moved(found.conductance),
        signal=float(s.mean()),
    )
    return found._replace(column_gain=found.column_gain / s[..., 0, :], cost=mapped.cost.plus(cost))
