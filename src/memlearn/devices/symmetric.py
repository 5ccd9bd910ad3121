"""Where pulses up and down cancel: the conductance to which random pulses pull a cell."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .base import AbstractDevice
from .state import DeviceState

_HALVINGS, _DRAWS = 48, 16


def symmetric_point(device: AbstractDevice, state: DeviceState) -> Tensor:
    """The conductance (S, shape of the cells) at which a cell's mean step up equals its mean step down.

    Found by halving between the cell's own bounds, where up pulses are the larger at the lower bound and down pulses at
    the upper one. A cell of which this is not so has none, and mid-range stands for it (within its bounds): constant
    steps, for instance, that are equal everywhere, or that never are.

    Arguments:
        device: the law.
        state: the cells; their conductance is of no importance.
    """
    shape, kernels = state.conductance.shape, device.kernels
    columns = state.parameters.detach().cpu().double().numpy().reshape(-1, state.parameters.shape[-1])
    p = [columns[:, k].copy() for k in range(columns.shape[1])]
    more = () if device.noise.table is None else (device.noise.words(np.float64)[3],)
    lots = (np.arange(_DRAWS) + 0.5) / _DRAWS if kernels.drawn else None

    def rises(g: np.ndarray) -> np.ndarray:
        if lots is None:
            return kernels.step(g, p, True, *more) - kernels.step(g, p, False, *more) + 0 * g
        each = [np.full_like(g, u) for u in lots]
        return sum(kernels.step(g, p, True, *more, u) - kernels.step(g, p, False, *more, u) for u in each) + 0 * g

    low, high = p[0].copy(), p[1].copy()
    inside = 1e-9 * (high - low)
    found = (rises(low + inside) > 0) & (rises(high - inside) < 0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        up = rises(middle) > 0
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    points = np.where(found, 0.5 * (low + high), np.clip(device.middle, p[0], p[1]))
    return torch.from_numpy(points.reshape(shape)).to(state.conductance)
