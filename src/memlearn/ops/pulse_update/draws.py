"""The random numbers of pulses, many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from ..random.cpu import normal, pair_up, scramble_words, threefry, uniform
from .reference import DRAWS

u32 = np.uint32


@shared
def normals_of_run(out: Any, words: Any, squares: Any, first: Any, last: Any, k0: Any, k1: Any) -> Any:
    """The normal numbers of cells first .. last - 1 under a key from `fold`.

    Arguments:
        out: float32, at least 2 more than there are cells.
        words: uint32 (2, blocks) and `squares` float32 (blocks), scratch for half as many.

    Returns:
        The part of `out` that holds them.
    """
    block = first >> 1
    blocks = ((last + 1) >> 1) - block
    scramble_words(words[0, :blocks], words[1, :blocks], block, k0, k1)
    pair_up(out, squares[:blocks], words[0], words[1])
    return out[first & 1 :]


@shared
def normals_of_list(out: Any, cells: Any, k0: Any, k1: Any) -> None:
    """The normal numbers of the cells listed under a key from `fold`: a plain loop, which fills the vector units."""
    for k in range(cells.shape[0]):
        out[k] = normal(k0, k1, cells[k])


@register_jitable
def uniform_of(cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
    """The number that a law which is random in itself gets for one pulse, under the key of event and sample."""
    a, b = threefry(u32(cell), u32(DRAWS) | u32(ordinal >> 1), k0, k1)
    return uniform(b) if ordinal & 1 else uniform(a)
