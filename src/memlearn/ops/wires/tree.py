"""Nested dissection of an array into blocks: which are merged in which order, and where their numbers lie.

A block of cells is described by the admittances between its boundary ports, in four groups: L and R (left and right
ends of its word lines), T and B (top and bottom ends of its bit lines). A group is empty where its lines simply end.
Two neighbours are merged by adding their matrices and eliminating the ports that they share.

Only one triangle is kept: element (j, i), i >= j, of a row-major matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

LEAF = 8
"""Most rows and columns of a block that is built from single cells, many of a shape at once."""

Box = tuple[int, int, int, int]
"""First row, end of the rows, first column, end of the columns."""

# A step of an elimination is a row of numbers. A merge: ports shared, ports in all, store and start of the merged
# matrix; then for each operand its store, start and lead, and (from, how many, to) for each of its four groups.
# A single cell: CELL, ports, store, start; then its row, column, and whether it has R and T.
OPERAND = 15
ROW = 4 + 2 * OPERAND
CELL = -1
LEAVES = 2
"""The store where the leaves lie; 0 and 1 are work space."""


class Block(NamedTuple):
    """Where a block's matrix lies, and how many ports its groups have."""

    store: int
    start: int
    lead: int
    groups: tuple[int, int, int, int]

    @property
    def ports(self) -> int:
        """In all groups."""
        return sum(self.groups)


class Elimination(NamedTuple):
    """From the parts of a block to the block."""

    steps: np.ndarray
    """(steps, ROW), in their order."""
    work: tuple[int, int]
    """Elements that the two work spaces need."""
    result: Block


class Leaves(NamedTuple):
    """Leaves of one shape."""

    shape: tuple[int, int]
    """Rows and columns."""
    open: tuple[bool, bool]
    """Whether there are right and top ports."""
    groups: tuple[int, int, int, int]
    """Ports."""
    corners: np.ndarray
    """(leaves, 2): first row and first column of each."""
    start: int
    """Where their matrices begin in the store of leaves; each takes ports x ports elements."""

    def halves(self) -> tuple[Leaves, Leaves]:
        """One half of them and the other."""
        middle = len(self.corners) // 2
        begin = self.start + middle * sum(self.groups) ** 2
        return self._replace(corners=self.corners[:middle]), self._replace(corners=self.corners[middle:], start=begin)


class Tree(NamedTuple):
    """All that is known of an array's elimination before its conductances are."""

    leaves: tuple[Leaves, ...]
    stored: int
    """Elements of the store of leaves."""
    halves: tuple[Elimination, ...]
    """Of the two halves of the array, each in work space of its own; empty where they are not wanted apart."""
    top: Elimination
    """The rest: everything, or the last merge of the halves, whose matrices lie in their own work spaces."""


@lru_cache(maxsize=64)
def tree(rows: int, columns: int, right: bool, top: bool, leaf: int = LEAF, halved: bool = False) -> Tree:
    """The elimination of an array.

    Arguments:
        rows, columns: its shape.
        right, top: whether something is attached to the right ends of word lines, and to the top ends of bit lines.
        leaf: most rows and columns of a leaf.
        halved: keep the two halves apart, for two threads; of an array that is more than one leaf.
    """
    kinds: dict[tuple[int, int, bool, bool], list[tuple[int, int]]] = {}
    boxes = [(0, rows, 0, columns)]
    where: dict[Box, tuple[tuple[int, int, bool, bool], int]] = {}
    while boxes:
        box = boxes.pop()
        if box[1] - box[0] > leaf or box[3] - box[2] > leaf:
            boxes += _halves(box)[1:]
            continue
        kind = (box[1] - box[0], box[3] - box[2], right or box[3] < columns, top or box[0] > 0)
        where[box] = kind, len(kinds.setdefault(kind, []))
        kinds[kind].append((box[0], box[2]))
    leaves, stored = {}, 0
    for kind, corners in kinds.items():
        p, q, has_right, has_top = kind
        groups = p, p * has_right, q * has_top, q
        leaves[kind] = Leaves((p, q), (has_right, has_top), groups, np.array(corners), stored)
        stored += sum(groups) ** 2 * len(corners)

    def found(walk: _Walk, box: Box, store: int) -> Block | None:
        if box not in where:
            return None
        kind, number = where[box]
        ports = sum(leaves[kind].groups)
        return Block(LEAVES, leaves[kind].start + number * ports**2, ports, leaves[kind].groups)

    box, parts = (0, rows, 0, columns), tuple(leaves.values())
    if not halved or box in where:
        return Tree(parts, stored, (), _Walk(rows, columns, right, top, found).run())
    halves = tuple(_Walk(rows, columns, right, top, found).run(half) for half in _halves(box)[1:])
    apart = {half: elimination.result for half, elimination in zip(_halves(box)[1:], halves, strict=True)}
    last = _Walk(rows, columns, right, top, lambda walk, box, store: apart.get(box)).run()
    return Tree(parts, stored, halves, last)


