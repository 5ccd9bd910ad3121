"""The truth of what a plan of counts finds in its cells, in NumPy.

plan      int32 (tiles, rows, columns): n > 0 pulses up, n < 0 pulses down
g         S, (tiles, rows, columns), before the write, and after it
"""

from __future__ import annotations

import numpy as np


def lines(plan: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Most pulses of a cell of each word line, (2, tiles, rows), and pulses of each bit line, (2, tiles, columns)."""
    ways = np.stack([np.maximum(plan, 0), np.maximum(-plan, 0)]).astype(np.int64)
    return ways.max(-1), ways.sum(-2)


def heat(plan: np.ndarray, g: np.ndarray) -> np.ndarray:
    """sum of pulses x conductance, up and down, (2,), S."""
    ways = np.stack([np.maximum(plan, 0), np.maximum(-plan, 0)]).astype(np.float64)
    return (ways * g.astype(np.float64)).sum((1, 2, 3))
