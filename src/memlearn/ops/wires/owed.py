"""What cells that are not selected owe to the pulses of others, added up over the steps of a write."""

from __future__ import annotations

import numba
import numpy as np

from ..guard import Guarded


def add(
    owed: np.ndarray, against: np.ndarray, steps: np.ndarray, shares: np.ndarray, own: np.ndarray, stands: np.ndarray
) -> None:
    """Add the steps of pulses beside all cells of arrays whose word lines are written one at a time.

    A cell meets the first kind of voltage once for each step that selects its bit line, the second once for each other
    step; the step of its own word line, if there is one, is no such step.

    Arguments:
        owed, against: float32, (arrays, rows, columns): steps along the pulses and against them; added to.
        steps: float32, (2, arrays, rows, columns): what one pulse does, in steps, >= 0, by kind.
        shares: float32, like `steps`: the voltage; its sign says which way.
        own: bool, (arrays, rows, columns): bit lines selected with a word line of its own.
        stands: bool, (arrays, rows): word lines that are selected in some step.
    """
    _add(owed, against, steps, shares, own, stands)


@Guarded
@numba.njit(cache=True, error_model="numpy", nogil=True)
def _add(owed, against, steps, shares, own, stands) -> None:  # noqa: ANN001
    arrays, rows, columns = owed.shape
    chosen, zero = np.empty(columns, np.float32), np.float32(0)
    for a in range(arrays):
        total = np.float32(stands[a].sum())
        if total == zero:
            continue
        chosen[:] = zero
        for i in range(rows):
            for j in range(columns):
                chosen[j] += np.float32(own[a, i, j])
        for i in range(rows):
            here = np.float32(stands[a, i])
            for j in range(columns):
                mine = np.float32(own[a, i, j])
                first = steps[0, a, i, j] * (chosen[j] - mine)
                second = steps[1, a, i, j] * ((total - chosen[j]) - (here - mine))
                up, down = zero, zero
                if shares[0, a, i, j] > zero:
                    up += first
                elif shares[0, a, i, j] < zero:
                    down += first
                if shares[1, a, i, j] > zero:
                    up += second
                elif shares[1, a, i, j] < zero:
                    down += second
                owed[a, i, j] += up
                against[a, i, j] += down
