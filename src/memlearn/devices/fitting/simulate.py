"""Simulated traces from a fit: the same pulses, the same starts, new devices and new noise."""

from __future__ import annotations

import numpy as np

from . import kernels
from .estimate import Estimate
from .hierarchy import of_device
from .jumps import Table, walk
from .packed import Packed


def simulated(found: Estimate, generator: np.random.Generator, *, own: bool = False) -> np.ndarray:
    """(readings,) of simulated traces in the order of the measured ones, in units of z.

    Arguments:
        own: every device with its own fitted parameters; else new devices are drawn from the population.
    """
    task, point = found.task, found.point
    packed, out = task.packed, np.empty(task.packed.y.size)
    for i, traces in enumerate(packed.of_device):
        measured = of_device(task, point, i)
        theta = measured if own or not len(task.random) else _new_device(found, generator)
        for trace in traces:
            a, b = packed.starts[trace], packed.starts[trace + 1]
            start = _moved(float(packed.y[a]), measured, theta)
            normals = generator.standard_normal(int(packed.pulses[a:b].sum()) + b - a)
            out[a:b] = kernels.simulate(
                task.law.code, theta, task.setup, start, packed.up[a:b], packed.pulses[a:b], normals
            )
    return out


def _new_device(found: Estimate, generator: np.random.Generator) -> np.ndarray:
    task, theta = found.task, found.point.theta.copy()
    theta[task.free[task.random]] += found.point.tau * generator.standard_normal(len(task.random))
    return theta


def _moved(start: float, old: np.ndarray, new: np.ndarray) -> float:
    """The place between the new bounds that a start had between the old ones."""
    relative = (start - old[kernels.LOWER]) / max(old[kernels.UPPER] - old[kernels.LOWER], 1e-3)
    return float(new[kernels.LOWER] + relative * (new[kernels.UPPER] - new[kernels.LOWER]))


def simulated_jumps(table: Table, packed: Packed, generator: np.random.Generator) -> np.ndarray:
    """The same from a jump table."""
    out, rows = np.empty(packed.y.size), np.stack([table.down, table.up])
    middles = 0.5 * (table.edges[:-1] + table.edges[1:])
    for a, b in zip(packed.starts[:-1], packed.starts[1:], strict=True):
        uniforms = generator.random(int(packed.pulses[a:b].sum()))
        out[a:b] = walk(
            table.lower, table.upper, middles, rows, packed.y[a], packed.up[a:b], packed.pulses[a:b], uniforms
        )  # fmt: skip
    return out
