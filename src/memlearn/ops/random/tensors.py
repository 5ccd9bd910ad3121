"""Random tensors by address: (stream, event, position) -> number, the same on every machine and device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...core.random import Stream
from ..guard import Guarded
from . import cpu

_fill_uniform, _fill_normal = Guarded(cpu.fill_uniform), Guarded(cpu.fill_normal)


def uniform(stream: Stream, event: int, shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Uniform numbers in [0, 1), multiples of 2^-24, with the dtype and on the device of `like`.

    Arguments:
        stream: whose numbers.
        event: which draw of this stream; draws never overlap.
        shape: shape of the result.
        like: a tensor whose dtype and device the result takes.
    """
    out = np.empty(tuple(shape), np.float32)
    _fill_uniform(out.reshape(-1), np.uint32(stream.low), np.uint32(stream.high), event)
    return torch.from_numpy(out).to(like)


def normal(stream: Stream, event: int, shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Standard normal numbers (float32 resolution); arguments as for `uniform`."""
    out = np.empty(tuple(shape), np.float32)
    _fill_normal(out.reshape(-1), np.uint32(stream.low), np.uint32(stream.high), event)
    return torch.from_numpy(out).to(like)
