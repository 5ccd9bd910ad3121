"""What drivers, senses and neurons promise. To add one, add one line to its list of cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from memlearn.core.ledger import Event
from memlearn.core.random import Stream
from memlearn.periphery import (
    ADC,
    DAC,
    DRIVERS,
    NEURONS,
    SENSES,
    AbstractDriver,
    AbstractNeuron,
    AbstractSense,
    Address,
    Analogue,
    BinaryDriver,
    BinaryStep,
    Comparator,
    ReLU,
    Sigmoid,
    StochasticBinary,
    StochasticBinaryDriver,
    Tanh,
    TernaryComparator,
    TernaryDriver,
)

DRIVER_CASES = [
    DAC(),
    DAC(bits=None),
    DAC(bits=2, input_range=3.0, scaling="max"),
    DAC(stochastic_rounding=True),
    DAC(noise=0.01, gain_spread=0.1, offset_spread=0.01, sharing=3),
    BinaryDriver(),
    StochasticBinaryDriver(),
    TernaryDriver(),
    TernaryDriver(dead_zone=0.2),
]
SENSE_CASES = [
    ADC(),
    ADC(bits=None),
    ADC(bits=4, stochastic_rounding=True),
    ADC(noise=1e-7, gain_spread=0.1, offset_spread=1e-7, sharing=3),
    Analogue(),
    Comparator(),
    Comparator(threshold=0.5, offset_spread=0.1, noise=0.1, sharing=2),
    TernaryComparator(),
]
NEURON_CASES = [
    ReLU(),
    Sigmoid(),
    Tanh(),
    BinaryStep(),
    BinaryStep(window=None, offset_spread=0.1, noise=0.1),
    StochasticBinary(temperature=0.5),
]

VOLTAGE, UNIT = 0.2, 3e-6
AT = Address(Stream.root(8), 0)
DRAWS = 100_000


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for 1e5 numbers costs more than it saves."""
    torch.set_num_threads(1)


