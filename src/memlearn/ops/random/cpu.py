"""The reference arithmetic of `reference.py`, compiled; and fills of whole arrays."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from . import reference

# Compiled callees look their own callees up by identity, so each layer must be registered before the next one is used.
for _function in (reference.mix, reference.mix4, reference.threefry, reference.radius, reference.turn):
    register_jitable(_function)
threefry: Any = reference.threefry
radius: Any = reference.radius
turn: Any = reference.turn
uniform: Any = register_jitable(reference.uniform)
normal: Any = register_jitable(reference.normal)
subkey: Any = register_jitable(reference.subkey)

u32 = np.uint32


@numba.njit(cache=True, error_model="numpy", nogil=True)
def fill_uniform(out: np.ndarray, k0: Any, k1: Any, event: int) -> None:
    """Uniform numbers in [0, 1) for cells 0, 1, 2, ...: two cells share a block."""
    k0, k1 = subkey(k0, k1, event, u32(0))
    for pair in range((out.size + 1) // 2):
        a, b = threefry(u32(pair), u32(0), k0, k1)
        out[2 * pair] = uniform(a)
        if 2 * pair + 1 < out.size:
            out[2 * pair + 1] = uniform(b)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def fill_normal(out: np.ndarray, k0: Any, k1: Any, event: int) -> None:
    """Standard normal numbers for cells 0, 1, 2, ...: two cells share a block."""
    k0, k1 = subkey(k0, k1, event, u32(0))
    for pair in range((out.size + 1) // 2):
        a, b = threefry(u32(pair), u32(0), k0, k1)
        cosine, sine = turn(b)
        r = radius(a)
        out[2 * pair] = r * cosine
        if 2 * pair + 1 < out.size:
            out[2 * pair + 1] = r * sine
