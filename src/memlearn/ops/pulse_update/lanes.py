"""What plain loops do not become by themselves: instructions on many cells at once, in terms every processor has.

A compiler turns loops of sums and products into vector code, but not the ones here: numbers that lie cell by cell,
positions of set bits, and asking for memory ahead of its use. Each function is one step of a loop in `counts.py` or
`trains.py`; arrays are contiguous and the caller keeps within them, since nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from ..fingerprint import digest, known_as

# Cells that `over` looks at, and that the other functions take, at a time.
MANY, EIGHT = 64, 8
_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


def intrinsic(function: Callable[..., Any]) -> Any:
    """An intrinsic under a name that is the same in every process."""
    return known_as(digest(function), _intrinsic(function))


def _array(context: Any, builder: Any, signature: Any, args: Any, n: int) -> Any:
    """Argument n, an array, as Numba's structure."""
    return context.make_array(signature.args[n])(context, builder, args[n])


def _load(builder: Any, pointer: Any, kind: Any, lanes: int) -> Any:
    vector = builder.load(builder.bitcast(pointer, ir.VectorType(kind, lanes).as_pointer()))
    vector.align = 4
    return vector


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 4


def _pick(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """Lanes of two vectors, those of the second counted on from those of the first."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    vector = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    return _pick(builder, builder.insert_element(vector, value, _I32(0)), vector, [0] * lanes)


@intrinsic
def over(typingctx: Any, plan: Any, first: Any, limit: Any) -> Any:
    """Bit k is set where cell first + k of MANY has more than `limit` pulses, up or down; plan and limit int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.gep(_array(context, builder, signature, args, 0).data, [args[1]])
        n, most = _load(builder, pointer, _I32, MANY), _spread(builder, args[2], MANY)
        # |n| > limit, as one comparison of unsigned numbers.
        return builder.bitcast(builder.icmp_unsigned(">", builder.add(n, most), builder.add(most, most)), _I64)

    return types.uint64(plan, types.int64, types.int32), codegen


@intrinsic
def lowest(typingctx: Any, bits: Any) -> Any:
    """Position of the lowest bit set in a number that is not zero, uint64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], _I1(1))

    return types.uint64(types.uint64), codegen


@intrinsic
def fetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Bring array[index] near: it is going to be read and written."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        here = _array(context, builder, signature, args, 0)
        step = cgutils.unpack_tuple(builder, here.strides)[0]
        place = builder.add(builder.ptrtoint(here.data, _I64), builder.mul(step, args[1]))
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.inttoptr(place, byte), _I32(1), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


def _four(builder: Any, at: Callable[[int], Any]) -> list[Any]:
    """Columns of eight cells with four parameters each; at(n) are numbers n .. n + 3. Lower cells lie left."""
    a, b, c, d = (_pick(builder, at(4 * k), at(4 * k + 16), list(range(8))) for k in range(4))
    near, far = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    one, two = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    halves = [(_pick(builder, a, b, lanes), _pick(builder, c, d, lanes)) for lanes in (near, far)]
    return [_pick(builder, left, right, lanes) for left, right in halves for lanes in (one, two)]


def _six(builder: Any, at: Callable[[int], Any]) -> list[Any]:
    """Columns of eight cells with six parameters each, pairs of columns first."""
    left, right, parts = [0, 1, 10, 11, 4, 5, 14, 15], [2, 3, 8, 9, 6, 7, 12, 13], []
    for cell in (0, 2):
        a, b, c = (_pick(builder, at(6 * cell + 4 * k), at(6 * cell + 4 * k + 24), list(range(8))) for k in range(3))
        parts.append((_pick(builder, a, b, left), _pick(builder, a, c, right), _pick(builder, b, c, left)))
    even, odd = [0, 2, 8, 10, 4, 6, 12, 14], [1, 3, 9, 11, 5, 7, 13, 15]
    return [_pick(builder, a, b, lanes) for a, b in zip(*parts, strict=True) for lanes in (even, odd)]


def _columns(turned: Callable[..., list[Any]], width: int) -> Any:
    """out[:, k] .. out[:, k + 7] from the parameters, (cells, width), of eight cells."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = (_array(context, builder, signature, args, n) for n in (0, 2))
        kind = context.get_data_type(signature.args[2].dtype)
        start = builder.gep(source.data, [builder.mul(args[3], _I64(width))])
        step = cgutils.unpack_tuple(builder, target.strides)[0]
        columns = turned(builder, lambda n: _load(builder, builder.gep(start, [_I64(n)]), kind, 4))
        for j, column in enumerate(columns):
            place = builder.add(builder.ptrtoint(target.data, _I64), builder.mul(step, _I64(j)))
            _store(builder, column, builder.gep(builder.inttoptr(place, kind.as_pointer()), [args[1]]))
        return context.get_dummy_value()

    @intrinsic
    def columns(typingctx: Any, out: Any, k: Any, parameters: Any, cell: Any) -> Any:
        return types.void(out, types.int64, parameters, types.int64), codegen

    return columns


columns_of_four, columns_of_six = _columns(_four, 4), _columns(_six, 6)


@intrinsic
def count_eight(typingctx: Any, counters: Any, plan: Any, cell: Any, mark: Any) -> Any:
    """Into the counters of eight cells: their pulses, and the mark of the event where there are any; all int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = ir.Constant(ir.VectorType(_I32, 8), None)
        n = _load(builder, builder.gep(_array(context, builder, signature, args, 1).data, [args[2]]), _I32, 8)
        n = builder.select(builder.icmp_signed(">", n, zeros), n, builder.sub(zeros, n))
        place = builder.gep(_array(context, builder, signature, args, 0).data, [builder.mul(args[2], _I64(2))])
        mark = _spread(builder, args[3], 8)
        for half in (0, 1):
            here = builder.gep(place, [_I64(8 * half)])
            more = _pick(builder, n, zeros, [lane for k in range(4) for lane in (4 * half + k, 8)])
            summed = builder.add(_load(builder, here, _I32, 8), more)
            marked = _pick(builder, summed, mark, [0, 9, 2, 11, 4, 13, 6, 15])
            pairs = [builder.bitcast(vector, ir.VectorType(_I64, 4)) for vector in (more, summed, marked)]
            idle = builder.icmp_signed("==", pairs[0], ir.Constant(ir.VectorType(_I64, 4), None))
            _store(builder, builder.select(idle, pairs[1], pairs[2]), here)
        return context.get_dummy_value()

    return types.void(counters, plan, types.int64, types.int32), codegen