def numbers(*shape: int, seed: int = 0, size: float = 1.0) -> Tensor:
    """Uniform within -size .. size."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(-size, size, shape).astype(np.float32))


def volts(driver: AbstractDriver, values: Tensor, at: Address = AT) -> Tensor:
    """Line voltages for (samples, lines) of one tile, in units of the read voltage."""
    return driver.drive(values[:, None], VOLTAGE, at).voltage[:, 0] / VOLTAGE


def sensed(sense: AbstractSense, sums: Tensor, at: Address = AT) -> Tensor:
    """What (samples, lines) weighted sums become on one tile."""
    return sense.sense(sums[None, None] * UNIT, UNIT, at)[0, 0]


def later(event: int) -> Address:
    return Address(AT.stream, event)


def relative_error(measured: Tensor, true: float) -> float:
    return abs(float(measured) / true - 1)


def test_every_member_is_tested():
    for family, cases in ((DRIVERS, DRIVER_CASES), (SENSES, SENSE_CASES), (NEURONS, NEURON_CASES)):
        assert set(family.values()) == {type(case) for case in cases}


@pytest.mark.parametrize("driver", DRIVER_CASES, ids=repr)
class TestDriver:
    """Inherited by every driver."""

    def test_shape_type_and_determinism(self, driver):
        for dtype in (torch.float32, torch.float64):
            values = numbers(6, 2, 7).to(dtype)
            before = values.clone()
            driven, again = (driver.drive(values, VOLTAGE, AT) for _ in range(2))
            assert driven.voltage.shape == values.shape and driven.voltage.dtype == dtype
            assert torch.equal(driven.voltage, again.voltage) and torch.equal(values, before)
            scale = driven.scale
            assert scale > 0 if isinstance(scale, float) else scale.shape == (6, 1, 1) and (scale > 0).all()

    def test_voltage_grows_with_the_value_and_stays_within_the_read_voltage(self, driver):
        driver = quiet(driver)
        values = torch.linspace(-10, 10, 2001)[:, None]
        driven = volts(driver, values)
        assert driven.abs().max() <= 1 + 1e-6
        if getattr(driver, "scaling", "none") == "none":
            assert (driven.diff(dim=0) >= 0).all()

    def test_a_line_of_value_zero_is_grounded(self, driver):
        assert not volts(quiet(driver), torch.zeros(5, 7)).any()

    def test_a_sample_is_driven_without_regard_to_the_others(self, driver):
        values = numbers(6, 2, 7)
        alone = quiet(driver).drive(values[2:3], VOLTAGE, AT).voltage
        assert torch.equal(alone, quiet(driver).drive(values, VOLTAGE, AT).voltage[2:3])

    @pytest.mark.parametrize("training", [True, False])
    def test_driving_what_is_encoded_changes_nothing_more(self, driver, training):
        at, values = AT._replace(training=training), numbers(50, 2, 7)
        encoded = driver.encode(values, at)
        assert encoded.shape == values.shape and encoded.dtype == values.dtype
        driven, again = driver.drive(values, VOLTAGE, at), driver.drive(encoded, VOLTAGE, at)
        assert torch.equal(driven.voltage, again.voltage) and torch.equal(driver.encode(encoded, at), encoded)

    def test_no_samples_are_no_error(self, driver):
        assert driver.drive(torch.zeros(0, 2, 7), VOLTAGE, AT).voltage.shape == (0, 2, 7)


def quiet(part: AbstractDriver) -> AbstractDriver:
    """A driver without its random errors."""
    if not isinstance(part, DAC):
        return part
    return part.replace(noise=0.0, gain_spread=0.0, offset_spread=0.0, stochastic_rounding=False)


class TestDAC:
    """Grid, range and errors of the digital-to-analogue converter."""

    @pytest.mark.parametrize("bits", [2, 3, 8, 12])
    def test_grid(self, bits):
        levels = 2 ** (bits - 1) - 1
        grid = volts(DAC(bits=bits), torch.linspace(-1, 1, 20 * levels + 1, dtype=torch.float64)[:, None]) * levels
        assert torch.allclose(grid, grid.round(), atol=1e-9)
        assert torch.equal(grid.round().unique(), torch.arange(-levels, levels + 1).double())
        values = numbers(1000, 1).double()
        assert (volts(DAC(bits=bits), values) - values).abs().max() <= 0.5 / levels + 1e-12

    def test_no_bits_no_grid(self):
        values = numbers(100, 3).double()
        assert torch.allclose(volts(DAC(bits=None), values), values, rtol=1e-15)

    def test_range_and_clipping(self):
        driven = volts(DAC(bits=None, input_range=4.0), torch.tensor([[-9.0, -4.0, -1.0, 0.0, 2.0, 4.0, 5.0]]))
        assert driven[0].tolist() == [-1, -1, -0.25, 0, 0.5, 1, 1]
        assert DAC(input_range=4.0).drive(torch.ones(1, 1, 1), VOLTAGE, AT).scale == 4

    def test_scaling_uses_the_whole_range_for_every_sample(self):
        values = numbers(5, 2, 7) * torch.logspace(-6, 6, 5)[:, None, None]
        driven = DAC(scaling="max", input_range=2.0).drive(values, VOLTAGE, AT)
        assert torch.allclose(driven.scale[:, 0, 0], 2 * values.abs().amax((1, 2)))
        exact = VOLTAGE * values / driven.scale
        assert torch.allclose(driven.voltage, exact, atol=0.5 * VOLTAGE / 127 + 1e-6)
        assert torch.allclose(driven.voltage.abs().amax((1, 2)), torch.tensor(VOLTAGE * 64 / 127))  # half the range

    def test_scaling_leaves_a_sample_of_zeros_alone(self):
        driven = DAC(scaling="max").drive(torch.zeros(2, 1, 3), VOLTAGE, AT)
        assert not driven.voltage.any() and (driven.scale == 1).all()

    def test_noise(self):
        dac = DAC(noise=0.01)
        errors = volts(dac, torch.full((1000, 100), 64 / 127)) - 64 / 127
        assert abs(float(errors.mean())) < 4 * 0.05 / math.sqrt(DRAWS) and relative_error(errors.std(), 0.05) < 0.01
        other = volts(dac, torch.full((1000, 100), 64 / 127), later(1)) - 64 / 127
        assert independent(errors, other)

    def test_gain_and_offset_belong_to_a_converter(self):
        dac, n = DAC(bits=None, gain_spread=0.1, offset_spread=0.004), DRAWS
        zero, full = (volts(dac, torch.full((2, n), value).double(), later(3)) for value in (0.0, 1.0))
        assert torch.equal(zero[0], zero[1]) and torch.equal(full[0], full[1])
        assert torch.equal(volts(dac, torch.zeros(1, n).double(), later(4))[0], zero[0])
        gain, offset = full[0] - zero[0], zero[0]
        assert relative_error(gain.mean(), 1) < 0.01 and relative_error(gain.std(), 0.1) < 0.015
        assert abs(float(offset.mean())) < 1e-3 and relative_error(offset.std(), 0.02) < 0.015
        assert independent(gain, offset)


class TestADC:
    """Grid, range and errors of the analogue-to-digital converter."""

    @pytest.mark.parametrize("bits", [2, 3, 8, 12])
    def test_grid(self, bits):
        levels, adc = 2 ** (bits - 1) - 1, ADC(bits=bits, output_range=5.0)
        sums = torch.linspace(-6, 6, 24 * levels + 1, dtype=torch.float64)[:, None]
        grid = sensed(adc, sums) * levels / 5
        assert torch.allclose(grid, grid.round(), atol=1e-9)
        assert torch.equal(grid.round().unique(), torch.arange(-levels, levels + 1).double())
        inside = sums[sums.abs() < 5, None]
        assert (sensed(adc, inside) - inside).abs().max() <= 2.5 / levels + 1e-9

    def test_range_clipping_and_zero(self):
        sums = torch.tensor([[-9.0, -4.0, -1.0, 0.0, 2.0, 4.0, 5.0]])
        adc = ADC(bits=None, output_range=4.0)
        assert torch.allclose(sensed(adc, sums), sums.clamp(-4, 4))
        for sense in (ADC(), ADC(bits=2), ADC(stochastic_rounding=True), adc):
            assert not sensed(sense, torch.zeros(100, 7)).any()

    def test_noise_is_a_current(self):
        adc = ADC(bits=None, noise=0.3 * UNIT)
        errors = sensed(adc, torch.full((1000, 100), 2.0)) - 2
        assert abs(float(errors.mean())) < 4 * 0.3 / math.sqrt(DRAWS) and relative_error(errors.std(), 0.3) < 0.01
        assert independent(errors, sensed(adc, torch.full((1000, 100), 2.0), later(1)))

    def test_noise_comes_before_clipping(self):
        assert sensed(ADC(noise=UNIT), torch.full((100, 100), 12.0)).max() == 12

    def test_gain_and_offset_belong_to_a_converter(self):
        adc, n = ADC(bits=None, output_range=100.0, gain_spread=0.1, offset_spread=0.2 * UNIT), DRAWS
        zero, full = (sensed(adc, torch.full((2, n), value).double(), later(3)) for value in (0.0, 10.0))
        assert torch.equal(zero[0], zero[1]) and torch.equal(full[0], full[1])
        assert torch.equal(sensed(adc, torch.zeros(1, n).double(), later(4))[0], zero[0])
        gain, offset = (full[0] - zero[0]) / 10, zero[0]
        assert relative_error(gain.mean(), 1) < 0.01 and relative_error(gain.std(), 0.1) < 0.015
        assert abs(float(offset.mean())) < 1e-2 and relative_error(offset.std(), 0.2) < 0.015
        assert independent(gain, offset)

    def test_tiles_have_converters_of_their_own(self):
        adc = ADC(bits=None, offset_spread=0.2 * UNIT)
        offsets = adc.sense(torch.zeros(2, 3, 4, 5), UNIT, AT)
        assert torch.equal(offsets, offsets[:, :, :1].expand_as(offsets))
        assert len(offsets[:, :, 0].unique()) == 2 * 3 * 5


@pytest.mark.parametrize("sharing", [1, 2, 3, 7, 100])
def test_lines_that_share_a_converter_share_its_errors(sharing):
    lines = 20
    group = torch.arange(lines) // sharing
    dac = DAC(bits=None, offset_spread=0.01, gain_spread=0.01, sharing=sharing)
    adc = ADC(bits=None, offset_spread=1e-7, gain_spread=0.01, sharing=sharing)
    comparator = Comparator(offset_spread=1.0, sharing=sharing)
    for errors in (
        dac.drive(torch.ones(1, 2, lines), VOLTAGE, AT).voltage[0],
        adc.sense(torch.full((2, 1, 1, lines), UNIT), UNIT, AT)[:, 0, 0],
    ):
        for tile in errors:
            assert torch.equal(tile[:, None] == tile, group[:, None] == group)
        assert not (errors[0] == errors[1]).any()
    offsets = sensed(comparator, torch.linspace(-4, 4, 100_001)[:, None].expand(-1, lines)).sum(0)
    assert torch.equal(offsets[:, None] == offsets, group[:, None] == group)


@pytest.mark.parametrize("bits", [3, 8, 16, 24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stochastic_rounding_is_right_on_average_and_never_leaves_the_grid(bits, dtype):
    dac = DAC(bits=bits, stochastic_rounding=True)
    levels = 2 ** (bits - 1) - 1
    for value in (-1.0, 0.0, 1.0):
        exact = torch.full((DRAWS, 1), value, dtype=dtype)
        assert torch.equal(dac.drive(exact[:, None], 1.0, AT).voltage[:, 0], exact)
    if bits < 24:
        for value in (-0.9, -0.3, 0.001, 0.5, 0.77):
            grid = dac.drive(torch.full((DRAWS, 1, 1), value, dtype=dtype), 1.0, AT).voltage * levels
            low = math.floor(value * levels)
            assert {round(float(step)) for step in grid.unique()} <= {low, low + 1}
            share = value * levels - low
            assert abs(float(grid.double().mean()) - low - share) < 4 * math.sqrt(share * (1 - share) / DRAWS) + 1e-3


def test_stochastic_rounding_of_a_sensed_current():
    sense = ADC(bits=3, output_range=1.0, stochastic_rounding=True)
    drawn = sensed(sense, torch.full((1000, 100), 0.4))
    assert {round(3 * float(v)) for v in drawn.unique()} == {1, 2}
    assert abs(float(drawn.mean()) - 0.4) < 0.002
    assert independent(drawn, sensed(sense, torch.full((1000, 100), 0.4), later(1)))


def independent(a: Tensor, b: Tensor) -> bool:
    pair = torch.stack([a.flatten(), b.flatten()])
    return bool(torch.corrcoef(pair)[0, 1].abs() < 5 / math.sqrt(a.numel()))


@pytest.mark.parametrize("sense", SENSE_CASES, ids=repr)
class TestSense:
    """Inherited by every sense."""

    def test_shape_type_and_determinism(self, sense):
        for dtype in (torch.float32, torch.float64):
            current = UNIT * numbers(2, 3, 6, 7, size=3.0).to(dtype)
            before = current.clone()
            values, again = (sense.sense(current, UNIT, AT) for _ in range(2))
            assert values.shape == current.shape and values.dtype == dtype
            assert torch.equal(values, again) and torch.equal(current, before)

    def test_no_samples_are_no_error(self, sense):
        assert sense.sense(torch.zeros(2, 3, 0, 7), UNIT, AT).shape == (2, 3, 0, 7)

    def test_a_decision_has_few_outcomes(self, sense):
        values = sensed(sense, numbers(1000, 7, size=3.0))
        assert sense.decides == (set(values.unique().tolist()) <= {-1.0, 0.0, 1.0})


def test_an_analogue_sense_passes_the_sum_on():
    sums = numbers(10, 7, size=100.0)
    assert torch.allclose(sensed(Analogue(), sums), sums, rtol=1e-6)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5])
def test_comparator(threshold):
    sums = torch.tensor([[-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0]]).double()
    unit = 2.0**-20  # so that dividing by it is exact
    outcome = Comparator(threshold=threshold).sense(sums[None, None] * unit, unit, AT)[0, 0]
    assert torch.equal(outcome, (sums > threshold).double())


@pytest.mark.parametrize("dead_zone", [0.0, 0.25, 1.0])
def test_ternary_comparator(dead_zone):
    sums = torch.tensor([[-2.0, -1.0, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 3.0]]).double()
    unit = 2.0**-20
    outcome = TernaryComparator(dead_zone=dead_zone).sense(sums[None, None] * unit, unit, AT)[0, 0]
    assert torch.equal(outcome, (sums > dead_zone).double() - (sums < -dead_zone).double())


def test_comparators_have_noise_and_fixed_offsets():
    odds = sensed(Comparator(noise=0.5), torch.full((1000, 100), 0.3)).mean()
    assert abs(float(odds) - stats.norm.cdf(0.3 / 0.5)) < 4 * 0.5 / math.sqrt(DRAWS)
    outcomes = sensed(Comparator(offset_spread=0.5), torch.full((3, DRAWS), 0.3))
    assert torch.equal(outcomes[0], outcomes[1]) and torch.equal(outcomes[0], outcomes[2])
    assert abs(float(outcomes[0].mean()) - stats.norm.cdf(0.3 / 0.5)) < 4 * 0.5 / math.sqrt(DRAWS)
    assert torch.equal(sensed(Comparator(offset_spread=0.5), torch.full((3, DRAWS), 0.3), later(5)), outcomes)


def test_switches():
    values = torch.tensor([[-2.0, -0.5, -0.1, 0.0, 0.1, 0.5, 0.6, 2.0]])
    assert volts(BinaryDriver(), values)[0].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert volts(BinaryDriver(threshold=0.0), values)[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert volts(TernaryDriver(), values)[0].tolist() == [-1, -1, -1, 0, 1, 1, 1, 1]
    assert volts(TernaryDriver(dead_zone=0.5), values)[0].tolist() == [-1, 0, 0, 0, 0, 0, 1, 1]
    assert BinaryDriver().drive(values[:, None], VOLTAGE, AT).scale == 1


def test_stochastic_driver():
    driver, training = StochasticBinaryDriver(), AT._replace(training=True)
    values = torch.tensor([0.0, 0.2, 0.7, 1.0, 1.5, -0.5]).expand(DRAWS, 6)
    fired = driver.encode(values, training)
    assert set(fired.unique().tolist()) == {0.0, 1.0}
    for odds, exact in zip(fired.mean(0).tolist(), [0, 0.2, 0.7, 1, 1, 0], strict=True):
        assert abs(odds - exact) <= 4 * math.sqrt(exact * (1 - exact) / DRAWS)
    assert independent(fired[:, 1], fired[:, 2])
    assert independent(fired[:, 1], driver.encode(values, training._replace(event=1))[:, 1])
    assert driver.encode(values, AT)[0].tolist() == [0, 0, 1, 1, 1, 0]


def test_what_drivers_and_senses_count_as():
    assert {driver.event for driver in DRIVER_CASES if isinstance(driver, DAC)} == {Event.DAC}
    assert {driver.event for driver in DRIVER_CASES if not isinstance(driver, DAC)} == {None}
    assert ADC().uses(7) == {Event.ADC: 7} and Analogue().uses(7) == {}
    assert Comparator().uses(7) == {Event.COMPARISON: 7} and TernaryComparator().uses(7) == {Event.COMPARISON: 14}
    joining = {type(sense) for sense in SENSE_CASES if sense.joins_tiles}
    assert joining == {Analogue, Comparator, TernaryComparator}


@pytest.mark.parametrize("neuron", NEURON_CASES, ids=repr)
class TestNeuron:
    """Inherited by every neuron."""

    def test_shape_type_and_determinism(self, neuron):
        for dtype in (torch.float32, torch.float64):
            sums = numbers(6, 7, size=5.0).to(dtype)
            fired, again = neuron.fire(sums, AT), neuron.fire(sums, AT)
            assert all(part.shape == sums.shape and part.dtype == dtype for part in fired)
            assert torch.equal(fired.output, again.output) and torch.equal(fired.derivative, again.derivative)

    def test_extreme_sums_are_finite(self, neuron):
        fired = neuron.fire(torch.tensor([[-1e30, -1e3, 0.0, 1e3, 1e30]]), AT)
        assert fired.output.isfinite().all() and fired.derivative.isfinite().all()

    def test_a_neuron_that_keeps_one_bit_has_a_derivative_of_one_bit(self, neuron):
        fired = neuron.fire(numbers(1000, 7, size=5.0), AT)
        if neuron.derivative_bits == 1:
            assert set(fired.derivative.unique().tolist()) <= {0.0, 1.0}
        assert neuron.binary == (set(fired.output.unique().tolist()) <= {0.0, 1.0})

    def test_counts_grow_with_the_neurons(self, neuron):
        for training in (True, False):
            one = neuron.uses(1, training)
            assert neuron.uses(10, training) == {event: 10 * n for event, n in one.items()}
            assert all(n >= 0 for n in one.values())


@pytest.mark.parametrize(
    ("neuron", "function"),
    [(ReLU(), torch.relu), (Sigmoid(), torch.sigmoid), (Tanh(), torch.tanh)],
    ids=["relu", "sigmoid", "tanh"],
)
def test_smooth_neurons_and_their_derivatives(neuron: AbstractNeuron, function):
    sums = numbers(50, 20, size=5.0).double().requires_grad_()
    fired, exact = neuron.fire(sums.detach(), AT), function(sums)
    exact.sum().backward()
    assert torch.allclose(fired.output, exact.detach(), rtol=1e-14)
    assert torch.allclose(fired.derivative, sums.grad, atol=1e-14) and neuron.uses(5, True) == {}


class TestBinaryStep:
    """The comparator neuron and its window."""

    def test_output_and_gate(self):
        sums = torch.tensor([[-5.0, -4.0, -3.9, -0.1, 0.0, 0.1, 3.9, 4.0]])
        fired = BinaryStep().fire(sums, AT)
        assert fired.output[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
        assert fired.derivative[0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0]
        assert BinaryStep(window=None).fire(sums, AT).derivative.tolist() == [[1.0] * 8]

    def test_noise_and_offset(self):
        odds = stats.norm.cdf(0.3 / 0.5)
        for neuron in (BinaryStep(noise=0.5), BinaryStep(offset_spread=0.5)):
            fired = neuron.fire(torch.full((3, DRAWS), 0.3), AT).output
            assert abs(float(fired[0].mean()) - odds) < 4 * 0.5 / math.sqrt(DRAWS)
            again = neuron.fire(torch.full((3, DRAWS), 0.3), later(1)).output
            assert torch.equal(fired, again) == torch.equal(fired[0], fired[1]) == bool(neuron.offset_spread)

    def test_counts(self):
        assert BinaryStep().uses(5, True) == {Event.COMPARISON: 15, Event.STORED_BIT: 10}
        assert BinaryStep().uses(5, False) == {Event.COMPARISON: 5, Event.STORED_BIT: 0}
        assert BinaryStep(window=None).uses(5, True) == {Event.COMPARISON: 5, Event.STORED_BIT: 5}


class TestStochasticBinary:
    """The noisy comparator: odds of the output, and of the bit that stands for the derivative."""

    @pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
    @pytest.mark.parametrize("a", [-2.0, 0.0, 0.7])
    def test_odds(self, a, temperature):
        fired = StochasticBinary(temperature=temperature).fire(torch.full((1000, 100), a), AT)
        p = 1 / (1 + math.exp(-a / temperature))
        for part, odds in ((fired.output, p), (fired.derivative, 4 * p * (1 - p))):
            assert set(part.unique().tolist()) <= {0.0, 1.0}
            assert abs(float(part.mean()) - odds) <= 4 * math.sqrt(odds * (1 - odds) / DRAWS)

    def test_output_and_derivative_and_events_are_independent(self):
        sums = torch.full((1000, 100), 0.7)
        first, second = (StochasticBinary().fire(sums, later(event)) for event in (0, 1))
        assert independent(first.output, first.derivative) and independent(first.output, second.output)
        assert independent(first.derivative, second.derivative)

    def test_counts(self):
        assert StochasticBinary().uses(5, True) == {Event.COMPARISON: 10, Event.STORED_BIT: 10}
        assert StochasticBinary().uses(5, False) == {Event.COMPARISON: 5, Event.STORED_BIT: 0}


def test_parts_of_an_address_do_not_share_numbers():
    for at in (AT, later(3), AT._replace(training=True)):
        child = at.child("drive")
        assert child[1:] == at[1:] and child.stream == at.stream.child("drive") != at.child("sense").stream
