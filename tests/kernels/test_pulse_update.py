"""Pulse kernels against their reference: bit for bit, on odd shapes and beside poisoned memory.

Laws with powers or exponentials agree to rounding: the last bits of those functions are their library's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
import torch

from memlearn.core.random import Stream
from memlearn.devices import MEMBERS, AbstractDevice
from memlearn.devices.effects import DeviceToDevice, StuckCells
from memlearn.ops.fingerprint import digest
from memlearn.ops.pulse_update import Noise, Tally, compile_step, reference
from memlearn.ops.pulse_update.cpu import _split

SHAPES = [(1, 1, 1, 1), (1, 1, 1, 7), (1, 1, 5, 1), (2, 3, 5, 7), (3, 1, 4, 3), (1, 2, 3, 33)]
KEY = tuple(Stream.root(5))
SPREAD = DeviceToDevice(step=0.3, upper_bound=0.2, lower_bound=0.2, balance=0.2, shape=0.1)
EVENT = 11
MASK = 0x7FFFFFFF
THREE_TERMS = Noise(0.3, 4e-7, 0.05)
ROUNDED = {"power_step": 1e-5, "exponential_step": 1e-5, "vteam": 1e-5, "stanford": 1e-4, "one_sided": 1e-5}
"""Laws that agree to rounding, with the tolerance in single precision relative to the range, after some 100 pulses."""


@pytest.fixture(params=list(MEMBERS.values()), ids=list(MEMBERS))
def law(request: pytest.FixtureRequest) -> AbstractDevice:
    """A device of every kind, its cells unlike each other, some of them stuck, few states so that bounds are met."""
    faults = StuckCells(high=0.05, low=0.05, anywhere=0.05)
    return request.param(states=16, asymmetry=0.1, device_to_device=SPREAD, faults=faults)


class Cells(NamedTuple):
    """The arrays of a kernel call; changed in place."""

    conductance: np.ndarray
    parameters: np.ndarray
    counters: np.ndarray


def cells(law: AbstractDevice, shape: tuple[int, ...], dtype: str = "float32", counting: bool = True) -> Cells:
    state = law.init(shape, Stream.root(3), getattr(torch, dtype))
    n = state.conductance.numel()
    counters = np.zeros((n, 2), np.int32) if counting else np.zeros((0, 2), np.int32)
    return Cells(state.conductance.numpy().reshape(n), state.parameters.numpy().reshape(n, -1), counters)


def counts(shape: tuple[int, ...], most: int = 40, seed: int = 0) -> np.ndarray:
    """Signed counts, most of them small, a third zero."""
    drawn = np.random.default_rng(seed)
    plan = drawn.integers(-most, most + 1, np.prod(shape)) * (drawn.random(np.prod(shape)) < 0.67)
    plan[0] = most
    return plan.astype(np.int32)


def trains(lines: int, samples: int, seed: int, slots: int = 31, density: float = 0.3) -> np.ndarray:
    """Random trains with signs, int64 (samples, lines); some lines never fire, whatever their sign."""
    drawn = np.random.default_rng(seed)
    fires = drawn.random((samples, lines, slots)) < density * (drawn.random((samples, lines, 1)) < 0.8)
    word = (fires * (1 << np.arange(slots, dtype=np.int64))).sum(-1)
    return word | drawn.integers(0, 2, (samples, lines)) << 31


def both_trains(shape: tuple[int, ...], samples: int, slots: int = 31) -> tuple[Any, np.ndarray, np.ndarray, bool]:
    tall, wide, rows, columns = shape
    return shape, trains(tall * rows, samples, 1, slots), trains(wide * columns, samples, 2, slots), False


def same(a: Cells, b: Cells) -> bool:
    """Equal bit by bit, NaN included."""
    return all((x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()) for x, y in zip(a, b, strict=True))


def alike(law: AbstractDevice, a: Cells, b: Cells) -> bool:
    """Equal bit by bit, or conductances equal to rounding where the law is known for it."""
    if law.kind not in ROUNDED:
        return same(a, b)
    tolerance = ROUNDED[law.kind] * (1 if a.conductance.dtype == np.float32 else 1e-8) * law.range
    near = np.abs(a.conductance - b.conductance).max(initial=0) <= tolerance
    return bool(near) and same(a._replace(conductance=b.conductance), b)


def spread(law: AbstractDevice, c2c: float | Noise) -> Noise:
    """Cycle noise, beside the table, or the noise of down pulses, of a law that has one."""
    return (c2c if isinstance(c2c, Noise) else Noise(c2c))._replace(table=law.noise.table, down=law.noise.down)


def run(law: AbstractDevice, verb: str, state: Cells, plan: Any, c2c: float | Noise, event: int, backend: str) -> Tally:
    noise = spread(law, c2c), KEY, event
    if backend == "reference":
        return getattr(reference, verb)(law.kernels.step, *state, *plan, *noise, drawn=law.kernels.drawn)
    return getattr(law.kernels, verb)(*state, *plan, *noise)


def agree(
    law: AbstractDevice, verb: str, start: Cells, plan: Any, c2c: float | Noise, events: tuple[int, ...] = (EVENT,)
) -> Cells:
    """Both backends on copies of `start`: equal cells and tallies after every event; returns the cells."""
    true, fast = (Cells(*(x.copy() for x in start)) for _ in range(2))
    for event in events:
        tally = run(law, verb, true, plan, c2c, event, "reference")
        assert run(law, verb, fast, plan, c2c, event, "cpu") == tally
        assert alike(law, true, fast)
    return fast


@pytest.mark.parametrize(
    ("dtype", "c2c", "counting"),
    [
        ("float32", 0.0, True),
        ("float32", 0.3, False),
        ("float32", THREE_TERMS, True),
        ("float64", 0.0, False),
        ("float64", THREE_TERMS, True),
    ],
    ids=["single-exact", "single-of_step", "single-three_terms", "double-exact", "double-three_terms"],
)
class TestEqualsReference:
    """The compiled kernel does what the reference does, bit for bit where the law's arithmetic allows."""

    def test_counts(self, law, dtype, c2c, counting):
        for shape in SHAPES:
            start, plan = cells(law, shape, dtype, counting), counts(shape)
            end = agree(law, "counts", start, (plan,), c2c)
            if counting:
                assert np.array_equal(end.counters[:, 0], np.abs(plan))
                assert np.array_equal(end.counters[:, 1] == EVENT + 1, plan != 0)

    def test_trains(self, law, dtype, c2c, counting):
        for shape in SHAPES:
            start, plan = cells(law, shape, dtype, counting), both_trains(shape, 3)
            end = agree(law, "trains", start, plan, c2c)
            if counting:
                assert np.array_equal(end.counters[:, 0], np.abs(coincidences(*plan, signed=False)))


