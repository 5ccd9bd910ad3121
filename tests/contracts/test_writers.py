"""What every writer promises. To add a writer, add one line to CASES."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from memlearn.core.component import kind_of
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.core.types import MAX_SLOTS, SIGN_BIT, Counts, Factors, PulsePlan, Trains
from memlearn.learning import Parts
from memlearn.learning.accumulate import BatchCounter, PerSample
from memlearn.programming import (
    MEMBERS,
    AbstractWriter,
    BlindPulses,
    ClosedLoop,
    CountedProducts,
    DeterministicTrains,
    MultiThreshold,
    OuterProduct,
    Program,
    RoundedCounts,
    Sign,
    StochasticTrains,
    Threshold,
    WriteAddress,
)
from memlearn.tile import Tile
from tests.learners import array, net_pulses, numbers

CLOSED_LOOP = {ClosedLoop, OuterProduct, Program}
"""Writers of targets: tests/contracts/test_schemes.py, and below."""
MANY = BlindPulses | CountedProducts | MultiThreshold | RoundedCounts
"""More than one pulse of a weight in a plan of counts."""
CASES = [
    BlindPulses(),
    BlindPulses(granularity=2.5),
    CountedProducts(learning_rate=0.05),
    CountedProducts(learning_rate=0.05, rounding="nearest"),
    DeterministicTrains(learning_rate=0.05),
    DeterministicTrains(learning_rate=0.2, levels=3, rounding="nearest"),
    MultiThreshold(),
    MultiThreshold(thresholds=(0.5, 2.0), relative=False),
    RoundedCounts(learning_rate=0.05),
    RoundedCounts(learning_rate=0.05, rounding="stochastic"),
    Sign(),
    StochasticTrains(learning_rate=0.05),
    StochasticTrains(learning_rate=0.05, max_length=5, update_management=False),
    Threshold(threshold=0.5),
    Threshold(threshold=0.3, relative=True),
]
AT = WriteAddress(weight_step=0.01, rate=1.0, stream=Stream.root(4), event=0)
INPUTS, OUTPUTS = 6, 5
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


@pytest.fixture(params=CASES, ids=repr)
def writer(request: pytest.FixtureRequest) -> AbstractWriter:
    return request.param


def factors(samples: int = 8, seed: int = 0, dtype: torch.dtype = torch.float32) -> Factors:
    """Random factors with a silent line on both sides and a silent sample."""
    rows, columns = numbers(samples, INPUTS, seed=seed, dtype=dtype), numbers(samples, OUTPUTS, seed=seed + 1).to(dtype)
    rows[:, 1], columns[:, 2] = 0, 0
    if samples > 1:
        rows[1], columns[1] = 0, 0
    return Factors(rows, columns)


def wanted_by(writer: AbstractWriter, given: Factors) -> Factors | Tensor:
    """The wanted change in the form that the writer takes."""
    return given if writer.accepts == "factors" else given.rows.T @ given.columns


def words(plan: PulsePlan) -> list[Tensor]:
    return [part for part in plan if isinstance(part, Tensor)]


def equal(a: PulsePlan, b: PulsePlan) -> bool:
    return type(a) is type(b) and all(torch.equal(x, y) for x, y in zip(words(a), words(b), strict=True))


def copied(wanted: Factors | Tensor) -> Factors | Tensor:
    return wanted.clone() if isinstance(wanted, Tensor) else Factors(*(f.clone() for f in wanted))


def test_every_member_is_tested():
    assert {type(case) for case in CASES} | CLOSED_LOOP == set(MEMBERS.values())
    assert all(issubclass(member, AbstractWriter) and member.sources for member in MEMBERS.values())


class TestSettings:
    """A writer is its own configuration."""

    def test_round_trip(self, writer):
        assert type(writer).from_table(writer.table()) == writer
        counter = PerSample() if writer.accepts == "factors" else BatchCounter()
        table = {"accumulator": counter.table(), "writer": writer.table()}
        assert Parts.from_table(table).writer == writer
        assert table["writer"]["kind"] == kind_of(type(writer))

    def test_an_unknown_setting_is_refused(self, writer):
        with pytest.raises(InputError, match="pulses"):
            type(writer)(pulses=3)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
class TestLegalPulses:
    """A plan holds only pulses that drivers can send."""

    def test_shape_and_type(self, writer, dtype):
        given = factors(dtype=dtype)
        plan = writer.plan(wanted_by(writer, given), AT)
        if isinstance(plan, Counts):
            assert writer.accepts == "dense" or isinstance(writer, CountedProducts)
            assert plan.pulses.dtype == torch.int32 and plan.pulses.shape == (INPUTS, OUTPUTS)
            assert plan.pulses.abs().max() <= 1 or isinstance(writer, MANY)
        else:
            assert writer.accepts == "factors" and isinstance(plan, Trains)
            assert plan.rows.dtype == plan.columns.dtype == torch.int64
            assert plan.rows.shape == given.rows.shape and plan.columns.shape == given.columns.shape

    def test_trains_fit_their_slots(self, writer, dtype):
        plan = writer.plan(wanted_by(writer, factors(40, dtype=dtype)), AT)
        if isinstance(plan, Trains):
            assert isinstance(plan.slots, int) and 0 < plan.slots <= MAX_SLOTS
            for lines in (plan.rows, plan.columns):
                assert int(lines.min()) >= 0 and int(lines.max()) < 1 << (SIGN_BIT + 1)
                assert int((lines & ((1 << SIGN_BIT) - 1)).max()) < 1 << plan.slots

    def test_pulses_have_the_sign_of_the_wanted_change(self, writer, dtype):
        for seed in range(20):
            given = factors(1, seed=seed, dtype=dtype)
            pulses = net_pulses(writer.plan(wanted_by(writer, given), AT._replace(event=seed)))
            assert (pulses * (given.rows.T @ given.columns) >= 0).all()

    def test_something_is_written(self, writer, dtype):
        plan = writer.plan(wanted_by(writer, factors(40, dtype=dtype)), AT)
        assert net_pulses(plan).any()

    def test_the_wanted_change_is_left_alone(self, writer, dtype):
        wanted = wanted_by(writer, factors(dtype=dtype))
        before = copied(wanted)
        writer.plan(wanted, AT)
        pairs = [(wanted, before)] if isinstance(wanted, Tensor) else zip(wanted, before, strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


class TestNothingWanted:
    """Zero wanted, no pulse: not a change, not a count."""

    def test_a_silent_line_is_never_pulsed(self, writer):
        for event in range(20):
            pulses = net_pulses(writer.plan(wanted_by(writer, factors(12)), AT._replace(event=event)))
            assert not pulses[1].any() and not pulses[:, 2].any()

    @pytest.mark.parametrize("samples", [0, 1, 3])
    def test_no_error_no_pulse(self, writer, samples):
        tile = Tile(INPUTS, OUTPUTS, array=array(), stream=Stream.root(0))
        before = tile.conductance.clone()
        for rows, columns in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 100.0), (100.0, 0.0)]:
            given = Factors(torch.full((samples, INPUTS), rows), torch.full((samples, OUTPUTS), columns))
            assert tile.write(writer.plan(wanted_by(writer, given), AT)) == (0, 0)
        assert torch.equal(tile.conductance, before) and not tile.counters.any()


class TestAddress:
    """A plan is a function of the wanted change and of the address alone."""

    def test_the_same_address_gives_the_same_plan(self, writer):
        wanted = wanted_by(writer, factors(30))
        first = writer.plan(wanted, AT)
        writer.plan(wanted_by(writer, factors(7, seed=8)), AT._replace(event=9))
        assert equal(writer.plan(wanted, AT), first)
        assert equal(type(writer).from_table(writer.table()).plan(copied(wanted), AT), first)

    def test_another_event_or_stream_draws_anew_where_anything_is_drawn(self, writer):
        wanted = wanted_by(writer, factors(30))
        first = writer.plan(wanted, AT)
        others = [AT._replace(event=1), AT._replace(event=1 << 40), AT._replace(stream=Stream.root(5))]
        draws = isinstance(writer, StochasticTrains) or getattr(writer, "rounding", "") == "stochastic"
        assert [equal(writer.plan(wanted, at), first) for at in others] == [not draws] * 3

    def test_a_sample_is_coded_without_regard_to_the_others(self, writer):
        if writer.accepts == "factors" and not isinstance(writer, CountedProducts):
            given = factors(9)
            alone = writer.plan(Factors(*(f[:4] for f in given)), AT)
            together = writer.plan(given, AT)
            assert isinstance(alone, Trains) and isinstance(together, Trains)
            assert torch.equal(together.rows[:4], alone.rows) and torch.equal(together.columns[:4], alone.columns)

    def test_the_two_sides_draw_apart(self, writer):
        if isinstance(writer, StochasticTrains):
            both = numbers(50, INPUTS)
            plan = writer.plan(Factors(both, both), AT)
            assert isinstance(plan, Trains) and not torch.equal(plan.rows, plan.columns)


class TestRate:
    """A schedule's rate scales what is written."""

    def test_a_smaller_rate_writes_less(self, writer):
        if isinstance(writer, Sign) or getattr(writer, "relative", False):
            return  # blind to the size of everything
        given = Factors(*(f.repeat(40, 1) for f in factors()))
        pulses = [
            int(net_pulses(writer.plan(wanted_by(writer, given), AT._replace(rate=rate))).abs().sum())
            for rate in (1.0, 0.1, 0.01)
        ]
        if writer.accepts == "factors":
            assert pulses[0] > pulses[1] > pulses[2] if "nearest" not in repr(writer) else pulses[0] > pulses[2]
        else:
            assert pulses[0] >= pulses[1] >= pulses[2]

    def test_trains_mean_the_learning_rate(self, writer):
        if isinstance(writer, StochasticTrains) or getattr(writer, "rounding", "") == "stochastic":
            # Nothing clips here: the largest product wants 0.05 x 0.5 / 0.01 = 2.5 pulses.
            x, d = torch.tensor([0.9, -0.3, 0.05]), torch.tensor([0.5, -0.2])
            events, rate = 20_000, 0.5
            many = Factors(x.repeat(events, 1), d.repeat(events, 1))
            if isinstance(writer, RoundedCounts | CountedProducts):  # one number per weight and event
                one = Factors(x[None], d[None]) if isinstance(writer, CountedProducts) else torch.outer(x, d)
                plans = [writer.plan(one, AT._replace(rate=rate, event=k)) for k in range(events // 10)]
                mean = torch.stack([net_pulses(plan) for plan in plans]).double().mean(0)
                events //= 10
            else:
                mean = net_pulses(writer.plan(many, AT._replace(rate=rate))).double() / events
            exact = writer.learning_rate * rate / AT.weight_step * torch.outer(x, d).double()
            assert torch.allclose(mean, exact, rtol=0.02, atol=6 / events**0.5 * 0.2)

    def test_the_quantum_is_what_fires_one_pulse(self, writer):
        if writer.accepts == "dense" and not getattr(writer, "relative", False):
            for rate in (1.0, 0.5, 0.3):
                burst = writer.burst if isinstance(writer, BlindPulses) else 1
                quantum = writer.quantum(rate, AT.weight_step) * burst
                assert quantum > 0
                fired = writer.plan(torch.tensor([[quantum, -quantum]]), AT._replace(rate=rate))
                assert net_pulses(fired).tolist() == [[burst, -burst]]


class TestThreshold:
    """What is special about thresholds."""

    def test_it_fires_at_the_threshold_and_not_below(self):
        wanted = torch.tensor([[1.99, 2.0, 2.01, -1.99, -2.0, 0.0]])
        assert net_pulses(Threshold(threshold=2.0).plan(wanted, AT)).tolist() == [[0, 1, 1, 0, -1, 0]]

    def test_a_relative_one_follows_the_largest(self):
        wanted = torch.tensor([[0.01, 0.3, -0.31, 0.29, -1.0]])
        for scale in (1.0, 1e-9, 1e9):
            pulses = net_pulses(Threshold(threshold=0.3, relative=True).plan(scale * wanted, AT))
            assert pulses[0, [0, 2, 3, 4]].tolist() == [0, -1, 0, -1]

    def test_a_whole_threshold_stays_whole_under_a_schedule(self):
        assert Threshold(threshold=2.0).quantum(0.7, 0.1) == 3 and Threshold(threshold=2.0).quantum(1.0, 0.1) == 2
        half = Threshold(threshold=0.5)
        assert half.quantum(0.5, 0.1) == 1.0 and half.replace(threshold=0.6).quantum(0.8, 0.1) == 0.6 / 0.8


class TestMultiThreshold:
    """Unary measures of the wanted change."""

    def test_as_many_pulses_as_thresholds_are_passed(self):
        wanted = torch.tensor([[0.09, 0.1, -0.3, 0.5, -1.0, 0.0]])
        for scale in (1.0, 1e-9, 1e9):
            plan = MultiThreshold(thresholds=(0.1, 0.3, 0.9)).plan(scale * wanted, AT)
            assert net_pulses(plan).tolist() == [[0, 1, -2, 2, -3, 0]]
        absolute = MultiThreshold(thresholds=(0.1, 0.4), relative=False)
        assert net_pulses(absolute.plan(wanted, AT)).tolist() == [[0, 1, -1, 2, -2, 0]]
        assert net_pulses(absolute.plan(wanted, AT._replace(rate=0.5))).tolist() == [[0, 0, -1, 1, -2, 0]]

    @pytest.mark.parametrize("relative", [True, False])
    def test_one_threshold_is_the_threshold_writer(self, relative):
        many, one = MultiThreshold(thresholds=(0.3,), relative=relative), Threshold(threshold=0.3, relative=relative)
        for seed in range(5):
            wanted = numbers(6, 5, seed=seed)
            assert equal(many.plan(wanted, AT), one.plan(wanted, AT))

    @pytest.mark.parametrize("thresholds", [(), (0.3, 0.3), (0.5, 0.2)])
    def test_thresholds_that_do_not_rise_are_refused(self, thresholds):
        with pytest.raises(InputError, match="that rise"):
            MultiThreshold(thresholds=thresholds)


class TestBlindPulses:
    """Bursts."""

    def test_a_coarse_granularity_writes_bursts(self):
        wanted = AT.weight_step * torch.tensor([[2.9, 3.0, -3.1, 5.9, -6.0]])
        assert net_pulses(BlindPulses(granularity=3.0).plan(wanted, AT)).tolist() == [[0, 3, -3, 3, -6]]
        assert net_pulses(BlindPulses(granularity=1.5).plan(wanted, AT)).tolist() == [[2, 4, -4, 6, -8]]
        assert BlindPulses(granularity=0.2).burst == 1

    def test_a_falling_rate_raises_what_fires(self):
        wanted = AT.weight_step * torch.tensor([[1.9, 2.0, -4.1]])
        assert net_pulses(BlindPulses().plan(wanted, AT._replace(rate=0.5))).tolist() == [[0, 1, -2]]


class TestOuterProduct:
    """The ideal parallel write."""

    def test_a_batch_is_the_sum_of_its_samples(self):
        given = factors()
        writer, tile = OuterProduct(learning_rate=0.05), Tile(INPUTS, OUTPUTS, array=array(), stream=Stream.root(0))
        plan, before = writer.plan(given, AT), tile.weight()
        tally, heard = tile.program(plan)
        assert heard is None
        assert torch.allclose(tile.weight() - before, 0.05 * given.rows.T @ given.columns, atol=1e-6)
        fired = ((given.rows != 0).int().T @ (given.columns != 0).int()).int()
        assert plan.sent is not None and torch.equal(plan.sent.pulses, fired)
        assert tally.pulses == 2 * int(fired.sum()) == int(tile.counters[..., 0].sum())

    def test_no_read_and_one_slot_a_sample(self):
        tile = Tile(INPUTS, OUTPUTS, array=array(), stream=Stream.root(0))
        tile.ledger = Ledger()
        tile.program(OuterProduct(learning_rate=0.05).plan(factors(5), AT))
        assert tile.ledger.total(Event.SINGLE_READ) == tile.ledger.total(Event.READ_SLOT) == 0
        assert tile.ledger.total(Event.TRAIN_SLOT) == 4  # the fifth sample is silent

    def test_a_schedule_scales_it(self):
        plans = [OuterProduct(learning_rate=0.05).plan(factors(), AT._replace(rate=rate)) for rate in (1.0, 0.5)]
        assert torch.allclose(plans[0].weight, 2 * plans[1].weight)


class TestRoundedCounts:
    """Numbers of pulses."""

    def test_nearest_rounds_halves_up_and_loses_what_is_below(self):
        writer = RoundedCounts(learning_rate=1.0)
        wanted = torch.tensor([[0.0, 0.49, 0.5, 1.49, -1.5, -0.49, 50.0, -200.0]])
        pulses = net_pulses(writer.plan(wanted, AT._replace(weight_step=1.0)))
        assert pulses.tolist() == [[0, 0, 1, 1, -2, 0, 50, -200]]

    def test_stochastic_is_one_of_the_two_neighbours(self):
        writer = RoundedCounts(learning_rate=1.0, rounding="stochastic")
        for event in range(50):
            wanted = numbers(8, 9, seed=event) * 20
            pulses = net_pulses(writer.plan(wanted, AT._replace(weight_step=1.0, event=event)))
            assert ((pulses - wanted).abs() < 1).all()

    def test_whole_numbers_are_never_changed(self):
        whole = torch.arange(-9.0, 10)[None]
        for rounding in ("nearest", "stochastic"):
            writer = RoundedCounts(learning_rate=1.0, rounding=rounding)
            assert torch.equal(net_pulses(writer.plan(whole, AT._replace(weight_step=1.0))), whole.long())

    def test_a_number_beyond_reason_stays_finite(self):
        writer = RoundedCounts(learning_rate=1.0)
        assert net_pulses(writer.plan(torch.tensor([[1e30, -1e30]]), AT)).tolist() == [[1 << 24, -(1 << 24)]]


class TestDeterministicTrains:
    """Coincidences are an exact product of levels."""

    @pytest.mark.parametrize("levels", range(1, 6))
    def test_coincidences_are_exactly_n_times_m(self, levels):
        n = torch.arange(-levels, levels + 1)
        # Equal peaks and learning_rate = weight_step: both gains are 1, so that a value is its own level.
        for rounding in ("nearest", "stochastic"):
            writer = DeterministicTrains(learning_rate=0.01, levels=levels, rounding=rounding)
            plan = writer.plan(Factors(n[None].float(), n[None].float()), AT)
            assert torch.equal(net_pulses(plan), torch.outer(n, n))
            assert isinstance(plan, Trains) and plan.slots == levels**2

    def test_values_beyond_the_top_level_clip(self):
        writer = DeterministicTrains(learning_rate=0.01, levels=3, rounding="nearest")
        given = Factors(torch.tensor([[9.0, -2.0]]), torch.tensor([[9.0, 1.0]]))
        assert net_pulses(writer.plan(given, AT)).tolist() == [[9, 3], [-6, -2]]

    def test_below_half_a_level_is_lost_or_kept_on_average(self):
        given = Factors(torch.tensor([[4.0, 0.4]]), torch.tensor([[4.0]]))
        nearest = DeterministicTrains(learning_rate=0.01, rounding="nearest")
        assert net_pulses(nearest.plan(given, AT)).tolist() == [[16], [0]]
        many = Factors(given.rows.repeat(10_000, 1), given.columns.repeat(10_000, 1))
        mean = net_pulses(nearest.replace(rounding="stochastic").plan(many, AT)) / 10_000
        assert mean[0] == 16 and mean[1] == pytest.approx(1.6, rel=0.05)

    def test_both_sides_reach_the_same_level(self):
        writer = DeterministicTrains(learning_rate=0.01, rounding="nearest")
        for scale in (1e-3, 1.0, 1e3):
            given = Factors(torch.tensor([[4.0 * scale, -2.0 * scale]]), torch.tensor([[4.0 / scale, 1.0 / scale]]))
            assert net_pulses(writer.plan(given, AT)).tolist() == [[16, 4], [-8, -2]]

    @pytest.mark.parametrize("loud", [1e-30, 3.0, 1e3, 1e30])
    def test_a_side_at_rest_stays_at_rest_however_loud_the_other(self, loud):
        # The ratio of the two peaks once overflowed float32.
        for rounding, sides in itertools.product(("nearest", "stochastic"), (0, 1)):
            silent, noisy = torch.zeros(2, 3), torch.full((2, 3), loud)
            given = Factors(silent, noisy) if sides else Factors(noisy, silent)
            plan = DeterministicTrains(rounding=rounding).plan(given, AT)
            assert isinstance(plan, Trains) and not net_pulses(plan).any()
            assert not ((plan.rows if sides else plan.columns) & 0x7FFFFFFF).any()
