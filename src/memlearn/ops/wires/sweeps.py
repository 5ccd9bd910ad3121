"""Sweeps along lines, `WIDTH` numbers at once, in LLVM's own words: the inner loops of conjugate gradients.

Numba would check at run time whether so many arrays overlap, and give up; and the recurrence along a word line is one
number after another unless several word lines advance together. Addresses are in bytes; nothing is checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WIDTH = 4
ROWS = 2 * WIDTH
"""Word lines that advance together."""
_DOUBLE, _WORD = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, WIDTH)
_FAST = ("contract",)


class _Writer:
    """Words for vectors."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def load(self, address: Any, offset: Any = None) -> Any:
        found = self.builder.load(self._pointer(address, offset))
        found.align = 8
        return found

    def store(self, value: Any, address: Any, offset: Any = None) -> None:
        self.builder.store(value, self._pointer(address, offset)).align = 8

    def _pointer(self, address: Any, offset: Any) -> Any:
        whole = address if offset is None else self.builder.add(address, offset)
        return self.builder.inttoptr(whole, _VECTOR.as_pointer())

    def splat(self, number: Any) -> Any:
        one = self.builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return self.builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, _FAST)

    def times(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b, _FAST)

    def plus(self, a: Any, b: Any, c: Any) -> Any:
        """A + b c."""
        return self.builder.fadd(a, self.builder.fmul(b, c, _FAST), _FAST)

    def minus(self, a: Any, b: Any, c: Any) -> Any:
        """A - b c."""
        return self.builder.fsub(a, self.builder.fmul(b, c, _FAST), _FAST)

    def mixed(self, a: Any, b: Any, *places: int) -> Any:
        """A vector of numbers of two, those of the second from WIDTH on."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), list(places)))

    def turn(self, rows: list[Any]) -> list[Any]:
        """A square of WIDTH vectors, transposed."""

        mixed, (a, b, c, d) = self.mixed, rows
        low, high = mixed(a, b, 0, 4, 2, 6), mixed(a, b, 1, 5, 3, 7)
        under, over = mixed(c, d, 0, 4, 2, 6), mixed(c, d, 1, 5, 3, 7)
        return [
            mixed(low, under, 0, 1, 4, 5),
            mixed(high, over, 0, 1, 4, 5),
            mixed(low, under, 2, 3, 6, 7),
            mixed(high, over, 2, 3, 6, 7),
        ]

    def steps(self, number: Any, bytes_each: int) -> Any:
        return self.builder.mul(number, ir.Constant(_WORD, bytes_each))


@intrinsic
def down(context: Any, at: Any, beta: Any, word: Any, count: Any) -> Any:
    """One word line on the way down, `count` vectors of it.

    p <- z + beta p, above <- (g p + bit above) pivot, which also replaces z. `sums` (two vectors) gain p . M p, as if
    both ends had the conductance of a segment, `word`, and the part of it that p . (M - S) p is.
    `at`: z, p, g, pivot, bit, above, sums.
    """
    signature = types.void(at, beta, word, count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tupled, beta, word, count = args
        z, p, g, pivot, bit, above, sums = cgutils.unpack_tuple(builder, tupled, 7)
        v = _Writer(builder)
        second = ir.Constant(_WORD, 8 * WIDTH)
        betas, nothing = v.splat(beta), ir.Constant(_VECTOR, [0.0] * WIDTH)
        last, differences, own = (cgutils.alloca_once_value(builder, nothing) for _ in range(3))
        coupled = cgutils.alloca_once_value(builder, v.load(sums, second))
        with cgutils.for_range(builder, count) as loop:
            j = v.steps(loop.index, 8 * WIDTH)
            # All loads before all stores: the processor would hold back a load that might meet one.
            cell, carried, place = v.load(g, j), v.load(above, j), v.load(pivot, j)
            new = v.plus(v.load(z, j), betas, v.load(p, j))
            drop = builder.fsub(new, v.mixed(builder.load(last), new, 3, 4, 5, 6), _FAST)
            builder.store(v.plus(builder.load(differences), drop, drop), differences)
            pushed = v.times(cell, new)
            builder.store(v.plus(builder.load(own), pushed, new), own)
            into = v.plus(pushed, v.load(bit, j), carried)
            found = v.times(into, place)
            builder.store(v.plus(builder.load(coupled), into, found), coupled)
            builder.store(new, last)
            v.store(new, p, j)
            v.store(found, above, j)
            v.store(found, z, j)
        v.store(v.plus(v.add(v.load(sums), builder.load(own)), v.splat(word), builder.load(differences)), sums)
        v.store(builder.load(coupled), sums, second)
        return context.get_dummy_value()

    return signature, code


def _upwards(fields: bool) -> Any:
    @intrinsic
    def up(context: Any, at: Any, alpha: Any, word: Any, count: Any) -> Any:
        """One word line on the way up, `count` vectors of it.

        below <- z + bit pivot below, which are the bit nodes u; r <- r - alpha S p; x <- x + alpha p; as if both ends
        had the conductance of a segment, `word`. `at`: z, p, r, g, pivot, bit, below, x.
        """
        signature = types.void(at, alpha, word, count)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            tupled, alpha, word, count = args
            z, p, r, g, pivot, bit, below, x = cgutils.unpack_tuple(builder, tupled, 8)
            v = _Writer(builder)
            alphas, words = v.splat(alpha), v.splat(word)
            eight = ir.Constant(_WORD, 8)
            before, behind = builder.sub(p, eight), builder.add(p, eight)
            with cgutils.for_range(builder, count) as loop:
                j = v.steps(loop.index, 8 * WIDTH)
                here = v.load(p, j)
                node = v.plus(v.load(z, j), v.times(v.load(bit, j), v.load(pivot, j)), v.load(below, j))
                drops = builder.fsub(here, v.load(before, j), _FAST)
                drops = v.add(drops, builder.fsub(here, v.load(behind, j), _FAST))
                found = v.plus(v.times(words, drops), v.load(g, j), builder.fsub(here, node, _FAST))
                left = v.minus(v.load(r, j), alphas, found)
                if fields:
                    v.store(v.plus(v.load(x, j), alphas, here), x, j)
                v.store(node, below, j)
                v.store(left, r, j)
            return context.get_dummy_value()

        return signature, code

    return up


up, up_with_fields = _upwards(False), _upwards(True)


@intrinsic
def along(context: Any, at: Any, lead: Any, count: Any) -> Any:
    """`ROWS` word lines to their ends, then back, `count` squares of WIDTH columns each.

    s <- M^-1 r, sum <- sum + r . s. `at`: r, s, pivot (columns, ROWS), word (ROWS), room
    (columns, ROWS), sum (of one vector); `lead` is the bytes from word line to word line of r and s.
    """
    signature = types.void(at, lead, count)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tupled, lead, count = args
        r, s, pivot, word, room, total = cgutils.unpack_tuple(builder, tupled, 6)
        v = _Writer(builder)
        groups = range(ROWS // WIDTH)
        lines = [builder.mul(lead, ir.Constant(_WORD, k)) for k in range(ROWS)]
        between = [v.load(word, ir.Constant(_WORD, 8 * WIDTH * group)) for group in groups]
        nothing = ir.Constant(_VECTOR, [0.0] * WIDTH)
        carried = [cgutils.alloca_once_value(builder, nothing) for _ in groups]
        gathered = [cgutils.alloca_once_value(builder, nothing) for _ in groups]

        def place(first: Any, k: int, group: int) -> Any:
            inside = ir.Constant(_WORD, 8 * (ROWS * k + WIDTH * group))
            return builder.add(v.steps(first, 8 * ROWS * WIDTH), inside)

        with cgutils.for_range(builder, count) as loop:
            j = v.steps(loop.index, 8 * WIDTH)
            for group in groups:
                rows = [v.load(r, builder.add(line, j)) for line in lines[group * WIDTH : (group + 1) * WIDTH]]
                passed, sums = builder.load(carried[group]), builder.load(gathered[group])
                for k, column in enumerate(v.turn(rows)):
                    spot = place(loop.index, k, group)
                    into = v.plus(column, between[group], passed)
                    passed = v.times(into, v.load(pivot, spot))
                    sums = v.plus(sums, into, passed)
                    v.store(passed, room, spot)
                builder.store(passed, carried[group])
                builder.store(sums, gathered[group])
        whole = v.load(total)
        for group in groups:
            whole = v.add(whole, builder.load(gathered[group]))
            builder.store(nothing, carried[group])
        v.store(whole, total)
        with cgutils.for_range(builder, count) as loop:
            first = builder.sub(builder.sub(count, loop.index), ir.Constant(_WORD, 1))
            j = v.steps(first, 8 * WIDTH)
            for group in groups:
                passed, columns = builder.load(carried[group]), []
                for k in reversed(range(WIDTH)):
                    spot = place(first, k, group)
                    step = v.times(between[group], v.load(pivot, spot))
                    passed = v.plus(v.load(room, spot), step, passed)
                    columns.insert(0, passed)
                builder.store(passed, carried[group])
                for line, row in zip(lines[group * WIDTH : (group + 1) * WIDTH], v.turn(columns), strict=True):
                    v.store(row, s, builder.add(line, j))
        return context.get_dummy_value()

    return signature, code
