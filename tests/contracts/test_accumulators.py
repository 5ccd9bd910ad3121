"""What every accumulator promises. To add one, add one line to CASES."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from memlearn.core.errors import InputError
from memlearn.core.types import Counts, Factors
from memlearn.learning import Parts
from memlearn.learning.accumulate import (
    MEMBERS,
    AbstractAccumulator,
    BatchCounter,
    PerSample,
    PersistentCounter,
)
from memlearn.programming import Sign, StochasticTrains, Threshold

CASES = [
    BatchCounter(),
    PerSample(),
    PersistentCounter(),
    PersistentCounter(bits=3),
]
INPUTS, OUTPUTS = 6, 5


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
    given = accumulator.add(memory, factors)
    return product(given) if isinstance(given, Factors) else given


def test_every_member_is_tested():
    assert {type(case) for case in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractAccumulator) for member in MEMBERS.values())


class TestContract:
    """Inherited by every accumulator."""

    def test_settings_make_the_round_trip(self, accumulator):
        assert type(accumulator).from_table(accumulator.table()) == accumulator
        writer = StochasticTrains() if accumulator.gives == "factors" else Sign()
        table = {"accumulator": accumulator.table(), "writer": writer.table()}
        assert Parts.from_table(table).accumulator == accumulator
        with pytest.raises(InputError, match="size"):
            type(accumulator)(size=8)

    def test_memory_starts_at_zero_or_is_none(self, accumulator):
        memory = accumulator.init(INPUTS, OUTPUTS)
        assert memory is None or (memory.shape == (INPUTS, OUTPUTS) and not memory.any())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    def test_it_gives_what_it_says(self, accumulator, dtype):
        given = accumulator.add(accumulator.init(INPUTS, OUTPUTS), signs(2, dtype=dtype))
        if accumulator.gives == "factors":
            assert isinstance(given, Factors)
        else:
            assert isinstance(given, Tensor) and given.shape == (INPUTS, OUTPUTS)

    @pytest.mark.parametrize("samples", [0, 1, 3])
    def test_a_small_batch_is_summed(self, accumulator, samples):
        factors = signs(samples)
        assert torch.equal(dense(accumulator, accumulator.init(INPUTS, OUTPUTS), factors), product(factors))

    def test_factors_are_left_alone(self, accumulator):
        factors = signs(3)
        before = Factors(*(f.clone() for f in factors))
        accumulator.add(accumulator.init(INPUTS, OUTPUTS), factors)
        assert all(torch.equal(a, b) for a, b in zip(factors, before, strict=True))

    def test_no_error_wants_nothing(self, accumulator):
        rest = Factors(torch.ones(4, INPUTS), torch.zeros(4, OUTPUTS))
        assert not dense(accumulator, accumulator.init(INPUTS, OUTPUTS), rest).any()

    def test_what_has_fired_is_given_up_and_the_rest_kept(self, accumulator):
        memory = accumulator.init(INPUTS, OUTPUTS)
        wanted = accumulator.add(memory, signs(3))
        if memory is None or isinstance(wanted, Factors):
            return  # nothing outlives the step
        before, plan = wanted.clone(), Counts(wanted.sign().int())
        accumulator.settle(memory, plan, 2.0)
        assert torch.equal(memory, before - 2.0 * plan.pulses)

    def test_without_memory_batches_do_not_see_each_other(self, accumulator):
        if accumulator.init(INPUTS, OUTPUTS) is None:
            dense(accumulator, None, signs(5, seed=1))
            assert torch.equal(dense(accumulator, None, signs(3)), product(signs(3)))

    @pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 8, 32, 100])
    @pytest.mark.parametrize("ternary", [True, False])
    def test_its_bits_hold_what_it_keeps(self, accumulator, batch, ternary):
        bits = accumulator.bits_per_weight(batch, ternary)
        assert isinstance(bits, int)
        if accumulator.gives == "factors":
            assert bits == 0
        elif accumulator.init(1, 1) is None:
            # 2 batch + 1 different sums of ternary products, and not one bit more than they need.
            assert 2**bits > 2 * batch >= 2 ** (bits - 1) if ternary else bits == 32
        else:
            memory = accumulator.init(1, 1)
            assert memory is not None
            for _ in range(300):
                accumulator.add(memory, Factors(torch.ones(batch, 1), torch.ones(batch, 1)))
            assert memory.item() < 2 ** (bits - 1)


class TestPersistentCounter:
    """Counters that outlive the batch."""

    def test_batches_add_up(self):
        counter = PersistentCounter(bits=8)
        memory = counter.init(INPUTS, OUTPUTS)
        for seed in range(4):
            wanted = counter.add(memory, signs(5, seed))
        assert torch.equal(wanted, sum(product(signs(5, seed)) for seed in range(4)))
        assert memory is not None and torch.equal(memory, wanted)

    @pytest.mark.parametrize("bits", [2, 3, 8])
    def test_they_saturate_at_both_ends(self, bits):
        counter, end = PersistentCounter(bits=bits), 2 ** (bits - 1) - 1
        memory = counter.init(1, 2)
        many = Factors(torch.ones(1000, 1), torch.tensor([[1.0, -1.0]]).repeat(1000, 1))
        assert counter.add(memory, many).tolist() == [[end, -end]] and counter.end == end
        # One step back from the end counts at once: what was beyond it is gone.
        assert counter.add(memory, Factors(-many.rows[:1], many.columns[:1])).tolist() == [[end - 1, 1 - end]]

    def test_a_long_run_fires_as_often_as_the_sum_says(self):
        counter, writer = PersistentCounter(bits=8), Threshold(threshold=3.0)
        memory, fired, total = counter.init(INPUTS, OUTPUTS), torch.zeros(INPUTS, OUTPUTS), torch.zeros(INPUTS, OUTPUTS)
        for seed in range(60):
            factors = signs(2, seed)
            wanted = counter.add(memory, factors)
            assert isinstance(wanted, Tensor)
            plan = Counts((wanted.sign() * (wanted.abs() >= 3)).int())
            counter.settle(memory, plan, writer.quantum(1.0, 0.01))
            fired, total = fired + 3 * plan.pulses, total + product(factors)
        assert torch.equal(fired + memory, total) and fired.any()
