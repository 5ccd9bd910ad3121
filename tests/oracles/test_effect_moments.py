"""Every stochastic effect against its stated moments and distribution, with fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal, stats
from torch import Tensor

from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import AbstractDevice, ConstantStep, DeviceState, SoftBounds
from memlearn.devices.effects import (
    CycleToCycle,
    Drift,
    Endurance,
    FlickerNoise,
    Relaxation,
    Retention,
    TelegraphNoise,
    WriteNoise,
)
from memlearn.devices.effects.base import arrhenius

ROOT = Stream.root(31)
MANY = (1, 1, 100, 1000)
N = math.prod(MANY)
WIDE = {"g_min": 1e-6, "g_max": 101e-6}


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    torch.set_num_threads(1)


def cells(device: AbstractDevice, g: float | None = None, shape: tuple[int, ...] = MANY) -> DeviceState:
    """Equal cells in double precision, at a conductance (S)."""
    state = device.init(shape, ROOT, torch.float64)
    if g is not None:
        state.conductance.fill_(g)
    return state


def pulse(device: AbstractDevice, state: DeviceState, n: int, event: int = 0) -> DeviceState:
    counts = torch.full(state.conductance.shape, n, dtype=torch.int32)
    return device.pulse(state, Counts(counts), ROOT, event)[0]


def is_normal(x: Tensor, mean: float, deviation: float) -> None:
    """Mean within 5 standard errors, deviation within 1.5 %, Kolmogorov-Smirnov at one in a thousand."""
    assert abs(float(x.mean()) - mean) < 5 * deviation / math.sqrt(x.numel())
    assert abs(float(x.std()) / deviation - 1) < 0.015
    assert stats.kstest(((x - mean) / deviation).flatten().numpy(), "norm").pvalue > 1e-3


class TestCycleToCycle:
    """Three terms: of the step, of the range, of the height above the lower bound."""

    @pytest.mark.parametrize(("term", "unit"), [("range_spread", 100e-6), ("slope", 50e-6)])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_one_pulse(self, term, unit, sign):
        device = ConstantStep(**WIDE, states=1000, cycle_to_cycle=CycleToCycle(**{term: 0.02}))
        moved = pulse(device, cells(device), sign).conductance - device.middle
        is_normal(moved, sign * device.mean_step, 0.02 * unit)

    @pytest.mark.parametrize("term", ["spread", "range_spread"])
    def test_pulses_add_in_variance(self, term):
        for n in (1, 4, 25):
            device = ConstantStep(**WIDE, states=1000, cycle_to_cycle=CycleToCycle(**{term: 0.002}))
            moved = pulse(device, cells(device), n).conductance - device.middle
            unit = device.mean_step if term == "spread" else device.range
            is_normal(moved, n * device.mean_step, 0.002 * unit * math.sqrt(n))

    def test_both_published_scalings_are_one_at_mid_range(self):
        # NeuroSim's x % of the range is x times the number of states, of a step: 3.5 % of 97 states is 340 %.
        ends = []
        for spread in (CycleToCycle(spread=0.035 * 97), CycleToCycle(range_spread=0.035)):
            device = ConstantStep(**WIDE, states=97, cycle_to_cycle=spread)
            ends.append(pulse(device, cells(device), 1).conductance)
        assert torch.allclose(*ends, rtol=1e-6)

    def test_at_a_soft_bound_only_the_scaling_of_the_step_is_silent(self):
        for spread, silent in ((CycleToCycle(spread=0.5), True), (CycleToCycle(range_spread=0.01), False)):
            device = SoftBounds(**WIDE, cycle_to_cycle=spread)
            moved = pulse(device, cells(device, 101e-6), 1).conductance - 101e-6
            assert bool(moved.abs().max() < 1e-12) is silent
            if not silent:  # half of the draws point back into the range
                assert abs(float((moved < 0).double().mean()) - 0.5) < 0.01
                assert abs(float((moved**2).sum() / (moved < 0).sum()) / 1e-6**2 - 1) < 0.03

    def test_slope_grows_with_the_height_above_the_lower_bound(self):
        device = ConstantStep(**WIDE, states=1000, cycle_to_cycle=CycleToCycle(slope=0.02))
        for g in (11e-6, 81e-6):
            moved = pulse(device, cells(device, g), 1).conductance - g
            is_normal(moved, device.mean_step, 0.02 * (g - 1e-6))


class TestWriteNoise:
    """Redrawn by every write, the same in between; the state moves by the law."""

    device = ConstantStep(**WIDE, write_noise=WriteNoise(relative=0.03, absolute=1e-6))

    def test_moments(self):
        state = pulse(self.device, cells(self.device, 40e-6), 3)
        g = 40e-6 + 3 * self.device.mean_step
        assert torch.allclose(state.conductance, torch.tensor(g, dtype=torch.float64), rtol=1e-12)
        is_normal(self.device.visible(state), g, math.hypot(0.03 * g, 1e-6))

    def test_writes_are_independent(self):
        state = cells(self.device)
        seen = [self.device.visible(state) - state.conductance]
        for event in range(2):
            state = pulse(self.device, state, 1, event)
            seen.append(self.device.visible(state) - state.conductance)
        rows = torch.stack(seen).reshape(3, -1)
        assert (torch.corrcoef(rows) - torch.eye(3)).abs().max() < 5 / math.sqrt(N)

    def test_new_cells_may_have_been_verified(self):
        verified = self.device.replace(write_noise=self.device.write_noise.replace(new_cells=False))
        state = cells(verified, 40e-6)
        assert torch.equal(verified.visible(state), state.conductance)
        assert not torch.equal(verified.visible(pulse(verified, state, 1)), pulse(verified, state, 1).conductance)

    def test_time_does_not_matter(self):
        state = cells(self.device)
        before = self.device.visible(state)
        assert torch.equal(self.device.visible(self.device.relax(state, 1e3, ROOT, 0)), before)


class TestFlickerNoise:
    """Stationary, with the stated covariance and a spectrum of 1/f."""

    device = ConstantStep(**WIDE, flicker=FlickerNoise(relative=0.02, absolute=1e-7, fastest=1e-2, slowest=1e3))

    def test_moments_at_any_time(self):
        state, sigma = cells(self.device, 50e-6), math.hypot(1e-6, 1e-7)
        for event, wait in enumerate((0.0, 0.02, 5.0, 1e5)):
            state = self.device.relax(state, wait, ROOT, event)
            is_normal(self.device.visible(state), 50e-6, sigma)
            assert (state.conductance == 50e-6).all()

    def test_covariance(self):
        effect, state = self.device.flicker, cells(self.device)
        first = (self.device.visible(state) - self.device.middle).flatten()
        passed = 0.0
        for event, wait in enumerate((0.05, 1.0, 20.0, 200.0)):
            state, passed = self.device.relax(state, wait, ROOT, event), passed + wait
            now = (self.device.visible(state) - self.device.middle).flatten()
            expected = np.mean([math.exp(-passed / tau) for tau in effect.time_constants])
            assert abs(float(torch.corrcoef(torch.stack([first, now]))[0, 1]) - expected) < 0.015

    @pytest.mark.parametrize("modes", [1, 3])
    def test_spectrum_is_one_over_f(self, modes):
        effect = FlickerNoise(absolute=1e-6, fastest=3e-3, slowest=30.0, modes_per_decade=modes)
        device = ConstantStep(**WIDE, flicker=effect)
        state, series = cells(device, shape=(1, 1, 20, 20)), []
        for event in range(4096):
            state = device.relax(state, 0.01, ROOT, event)
            series.append(device.visible(state).flatten())
        f, power = signal.welch(torch.stack(series).numpy() - device.middle, 100, nperseg=2048, axis=0)
        band = (f > 0.1) & (f < 8)
        slope, level = np.polyfit(np.log10(f[band]), np.log10(power.mean(1)[band]), 1)
        assert abs(slope + 1) < 0.06
        assert abs(10**level / (1e-12 / math.log(1e4)) - 1) < 0.1

    def test_growth_with_time_is_the_share_of_the_spectrum(self):
        # sigma(t) = q sqrt(ln((t + t_read) / (2 t_read))): variance between the frequencies 1/t and 1/(2 t_read).
        q, t_read, t = 0.01, 1e-6, 1e4
        effect = FlickerNoise(relative=q * math.sqrt(math.log(1e14)), fastest=1e-8, slowest=1e6, modes_per_decade=4)
        f = np.geomspace(1 / t, 1 / (2 * t_read), 20_000)
        modes = [4 * tau / (1 + (2 * np.pi * f * tau) ** 2) for tau in effect.time_constants]
        variance = effect.relative**2 * np.trapezoid(np.mean(modes, axis=0), f)
        assert abs(math.sqrt(variance) / (q * math.sqrt(math.log((t + t_read) / (2 * t_read)))) - 1) < 0.01


class TestTelegraphNoise:
    """Two levels in some cells, with exponential dwell times."""

    effect = TelegraphNoise(fraction=0.4, relative=0.1, absolute=1e-6, time_high=3.0, time_low=1.0)
    device = ConstantStep(**WIDE, telegraph=effect)

    def test_levels_and_moments(self):
        state, a, p = cells(self.device, 50e-6), 6e-6, 0.75
        for event, wait in enumerate((0.0, 0.4, 100.0)):
            state = self.device.relax(state, wait, ROOT, event)
            moved = self.device.visible(state) - 50e-6
            jumping = moved != 0
            assert abs(int(jumping.sum()) - 0.4 * N) < 5 * math.sqrt(0.24 * N)
            upper = moved[jumping] > 0
            assert torch.allclose(moved[jumping], torch.where(upper, a * (1 - p), -a * p).double(), rtol=1e-6)
            n = int(jumping.sum())
            assert abs(int(upper.sum()) - p * n) < 5 * math.sqrt(p * (1 - p) * n)
            assert abs(float(moved[jumping].var()) / (a**2 * p * (1 - p)) - 1) < 0.02

    def test_dwell_times_are_exponential(self):
        device = self.device.replace(telegraph=self.effect.replace(fraction=1.0))
        state, step, levels = cells(device, shape=(1, 1, 20, 50)), 0.05, []
        for event in range(1500):
            state = device.relax(state, step, ROOT, event)
            levels.append((state.memory[..., 0] > 0).flatten())
        series = torch.stack(levels).T.numpy()
        for upper, dwell in ((True, 3.0), (False, 1.0)):
            lengths = np.concatenate([runs(row, upper) for row in series])
            # Seen every `step` seconds, the level stays the same with the probability of an even number of jumps.
            other = 0.75 if not upper else 0.25
            stay = 1 - other * (1 - math.exp(-step * (1 / 3 + 1)))
            assert abs(lengths.mean() * (1 - stay) - 1) < 4 / math.sqrt(len(lengths)) * 1.5
            assert abs(lengths.mean() * step / dwell - 1) < 0.1
            edges = stats.geom.ppf(np.linspace(0.1, 0.9, 9), 1 - stay)
            found = np.searchsorted(np.sort(lengths), edges, side="right")
            expected = stats.geom.cdf(edges, 1 - stay) * len(lengths)
            assert np.abs(found - expected).max() < 2.5 * math.sqrt(len(lengths))

    def test_correlation_falls_exponentially(self):
        state = cells(self.device)
        first = (self.device.visible(state) - self.device.middle).flatten()
        now = (self.device.visible(self.device.relax(state, 0.5, ROOT, 0)) - self.device.middle).flatten()
        assert abs(float(torch.corrcoef(torch.stack([first, now]))[0, 1]) - math.exp(-0.5 * 4 / 3)) < 0.015

    def test_cells_differ_log_normally(self):
        effect = self.effect.replace(fraction=1.0, amplitude_spread=0.5, dwell_spread=0.8)
        memory = cells(ConstantStep(**WIDE, telegraph=effect)).memory
        is_normal(memory[..., 1].log(), 0.0, 0.5)
        is_normal(memory[..., 2].log(), 0.0, 0.8)


def runs(row: np.ndarray, value: bool) -> np.ndarray:
    """Lengths of the runs of a value, but those that touch the ends."""
    edges = np.flatnonzero(np.diff(row)) + 1
    return np.diff(edges)[row[edges[:-1]] == value]


class TestRelaxation:
    """Shift and spread with the time since the write, of every record and of one's own."""

    def test_records_are_the_published_figures(self):
        hfox = Relaxation(statistics="hfox_neurram")
        g = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
        for seconds, row in (
            (1.0, (0.348, 16.030, -43.853, 45.393, -16.815)),
            (86_400.0, (0.701, 22.086, -50.773, 47.095, -16.458)),
        ):
            mean, sigma = hfox.moments(40e-6 * g, torch.tensor(seconds))
            assert torch.allclose(sigma, 1e-6 * sum(c * g**k for k, c in enumerate(row)), rtol=1e-9)
            assert not mean.any()
        cmo = Relaxation(statistics="cmo_hfox")
        for seconds in (1.0, 30.0, 1e3, 1e6):
            mean, sigma = cmo.moments(40e-6 * g, torch.tensor(seconds, dtype=torch.float64))
            logarithm = math.log(seconds)
            assert torch.allclose(mean, torch.full_like(g, -0.0890e-6 * logarithm), rtol=2e-3, atol=1e-9)
            assert torch.allclose(sigma, torch.full_like(g, 1e-6 * (0.0420 * logarithm + 0.4118)), rtol=1e-3)

    @pytest.mark.parametrize(
        ("statistics", "g"), [("hfox_neurram", 20e-6), ("rram_tech_b", 50e-6), ("cmo_hfox", 50e-6)]
    )
    def test_moments_after_waits(self, statistics, g):
        effect = Relaxation(statistics=statistics)
        device = ConstantStep(g_min=0.0, g_max=150e-6, relaxation=effect)
        state, passed = cells(device, g), 0.0
        for event, wait in enumerate((0.005, 0.495, 99.5, 1e5)):
            state, passed = device.relax(state, wait, ROOT, event), passed + wait
            mean, sigma = effect.moments(torch.tensor(g), torch.tensor(passed))
            if sigma < 0.2 * g:  # else the lower bound cuts the distribution
                is_normal(state.conductance, g + float(mean), float(sigma))

    def test_changes_of_different_times_are_independent(self):
        device = ConstantStep(**WIDE, relaxation=Relaxation(statistics="cmo_hfox"))
        state = cells(device, 50e-6)
        path = [state.conductance.clone()]
        for event, wait in enumerate((0.1, 1.0, 10.0)):
            state = device.relax(state, wait, ROOT, event)
            path.append(state.conductance.clone())
        rows = torch.stack(path).diff(dim=0).reshape(3, -1)
        assert (torch.corrcoef(rows) - torch.eye(3)).abs().max() < 5 / math.sqrt(N)

    def test_a_write_starts_the_clock_anew(self):
        device = ConstantStep(**WIDE, states=1000, relaxation=Relaxation(statistics="cmo_hfox"))
        state = device.relax(cells(device, 50e-6), 100.0, ROOT, 0)
        state = pulse(device, state, 1)
        written = state.conductance.clone()
        _, sigma = device.relaxation.moments(torch.tensor(50e-6), torch.tensor(1.0))
        moved = device.relax(state, 1.0, ROOT, 1).conductance - written
        is_normal(moved, float(moved.mean()), float(sigma))

    def test_heat_makes_time_run_faster(self):
        hot = ConstantStep(**WIDE, relaxation=Relaxation(statistics="cmo_hfox", activation_energy=0.6))
        cold = hot.replace(relaxation=Relaxation(statistics="cmo_hfox"))
        faster = arrhenius(0.6, 400.0, 300.0)
        assert faster == pytest.approx(math.exp(0.6 / 8.617333e-5 * (1 / 300 - 1 / 400)), rel=1e-6)
        ends = [
            hot.relax(cells(hot, 50e-6), 10.0, ROOT, 0, temperature=400.0),
            cold.relax(cells(cold, 50e-6), 10.0 * faster, ROOT, 0, temperature=400.0),
        ]
        assert torch.allclose(ends[0].conductance, ends[1].conductance, rtol=1e-12)


