"""Arithmetic on `LANES` numbers at once, as one instruction or two: the leaves of an elimination, side by side.

The loops are written in LLVM's own words, since Numba keeps loops that may overlap from being vectorised. Addresses and
distances are in bytes; nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
BYTES = 8 * LANES
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_FOUR = ir.VectorType(ir.DoubleType(), 4)


def _load(builder: Any, address: Any) -> Any:
    found = builder.load(builder.inttoptr(address, _VECTOR.as_pointer()))
    found.align = 8
    return found


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, _VECTOR.as_pointer())).align = 8


def _loop(builder: Any, count: Any, body: Callable[[Any], None]) -> None:
    with cgutils.for_range(builder, count) as loop:
        body(loop.index)


def _updater(pivots: int) -> Any:
    @intrinsic
    def update(context: Any, m: Any, f: Any, r: Any, apart: Any, count: Any) -> Any:
        """m[i] -= sum over pivots p of f_p r_p[i] for i < count; f_p, r_p lie `apart` from f_(p-1), r_(p-1)."""
        signature = types.void(m, f, r, apart, count)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            m, f, r, apart, count = args
            offsets = [builder.mul(apart, ir.Constant(apart.type, p)) for p in range(pivots)]
            factors = [_load(builder, builder.add(f, offset)) for offset in offsets]

            def body(i: Any) -> None:
                along = builder.mul(i, ir.Constant(i.type, BYTES))
                at = builder.add(m, along)
                value = _load(builder, at)
                for factor, offset in zip(factors, offsets, strict=True):
                    row = _load(builder, builder.add(builder.add(r, along), offset))
                    value = builder.fsub(value, builder.fmul(factor, row, ("contract",)), ("contract",))
                _store(builder, value, at)

            _loop(builder, count, body)
            return context.get_dummy_value()

        return signature, code

    return update


update1, update2, update3, update4 = (_updater(pivots) for pivots in (1, 2, 3, 4))


@intrinsic
def gather(context: Any, work: Any, moves: Any, count: Any) -> Any:
    """Element by element, `count` of them: work[target] = work[one] + work[other].

    Arguments:
        work: where element 0 lies.
        moves: where (target, one, other) lie, as 64-bit distances in bytes.
    """
    signature = types.void(work, moves, count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        work, moves, count = args
        word = ir.IntType(64)

        def body(i: Any) -> None:
            row = builder.add(moves, builder.mul(i, ir.Constant(i.type, 24)))
            places = []
            for k in range(3):
                at = builder.inttoptr(builder.add(row, ir.Constant(row.type, 8 * k)), word.as_pointer())
                places.append(builder.add(work, builder.load(at)))
            target, one, other = places
            _store(builder, builder.fadd(_load(builder, one), _load(builder, other)), target)

        _loop(builder, count, body)
        return context.get_dummy_value()

    return signature, code


@intrinsic
def divide(context: Any, target: Any, source: Any, by: Any, count: Any) -> Any:
    """target[i] = source[i] / by for i < count."""
    signature = types.void(target, source, by, count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source, by, count = args
        one = ir.Constant(_VECTOR, [1.0] * LANES)
        inverse = builder.fdiv(one, _load(builder, by))

        def body(i: Any) -> None:
            along = builder.mul(i, ir.Constant(i.type, BYTES))
            value = _load(builder, builder.add(source, along))
            _store(builder, builder.fmul(value, inverse), builder.add(target, along))

        _loop(builder, count, body)
        return context.get_dummy_value()

    return signature, code


@intrinsic
def copy(context: Any, target: Any, source: Any, count: Any) -> Any:
    """target[i] = source[i] for i < count."""
    signature = types.void(target, source, count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source, count = args

        def body(i: Any) -> None:
            along = builder.mul(i, ir.Constant(i.type, BYTES))
            _store(builder, _load(builder, builder.add(source, along)), builder.add(target, along))

        _loop(builder, count, body)
        return context.get_dummy_value()

    return signature, code


@intrinsic
def spread(context: Any, source: Any, target: Any, apart: Any, count: Any) -> Any:
    """Put `count` squares of four elements into plain matrices, one of each lane, `apart` bytes from each other."""
    signature = types.void(source, target, apart, count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target, apart, count = args

        def mixed(a: Any, b: Any, *places: int) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), 4), list(places)))

        def body(i: Any) -> None:
            first = builder.add(source, builder.mul(i, ir.Constant(i.type, 4 * BYTES)))
            to = builder.add(target, builder.mul(i, ir.Constant(i.type, 32)))
            wide = [_load(builder, builder.add(first, ir.Constant(first.type, k * BYTES))) for k in range(4)]
            for half in range(LANES // 4):
                a, b, c, d = (mixed(v, v, *range(4 * half, 4 * half + 4)) for v in wide)
                low, high = mixed(a, b, 0, 4, 2, 6), mixed(a, b, 1, 5, 3, 7)
                under, over = mixed(c, d, 0, 4, 2, 6), mixed(c, d, 1, 5, 3, 7)
                pairs = ((low, under, 0, 1, 4, 5), (high, over, 0, 1, 4, 5), (low, under, 2, 3, 6, 7))
                for k, (x, y, *places) in enumerate((*pairs, (high, over, 2, 3, 6, 7))):
                    lane = ir.Constant(apart.type, 4 * half + k)
                    at = builder.inttoptr(builder.add(to, builder.mul(apart, lane)), _FOUR.as_pointer())
                    builder.store(mixed(x, y, *places), at).align = 8

        _loop(builder, count, body)
        return context.get_dummy_value()

    return signature, code
