"""How long the cells last, if they go on being pulsed as in this run."""

from __future__ import annotations

from typing import Any

from .use import Use


def wear(use: Use) -> dict[str, Any]:
    """Pulses of the cells, and images and runs until the most pulsed one has used up what a cell survives.

    Returns:
        limit (pulses; None: unknown) and who says so; most, p99 and mean pulses of a cell; the array whose cell has
        most; images to the first failure; training runs until then; one row an array.
    """
    rows = [
        {
            "name": array.name,
            "pulses_max": array.pulses_max,
            "pulses_p99": array.pulses_p99,
            "pulses_mean": array.pulses_mean,
            "runs": _runs(use.endurance, array.pulses_max),
        }
        for array in use.arrays
    ]
    worst = max(use.arrays, key=lambda array: array.pulses_max, default=None)
    most = 0.0 if worst is None else worst.pulses_max
    runs, cells = _runs(use.endurance, most), sum(array.cells for array in use.arrays)
    return {
        "limit": use.endurance,
        "limit_from": use.endurance_from,
        "pulses_max": most,
        "pulses_p99": max((array.pulses_p99 for array in use.arrays), default=0.0),
        "pulses_mean": sum(array.pulses_mean * array.cells for array in use.arrays) / cells if cells else 0.0,
        "first_to_fail": None if worst is None or not most else worst.name,
        "images_to_first_failure": None if runs is None else runs * use.images,
        "training_runs": runs,
        "arrays": rows,
    }


def _runs(limit: float | None, most: float) -> float | None:
    return None if limit is None or not most else limit / most