def coincidences(
    shape: tuple[int, ...], rows: np.ndarray, columns: np.ndarray, only_up: bool = False, signed: bool = True
) -> np.ndarray:
    """Pulses per cell that trains amount to, by counting bits one at a time."""
    tall, wide, height, width = shape
    found = np.zeros(shape, np.int64)
    for i in range(tall * height):
        for j in range(wide * width):
            for row, column in zip(rows[:, i].tolist(), columns[:, j].tolist(), strict=True):
                falls = (row ^ column) >> 31 & 1
                sign = 0 if falls and only_up else -1 if falls and signed else 1
                found[i // height, j // width, i % height, j % width] += sign * (row & column & MASK).bit_count()
    return found.reshape(-1)


def test_bounds_hold_and_are_met(law):
    shape = (2, 3, 5, 7)
    for sign, bound in ((1, 1), (-1, 0)):
        end = agree(law, "counts", cells(law, shape), (np.full(210, 200 * sign, np.int32),), 0.3)
        assert (end.conductance >= end.parameters[:, 0]).all() and (end.conductance <= end.parameters[:, 1]).all()
        assert np.abs(end.conductance - end.parameters[:, bound]).mean() < 0.05 * law.range


def test_trains_of_one_sign_are_counts(law):
    # Without cycle noise only the number of pulses counts; slots need not be the first ones.
    shape, c2c = (2, 2, 3, 4), 0.0
    plan = shape, trains(6, 4, 1) & MASK, trains(8, 4, 2) & MASK, False
    by_trains = agree(law, "trains", cells(law, shape), plan, c2c)
    by_counts = agree(law, "counts", cells(law, shape), (coincidences(*plan).astype(np.int32),), c2c)
    # A law that is random in itself draws other numbers for a slot than for a place in a count.
    assert same(by_trains, by_counts) or law.kernels.drawn


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_train_in_the_first_slots_is_a_count_with_its_noise(law, dtype):
    shape, n = (1, 2, 3, 4), 9
    rows = np.array([[(1 << n) - 1, (1 << n) - 1 | 1 << 31, 0]])
    columns = np.full((1, 8), (1 << n) - 1)
    plan = np.repeat([[[n], [-n], [0]]], 2, axis=0).repeat(4, axis=2).reshape(-1).astype(np.int32)
    by_trains = agree(law, "trains", cells(law, shape, dtype), (shape, rows, columns, False), 0.3)
    assert same(by_trains, agree(law, "counts", cells(law, shape, dtype), (plan,), 0.3))


def test_signs_say_the_direction(law):
    law = law.replace(faults=StuckCells(), device_to_device=DeviceToDevice(), asymmetry=0.0)
    minus = 1 << 31
    rows, columns = np.array([[1, 1 | minus]]), np.array([[1, 1 | minus]])
    end = agree(law, "trains", cells(law, (1, 1, 2, 2)), ((1, 1, 2, 2), rows, columns, False), 0.0)
    moved = np.sign(end.conductance - law.init((1,), Stream.root(0)).conductance.numpy())
    assert moved.tolist() == [1, -1, -1, 1]
    end = agree(law, "counts", cells(law, (1, 1, 1, 3)), (np.array([2, -2, 0], np.int32),), 0.0)
    assert np.sign(end.conductance - cells(law, (1, 1, 1, 3)).conductance).tolist() == [1, -1, 0]


@pytest.mark.parametrize("c2c", [0.0, 0.3])
def test_plans_of_zeros_change_nothing(law, c2c):
    shape = (2, 3, 5, 7)
    start = cells(law, shape)
    nothing, minus = np.zeros((3, 10), np.int64), np.full((3, 21), 1 << 31)
    assert same(agree(law, "counts", start, (np.zeros(210, np.int32),), c2c), start)
    assert same(agree(law, "trains", start, (shape, nothing, trains(21, 3, 1), False), c2c), start)
    assert same(agree(law, "trains", start, (shape, trains(10, 3, 1), minus, False), c2c), start)
    assert same(agree(law, "trains", start, (shape, nothing[:0], minus[:0], False), c2c), start)
    disjoint = np.full((3, 10), 0b0101), np.full((3, 21), 0b1010)
    assert same(agree(law, "trains", start, (shape, *disjoint, False), c2c), start)


@pytest.mark.parametrize("c2c", [0.0, 0.3])
def test_one_sided_cells_get_no_pulse_down(law, c2c):
    shape = (2, 3, 5, 7)
    plan = (*both_trains(shape, 3)[:3], True)
    start = cells(law.replace(faults=StuckCells()), shape)
    end, wanted = agree(law, "trains", start, plan, c2c), coincidences(*plan)
    assert np.array_equal(end.counters[:, 0], wanted) and (wanted == 0).any() and (wanted > 0).any()
    if not c2c and not law.kernels.drawn:
        assert (end.conductance >= start.conductance).all()


def test_the_noise_of_an_event_is_its_own(law):
    shape, plan = (1, 1, 4, 4), (np.full(16, 2, np.int32),)
    ends = [agree(law, "counts", cells(law, shape), plan, 0.3, (event,)).conductance for event in (0, 1, 2**32, 2**40)]
    assert len({end.tobytes() for end in ends}) == 4


@pytest.mark.parametrize("event", [0, 1, 2**31 - 2, 2**31 - 1, 2**31, 2**40])
def test_every_event_counts_the_cells_that_it_pulses(law, event):
    # A new cell carries mark 0, which is no event's mark, not even that of event 0.
    shape = (1, 2, 3, 4)
    start, plan = cells(law, shape), both_trains(shape, 3, slots=4)
    touched = np.count_nonzero(coincidences(*plan, signed=False))
    for after in (event, event + 1):
        assert run(law, "trains", start, plan, 0.0, after, "cpu").cells == touched
    agree(law, "trains", start, plan, 0.3, (event + 2, event + 3))
    assert run(law, "counts", start, (counts(shape),), 0.0, event + 4, "cpu").cells == np.count_nonzero(counts(shape))


def test_tallies_are_the_sums_of_the_plan(law):
    shape, plan = (2, 3, 5, 7), both_trains((2, 3, 5, 7), 3)
    found = coincidences(*plan, signed=False)
    for backend in ("reference", "cpu"):
        for counting in (True, False):
            tally = run(law, "counts", cells(law, shape, counting=counting), (counts(shape),), 0.3, 0, backend)
            assert tally == (np.abs(counts(shape)).sum(), np.count_nonzero(counts(shape)))
            tally = run(law, "trains", cells(law, shape, counting=counting), plan, 0.3, 0, backend)
            assert tally == (found.sum(), np.count_nonzero(found) if counting else 0)


@pytest.mark.parametrize("verb", ["counts", "trains"])
@pytest.mark.parametrize("c2c", [0.0, 0.3])
def test_cells_that_are_not_pulsed_are_not_touched(law, verb, c2c):
    # Cells that the plan spares are poisoned, and so is the memory around all cells.
    shape = (2, 3, 5, 7)
    plan: Any = (counts(shape),) if verb == "counts" else both_trains(shape, 2, slots=3)
    spared = (plan[0] if verb == "counts" else coincidences(*plan, signed=False)) == 0
    assert spared.any() and not spared.all()
    healthy = agree(law, verb, cells(law, shape), plan, c2c)
    start = cells(law, shape)
    start.conductance[spared], start.parameters[spared], start.counters[spared] = np.nan, np.nan, -7
    arenas = [np.full((len(x) + 2, *x.shape[1:]), -7 if x.dtype == np.int32 else np.nan, x.dtype) for x in start]
    for arena, part in zip(arenas, start, strict=True):
        arena[1:-1] = part
    inside = Cells(*(arena[1:-1] for arena in arenas))
    run(law, verb, inside, plan, c2c, EVENT, "cpu")
    for arena, part, right in zip(arenas, start, healthy, strict=True):
        assert arena[1:-1][~spared].tobytes() == right[~spared].tobytes()
        assert arena[1:-1][spared].tobytes() == part[spared].tobytes()
        assert (np.isnan(arena[[0, -1]]) if part.dtype != np.int32 else arena[[0, -1]] == -7).all()


@pytest.mark.parametrize("verb", ["counts", "trains"])
def test_results_do_not_depend_on_threads(law, verb):
    shape = (3, 2, 151, 149)  # above the size from which threads are used, and divisible by neither 2 nor 3
    start = cells(law, shape)
    plan: Any = (counts(shape, 3),) if verb == "counts" else both_trains(shape, 2, slots=3)
    ends, tallies = [], []
    for threads in (1, 2, 3):
        end = Cells(*(x.copy() for x in start))
        tallies.append(getattr(law.kernels, verb)(*end, *plan, spread(law, 0.3), KEY, EVENT, threads=threads))
        ends.append(end)
    assert tallies[0] == tallies[1] == tallies[2] and tallies[0].pulses > 0
    assert same(ends[0], ends[1]) and same(ends[0], ends[2])
    assert same(ends[0], agree(law, verb, start, plan, 0.3))


def test_ranges_of_threads_cover_every_cell_once():
    for size in (0, 1, 2, 5, 131_072):
        for threads in (0, 1, 2, 3, 7):
            seen = np.zeros(size, int)

            def part(first: int, last: int, seen: np.ndarray = seen) -> tuple[int, int]:
                seen[first:last] += 1
                return last - first, 1

            assert _split(part, size, threads) == (size, max(threads, 1)) and (seen == 1).all()


LAW = """
import numpy as np
from numba.extending import register_jitable
SIZE = np.float32({size})
@register_jitable
def part(p): return p[2] * np.float32({factor})
def step(g, p, up): return {size_name} * part(p)
"""


def written(size: str = "1", factor: str = "1", size_name: str = "SIZE") -> Any:
    """A law as a file would define it."""
    module: dict[str, Any] = {}
    exec(compile(LAW.format(size=size, factor=factor, size_name=size_name), "law.py", "exec"), module)
    return module["step"]


def test_fingerprint_changes_with_the_code_of_a_law():
    assert digest(written()) == digest(written())
    other = [written(size="2"), written(factor="2"), written(size_name="np.float32(1)")]
    assert len({digest(step) for step in (written(), *other)}) == 4
    steps = {member.kernels.step for member in MEMBERS.values()}  # laws may share one
    assert len({digest(step) for step in steps}) == len(steps)


def test_an_edited_law_does_not_run_its_old_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    for size, factor, moved in (("1", "1", 1), ("2", "1", 2), ("2", "3", 6), ("1", "1", 1)):
        kernels = compile_step(written(size, factor))
        state = Cells(np.zeros(1, np.float32), np.array([[0, 100, 1]], np.float32), np.zeros((1, 2), np.int32))
        kernels.counts(*state, np.array([1], np.int32), Noise(), KEY, 0)
        assert state.conductance[0] == moved
    assert list(tmp_path.rglob("*.nbi"))
