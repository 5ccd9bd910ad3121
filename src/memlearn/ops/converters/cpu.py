"""A converter that scales each sample by its largest magnitude, in one pass over memory.

Step by step in torch, the patches of a convolution (tens of thousands of short rows) are read and written seven times,
and torch reduces short rows number by number. Every operation here is one that torch makes, in its order, so that the
outcome is the same to the bit.
"""

from __future__ import annotations

import numba
import numpy as np

from ..guard import Guarded

f32, i32 = np.float32, np.int32


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _drive_rows(values, pattern, scale, voltage, levels, input_range, read_voltage) -> None:  # noqa: ANN001
    one, magnitude = f32(1), i32(0x7FFFFFFF)
    for s in range(values.shape[0]):
        # Magnitudes are ordered as their bit patterns are, without a branch, and what is not a number comes last.
        largest = i32(0)
        for i in range(values.shape[1]):
            largest = max(largest, pattern[s, i] & magnitude)
        scale[s : s + 1].view(np.int32)[0] = largest
        if largest == 0:
            scale[s] = one
        size = scale[s]
        for i in range(values.shape[1]):
            x = values[s, i] / size / input_range
            x = -one if x < -one else x
            x = one if x > one else x
            voltage[s, i] = np.rint(x * levels) / levels * read_voltage


_compiled = Guarded(_drive_rows)


def drive_rows(
    values: np.ndarray, levels: float, input_range: float, read_voltage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Samples as line voltages, each divided by its largest magnitude, clipped and rounded.

    Arguments:
        values: float32 (samples, lines), contiguous.
        levels: steps on each side of zero.
        input_range: what stands for the full voltage after the scaling.
        read_voltage: V.

    Returns:
        V (samples, lines), and the scale (samples,), 1 where all is zero.
    """
    voltage, scale = np.empty_like(values), np.empty(len(values), np.float32)
    _compiled(values, values.view(np.int32), scale, voltage, f32(levels), f32(input_range), f32(read_voltage))
    return voltage, scale
