"""The truth of every random number: Threefry 2x32-20 and its normals, in plain arithmetic.

The functions use only operators that NumPy arrays and Numba scalars share, each a single IEEE or 32-bit operation, so
one source is the reference (pass uint32 arrays) and the compiled kernel (`cpu.py` compiles it), bit for bit. It was
chosen because additions, rotations and exclusive ors fill the vector units of any processor; a generator built on
32 x 32 -> 64 bit products was seven times slower here (docs/decisions/0001).

Address of a number: the stream's key is folded with (event, high word of event), then with (sample, purpose); the
counter is (cell, block); a block holds two words, which make two normals.

Sources: Salmon, Moraes, Dror, Shaw, SC 2011 (Threefry; the rotation constants are theirs); Box and Muller 1958.
"""

from __future__ import annotations

from typing import Any

import numpy as np

u32 = np.uint32
# Step of Weyl's sequence, 2^32 / the golden ratio.
WEYL = u32(0x9E3779B1)
# Cells k and k + GROUP / 2 of every GROUP share a block of the light generator, so that long runs are written in order.
GROUP = 128
_LANE, _SIDE = u32(GROUP // 2 - 1), u32(6)

# -2 ln(1 + d) = -2 ln(2) d + d (1 - d) (P0 + P1 d + ...) on 0 <= d < 1: least greatest error, below 3e-5 absolute. It
# vanishes at both ends, so that octaves join, and -2 ln u is exact where u is near 1.
_P0, _P1, _P2, _P3 = (np.float32(v) for v in (-0.61262704, 0.37038882, -0.20576196, 0.06258918))
# sin and cos of pi t on |t| <= 1/2: least greatest error, below 1e-6 and 7e-6.
_S0, _S1, _S2, _S3 = (np.float32(v) for v in (3.14158202, -5.16714279, 2.54189898, -0.55463609))
_C0, _C1, _C2, _C3 = (np.float32(v) for v in (0.9999933, -4.93393802, 4.04128384, -1.22212701))
_ONE, _HALF = np.float32(1.0), np.float32(0.5)
_OCTAVE, _TOP = np.float32(-2.0 * np.log(2.0) * 2.0**-23), np.int32(0x4F000000)
_UNIT32, _UNIT24 = np.float32(2.0**-32), np.float32(2.0**-24)


def mix(a: Any, b: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """One round: add, rotate left by `left` = 32 - `right`, exclusive or."""
    a = u32(a + b)
    return a, u32(u32(u32(b << left) | u32(b >> right)) ^ a)


def mix4(a: Any, b: Any, odd: bool) -> tuple[Any, Any]:
    """Four rounds, with the even or the odd set of rotation constants."""
    if odd:
        a, b = mix(a, b, u32(17), u32(15))
        a, b = mix(a, b, u32(29), u32(3))
        a, b = mix(a, b, u32(16), u32(16))
        return mix(a, b, u32(24), u32(8))
    a, b = mix(a, b, u32(13), u32(19))
    a, b = mix(a, b, u32(15), u32(17))
    a, b = mix(a, b, u32(26), u32(6))
    return mix(a, b, u32(6), u32(26))


def threefry(c0: Any, c1: Any, k0: Any, k1: Any) -> tuple[Any, Any]:
    """Two 32-bit words of the counter (c0, c1) under the key (k0, k1); all uint32."""
    k2 = u32(u32(k0 ^ k1) ^ u32(0x1BD11BDA))
    a, b = mix4(u32(c0 + k0), u32(c1 + k1), False)
    a, b = mix4(u32(a + k1), u32(u32(b + k2) + u32(1)), True)
    a, b = mix4(u32(a + k2), u32(u32(b + k0) + u32(2)), False)
    a, b = mix4(u32(a + k0), u32(u32(b + k1) + u32(3)), True)
    a, b = mix4(u32(a + k1), u32(u32(b + k2) + u32(4)), False)
    return u32(a + k2), u32(u32(b + k0) + u32(5))


def scramble(turned: Any, k0: Any, k1: Any) -> tuple[Any, Any]:
    """Two 32-bit words of a block under a key of its own; all uint32.

    A sixth of Threefry's operations, and enough where only the block counts up and the key is Threefry's work: each
    product carries low bits up, each shift high bits down, and both words of the key are stirred in between. Odd
    constants and shifts of Weyl's sequence and of Wellons' "lowbias32" and "triple32" mixers
    (github.com/skeeto/hash-prospector).

    Arguments:
        turned: the number of the block x `WEYL`, which a loop over blocks gets by adding.
        k0, k1: the key.
    """
    a = u32(turned ^ k0)
    a = u32(u32(a ^ u32(a >> u32(16))) * u32(0x21F0AAAD))
    a = u32(u32(u32(a ^ u32(a >> u32(15))) + k1) * u32(0x735A2D97))
    a = u32(a ^ u32(a >> u32(15)))
    b = u32(u32(a ^ k0) * u32(0xAC4C1B51))
    return a, u32(b ^ u32(b >> u32(15)))


def square(word: Any) -> Any:
    """Square of the Box-Muller radius, -2 ln u, float32, u = (word/2 + 1/2) / 2^31; reaches 44.4."""
    return logarithm(enlarge(word))


def enlarge(word: Any) -> Any:
    """2^31 u, float32."""
    return np.float32(np.float32(np.int32(word >> u32(1))) + _HALF)


def logarithm(large: Any) -> Any:
    """-2 ln u, float32, of 2^31 u from `enlarge`."""
    bits = np.float32(large).view(np.int32)
    d = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32) - _ONE
    octaves = np.float32(np.int32(bits - _TOP)) * _OCTAVE
    e = d * d
    return octaves + (d - e) * ((_P0 + d * _P1) + e * (_P2 + d * _P3))


def radius(word: Any) -> Any:
    """Box-Muller radius, float32; reaches 6.66."""
    return np.sqrt(square(word))


def turn(word: Any) -> tuple[Any, Any]:
    """Cosine and sine of an angle uniform on the circle, float32.

    The angle is pi t, -1/2 <= t <= 1/2, t = the signed word / 2^32, and half a turn more where the word is odd.
    """
    cosine, sine = half_turn(word)
    return flip(cosine, word), flip(sine, word)


def half_turn(word: Any) -> tuple[Any, Any]:
    """Cosine and sine of pi t, on the right half of the circle."""
    t = np.float32(u32(word).view(np.int32)) * _UNIT32
    q = t * t
    e = q * q
    return (_C0 + q * _C1) + e * (_C2 + q * _C3), t * ((_S0 + q * _S1) + e * (_S2 + q * _S3))


def flip(value: Any, word: Any) -> Any:
    """A float32, its sign changed where a word is odd."""
    return u32(np.float32(value).view(np.uint32) ^ u32(word << u32(31))).view(np.float32)


def uniform(word: Any) -> Any:
    """A float32 in [0, 1), a multiple of 2^-24, from one word."""
    return np.float32(np.int32(word >> u32(8))) * _UNIT24


def normal(k0: Any, k1: Any, cell: Any) -> Any:
    """The standard normal number of a cell (float32) under the key of one pulse number; two cells share a block.

    Arguments:
        k0, k1: a key from `fold`, uint32.
        cell: cell index, uint32: of `GROUP` cells, the first half take cosines, and as many behind them the sines.
    """
    block = u32(u32(cell >> u32(1)) & u32(~_LANE)) | u32(cell & _LANE)
    a, b = scramble(u32(block * WEYL), k0, k1)
    cosine, sine = half_turn(b)
    second = np.float32(np.int32(u32(cell >> _SIDE) & u32(1)))
    return flip(radius(a), b) * ((_ONE - second) * cosine + second * sine)


def subkey(k0: Any, k1: Any, event: int, sample: Any) -> tuple[Any, Any]:
    """The key of one event (a 63-bit count) and one sample of its batch, as two uint32."""
    k0, k1 = threefry(u32(event & 0xFFFFFFFF), u32(event >> 32), k0, k1)
    return threefry(u32(sample), u32(0), k0, k1)


def fold(k0: Any, k1: Any, ordinal: Any) -> tuple[Any, Any]:
    """The key of one pulse number under the key of its event and sample; all uint32."""
    return threefry(u32(ordinal), u32(0), k0, k1)
