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

# log2(m) = s (L0 + L1 s^2 + ...), s = (m - 1)/(m + 1), on 1 <= m < 2: Chebyshev fit, below 8e-8 absolute.
_L0, _L1, _L2, _L3, _L4 = (np.float32(v) for v in (2.88539009, 0.96179163, 0.57743658, 0.403398, 0.40647438))
# sin and cos of (pi/2) t on |t| <= 1/2: Chebyshev fits, below 5e-9 before rounding to float32.
_S0, _S1, _S2, _S3 = (np.float32(v) for v in (1.57079632, -0.64596348, 0.07968022, -0.00460216))
_C0, _C1, _C2, _C3, _C4 = (np.float32(v) for v in (1.0, -1.23370054, 0.253669204, -0.0208600704, 0.000903629885))
_ONE, _HALF, _ZERO, _LOG_SCALE = np.float32(1.0), np.float32(0.5), np.float32(0.0), np.float32(2.0 * np.log(2.0))
_OCTAVES, _UNIT30, _UNIT24 = np.float32(31.0), np.float32(2.0**-30), np.float32(2.0**-24)


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


def radius(word: Any) -> Any:
    """Box-Muller radius sqrt(-2 ln u), float32, u = (word/2 + 1/2) / 2^31; reaches 6.66."""
    bits = np.float32(np.float32(np.int32(word >> u32(1))) + _HALF).view(np.int32)
    exponent = (bits >> np.int32(23)) - np.int32(127)
    m = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    log2 = s * (_L0 + q * (_L1 + q * (_L2 + q * (_L3 + q * _L4))))
    return np.sqrt(np.maximum(_LOG_SCALE * ((_OCTAVES - np.float32(exponent)) - log2), _ZERO))


def turn(word: Any) -> tuple[Any, Any]:
    """Cosine and sine of an angle uniform on the circle, float32; the top two bits are the quadrant.

    The angle is (quadrant + t) quarter turns, -1/2 <= t < 1/2.
    """
    t = np.float32(np.int32(word & u32(0x3FFFFFFF))) * _UNIT30 - _HALF
    q = t * t
    sine = t * (_S0 + q * (_S1 + q * (_S2 + q * _S3)))
    cosine = _C0 + q * (_C1 + q * (_C2 + q * (_C3 + q * _C4)))
    swap = np.float32(np.int32((word >> u32(30)) & u32(1)))
    sign = _ONE - np.float32(np.int32((word >> u32(30)) & u32(2)))
    keep = _ONE - swap
    return sign * (keep * cosine - swap * sine), sign * (keep * sine + swap * cosine)


def uniform(word: Any) -> Any:
    """A float32 in [0, 1), a multiple of 2^-24, from one word."""
    return np.float32(np.int32(word >> u32(8))) * _UNIT24


def normal(k0: Any, k1: Any, cell: Any, ordinal: Any) -> Any:
    """The standard normal number `ordinal` of a cell (float32): two to a block, cosine first.

    Arguments:
        k0, k1: the folded key, uint32.
        cell: cell index, uint32.
        ordinal: which of the cell's numbers, uint32.
    """
    a, b = threefry(cell, u32(ordinal >> u32(1)), k0, k1)
    cosine, sine = turn(b)
    second = np.float32(np.int32(ordinal & u32(1)))
    return radius(a) * ((_ONE - second) * cosine + second * sine)


def subkey(k0: Any, k1: Any, event: int, sample: Any) -> tuple[Any, Any]:
    """The key of one event (a 63-bit count) and one sample of its batch, as two uint32."""
    k0, k1 = threefry(u32(event & 0xFFFFFFFF), u32(event >> 32), k0, k1)
    return threefry(u32(sample), u32(0), k0, k1)