class TestDrift:
    """Power law of the time since the write."""

    def test_power_law(self):
        device = ConstantStep(**WIDE, drift=Drift(mean=0.05, start_time=2.0))
        state = cells(device, 50e-6)
        assert (device.relax(state, 1.9, ROOT, 0).conductance == 50e-6).all()
        state = device.relax(state, 998.1, ROOT, 1)
        assert torch.allclose(state.conductance, torch.tensor(50e-6 * 500**-0.05, dtype=torch.float64), rtol=1e-9)
        state = pulse(device, state, 1)
        assert (device.relax(state, 1.0, ROOT, 2).conductance == state.conductance).all()

    def test_exponents_of_cells_and_writes(self):
        effect = Drift(mean=0.06, cell_spread=0.008, write_spread=0.006, start_time=1.0)
        device = ConstantStep(**WIDE, states=10_000, drift=effect)
        state, found = cells(device), []
        for event in range(2):
            before = state.conductance.clone()
            state = device.relax(state, math.e**2, ROOT, event)
            found.append((before / state.conductance).log().flatten() / 2)
            is_normal(found[-1], 0.06, 0.01)
            state = pulse(device, state, 1, event)
        assert abs(float(torch.corrcoef(torch.stack(found))[0, 1]) - 0.64) < 0.01

    def test_phase_change_statistics(self):
        device = ConstantStep(g_min=0.0, g_max=60e-6, drift=Drift(statistics="pcm"))
        for g in (0.05, 0.2, 1.0):
            state = device.relax(cells(device, 25e-6 * g), 20 * math.e**3, ROOT, 0)
            nu = (25e-6 * g / state.conductance).log() / 3
            mean = np.clip(-0.0155 * math.log(g) + 0.0244, 0.049, 0.1)
            spread = np.clip(-0.0125 * math.log(g) - 0.0059, 0.008, 0.045)
            if spread < 0.25 * mean:
                is_normal(nu, mean, spread)
            folded = stats.foldnorm(mean / spread, scale=spread)
            assert abs(float(nu.mean()) - folded.mean()) < 5 * spread / math.sqrt(N) and (nu >= 0).all()
            assert stats.kstest(nu.flatten().numpy()[::10], folded.cdf).pvalue > 1e-3


