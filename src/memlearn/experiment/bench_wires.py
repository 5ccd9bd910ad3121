"""How fast resistive wires are: every solver beside a sparse direct solution of the same network in the same run.

A result is timed only after it has been held against that solution, or, where it is too slow to wait for, against
another solver. Processor time, and of several turns the median and the shortest; with two threads, time by the clock.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from ..arrays.wires import solve, transfer
from ..core.errors import InputError, MemlearnError
from ..ops.lapack import blas_threads
from ..ops.wires.rooms import shelf
from .threads import one_thread

SIZES = (64, 128, 256, 512, 1024)
RECTANGLES = ((128, 64), (100, 300), (37, 201))
RESISTANCES = (1.0, 10.0)
ENDS = 100.0
"""Ohm, between a source and a line's first node, segment included; the sense side alike."""
INPUTS = 64
SPARSE_UP_TO = 512
TOLERANCES = {"ports": 1e-9, "repeated": 1e-9, "lines": 1e-7}
"""Largest error that is still timed, relative to the largest current."""
_SECONDS = 0.5


class WrongCurrents(MemlearnError):
    """A solver that disagrees with Kirchhoff's equations is not timed."""


class Case(NamedTuple):
    """One array and what drives it."""

    cells: np.ndarray
    """S, (rows, columns)."""
    voltages: np.ndarray
    """V, (INPUTS, rows)."""
    resistance: float
    """Ohm, of a segment."""

    @property
    def settings(self) -> dict[str, Any]:
        """As `wires.solve` takes them."""
        end = ENDS - self.resistance
        return {"r_word_line": self.resistance, "r_bit_line": self.resistance, "r_source": end, "r_sense": end}


class Timed(NamedTuple):
    """Median and shortest turn, s."""

    median: float
    shortest: float


def bench_wires(
    sizes: tuple[int, ...] = SIZES,
    *,
    rectangles: tuple[tuple[int, int], ...] = RECTANGLES,
    resistances: tuple[float, ...] = RESISTANCES,
    threads: tuple[int, ...] = (1,),
    sparse: bool = True,
    seconds: float = _SECONDS,
) -> Iterator[dict[str, Any]]:
    """Time the solvers of resistive wires: cells uniform in 1 to 100 uS, 100 ohm at the ends of all lines.

    Arguments:
        sizes: word lines and bit lines of square arrays.
        rectangles: word lines, bit lines of others.
        resistances: ohm, of a segment, of word and bit lines.
        threads: numbers of threads.
        sparse: also time the sparse direct solution; up to 512 lines.
        seconds: s, spent on each number, three turns at least.

    Yields:
        One record per array, segment, number of threads and method, as plain data. Methods: "ports" (the exact transfer
        matrix from scratch, applied to 64 inputs), "repeated" (a further read of 64 inputs with unchanged cells),
        "lines" (one input, 1e-7).

    Raises:
        InputError: a size, resistance, number of threads or time that is not positive.
        WrongCurrents: a result is wrong.
    """
    for name, values in (("sizes", sizes), ("threads", threads), ("rectangular", sum(rectangles, ()))):
        if any(value < 1 for value in values):
            raise InputError(name, values, "must be at least 1")
    if any(not 0 < r < ENDS for r in resistances) or not 0 < seconds < 3600:
        allowed = f"resistances must lie between 0 and {ENDS:g} ohm, seconds between 0 and 3600"
        raise InputError("resistances, seconds", (resistances, seconds), allowed)
    with one_thread():
        for rows, columns in (*((n, n) for n in sizes), *rectangles):
            for resistance in resistances:
                yield from _array(_case(rows, columns, resistance), threads, sparse, seconds)


def _case(rows: int, columns: int, resistance: float) -> Case:
    draw = np.random.Generator(np.random.Philox(rows * 10_000 + columns))
    return Case(draw.uniform(1e-6, 1e-4, (rows, columns)), draw.random((INPUTS, rows)), resistance)


