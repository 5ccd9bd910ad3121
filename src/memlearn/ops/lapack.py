"""LAPACK and BLAS inside compiled functions, through the pointers that SciPy exports.

An address is an *argument* of the kernels that call it : as a global it would keep Numba from caching
them.
Matrices are column major in LAPACK's words: the lower triangle there is the upper one of a row-major array.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
import scipy.linalg.cython_blas
import scipy.linalg.cython_lapack
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from threadpoolctl import ThreadpoolController


class Addresses(NamedTuple):
    """Where the routines lie in this process."""

    potrf: int
    trsm: int
    syrk: int
    gemm: int


def addresses() -> Addresses:
    """Of this process; checks that SciPy's whole numbers have 32 bits.

    Raises:
        RuntimeError: a SciPy built for 64-bit whole numbers, which these calls would misread.
    """
    module = scipy.linalg.cython_lapack
    if "long" in str(module.__pyx_capi__["dpotrf"]):
        raise RuntimeError(
            "this SciPy's LAPACK takes 64-bit whole numbers, memlearn's kernels pass 32-bit ones: install SciPy's wheel"
        )
    lapack, blas = "scipy.linalg.cython_lapack", "scipy.linalg.cython_blas"
    return Addresses(
        get_cython_function_address(lapack, "dpotrf"),
        get_cython_function_address(blas, "dtrsm"),
        get_cython_function_address(blas, "dsyrk"),
        get_cython_function_address(blas, "dgemm"),
    )


@intrinsic
def _call(context: Any, address: Any, arguments: Any) -> Any:
    """Call the function at an address with pointers, given as a tuple of whole numbers."""
    signature = types.void(address, arguments)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where, tupled = args
        count = len(signature.args[1])
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer] * count)
        function = builder.inttoptr(where, kind.as_pointer())
        given = [builder.inttoptr(v, pointer) for v in cgutils.unpack_tuple(builder, tupled, count)]
        builder.call(function, given)
        return context.get_dummy_value()

    return signature, code


_invoke: Any = _call  # an intrinsic takes no context where it is called


@lru_cache(maxsize=1)
def _libraries() -> tuple[Any, ...]:
    """Handles of the BLAS libraries of this process; looking for them takes milliseconds."""
    return tuple(one for one in ThreadpoolController().lib_controllers if one.user_api == "blas")


@contextmanager
def blas_threads(number: int) -> Iterator[None]:
    """A context in which every BLAS of this process uses so many threads."""
    others = [(library, threads) for library in _libraries() if (threads := library.get_num_threads()) != number]
    for library, _ in others:
        library.set_num_threads(number)
    try:
        yield
    finally:
        for library, threads in others:
            library.set_num_threads(threads)


class Scratch(NamedTuple):
    """What pointers point to; one for each thread."""

    words: np.ndarray
    letters: np.ndarray
    reals: np.ndarray


def scratch() -> Scratch:
    """A new one."""
    return Scratch(np.zeros(8, np.int32), np.frombuffer(b"LNTR", np.uint8).copy(), np.array([1.0, -1.0]))


@numba.njit(error_model="numpy", inline="always")
def potrf(at: Addresses, by: Scratch, n: int, a: int, lead: int) -> int:
    """Cholesky factor of the lower triangle at pointer `a`, in place; 0 where it went well."""
    by.words[0], by.words[1], by.words[2] = n, lead, 0
    words = by.words.ctypes.data
    _invoke(at.potrf, (by.letters.ctypes.data, words, a, words + 4, words + 8))
    return by.words[2]


@numba.njit(error_model="numpy", inline="always")
def trsm(  # noqa: PLR0913
    at: Addresses, by: Scratch, right: bool, transposed: bool, m: int, n: int, a: int, b: int, lead: int
) -> None:
    """B (m, n) <- B L^-1 or B L^-T (right), L^-1 B or L^-T B (left), with L at `a` and B at `b`."""
    by.words[0], by.words[1], by.words[2] = m, n, lead
    words, letters = by.words.ctypes.data, by.letters.ctypes.data
    side, way = letters + (3 if right else 0), letters + (2 if transposed else 1)
    _invoke(
        at.trsm,
        (side, letters, way, letters + 1, words, words + 4, by.reals.ctypes.data, a, words + 8, b, words + 8),
    )


@numba.njit(error_model="numpy", inline="always")
def syrk(at: Addresses, by: Scratch, n: int, k: int, a: int, c: int, lead: int) -> None:
    """Lower triangle C (n, n) <- C - A A^T, with A (n, k) at `a` and C at `c`."""
    by.words[0], by.words[1], by.words[2] = n, k, lead
    words, letters, one = by.words.ctypes.data, by.letters.ctypes.data, by.reals.ctypes.data
    _invoke(at.syrk, (letters, letters + 1, words, words + 4, one + 8, a, words + 8, one, c, words + 8))


@numba.njit(error_model="numpy", inline="always")
def gemm(  # noqa: PLR0913
    at: Addresses, by: Scratch, m: int, n: int, k: int, a: int, b: int, c: int, lead: int
) -> None:
    """C (m, n) <- C - A B^T, with A (m, k) at `a`, B (n, k) at `b`, C at `c`."""
    by.words[0], by.words[1], by.words[2], by.words[3] = m, n, k, lead
    words, letters, one = by.words.ctypes.data, by.letters.ctypes.data, by.reals.ctypes.data
    size, leads = (words, words + 4, words + 8), words + 12
    _invoke(at.gemm, (letters + 1, letters + 2, *size, one + 8, a, leads, b, leads, one, c, leads))
