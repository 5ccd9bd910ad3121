"""Work space that is kept from one solution to the next: pages that are new to a process take longer than the sums."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np

KEPT = 1 << 24
"""Most elements that are kept while nobody needs them, 128 MB: those of an array of 512 x 512 cells."""


class Shelf:
    """Arrays that nobody needs just now; for threads at the same time."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, elements: int) -> np.ndarray:
        """float64, (elements,), whatever it holds; the smallest free one that suffices, or a new one."""
        with self._lock:
            fitting = [k for k, room in enumerate(self._free) if elements <= room.size <= 2 * elements]
            if fitting:
                return self._free.pop(min(fitting, key=lambda k: self._free[k].size))
        return np.empty(elements)

    def put_back(self, rooms: list[np.ndarray]) -> None:
        """To be used again; the oldest ones go where there are too many."""
        with self._lock:
            self._free += rooms
            while sum(room.size for room in self._free) > KEPT:
                self._free.pop(0)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._free.clear()


@lru_cache(maxsize=1)
def shelf() -> Shelf:
    """Of this process."""
    return Shelf()
