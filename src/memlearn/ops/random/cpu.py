"""The reference arithmetic of `reference.py`, compiled; and fills of whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from . import reference

# Compiled callees look their own callees up by identity, so each layer must be registered before the next one is used.
for _layer in ("mix mix4 threefry", "enlarge logarithm square radius", "half_turn flip turn"):
    for _name in _layer.split():
        register_jitable(getattr(reference, _name))
threefry: Any = reference.threefry
enlarge: Any = reference.enlarge
logarithm: Any = reference.logarithm
radius: Any = reference.radius
half_turn: Any = reference.half_turn
flip: Any = reference.flip
turn: Any = reference.turn
scramble: Any = register_jitable(reference.scramble)
uniform: Any = register_jitable(reference.uniform)
normal: Any = register_jitable(reference.normal)
subkey: Any = register_jitable(reference.subkey)
fold: Any = register_jitable(reference.fold)

u32, u64 = np.uint32, np.uint64
GROUP, WEYL = reference.GROUP, reference.WEYL
_BLOCKS = 1024


@shared
def fill_uniform(out: np.ndarray, k0: Any, k1: Any, event: int) -> None:
    """Uniform numbers in [0, 1) for cells 0, 1, 2, ...: two cells share a block."""
    k0, k1 = subkey(k0, k1, event, u32(0))
    for pair in range((out.size + 1) // 2):
        a, b = threefry(u32(pair), u32(0), k0, k1)
        out[2 * pair] = uniform(a)
        if 2 * pair + 1 < out.size:
            out[2 * pair + 1] = uniform(b)


@shared
def squares_of(out: Any, words: Any, blocks: Any) -> None:
    """Squares of Box-Muller radii, in loops so short that a core looks past the end of their chains of operations."""
    for n in range(blocks):
        out[n] = enlarge(words[n])
    for n in range(blocks):
        out[n] = logarithm(out[n])


@shared
def turn_by(out: Any, squares: Any, words: Any, groups: Any) -> None:
    """Normal numbers from squares of radii and words for the angles: cosines of a group of blocks, then their sines.

    Arguments:
        out: float32 (groups * GROUP).
        squares: float32, and `words` uint32 (groups * GROUP / 2).
        groups: how many.
    """
    half = u64(GROUP // 2)
    for group in range(groups):
        source = u64(group) * half
        near = source + source
        far = near + half
        for k in range(GROUP // 2):
            n = u64(k)
            cosine, sine = half_turn(words[source + n])
            r = flip(np.sqrt(squares[source + n]), words[source + n])
            out[near + n] = r * cosine
            out[far + n] = r * sine


@shared
def _threefry_words(first: Any, second: Any, start: Any, k0: Any, k1: Any) -> None:
    base = u32(start)
    for n in range(first.shape[0]):
        a, b = threefry(u32(u32(n) + base), u32(0), k0, k1)
        first[n] = a
        second[n] = b


@shared
def scramble_words(first: Any, second: Any, start: Any, blocks: Any, k0: Any, k1: Any) -> None:
    """The words of blocks start, start + 1, ... under a key from `fold`."""
    turned = u32(u32(start) * WEYL)
    for n in range(blocks):
        a, b = scramble(turned, k0, k1)
        first[n] = a
        second[n] = b
        turned = u32(turned + WEYL)


@shared
def fill_normal(out: np.ndarray, k0: Any, k1: Any, event: int) -> None:
    """Standard normal numbers for cells 0, 1, 2, ...: two cells share a block."""
    k0, k1 = subkey(k0, k1, event, u32(0))
    words, pairs = np.empty((2, _BLOCKS), np.uint32), np.empty(2 * _BLOCKS, np.float32)
    squares = np.empty(_BLOCKS, np.float32)
    for start in range(0, out.size, 2 * _BLOCKS):
        n = min(out.size - start, 2 * _BLOCKS)
        blocks = (n + 1) // 2
        _threefry_words(words[0, :blocks], words[1, :blocks], start // 2, k0, k1)
        squares_of(squares, words[0], blocks)
        for k in range(blocks):
            cosine, sine = turn(words[1, k])
            r = np.sqrt(squares[k])
            pairs[2 * k] = r * cosine
            pairs[2 * k + 1] = r * sine
        out[start : start + n] = pairs[:n]