def eliminated(rows: int, columns: int, right: bool, top: bool) -> Elimination:
    """A block from its single cells; arguments as in `tree`."""
    return _Walk(rows, columns, right, top, _cell).run()


class _Walk:
    """Writes down the steps of a block of blocks. The result of a block at depth d lies in work space d % 2."""

    def __init__(
        self, rows: int, columns: int, right: bool, top: bool, part: Callable[[_Walk, Box, int], Block | None]
    ) -> None:
        self.box, self.right, self.top, self.part = (0, rows, 0, columns), right, top, part
        self.steps: list[list[int]] = []
        self.filled, self.most = [0, 0], [0, 0]

    def run(self, box: Box | None = None) -> Elimination:
        """The elimination of the whole array, or of a box in it."""
        result = self.block(box or self.box, 0)
        steps = np.zeros((len(self.steps), ROW), np.int64)
        for row, step in zip(steps, self.steps, strict=True):
            row[: len(step)] = step
        return Elimination(steps, (self.most[0], self.most[1]), result)

    def block(self, box: Box, store: int) -> Block:
        """A block's matrix: a part as it is, or its two halves merged."""
        if (part := self.part(self, box, store)) is not None:
            return part
        across, first, second = _halves(box)
        below = self.filled[1 - store]
        a, b = self.block(first, 1 - store), self.block(second, 1 - store)
        self.filled[1 - store] = below
        (al, ar, at, ab), (bl, br, bt, bb) = a.groups, b.groups
        if across:
            shared, groups = ar, (al, br, at + bt, ab + bb)
            k, r, t, d = _starts(shared, groups)
            to_a, to_b = (k, 0, t, d), (0, r, t + at, d + ab)
        else:
            shared, groups = ab, (al + bl, ar + br, at, bb)
            k, r, t, d = _starts(shared, groups)
            to_a, to_b = (k, r, t, 0), (k + al, r + ar, 0, d)
        ports = shared + sum(groups)
        start = self.room(store, ports * ports)
        self.steps.append([shared, ports, store, start, *_operand(a, to_a), *_operand(b, to_b)])
        return Block(store, start + shared * ports + shared, ports, groups)

    def room(self, store: int, elements: int) -> int:
        """So many elements on top of a work space."""
        start = self.filled[store]
        self.filled[store] += elements
        self.most[store] = max(self.most[store], self.filled[store])
        return start


def _cell(walk: _Walk, box: Box, store: int) -> Block | None:
    """A single cell's own matrix."""
    first, end, left, edge = box
    if end - first > 1 or edge - left > 1:
        return None
    right, top = walk.right or edge < walk.box[3], walk.top or first > 0
    groups = (1, int(right), int(top), 1)
    start = walk.room(store, sum(groups) ** 2)
    walk.steps.append([CELL, sum(groups), store, start, first, left, int(right), int(top)])
    return Block(store, start, sum(groups), groups)


def _halves(box: Box) -> tuple[bool, Box, Box]:
    """Whether the cut goes across the word lines, then both sides, left or upper first."""
    top, bottom, left, right = box
    if right - left >= bottom - top:
        middle = (left + right) // 2
        return True, (top, bottom, left, middle), (top, bottom, middle, right)
    middle = (top + bottom) // 2
    return False, (top, middle, left, right), (middle, bottom, left, right)


def _starts(shared: int, groups: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Where L, R, T and B begin behind the shared ports."""
    l, r, t, _ = groups
    return shared, shared + l, shared + l + r, shared + l + r + t


def _operand(block: Block, to: tuple[int, int, int, int]) -> list[int]:
    row, begin = [block.store, block.start, block.lead], 0
    for ports, target in zip(block.groups, to, strict=True):
        row += [begin, ports, target]
        begin += ports
    return row
