"""How fast pulses are: law x noise x counts or trains x density, beside what memory and arithmetic allow.

A kernel is timed only after it has been held against its reference. Times on a shared machine are noisy: of many turns
the shortest counts, and limits are measured in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..core.component import kind_of
from ..core.errors import InputError, MemlearnError
from ..core.random import Stream
from ..devices import MEMBERS as DEVICES
from ..devices import AbstractDevice
from ..devices.effects import CycleToCycle, DeviceToDevice
from ..ops.pulse_update import draws, reference
from ..ops.pulse_update.reference import Noise

LAWS = ("constant_step", "linear_step", "soft_bounds")
DENSITIES = (0.001, 0.04, 1.0)
SPREAD = 0.3
SLOTS = 31
KEY = tuple(Stream.root(0))
# Cells of one call that measures the rate of normal numbers; they stay in the second cache.
_NORMALS = 1 << 14


class RedPulses(MemlearnError):
    """A pulse kernel that disagrees with its reference is not timed."""


class Machine(NamedTuple):
    """What one core can do, measured in the same run."""

    gbyte_per_s: float
    """Copied, read and write counted, as many bytes as the cells take."""
    ns_per_normal: float
    """In long runs, two to a block."""


class Case(NamedTuple):
    """One cell of the table."""

    verb: str
    density: float
    shape: tuple[int, int, int, int]
    plan: tuple[Any, ...]
    pulses: int


def bench_pulses(laws: tuple[str, ...] = LAWS, *, size: int = 384, seconds: float = 0.3) -> Iterator[dict[str, Any]]:
    """Time the pulse kernels of laws on one array, with spread from cell to cell, with and without cycle noise.

    Arguments:
        laws: kinds of device laws.
        size: word lines and bit lines of the array.
        seconds: s, spent on each number of the table.

    Yields:
        One record per law, noise, plan and density, as plain data.

    Raises:
        InputError: an unknown law, or a size or time that is not positive.
        RedPulses: a kernel and its reference differ.
    """
    for law in laws:
        if law not in DEVICES:
            raise InputError("law", law, f"must be one of {', '.join(DEVICES)}")
    if size < 1 or not 0 < seconds < 3600:
        raise InputError("size, seconds", (size, seconds), "must be positive, and seconds below an hour")
    cases = [_case(verb, density, size) for verb, density in product(("counts", "trains"), DENSITIES)]
    for law in laws:
        device = device_of(law)
        for spread in (0.0, SPREAD):
            noise = device.replace(cycle_to_cycle=CycleToCycle(spread=spread)).noise
            _verify(device, noise)
            cells = _cells(device, (1, 1, size, size))
            machine = _machine(sum(part.nbytes for part in cells), seconds)
            for case in cases:
                yield {"law": law, "noise": spread > 0, **_record(device, case, noise, cells, machine, seconds)}


def device_of(law: str) -> AbstractDevice:
    """A device of a law, its cells unlike each other."""
    spread = DeviceToDevice(step=0.3, upper_bound=0.1, lower_bound=0.1)
    return DEVICES[law](device_to_device=spread)  # type: ignore[return-value]


def _cells(device: AbstractDevice, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    state = device.init(shape, Stream.root(1))
    n = state.conductance.numel()
    parts = state.conductance.reshape(n), state.parameters.reshape(n, -1), state.counters.reshape(n, 2)
    return tuple(part.numpy().copy() for part in parts)  # type: ignore[return-value]


def _case(verb: str, density: float, size: int, slots: int = SLOTS) -> Case:
    """A plan in which each cell is pulsed with this probability: once, or in a slot of a train."""
    drawn, shape = np.random.Generator(np.random.Philox(7)), (1, 1, size, size)
    if verb == "counts":
        chosen = drawn.random(size * size) < density
        plan = np.where(chosen, drawn.choice([-1, 1], size * size), 0).astype(np.int32)
        return Case(verb, density, shape, (plan,), int(chosen.sum()))
    slots = min(slots, max(1, round(1 / density)))
    fires = drawn.random((2, 1, size, slots)) < density**0.5
    words = (fires * (1 << np.arange(slots, dtype=np.int64))).sum(-1)
    signs = drawn.integers(0, 2, (2, 1, size)) << 31
    pulses = int((fires[0].sum(1) * fires[1].sum(1)).sum())
    return Case(verb, density, shape, (shape, *(words | signs), False), pulses)


def _verify(device: AbstractDevice, noise: Noise) -> None:
    """Every kind of plan on a small array: the same pulses, and the same cells but for rounding."""
    for verb, density in product(("counts", "trains"), (0.02, 0.5, 1.0)):
        case = _case(verb, density, 41, slots=5)
        true, fast = _cells(device, case.shape), _cells(device, case.shape)
        kernels = device.kernels
        told = getattr(reference, verb)(kernels.step, *true, *case.plan, noise, KEY, 3, drawn=kernels.drawn)
        said = getattr(kernels, verb)(*fast, *case.plan, noise, KEY, 3)
        near = np.abs(true[0] - fast[0]).max() <= 1e-4 * device.range
        if not (near and told == said and np.array_equal(true[2], fast[2])):
            raise RedPulses(
                f"{kind_of(type(device))}, {verb}, density {density:g}: the kernel and its reference differ. "
                "Run tests/kernels/test_pulse_update.py; nothing was timed."
            )


def _record(
    device: AbstractDevice, case: Case, noise: Noise, cells: tuple[np.ndarray, ...], machine: Machine, seconds: float
) -> dict[str, Any]:
    """Times and limits of one case."""
    run = getattr(device.kernels, case.verb)
    one, two = (
        _best(lambda threads=threads: run(*cells, *case.plan, noise, KEY, 3, threads=threads), seconds)
        for threads in (1, 2)
    )
    size, pulses = len(cells[0]), max(case.pulses, 1)
    touched = pulses * (2 * 4 + cells[1].itemsize * cells[1].shape[1] + 2 * 8)
    touched += 4 * size if case.verb == "counts" else 0
    normals = pulses if noise.relative else 0
    limit = max(touched / machine.gbyte_per_s, normals * machine.ns_per_normal)
    visited = size if case.verb == "counts" else pulses
    return {
        "plan": case.verb,
        "density": case.density,
        "cells": size,
        "pulses": case.pulses,
        "ns_per_pulse": round(one * 1e9 / pulses, 3),
        "ns_per_cell": round(one * 1e9 / visited, 3),
        "ns_per_pulse_per_core_of_two": round(2 * two * 1e9 / pulses, 3),
        "bytes_per_pulse": round(touched / pulses, 1),
        "limit_ns_per_pulse": round(limit / pulses, 3),
        "times_the_limit": round(one * 1e9 / limit, 2),
        "gbyte_per_s": round(machine.gbyte_per_s, 2),
        "ns_per_normal": round(machine.ns_per_normal, 3),
    }


def _machine(size: int, seconds: float) -> Machine:
    source = np.ones(max(size // 4, 1), np.float32)
    copy = np.empty_like(source)
    z, squares = np.empty(2 * _NORMALS, np.float32), np.empty(_NORMALS, np.float32)
    words, key = np.empty((2, _NORMALS), np.uint32), (np.uint32(1), np.uint32(2))
    copied = _best(lambda: np.copyto(copy, source), seconds)
    drawn = _best(lambda: draws.normals_of_run(z, words, squares, 0, _NORMALS, *key), seconds)
    return Machine(2 * source.nbytes / copied * 1e-9, drawn / _NORMALS * 1e9)


def _best(work: Callable[[], object], seconds: float) -> float:
    """Shortest of as many turns as fit into a time, at least three, in seconds."""
    work()
    shortest, end, turns = float("inf"), time.perf_counter() + seconds, 0
    while turns < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        work()
        shortest, turns = min(shortest, time.perf_counter() - started), turns + 1
    return shortest
