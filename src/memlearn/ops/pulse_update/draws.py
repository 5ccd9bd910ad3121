"""The random numbers of pulses, many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from ..random.cpu import GROUP, normal, scramble_words, squares_of, threefry, turn_by, uniform
from .reference import DRAWS

u32, u64 = np.uint32, np.uint64


@shared
def normals_of_run(out: Any, words: Any, squares: Any, first: Any, last: Any, k0: Any, k1: Any) -> Any:
    """The normal numbers of cells first .. last - 1 under a key from `fold`.

    Arguments:
        out: float32, `room_for` as many cells.
        words: uint32 (2, n) and `squares` float32 (n), scratch, n half of that room.

    Returns:
        Where in `out` the first one stands, uint64.
    """
    group = first // GROUP
    groups = (last - 1) // GROUP - group + 1
    blocks = groups * (GROUP // 2)
    scramble_words(words[0], words[1], group * (GROUP // 2), blocks, k0, k1)
    squares_of(squares, words[0], blocks)
    turn_by(out, squares, words[1], groups)
    return u64(first - group * GROUP)


@register_jitable
def room_for(cells: Any) -> Any:
    """Numbers that are drawn, at most, where a run of so many cells is asked for."""
    return (cells // GROUP + 2) * GROUP


@shared
def normals_of_list(out: Any, cells: Any, count: Any, k0: Any, k1: Any) -> None:
    """The normal numbers of the first `count` cells listed under a key from `fold`."""
    for k in range(count):
        out[k] = normal(k0, k1, cells[k])


@register_jitable
def uniform_of(cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
    """The number that a law which is random in itself gets for one pulse, under the key of event and sample."""
    a, b = threefry(u32(cell), u32(DRAWS) | u32(ordinal >> 1), k0, k1)
    return uniform(b) if ordinal & 1 else uniform(a)
