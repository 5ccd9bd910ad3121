"""Stochastic trains: the compiled kernel against its reference, bit for bit, and both against the binomial law."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch

from memlearn.arrays.mapping import ReferenceColumn
from memlearn.core.random import Stream
from memlearn.core.types import Factors, Trains
from memlearn.devices import ConstantStep
from memlearn.devices.effects import CycleToCycle
from memlearn.ops import pulse_trains
from memlearn.ops.pulse_trains import reference
from memlearn.programming import StochasticTrains, WriteAddress
from memlearn.tile import Tile
from tests.learners import array


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


KEYS = tuple(Stream.root(2).child("rows")), tuple(Stream.root(2).child("columns"))
SIZES = [(1, 1), (1, 7), (5, 1), (3, 33), (31, 2), (64, 65)]
EVENTS = [0, 5, 1 << 40]
POISON = -0x5A5A5A5A5A5A5A5A


def values(samples: int, lines: int, seed: int, dtype: type = np.float32) -> np.ndarray:
    """Signed factors of very different sizes; some lines, and the second sample, are silent."""
    drawn = np.random.default_rng(seed)
    made = drawn.normal(0, 1, (samples, lines)) * 10.0 ** drawn.integers(-3, 1, (samples, lines))
    made *= drawn.random((samples, lines)) < 0.7
    if samples > 2:
        made[1] = 0
    return made.astype(dtype)


def fire(rows: np.ndarray, columns: np.ndarray, rate: float, most: int, managed: bool, event: int) -> Trains:
    """The compiled kernel on poisoned memory."""
    trains = tuple(np.full(side.shape, POISON, np.int64) for side in (rows, columns))
    keys = (np.array(key, np.uint32) for key in KEYS)
    longest = pulse_trains.stochastic(*trains, rows, columns, rate, most, managed, *keys, event)  # type: ignore[call-arg]
    return Trains(torch.from_numpy(trains[0]), torch.from_numpy(trains[1]), longest)


def truth(rows: np.ndarray, columns: np.ndarray, rate: float, most: int, managed: bool, event: int) -> Trains:
    """The same by the reference, sample by sample."""
    made, longest = ([], []), 0
    for sample, (x, d) in enumerate(zip(rows, columns, strict=True)):
        code = reference.encoding(float(np.abs(x).max()), float(np.abs(d).max()), rate, most, managed)
        made[0].append(reference.fire(x, code.row_gain, code.slots, KEYS[0], event, sample))
        made[1].append(reference.fire(d, code.column_gain, code.slots, KEYS[1], event, sample))
        longest = max(longest, code.slots)
    return Trains(torch.from_numpy(np.array(made[0])), torch.from_numpy(np.array(made[1])), longest)


def equal(a: Trains, b: Trains) -> bool:
    return torch.equal(a.rows, b.rows) and torch.equal(a.columns, b.columns) and a.slots == b.slots


@pytest.mark.parametrize("managed", [True, False], ids=["managed", "plain"])
class TestEqualsReference:
    """Bit for bit."""

    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_odd_sizes_signs_and_zeros(self, size, managed):
        for dtype, event in itertools.product((np.float32, np.float64), EVENTS):
            given = values(5, size[0], 1, dtype), values(5, size[1], 2, dtype), 4.0, 31, managed, event
            assert equal(fire(*given), truth(*given))

    @pytest.mark.parametrize("slots", range(1, 32))
    def test_every_length(self, slots, managed):
        rows, columns = values(4, 9, 3), values(4, 6, 4)
        # Weak to clipping: by the largest product, a train wants a fraction of `slots`, all of them, and too many.
        largest = float((np.abs(rows).max(1) * np.abs(columns).max(1)).max())
        for load in (0.3, 1.0, 7.0):
            given = rows, columns, load * slots / largest, slots, managed, 3
            fast = fire(*given)
            assert equal(fast, truth(*given)) and fast.slots <= slots
            assert fast.slots == (slots if load >= 1 or not managed else math.ceil(load * slots))

    def test_samples_have_their_own_encoding(self, managed):
        rows, columns = values(6, 5, 5), values(6, 4, 6)
        together = fire(rows, columns, 4.0, 31, managed, 0)
        for n in range(1, 7):
            alone = fire(rows[:n].copy(), columns[:n].copy(), 4.0, 31, managed, 0)
            assert torch.equal(alone.rows, together.rows[:n]) and torch.equal(alone.columns, together.columns[:n])

    def test_silent_samples_and_no_samples(self, managed):
        for rows, columns in [((3, 4), 0.0), ((3, 4), 1.0), ((0, 4), 1.0)]:
            given = np.zeros(rows, np.float32), np.full(rows, columns, np.float32), 4.0, 31, managed, 0
            fast = fire(*given)
            assert fast.slots == 0 and not fast.rows.any() and not fast.columns.any()

    def test_extreme_factors(self, managed):
        for size in (1e-30, 1e-10, 1.0, 1e10, 1e30):
            given = np.float32(size) * values(3, 5, 1), values(3, 5, 2), 4.0 / size, 31, managed, 0
            assert equal(fire(*given), truth(*given))


class TestReference:
    """What the truth itself says."""

    def test_signs_are_those_of_the_values(self):
        x = np.array([1.0, -1.0, 0.0, -0.0], np.float32)
        assert (reference.fire(x, 1.0, 31, KEYS[0], 0, 0) >> 31).tolist() == [0, 1, 0, 0]

    def test_certain_and_impossible_lines(self):
        x = np.array([5.0, 1.0, 0.0], np.float32)
        for slots in range(32):
            full = (1 << slots) - 1
            assert reference.fire(x, 1.0, slots, KEYS[0], 0, 0).tolist() == [full, full, 0]

    @pytest.mark.parametrize("managed", [True, False])
    def test_gains_multiply_to_rate_over_slots(self, managed):
        for peaks in [(1.0, 1.0), (0.01, 30.0), (5.0, 1e-4)]:
            code = reference.encoding(*peaks, 7.5, 20, managed)
            assert code.row_gain * code.column_gain == pytest.approx(7.5 / code.slots)
            if managed:
                assert code.row_gain * peaks[0] == pytest.approx(code.column_gain * peaks[1])
                assert code.slots == min(20, math.ceil(7.5 * peaks[0] * peaks[1]))


# The law of the weight change, through writer and tile.

STEP, LINES, WRITES = 1e-3, 32, 400
BLOCKS = LINES // 2
C2C = 0.3


class Case(NamedTuple):
    """Factors of two rows and two columns, and how they are coded."""

    length: int
    x: tuple[float, float]
    d: tuple[float, float]
    rate: float
    """Learning rate / weight step."""
    managed: bool
    clips: bool

    def __str__(self) -> str:
        coding = "managed" if self.managed else str(self.length)
        return f"{coding}-{self.rate:.3g}{'-clips' * self.clips}"

    def probabilities(self) -> tuple[int, np.ndarray, np.ndarray]:
        """Length of the train, p of the rows and q of the columns, from the equations of Gokmen and Vlasov."""
        x, d = np.array(self.x), np.array(self.d)
        slots = min(self.length, math.ceil(self.rate * x.max() * d.max())) if self.managed else self.length
        skew = math.sqrt(d.max() / x.max()) if self.managed else 1.0
        gain = math.sqrt(self.rate / slots)
        return slots, np.minimum(1, gain * skew * x), np.minimum(1, gain / skew * d)


PLAIN = [Case(n, (0.9, 0.7), (0.95, 0.8), float(n), False, False) for n in (1, 5, 10, 31)]
CLIPPED = [Case(n, (1.7, 0.7), (0.9, 1.2), float(n), False, True) for n in (1, 5, 10, 31)]
# Under update management trains clip only at the greatest length.
MANAGED = [Case(31, (1.1, 0.9), (0.45, 0.3), (n - 0.1) / 0.495, True, False) for n in (1, 5, 10, 31)]
MANAGED += [Case(31, (1.1, 0.3), (0.45, 0.2), 60 / 0.495, True, True)]


def weight_changes(case: Case, spread: float) -> np.ndarray:
    """Changes of the four weights (draws, 2, 2) in units of the weight step, with the sign of x d taken out.

    Every sample drives one pair of rows and one pair of columns, so that each cell of the tile is one draw of a write.
    """
    device = ConstantStep(states=2000, cycle_to_cycle=CycleToCycle(spread=spread))
    tile = Tile(LINES, LINES, array=array(device, mapping=ReferenceColumn()), stream=Stream.root(7))
    assert tile.weight_step == pytest.approx(STEP)
    writer = StochasticTrains(
        learning_rate=case.rate * tile.weight_step, max_length=case.length, update_management=case.managed
    )
    sample = torch.arange(BLOCKS**2)
    rows, columns = torch.zeros(BLOCKS**2, BLOCKS, 2), torch.zeros(BLOCKS**2, BLOCKS, 2)
    rows[sample, sample // BLOCKS] = torch.tensor(case.x)
    columns[sample, sample % BLOCKS] = torch.tensor(case.d)
    drawn, before = [], tile.weight()
    for event in range(WRITES):
        sign = 1 if event % 2 else -1  # back and forth, so that no cell comes near a bound
        given = Factors(rows.flatten(1), sign * columns.flatten(1))
        tile.write(writer.plan(given, WriteAddress(tile.weight_step, 1.0, tile.stream.child("writer"), event)))
        after = tile.weight()
        drawn.append(sign * (after - before) / tile.weight_step)
        before = after
    assert before.abs().max() < 0.9
    blocks = torch.stack(drawn).reshape(WRITES, BLOCKS, 2, BLOCKS, 2)
    return blocks.permute(0, 1, 3, 2, 4).reshape(-1, 2, 2).double().numpy()


@pytest.mark.parametrize(
    ("case", "spread"),
    [(case, 0.0) for case in PLAIN + CLIPPED] + [(case, C2C) for case in [*PLAIN, CLIPPED[2], *MANAGED]],
    ids=str,
)
def test_mean_and_variance_are_those_of_the_binomial(case, spread):
    # K ~ Binomial(BL, p q) pulses of D (1 + c normal): mean D BL pq, variance D^2 BL pq (1 - pq + c^2).
    slots, p, q = case.probabilities()
    both = np.outer(p, q)
    assert (max(p.max(), q.max()) == 1) == case.clips or case.managed
    changes = weight_changes(case, spread)
    assert len(changes) > 1e5
    mean, variance = changes.mean(0), changes.var(0)
    true_mean, true_variance = slots * both, slots * both * (1 - both + spread**2)
    print(f"\n{'BL':>3} {'pq':>6} {'mean':>8} {'true':>8} {'variance':>9} {'true':>8}   c2c {spread}")  # noqa: T201
    for n in np.ndindex(2, 2):
        row = f"{mean[n]:8.4f} {true_mean[n]:8.4f} {variance[n]:9.4f} {true_variance[n]:8.4f}"
        print(f"{slots:3d} {both[n]:6.3f} {row}")  # noqa: T201
    assert np.allclose(mean, true_mean, rtol=0.01)
    assert np.allclose(variance, true_variance, rtol=0.03, atol=1e-6)
    if not case.clips:
        assert np.allclose(true_mean, case.rate * np.outer(case.x, case.d))


def test_draws_of_one_write_are_independent():
    # Cells that share a line share its train; samples, and the two sides, do not.
    changes = weight_changes(PLAIN[0], 0.0).reshape(WRITES, BLOCKS, BLOCKS, 2, 2)
    same_row, other_row = changes[..., 0, 0], changes[..., 1, 0]
    assert np.corrcoef(same_row[:, :, 0].ravel(), same_row[:, :, 1].ravel())[0, 1] == pytest.approx(0, abs=0.06)
    assert np.corrcoef(same_row[:, 0].ravel(), same_row[:, 1].ravel())[0, 1] == pytest.approx(0, abs=0.06)
    assert np.corrcoef(same_row[1:].ravel(), same_row[:-1].ravel())[0, 1] == pytest.approx(0, abs=0.012)
    assert np.corrcoef(same_row.ravel(), other_row.ravel())[0, 1] > 0.05
