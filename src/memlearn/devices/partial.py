"""Pulses of which a part of the voltage arrives: the same kernels, on parameters that are scaled for the moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from ..core.random import Stream
from ..core.types import Counts, Drive
from ..ops.pulse_update import Kernels, Noise, Tally
from .state import DeviceState

LEAST = 1e-6
"""Smallest part of a step that is worth the visit of a cell; single precision would lose what is smaller."""


class Law(Protocol):
    """What is needed of a device here."""

    kernels: ClassVar[Kernels]
    step_columns: ClassVar[tuple[int, ...]]

    @property
    def noise(self) -> Noise:
        """Spread of one pulse."""
        ...

    def partly(self, parameters: Tensor, share: Tensor, drive: Drive | None) -> Tensor:
        """Parameters for pulses that arrive in part."""
        ...

    def arriving(self, pulses: Tensor, share: Tensor) -> Tensor:
        """Those of these pulses that do anything."""
        ...


def pulsed_partly(device: Law, state: DeviceState, plan: Counts, pulse: Callable[[Counts], Tally]) -> Tally:
    """Pulse cells of which `plan.share` of the voltage reaches each; `pulse` sends a plan without shares."""
    assert plan.share is not None
    p = state.parameters.view(-1, state.parameters.shape[-1])
    index = plan.pulses.reshape(-1).nonzero()[:, 0].to(p.device)
    kept = p[index]
    drive = plan.drive
    if drive is not None:
        drive = Drive(*(part.reshape(-1)[index] if isinstance(part, Tensor) and part.dim() else part for part in drive))
    p[index] = device.partly(kept, plan.share.reshape(-1)[index].to(p).clamp_min(0), drive)
    pulses = plan.pulses.reshape(-1).clone()
    given = index.to(pulses.device)
    pulses[given] = device.arriving(pulses[given], plan.share.reshape(-1)[given])
    try:
        return pulse(Counts(pulses.reshape(plan.pulses.shape)))
    finally:
        p[index] = kept


def disturbed(device: Law, state: DeviceState, amount: Tensor, up: bool, stream: Stream, event: int) -> None:
    """Move cells by so many mean steps (shape of the cells) in one direction."""
    flat = amount.reshape(-1)
    index = (flat > LEAST).nonzero()[:, 0]
    if not len(index):
        return
    p = state.parameters.view(-1, state.parameters.shape[-1])[index]
    for column in device.step_columns:
        p[:, column] *= flat[index].to(p)
    push(device, state, index, p, up, stream, event)


def push(
    device: Law,
    state: DeviceState,
    index: Tensor,
    parameters: Tensor,
    up: bool,
    stream: Stream,
    event: int,
    times: Tensor | None = None,
) -> None:
    """A pulse, or so many, without noise, uncounted, to the cells of an index under the parameters given for them."""
    cells = state.conductance.view(-1)
    g = cells[index].cpu().numpy()
    pulses = np.full(len(g), 1 if up else -1, np.int32)
    if times is not None:
        pulses *= times.cpu().numpy().astype(np.int32)
    nobody = np.zeros((0, 2), np.int32)
    key = stream.child("disturb", "up" if up else "down")
    device.kernels.counts(g, parameters.cpu().contiguous().numpy(), nobody, pulses, _quiet(device.noise), key, event)
    cells[index] = torch.from_numpy(g).to(cells)


def _quiet(noise: Noise) -> Noise:
    """The same without spread; what a law shares among its cells stays."""
    return noise._replace(relative=0.0, absolute=0.0, slope=0.0, down=None if noise.down is None else (0.0, 0.0, 0.0))
