"""Port elimination in hybrid form: for lines of little or no resistance.

A block is a map from what enters it (voltages of the left ends, currents of the right and top ends, voltages of the
bottom ends) to what answers (currents, voltages, voltages, currents). Without cells it is the identity and voltage
drops, so that a cell's conductance is never added to the huge one of a short piece of wire, and zero is an ordinary
resistance. About ten times slower than `ports`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .network import Network

_LEAF = 8
Box = tuple[int, int, int, int]


class _Block(NamedTuple):
    map: np.ndarray
    """(ports, ports): from entering to answering quantities."""
    groups: tuple[int, int, int, int]
    """Left, right, top and bottom ports."""

    def group(self, number: int) -> np.ndarray:
        """Indices of a group's ports."""
        start = sum(self.groups[:number])
        return np.arange(start, start + self.groups[number])


def transfer(conductance: np.ndarray, network: Network) -> np.ndarray:
    """Currents into the bit lines' terminals per V on the word lines' terminals, S, (rows, columns).

    Arguments:
        conductance: S, (rows, columns), float64.
        network: its lines; any resistance from 0 to infinity.

    Raises:
        numpy.linalg.LinAlgError: a line without an end and without a cell that conducts.
    """
    rows, columns = conductance.shape
    unit = float(conductance.mean()) or 1.0
    scaled = Network(*(r * unit for r in network))
    right, top = np.isfinite(network.right), np.isfinite(network.top)
    leaves = _leaves(conductance / unit, scaled, bool(right.any()), bool(top.any()))
    block = _merged((0, rows, 0, columns), leaves)
    word_last, bit_last = np.minimum(scaled.word, scaled.right), np.minimum(scaled.bit, scaled.bottom)
    system, enters = np.eye(len(block.map)), np.zeros((len(block.map), rows))
    left, far, above, bottom = (block.group(k) for k in range(4))
    for ports, rest, sign in ((left, scaled.left, -1), (bottom, scaled.bottom - bit_last, 1)):
        attached = np.isfinite(rest)
        system[ports] -= sign * np.where(attached, rest, 0)[:, None] * block.map[ports]
        system[ports[~attached]] = block.map[ports[~attached]]
    for ports, rest, sign in ((far, scaled.right - word_last, 1), (above, scaled.top, -1)):
        attached = np.isfinite(rest[: len(ports)])
        system[ports[attached]] = block.map[ports[attached]]
        system[ports[attached], ports[attached]] -= sign * rest[: len(ports)][attached]
    driven = np.arange(rows)
    enters[left, driven] = np.isfinite(scaled.left)
    if len(far):
        enters[far, driven] = right
    found = np.linalg.solve(system, enters)
    into = block.map[bottom] @ found * np.isfinite(scaled.bottom)[:, None]
    if len(above):
        into -= found[above]
    return into.T * unit


def _leaves(g: np.ndarray, network: Network, right: bool, top: bool) -> dict[Box, _Block]:
    """All leaves, those of a shape at once."""
    rows, columns = g.shape
    shapes: dict[tuple[int, int], list[Box]] = {}
    for box in _parts((0, rows, 0, columns)):
        shapes.setdefault((box[1] - box[0], box[3] - box[2]), []).append(box)
    found = {}
    for (p, q), boxes in shapes.items():
        maps = _leaf_maps(g, network, boxes, p, q)
        for box, whole in zip(boxes, maps, strict=True):
            groups = p, p * (right or box[3] < columns), q * (top or box[0] > 0), q
            keep = np.concatenate([np.arange(n) + s for n, s in zip(groups, (0, p, 2 * p, 2 * p + q), strict=True)])
            found[box] = _Block(whole[np.ix_(keep, keep)], groups)
    return found


