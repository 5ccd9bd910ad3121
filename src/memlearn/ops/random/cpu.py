"""The reference arithmetic of `reference.py`, compiled; and fills of whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import shared
from . import reference

# Compiled callees look their own callees up by identity, so each layer must be registered before the next one is used.
for _function in (reference.mix, reference.mix4, reference.threefry, reference.square, reference.radius):
    register_jitable(_function)
threefry: Any = reference.threefry
scramble: Any = register_jitable(reference.scramble)
square: Any = reference.square
radius: Any = reference.radius
turn: Any = register_jitable(reference.turn)
uniform: Any = register_jitable(reference.uniform)
normal: Any = register_jitable(reference.normal)
subkey: Any = register_jitable(reference.subkey)
fold: Any = register_jitable(reference.fold)

u32 = np.uint32
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
def _squares(out: Any, words: Any) -> None:
    for n in range(out.shape[0]):
        out[n] = square(words[n])


@shared
def _turns(out: Any, squares: Any, words: Any) -> None:
    for n in range(squares.shape[0]):
        cosine, sine = turn(words[n])
        r = np.sqrt(squares[n])
        out[2 * n] = r * cosine
        out[2 * n + 1] = r * sine


@shared
def pair_up(out: Any, squares: Any, first: Any, second: Any) -> None:
    """Normal numbers 2n and 2n + 1 from the words of block n; as many blocks as `squares`, which is scratch.

    Short plain loops: each fills the vector units, and its chain of dependent operations fits what a core looks ahead.
    """
    _squares(squares, first)
    _turns(out, squares, second)


@shared
def _threefry_words(first: Any, second: Any, start: Any, k0: Any, k1: Any) -> None:
    base = u32(start)
    for n in range(first.shape[0]):
        a, b = threefry(u32(u32(n) + base), u32(0), k0, k1)
        first[n] = a
        second[n] = b


@shared
def scramble_words(first: Any, second: Any, start: Any, k0: Any, k1: Any) -> None:
    """The words of blocks start, start + 1, ... under a key from `fold`."""
    base = u32(start)
    for n in range(first.shape[0]):
        a, b = scramble(u32(u32(n) + base), k0, k1)
        first[n] = a
        second[n] = b


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
        pair_up(pairs, squares[:blocks], words[0], words[1])
        out[start : start + n] = pairs[:n]
