"""The truth of stochastic pulse trains: every line fires by itself, slot by slot.

A train is one int64 word: bits 0..30 are the slots in which the line fires, bit 31 is the sign of its value.
Slot s of a line takes the uniform number (stream key, event, sample, line, s): 32 bits compared with its probability.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..random import reference as random

MAX_SLOTS = 31


class Encoding(NamedTuple):
    """How one sample's lines are encoded: probability = min(1, gain x |value|), over `slots` slots."""

    slots: int
    row_gain: float
    column_gain: float


def encoding(row_peak: float, column_peak: float, rate: float, max_slots: int, managed: bool) -> Encoding:
    """Slots and gains of one sample, so that the mean number of coincidences of a cell is rate x |row| x |column|.

    Arguments:
        row_peak, column_peak: largest magnitudes on the two sides.
        rate: learning rate / weight change of one pulse.
        max_slots: longest train.
        managed: update management: as few slots as the largest product needs, and equal peak probabilities on both
            sides; otherwise always `max_slots`, and equal gains.
    """
    wanted = rate * row_peak * column_peak
    if wanted == 0:
        return Encoding(0, 0.0, 0.0)
    if not managed:
        gain = (rate / max_slots) ** 0.5
        return Encoding(max_slots, gain, gain)
    slots = int(min(max(np.ceil(wanted), 1), max_slots))
    gain = (rate / slots) ** 0.5
    skew = (column_peak / row_peak) ** 0.5
    return Encoding(slots, gain * skew, gain / skew)


def fire(values: np.ndarray, gain: float, slots: int, key: tuple[int, int], event: int, sample: int) -> np.ndarray:
    """Trains of one sample's lines.

    Arguments:
        values: float32 (lines,).
        gain: probability per unit value.
        slots: length of the train, 0 to 31.
        key, event, sample: address of the random numbers.
    """
    low, high = (np.array([word], np.uint32) for word in key)
    k0, k1 = random.subkey(low, high, event, np.array([sample], np.uint32))
    line = np.arange(len(values), dtype=np.uint32)
    threshold = np.minimum(np.abs(values).astype(np.float64) * gain, 1.0) * 2.0**32
    trains = np.where(values < 0, np.int64(1) << 31, np.int64(0))
    for block in range((slots + 1) // 2):
        pair = random.threefry(line, np.full(len(values), block, np.uint32), k0, k1)
        for half, word in enumerate(pair):
            slot = 2 * block + half
            if slot < slots:
                trains |= (word.astype(np.float64) < threshold).astype(np.int64) << slot
    return trains