def _leaf_maps(g: np.ndarray, network: Network, boxes: list[Box], p: int, q: int) -> np.ndarray:
    """(boxes, ports, ports): from c, the cells' currents, which make the voltage drops along the lines.

        v[i, j] = v_left[i] - r_word[i] (j i_right[i] + sum over l of min(j, l) c[i, l])
        u[i, j] = u_bottom[j] + r_bit[j] ((p - i) i_top[j] + sum over k of (p - max(i, k)) c[k, j])     c = g (v - u)

    The segment behind the last cell of a whole line is the part of its end that lies there.
    """
    rows, columns = g.shape
    here = np.stack([g[a:b, c:d] for a, b, c, d in boxes])
    word = np.stack([network.word[a:b] for a, b, _, _ in boxes])
    bit = np.stack([network.bit[c:d] for _, _, c, d in boxes])
    behind_word = np.stack(
        [(np.minimum(network.word, network.right) if d == columns else network.word)[a:b] for a, b, _, d in boxes]
    )
    behind_bit = np.stack(
        [(np.minimum(network.bit, network.bottom) if b == rows else network.bit)[c:d] for _, b, c, d in boxes]
    )
    i, j = np.divmod(np.arange(p * q), q)
    count, ports = len(boxes), 2 * p + 2 * q
    same_row, same_column = i[:, None] == i, j[:, None] == j
    along = same_row * np.minimum(j[:, None], j) * word[:, i, None]
    down = same_column * ((p - 1 - np.maximum(i[:, None], i)) * bit[:, j, None] + behind_bit[:, j, None])
    drive = np.zeros((count, p * q, ports))
    cell = np.arange(p * q)
    drive[:, cell, i] = 1
    drive[:, cell, p + i] = -word[:, i] * j
    drive[:, cell, 2 * p + j] = -(bit[:, j] * (p - 1 - i) + behind_bit[:, j])
    drive[:, cell, 2 * p + q + j] = -1
    flat = here.reshape(count, p * q, 1)
    current = np.linalg.solve(np.eye(p * q) + flat * (along + down), flat * drive)
    of_row, of_column = (np.arange(p)[:, None] == i).astype(float), (np.arange(q)[:, None] == j).astype(float)
    found = np.zeros((count, ports, ports))
    left, right, top, bottom = np.split(np.arange(ports), [p, 2 * p, 2 * p + q])
    # Currents: what enters on the left is what leaves on the right and what the cells take; bit lines alike.
    found[:, left] = of_row @ current
    found[:, left, right] += 1
    found[:, bottom] = of_column @ current
    found[:, bottom, top] += 1
    # Voltages behind the last segment on the right, and of the first node on top.
    found[:, right] = -word[..., None] * (of_row @ (j[:, None] * current))
    found[:, right, left] += 1
    found[:, right, right] -= (q - 1) * word + behind_word
    height = (p - 1 - i) * bit[:, j] + behind_bit[:, j]
    found[:, top] = of_column @ (height[..., None] * current)
    found[:, top, bottom] += 1
    found[:, top, top] += (p - 1) * bit + behind_bit
    return found


def _merged(box: Box, leaves: dict[Box, _Block]) -> _Block:
    """The block of a box, from its halves."""
    if box in leaves:
        return leaves[box]
    across, first, second = _halves(box)
    a, b = _merged(first, leaves), _merged(second, leaves)
    out, back = (a.group(1), b.group(0)) if across else (a.group(3), b.group(2))
    rest_a, rest_b = np.setdiff1d(np.arange(len(a.map)), out), np.setdiff1d(np.arange(len(b.map)), back)
    answer, passed = b.map[np.ix_(back, back)], a.map[np.ix_(out, out)]
    # o = A's outgoing quantity, w = B's answer: w = answer o + ..., o = passed w + ...
    known = np.hstack([answer @ a.map[np.ix_(out, rest_a)], b.map[np.ix_(back, rest_b)]])
    w = np.linalg.solve(np.eye(len(out)) - answer @ passed, known)
    o = passed @ w
    o[:, : len(rest_a)] += a.map[np.ix_(out, rest_a)]
    whole = np.vstack([a.map[np.ix_(rest_a, out)] @ w, b.map[np.ix_(rest_b, back)] @ o])
    whole[: len(rest_a), : len(rest_a)] += a.map[np.ix_(rest_a, rest_a)]
    whole[len(rest_a) :, len(rest_a) :] += b.map[np.ix_(rest_b, rest_b)]
    order, groups = [], []
    for number in range(4):
        mine = np.searchsorted(rest_a, np.intersect1d(a.group(number), rest_a))
        other = len(rest_a) + np.searchsorted(rest_b, np.intersect1d(b.group(number), rest_b))
        order += [mine, other]
        groups.append(len(mine) + len(other))
    index = np.concatenate(order).astype(int)
    return _Block(whole[np.ix_(index, index)], (groups[0], groups[1], groups[2], groups[3]))


def _parts(box: Box) -> Iterator[Box]:
    if box[1] - box[0] <= _LEAF and box[3] - box[2] <= _LEAF:
        yield box
        return
    _, first, second = _halves(box)
    yield from _parts(first)
    yield from _parts(second)


def _halves(box: Box) -> tuple[bool, Box, Box]:
    top, bottom, left, right = box
    if right - left >= bottom - top:
        middle = (left + right) // 2
        return True, (top, bottom, left, middle), (top, bottom, middle, right)
    middle = (top + bottom) // 2
    return False, (top, middle, left, right), (middle, bottom, left, right)
