"""Cells whose current is no multiple of their voltage: Newton's method, each step one solution of a linear array."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import lines
from .network import Ends, Network, Solved

Law = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From voltages across the cells (rows, columns), V, to their currents, A, and differential conductances, S."""

_STEPS, _SWEEPS, _INNER, _HALVINGS = 60, 500, 1e-4, 12


class Outcome(NamedTuple):
    """How one sample went."""

    steps: int
    change: float
    """V, largest change of a node in the last step."""
    imbalance: float
    """Largest current that a node gets too much, relative to the largest of a cell."""


def solve(
    law: Law, network: Network, voltages: Ends, shape: tuple[int, int], tolerance: float
) -> tuple[Solved, list[Outcome]]:
    """Node voltages and currents, sample by sample; every outcome must be looked at.

    Arguments:
        law: of all cells.
        network: segments and ends > 0.
        voltages: V, of the terminals, (samples, rows) and (samples, columns).
        shape: rows, columns.
        tolerance: V, change of the nodes that ends the iteration.
    """
    samples = len(voltages.left)
    word, bit = np.zeros((samples, *shape)), np.zeros((samples, *shape))
    outcomes = []
    ends = lines.terminals(network)
    for k in range(samples):
        one = Ends(*(v[k] for v in voltages))
        # A step that goes too far may overflow; its imbalance then is infinite, and it is halved.
        with np.errstate(over="ignore", invalid="ignore"):
            outcomes.append(_solve_one(law, network, ends, one, word[k], bit[k], tolerance))
    currents = Ends(
        ends.left * (word[:, :, 0] - voltages.left),
        ends.right * (word[:, :, -1] - voltages.right),
        ends.top * (bit[:, 0] - voltages.top),
        ends.bottom * (bit[:, -1] - voltages.bottom),
    )
    return Solved(currents, word, bit), outcomes


def _solve_one(
    law: Law, network: Network, ends: Ends, voltages: Ends, word: np.ndarray, bit: np.ndarray, tolerance: float
) -> Outcome:
    into_word, into_bit = np.zeros_like(word), np.zeros_like(bit)
    into_word[:, 0] += ends.left * voltages.left
    into_word[:, -1] += ends.right * voltages.right
    into_bit[0] += ends.top * voltages.top
    into_bit[-1] += ends.bottom * voltages.bottom
    scale = max(float(np.abs(np.concatenate([np.ravel(v) for v in voltages])).max()), 1e-300)
    change = imbalance = np.inf
    current, slope = law(word - bit)
    before = _imbalance(current, network, ends, into_word, into_bit, word, bit)
    for step in range(1, _STEPS + 1):
        # Around d: current + slope (d' - d); a dead cell still needs a slope for its line's pivots, none for its node.
        source = current - slope * (word - bit)
        ready = lines.prepare(slope, network)
        new_word, new_bit = word.copy(), np.empty_like(bit)
        lines.solve_one(
            ready, into_word - source, into_bit + source, new_word, new_bit, _INNER * tolerance / scale, _SWEEPS
        )
        shift_word, shift_bit = new_word - word, new_bit - bit
        part = 1.0
        for _ in range(_HALVINGS):
            try_word, try_bit = word + part * shift_word, bit + part * shift_bit
            current, slope = law(try_word - try_bit)
            imbalance = _imbalance(current, network, ends, into_word, into_bit, try_word, try_bit)
            if imbalance <= before * (1 + 1e-9) or imbalance <= 1e-13 * scale * float(
                ends.bottom.max() + ends.left.max()
            ):
                break
            part /= 2
        change = part * max(float(np.abs(shift_word).max()), float(np.abs(shift_bit).max()))
        word += part * shift_word
        bit += part * shift_bit
        before = imbalance
        if part == 1.0 and change <= tolerance:
            return Outcome(step, change, imbalance / max(float(np.abs(current).max()), 1e-300))
    return Outcome(_STEPS, change, imbalance / max(float(np.abs(current).max()), 1e-300))


def _imbalance(
    current: np.ndarray,
    network: Network,
    ends: Ends,
    into_word: np.ndarray,
    into_bit: np.ndarray,
    word: np.ndarray,
    bit: np.ndarray,
) -> float:
    """A, the norm of what Kirchhoff's law leaves over at the nodes."""
    along = np.diff(word, axis=1) / network.word[:, None]
    down = np.diff(bit, axis=0) / network.bit
    at_word = into_word - current
    at_word[:, :-1] += along
    at_word[:, 1:] -= along
    at_word[:, 0] -= ends.left * word[:, 0]
    at_word[:, -1] -= ends.right * word[:, -1]
    at_bit = into_bit + current
    at_bit[:-1] += down
    at_bit[1:] -= down
    at_bit[0] -= ends.top * bit[0]
    at_bit[-1] -= ends.bottom * bit[-1]
    return float(np.sqrt((at_word**2).sum() + (at_bit**2).sum()))