def _array(case: Case, threads: tuple[int, ...], sparse: bool, seconds: float) -> Iterator[dict[str, Any]]:
    """All methods on one array."""
    torch.set_num_threads(1)
    cells, voltages = torch.from_numpy(case.cells), torch.from_numpy(case.voltages)
    one = voltages[:1]
    direct: dict[int, Timed] = {}
    with blas_threads(1):
        if sparse and max(case.cells.shape) <= SPARSE_UP_TO:
            exact = _direct(case, INPUTS)
            # The first solution has warmed up; of the largest arrays one turn takes a quarter of a minute.
            direct = {n: _time(lambda n=n: _direct(case, n), seconds, least=1, warm=False) for n in (1, INPUTS)}
        else:
            exact = np.asarray(solve(cells, one, solver="lines", tolerance=1e-11, **case.settings))
    for number in threads:
        torch.set_num_threads(number)
        matrix = transfer(cells, solver="ports", **case.settings)
        methods: dict[str, tuple[int, Callable[[], Any]]] = {
            "ports": (INPUTS, lambda: voltages @ transfer(cells, solver="ports", **case.settings)),
            "repeated": (INPUTS, lambda matrix=matrix: voltages @ matrix),
            "lines": (1, lambda: solve(cells, one, solver="lines", tolerance=1e-7, **case.settings)),
        }  # fmt: skip
        for method, (inputs, work) in methods.items():
            error = _error(method, case, work().numpy(), exact)
            peak = _peak(work)
            taken = _time(work, seconds, clock=number > 1)
            yield _record(case, method, inputs, number, taken, direct.get(inputs), error, peak)


def _record(
    case: Case, method: str, inputs: int, threads: int, taken: Timed, direct: Timed | None, error: float, peak: float
) -> dict[str, Any]:
    rows, columns = case.cells.shape
    return {
        "method": method,
        "rows": rows,
        "columns": columns,
        "inputs": inputs,
        "r_line": case.resistance,
        "threads": threads,
        "ms": round(1e3 * taken.median, 4),
        "ms_shortest": round(1e3 * taken.shortest, 4),
        "sparse_direct_ms": None if direct is None else round(1e3 * direct.median, 2),
        "sparse_direct_ms_shortest": None if direct is None else round(1e3 * direct.shortest, 2),
        "speedup": None if direct is None else round(direct.median / taken.median, 1),
        "speedup_shortest": None if direct is None else round(direct.shortest / taken.shortest, 1),
        "max_relative_error": float(f"{error:.3g}"),
        "peak_mb": round(peak / 1e6, 3),
    }


def _error(method: str, case: Case, found: np.ndarray, exact: np.ndarray) -> float:
    """Against the exact currents, of as many inputs as both know."""
    inputs = min(len(found), len(exact))
    error = float(np.abs(found[:inputs] - exact[:inputs]).max() / np.abs(exact[:inputs]).max())
    if not error <= TOLERANCES[method]:
        size = " x ".join(map(str, case.cells.shape))
        raise WrongCurrents(
            f"{method}, {size} cells, {case.resistance:g} ohm: currents are wrong by {error:.1e}. "
            "Run tests/oracles/test_wires.py; nothing was timed."
        )
    return error


def _time(work: Callable[[], Any], seconds: float, *, least: int = 3, clock: bool = False, warm: bool = True) -> Timed:
    """After one turn that warms up."""
    now = time.perf_counter if clock else time.process_time
    if warm:
        work()
    turns, end = [], time.perf_counter() + seconds
    while len(turns) < least or (time.perf_counter() < end and len(turns) < 1000):
        started = now()
        work()
        turns.append(now() - started)
    return Timed(statistics.median(turns), min(turns))


def _peak(work: Callable[[], Any]) -> float:
    """Bytes of the arrays that live at the same time."""
    shelf().clear()
    tracemalloc.start()
    try:
        work()
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def _direct(case: Case, inputs: int) -> np.ndarray:
    """Currents (inputs, columns) by SuperLU: matrix, factors, one solution of all inputs, without refinement."""
    g, (rows, columns) = case.cells, case.cells.shape
    between, end = 1 / case.resistance, 1 / ENDS
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    pairs = (
        (word[:, :-1], word[:, 1:], between),
        (bit[:-1], bit[1:], between),
        (word, bit, g),
    )
    first, second, data = (
        np.concatenate([np.broadcast_to(pair[k], pair[0].shape).ravel() for pair in pairs]) for k in range(3)
    )
    at_end = np.concatenate([word[:, 0], bit[-1]])
    values = np.concatenate([data, data, -data, -data, np.full(len(at_end), end)])
    where = np.concatenate([first, second, first, second, at_end]), np.concatenate(
        [first, second, second, first, at_end]
    )  # fmt: skip
    matrix = csc_matrix((values, where), (2 * rows * columns,) * 2)
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    right = np.zeros((2 * rows * columns, inputs))
    right[word[:, 0]] = end * case.voltages[:inputs].T
    return end * factors.solve(right)[bit[-1]].T