class TestRetention:
    """Exponential approach to rest."""

    def test_closed_form(self):
        device = ConstantStep(**WIDE, retention=Retention(time_constant=4.0, rest=0.25, activation_energy=0.5))
        state = cells(device, 90e-6)
        rest = 26e-6
        state = device.relax(device.relax(state, 1.0, ROOT, 0), 3.0, ROOT, 1, temperature=330.0)
        lapse = (1 + 3 * arrhenius(0.5, 330.0, 300.0)) / 4
        expected = rest + (90e-6 - rest) * math.exp(-lapse)
        assert torch.allclose(state.conductance, torch.tensor(expected, dtype=torch.float64), rtol=1e-12)

    def test_time_constants_are_log_normal(self):
        device = ConstantStep(**WIDE, retention=Retention(time_constant=4.0, spread=0.7))
        state = device.relax(cells(device, 90e-6), 0.5, ROOT, 0)
        tau = -0.5 / ((state.conductance - 1e-6) / 89e-6).log()
        is_normal(tau.log(), math.log(4.0), 0.7)


class TestEndurance:
    """Lifetimes, the closing window, and what is left of a cell."""

    @pytest.mark.parametrize("distribution", ["log_normal", "weibull"])
    def test_lifetimes(self, distribution):
        effect = Endurance(lifetime=1000.0, spread=0.4, distribution=distribution)
        device = ConstantStep(**WIDE, states=1000, endurance=effect)
        life = cells(device).memory[..., 0].flatten().numpy()
        law = stats.lognorm(0.4, scale=1000) if distribution == "log_normal" else stats.weibull_min(2.5, scale=1000)
        assert stats.kstest(life, law.cdf).pvalue > 1e-3
        state = pulse(device, cells(device), 700)
        share = float(law.sf(700))
        assert abs(int((~state.stuck).sum()) - share * N) < 5 * math.sqrt(share * (1 - share) * N)
        assert effect.survivors(700) == pytest.approx(share, rel=1e-9)

    def test_survivors_at_the_ends(self):
        assert Endurance().survivors(1e9) == 1.0
        assert Endurance(lifetime=10.0).survivors(9) == 1.0 and Endurance(lifetime=10.0).survivors(10) == 0.0

    @pytest.mark.parametrize(("failure", "place"), [("last", 71e-6), ("low", 1e-6), ("high", 101e-6)])
    def test_where_worn_out_cells_stick(self, failure, place):
        device = ConstantStep(**WIDE, states=1000, endurance=Endurance(lifetime=200.0, failure=failure))
        state = pulse(device, cells(device), 199)
        assert not state.stuck.any()
        state = pulse(device, state, 1, 1)
        assert state.stuck.all() and torch.allclose(state.conductance, torch.tensor(place, dtype=torch.float64))
        after = pulse(device, state, -50, 2)
        assert torch.allclose(after.conductance, torch.tensor(place, dtype=torch.float64))
        assert (after.counters[..., 0] == 250).all()

    def test_the_window_closes(self):
        effect = Endurance(lifetime=1000.0, failure="none", closing=0.6, exponent=0.5)
        device = ConstantStep(**WIDE, states=1000, endurance=effect)
        state = cells(device)
        for event, n in enumerate((250, -500, 750)):  # 250, 750, 1500 pulses
            state = pulse(device, state, n, event)
            used = min(1.0, float(state.counters[0, 0, 0, 0, 0]) / 1000)
            half = 50e-6 * (1 - 0.6 * math.sqrt(used))
            for column, sign in ((0, -1), (1, 1)):
                bound = torch.tensor(51e-6 + sign * half, dtype=torch.float64)
                assert torch.allclose(state.parameters[..., column], bound, rtol=1e-12)
        assert torch.allclose(state.conductance, torch.tensor(71e-6, dtype=torch.float64))
