"""What every accumulator promises. To add one, add one line to CASES."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn.core.errors import InputError
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Factors
from memlearn.learning import Parts
from memlearn.learning.accumulate import (
    MEMBERS,
    AbstractAccumulator,
    BatchCounter,
    DigitalValue,
    FloatTwin,
    LowRank,
    PerSample,
    PersistentCounter,
    ScaledSample,
)
from memlearn.learning.credit import TwinBackprop
from memlearn.programming import BlindPulses, Levels, Program, Sign, StochasticTrains, Threshold, WriteAddress

CASES = [
    BatchCounter(),
    DigitalValue(learning_rate=1.0),
    FloatTwin(levels=2001, learning_rate=1.0),
    FloatTwin(levels=2001, learning_rate=1.0, hysteresis=0.4),
    LowRank(rank=2, samples=1),
    LowRank(rank=5, samples=1, method="sbpca"),
    PerSample(),
    PersistentCounter(),
    PersistentCounter(bits=3),
    ScaledSample(slots=100.0),
]
INPUTS, OUTPUTS = 6, 5
START = torch.zeros(INPUTS, OUTPUTS)
AT = WriteAddress(0.01, 1.0, Stream.root(5), 0)


@pytest.fixture(params=CASES, ids=repr)
def accumulator(request: pytest.FixtureRequest) -> AbstractAccumulator:
    return request.param


def signs(samples: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Factors:
    """Bits forward, ternary errors back."""
    drawn = np.random.default_rng(seed)
    rows, columns = drawn.integers(0, 2, (samples, INPUTS)), drawn.integers(-1, 2, (samples, OUTPUTS))
    return Factors(torch.from_numpy(rows).to(dtype), torch.from_numpy(columns).to(dtype))


def product(factors: Factors) -> Tensor:
    """Sum of the outer products, written out."""
    return sum((torch.outer(x, d) for x, d in zip(*factors, strict=True)), torch.zeros(INPUTS, OUTPUTS))


def dense(accumulator: AbstractAccumulator, memory: Tensor | None, factors: Factors) -> Tensor:
    given = accumulator.add(memory, factors, AT)
    if isinstance(given, Levels):
        return given.after - given.before
    return product(given) if isinstance(given, Factors) else given


def test_every_member_is_tested():
    assert {type(case) for case in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractAccumulator) for member in MEMBERS.values())


class TestContract:
    """Inherited by every accumulator."""

    def test_settings_make_the_round_trip(self, accumulator):
        assert type(accumulator).from_table(accumulator.table()) == accumulator
        writer = {"factors": StochasticTrains(), "dense": Sign(), "targets": Program()}[accumulator.gives]
        table = {"accumulator": accumulator.table(), "writer": writer.table()}
        assert Parts.from_table(table).accumulator == accumulator
        with pytest.raises(InputError, match="size"):
            type(accumulator)(size=8)

    def test_memory_starts_at_zero_or_is_none(self, accumulator):
        memory = accumulator.init(START, 1.0)
        if accumulator.gives == "targets":
            assert memory is not None and memory.shape == (3, INPUTS, OUTPUTS) and not memory[:2].any()
        elif isinstance(accumulator, LowRank):
            assert memory is not None and not memory.any()
            assert memory[1:].numel() * 32 == accumulator.bits_per_line() * (INPUTS + OUTPUTS)
        else:
            shape = (2,) if isinstance(accumulator, ScaledSample) else (INPUTS, OUTPUTS)
            assert memory is None or (memory.shape == shape and not memory.any())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    def test_it_gives_what_it_says(self, accumulator, dtype):
        given = accumulator.add(accumulator.init(START, 1.0), signs(2, dtype=dtype), AT)
        if accumulator.gives == "factors":
            assert isinstance(given, Factors)
        elif accumulator.gives == "targets":
            assert isinstance(given, Levels) and given.after.shape == given.before.shape == (INPUTS, OUTPUTS)
        else:
            assert isinstance(given, Tensor) and given.shape == (INPUTS, OUTPUTS)

    @pytest.mark.parametrize("samples", [0, 1, 3])
    def test_a_small_batch_is_summed(self, accumulator, samples):
        factors = signs(samples)
        wide = accumulator.init(START, 10.0)  # wide enough for the sum
        assert torch.allclose(dense(accumulator, wide, factors), product(factors), atol=1e-5)

    def test_factors_are_left_alone(self, accumulator):
        factors = signs(3)
        before = Factors(*(f.clone() for f in factors))
        accumulator.add(accumulator.init(START, 1.0), factors, AT)
        assert all(torch.equal(a, b) for a, b in zip(factors, before, strict=True))

    def test_no_error_wants_nothing(self, accumulator):
        rest = Factors(torch.ones(4, INPUTS), torch.zeros(4, OUTPUTS))
        assert not dense(accumulator, accumulator.init(START, 1.0), rest).any()

    def test_what_has_fired_is_given_up_and_the_rest_kept(self, accumulator):
        memory = accumulator.init(START, 1.0)
        wanted = accumulator.add(memory, signs(3), AT)
        if memory is None or not isinstance(wanted, Tensor):
            return  # nothing outlives the step, or nothing fires
        before, plan = wanted.clone(), Counts(wanted.sign().int())
        accumulator.settle(memory, plan, 2.0)
        assert torch.equal(memory, before - 2.0 * plan.pulses)

    def test_without_memory_batches_do_not_see_each_other(self, accumulator):
        if accumulator.init(START, 1.0) is None:
            dense(accumulator, None, signs(5, seed=1))
            assert torch.equal(dense(accumulator, None, signs(3)), product(signs(3)))

    @pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 8, 32, 100])
    @pytest.mark.parametrize("ternary", [True, False])
    def test_its_bits_hold_what_it_keeps(self, accumulator, batch, ternary):
        bits = accumulator.bits_per_weight(batch, ternary)
        assert isinstance(bits, int)
        if accumulator.gives == "factors":
            assert bits == 0
        elif isinstance(accumulator, DigitalValue | FloatTwin):
            assert bits == 32  # a number, not a count
        elif accumulator.init(torch.zeros(1, 1), 1.0) is None:
            # 2 batch + 1 different sums of ternary products, and not one bit more than they need.
            assert 2**bits > 2 * batch >= 2 ** (bits - 1) if ternary else bits == 32
        else:
            memory = accumulator.init(torch.zeros(1, 1), 1.0)
            assert memory is not None
            for _ in range(300):
                accumulator.add(memory, Factors(torch.ones(batch, 1), torch.ones(batch, 1)))
            assert memory.item() < 2 ** (bits - 1)


class TestPersistentCounter:
    """Counters that outlive the batch."""

    def test_batches_add_up(self):
        counter = PersistentCounter(bits=8)
        memory = counter.init(START, 1.0)
        for seed in range(4):
            wanted = counter.add(memory, signs(5, seed))
        assert torch.equal(wanted, sum(product(signs(5, seed)) for seed in range(4)))
        assert memory is not None and torch.equal(memory, wanted)

    @pytest.mark.parametrize("bits", [2, 3, 8])
    def test_they_saturate_at_both_ends(self, bits):
        counter, end = PersistentCounter(bits=bits), 2 ** (bits - 1) - 1
        memory = counter.init(torch.zeros(1, 2), 1.0)
        many = Factors(torch.ones(1000, 1), torch.tensor([[1.0, -1.0]]).repeat(1000, 1))
        assert counter.add(memory, many).tolist() == [[end, -end]] and counter.end == end
        # One step back from the end counts at once: what was beyond it is gone.
        assert counter.add(memory, Factors(-many.rows[:1], many.columns[:1])).tolist() == [[end - 1, 1 - end]]

    def test_a_long_run_fires_as_often_as_the_sum_says(self):
        counter, writer = PersistentCounter(bits=8), Threshold(threshold=3.0)
        memory, fired, total = counter.init(START, 1.0), torch.zeros(INPUTS, OUTPUTS), torch.zeros(INPUTS, OUTPUTS)
        for seed in range(60):
            factors = signs(2, seed)
            wanted = counter.add(memory, factors)
            assert isinstance(wanted, Tensor)
            plan = Counts((wanted.sign() * (wanted.abs() >= 3)).int())
            counter.settle(memory, plan, writer.quantum(1.0, 0.01))
            fired, total = fired + 3 * plan.pulses, total + product(factors)
        assert torch.equal(fired + memory, total) and fired.any()


class TestDigitalValue:
    """Mixed precision."""

    def test_the_sum_of_gradients_is_conserved(self):
        value, writer = DigitalValue(learning_rate=0.3), BlindPulses(granularity=1.5)
        at = WriteAddress(0.07, 1.0, Stream.root(0), 0)
        memory, fired, total = value.init(START, 1.0), torch.zeros(INPUTS, OUTPUTS), torch.zeros(INPUTS, OUTPUTS)
        assert memory is not None
        for seed in range(60):
            factors = signs(2, seed)
            plan = writer.plan(value.add(memory, factors), at)
            assert isinstance(plan, Counts)
            quantum = writer.quantum(1.0, at.weight_step)
            value.settle(memory, plan, quantum)
            fired, total = fired + quantum * plan.pulses, total + 0.3 * product(factors)
            assert memory.abs().max() < 1.5 * 0.07
        assert torch.allclose(fired + memory, total, atol=1e-5) and fired.any()


class TestFloatTwin:
    """Siamese learning."""

    def test_what_rounding_leaves_stays_in_the_twin(self):
        twin = FloatTwin(levels=5, learning_rate=0.02)
        memory, total = twin.init(START, 1.0), torch.zeros(INPUTS, OUTPUTS)
        assert memory is not None
        for seed in range(40):
            given = twin.add(memory, signs(2, seed))
            total += 0.02 * product(signs(2, seed))
            assert isinstance(given, Levels) and torch.equal(given.after, memory[1])
            assert ((given.after * 4).round() == given.after * 4).all() and given.after.abs().max() <= 1
            assert (given.after - memory[0]).abs().max() <= 0.125 + 1e-6
        assert torch.allclose(memory[0], total, atol=1e-5) and memory[1].any()

    @pytest.mark.parametrize("hysteresis", [0.0, 0.4])
    def test_a_level_is_left_only_beyond_the_hysteresis(self, hysteresis: float):
        twin = FloatTwin(levels=5, learning_rate=1.0, hysteresis=hysteresis)
        memory, one = twin.init(torch.zeros(1, 1), 1.0), torch.ones(1, 1)
        levels = []
        for change in (0.13, 0.09, 0.01, -0.1, -0.13, -0.1):  # to 0.13, 0.22, 0.23, 0.13, 0.0, -0.1; a step is 0.25
            given = twin.add(memory, Factors(one, change * one))
            assert isinstance(given, Levels)
            levels.append(round(float(given.after), 2))
        assert levels == ([0.25, 0.25, 0.25, 0.25, 0.0, 0.0] if not hysteresis else [0.0, 0.0, 0.25, 0.25, 0.0, 0.0])

    def test_without_the_residual_small_gradients_are_lost(self):
        twin = FloatTwin(levels=5, learning_rate=0.02, residual=False)
        memory = twin.init(START, 1.0)
        for seed in range(40):
            given = twin.add(memory, signs(2, seed))
            assert isinstance(given, Levels) and not given.after.any()

    def test_it_stays_within_what_cells_can_hold(self):
        memory = FloatTwin(learning_rate=10.0).init(torch.full((INPUTS, OUTPUTS), 3.0), 0.5)
        assert memory is not None and (memory[:2] == 0.5).all()
        FloatTwin(learning_rate=10.0).add(memory, signs(5))
        assert memory[:2].abs().max() == 0.5

    @pytest.mark.parametrize("grid", ["binary", "ternary"])
    def test_two_or_three_weights_follow_the_sign(self, grid: Literal["binary", "ternary"]):
        start = torch.tensor([[0.4, -0.02, 0.05, -0.5]])  # mean size 0.2425, of which 0.7 are 0.17
        twin = FloatTwin(grid=grid, learning_rate=1.0)
        memory = twin.init(start, 0.5)
        assert memory is not None
        middle = [-0.5, 0.5] if grid == "binary" else [0.0, 0.0]
        assert memory[1].tolist() == [[0.5, *middle, -0.5]]
        given = twin.add(memory, Factors(torch.ones(1, 1), torch.tensor([[-0.1, 0.4, 0.0, 0.0]])))
        assert isinstance(given, Levels) and given.after.tolist() == [[0.5, 0.5, middle[1], -0.5]]
        with pytest.raises(InputError, match="hysteresis"):
            FloatTwin(grid=grid, hysteresis=0.1)

    def test_a_counter_keeps_the_mean_of_changes_smaller_than_one_count(self):
        twin, one = FloatTwin(bits=6, grid="binary", learning_rate=1.0), torch.ones(1, 1)
        memory, count = twin.init(torch.zeros(1, 4000), 1.0), 1 / 31
        assert memory is not None
        for event in range(20):
            at = WriteAddress(1.0, 1.0, Stream.root(3), event)
            twin.add(memory, Factors(one, torch.full((1, 4000), 0.1 * count)), at)
        counts = memory[0] / count
        assert torch.allclose(counts, counts.round(), atol=1e-4) and len(counts.round().unique()) > 3
        assert counts.mean().item() == pytest.approx(2.0, abs=5 * (20 * 0.09 / 4000) ** 0.5)
        assert twin.bits_per_weight(1, False) == 6

    def test_programming_errors_are_fed_back(self):
        twin = FloatTwin(feedback=0.5)
        memory = twin.init(START, 1.0)
        assert memory is not None
        twin.reached(memory, torch.full((INPUTS, OUTPUTS), 0.04))
        assert torch.allclose(memory[0], torch.full((INPUTS, OUTPUTS), -0.02)) and not memory[1].any()

    def test_a_credit_through_the_twin_needs_one(self):
        with pytest.raises(InputError, match="has none"):
            Parts(credit=TwinBackprop())


class TestLowRank:
    """Sums of outer products at a low rank."""

    @staticmethod
    def drawn(samples: int, inner: int) -> Factors:
        """Samples whose factors lie in random subspaces of so many dimensions."""
        n = np.random.default_rng(0).normal
        sides = (n(size=(samples, inner)) @ n(size=(inner, size)) for size in (14, 9))
        return Factors(*(torch.from_numpy(side) for side in sides))

    @pytest.mark.parametrize("method", ["lrt", "lrt_unbiased", "sbpca"])
    @pytest.mark.parametrize(("inner", "rank"), [(3, 3), (3, 5), (9, 9)])
    def test_it_is_exact_where_the_rank_suffices(self, method, inner, rank):
        factors, kept = self.drawn(40, inner), LowRank(rank=rank, samples=40, method=method, block=7)
        given = kept.add(kept.init(torch.zeros(14, 9), 1.0), factors, AT)
        assert given.rows.shape == (rank, 14) and given.columns.shape == (rank, 9)
        assert torch.allclose(given.sum(), factors.sum(), rtol=0, atol=1e-9 * float(factors.sum().abs().max()))

    def test_one_cut_is_that_of_a_dense_decomposition(self):
        factors, kept = self.drawn(4, 9), LowRank(rank=3, samples=4)
        given = kept.add(kept.init(torch.zeros(14, 9), 1.0), factors, AT)
        u, sizes, v = torch.linalg.svd(factors.sum(), full_matrices=False)
        assert torch.allclose(given.sum(), (u[:, :3] * sizes[:3]) @ v[:3], atol=1e-10)
        assert torch.allclose(given.rows.norm(dim=1) ** 2, sizes[:3]) and sizes[3] > 0.01 * sizes[2]

    @pytest.mark.parametrize("method", ["lrt", "sbpca"])
    def test_many_cuts_keep_most_of_what_a_dense_decomposition_keeps(self, method):
        factors, kept = self.drawn(60, 9), LowRank(rank=4, samples=60, method=method, block=10)
        given, whole = kept.add(kept.init(torch.zeros(14, 9), 1.0), factors, AT), factors.sum()
        best = torch.linalg.svdvals(whole)[4:].square().sum().sqrt()
        assert best <= (given.sum() - whole).norm() < (1.5 if method == "lrt" else 2.0) * best

    def test_the_mixture_is_right_on_the_mean_and_the_cut_is_not(self):
        factors, sums = self.drawn(8, 9), []
        for method, draws in (("lrt_unbiased", 800), ("lrt", 1)):
            kept = LowRank(rank=2, samples=8, method=method)
            for event in range(draws):
                memory = kept.init(torch.zeros(14, 9), 1.0)
                sums.append(kept.add(memory, factors, AT._replace(event=event)).sum())
        mixed, cut = torch.stack(sums[:-1]), sums[-1]
        total = factors.sum()
        # Each number's own standard error: 126 of them, none beyond 4.5, and about as many beyond 1 as there should be.
        off = (mixed.mean(0) - total).abs() / (mixed.std(0) / len(mixed) ** 0.5)
        assert off.max() < 4.5 and 0.15 < (off > 1).double().mean() < 0.5
        assert (cut - total).norm() > 5 * (mixed.mean(0) - total).norm()

    def test_it_writes_when_it_is_full_wherever_batches_end(self):
        factors, kept = self.drawn(25, 9), LowRank(rank=9, samples=10)
        for sizes in ((25,), (4,) * 6 + (1,), (1,) * 25):
            memory, given = kept.init(torch.zeros(14, 9), 1.0), []
            for part in zip(*(side.split(list(sizes)) for side in factors), strict=True):
                given.append(kept.add(memory, Factors(*part), AT))
            assert memory is not None and memory[0, 0] == 5
            written = Factors.joined(given)
            assert len(written.rows) == 18  # twice full
            assert torch.allclose(written.sum(), Factors(factors.rows[:20], factors.columns[:20]).sum(), atol=1e-4)

    def test_a_power_iteration_has_no_more_directions_than_the_layer(self):
        with pytest.raises(InputError, match="rank"):
            LowRank(rank=6, method="sbpca").init(START, 1.0)
