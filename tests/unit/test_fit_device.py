"""Fits: parameters near the truth, the right law, honest warnings, a device that moves as the fit says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from memlearn.core.errors import DataError, InputError
from memlearn.core.random import Stream
from memlearn.devices import DeviceFit, Traces, fit, load
from memlearn.devices.fitting import kernels, run
from memlearn.devices.fitting.check import TwoSampleTest, two_sample
from memlearn.devices.fitting.export import device_class, neurosim
from memlearn.devices.fitting.hierarchy import scatter, scatter_root
from memlearn.devices.fitting.packed import pack
from memlearn.devices.fitting.select import Score, blocks, choose, folds
from tests.fit_data import SCALE, SHAPES, ZERO, synthetic


@pytest.fixture(scope="module")
def linear() -> DeviceFit:
    return fit(synthetic("linear_step", 1), "linear_step", thorough=False)


def test_intervals_hold_the_truth(linear: DeviceFit):
    truth = {"slope_up": 0.4, "slope_down": 0.7, "cycle_to_cycle": 0.3, "read": 0.01 * SCALE, "g_min": ZERO,
             "g_max": ZERO + SCALE, "step_up": SCALE / 50 * math.exp(0.05)}  # fmt: skip
    outside = [n for n, v in truth.items() if not linear[n].low <= v <= linear[n].high]  # type: ignore[operator]
    assert len(outside) <= 1, outside
    assert linear["read"].high < 1.3 * linear["read"].low  # type: ignore[operator]


def test_figures(linear: DeviceFit):
    found = linear.figures()
    assert found is not None
    assert found.states == pytest.approx(50, rel=0.3)
    assert found.effective_states < found.states
    assert found.symmetry_relative is not None and 0.3 < found.symmetry_relative < 0.8


def test_the_law_is_chosen_by_held_out_likelihood():
    found = fit(synthetic("soft_bounds", 2, devices=3), thorough=False)
    assert found.law == "soft_bounds"
    assert [score.chosen for score in found.scores].count(True) == 1
    assert found.scores[0].held_out == max(score.held_out for score in found.scores)
    assert {score.law for score in found.scores} >= {"constant_step", "power_step", "piecewise_step", "jump_table"}


def heavy_tailed() -> Traces:
    """Steps most of which are nothing, and some large: no normal noise is like that."""
    generator = np.random.Generator(np.random.Philox(key=12))
    up = np.tile(np.r_[np.ones(100, bool), np.zeros(100, bool)], 4)
    g = [5e-6]
    for way in up[1:]:
        drift = (1.2e-5 - g[-1] if way else g[-1] - 2e-6) * 0.02
        jump = drift + 4e-7 * generator.standard_normal() * (generator.random() < 0.1)
        g.append(float(np.clip(g[-1] + (jump if way else -jump), 2e-6, 1.2e-5)))
    return Traces.of([np.array(g)], [up])


def test_steps_that_no_law_makes_are_drawn_from_the_measured_ones():
    found = fit(heavy_tailed(), thorough=False)
    assert found.law == "jump_table"
    assert [score.law for score in found.scores if score.chosen] == ["jump_table"]


@pytest.mark.parametrize(
    "passing, law, said",
    [
        ({}, "soft_bounds", "A jump table does not either"),
        ({"jump_table": 0.5}, "jump_table", "So the steps are drawn from the measured ones"),
        ({"jump_table": 0.03}, "soft_bounds", "A jump table does not either"),
        ({"linear_step": 0.5}, "linear_step", "but not the two-sample test; linear step passes it"),
        ({"soft_bounds": 0.02}, "soft_bounds", ""),
    ],
)
def test_what_takes_the_place_of_a_law_that_fails(
    passing: dict[str, float], law: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    traces = synthetic("soft_bounds", 2, devices=2, cycles=1)
    packed, laws = pack(traces), ("soft_bounds", "linear_step")
    found_laws = {kind: run._sketched(traces, packed, kind, ()) for kind in laws}
    scores = tuple(Score(kind, 0, 0.0, 0.0, 0.0, 1.0, kind == "soft_bounds") for kind in (*laws, "jump_table"))
    monkeypatch.setattr(
        DeviceFit, "test", lambda own: TwoSampleTest(p := passing.get(own.law, 0.005), p > 0.01, 199, ())
    )
    found = run._tested(traces, packed, found_laws, scores, "soft_bounds", thorough=False)
    assert found.law == law
    assert said in found.warnings[0]
    assert [score.law for score in found.scores if score.chosen] == [law]


def test_too_few_pulses_for_a_table_are_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(DeviceFit, "test", lambda own: TwoSampleTest(0.005, False, 199, ()))
    found = fit(synthetic("soft_bounds", 2, devices=1, cycles=1, pulses=50), thorough=False)
    assert "there are too few single pulses" in found.warnings[0] and found.law != "jump_table"


def test_one_device_few_pulses_and_a_bound_out_of_reach_are_said():
    up = np.r_[np.ones(30, bool), np.zeros(30, bool)]
    generator = np.random.Generator(np.random.Philox(key=4))
    steps = np.where(up, 1, -1) * (1 + 0.2 * generator.standard_normal(60))
    g = 5e-6 + 1e-8 * np.cumsum(steps)
    found = fit(Traces.of([g], [up]), "constant_step", thorough=False)
    said = " ".join(found.warnings)
    for text in ("30 down pulses", "One device only", "upper bound is never approached", "cannot tell noise relative"):
        assert text in said
    assert found["g_max"].high is None and "not approached" in found["g_max"].note
    assert found["step_up"].value == pytest.approx(1e-8, rel=0.1)


def test_dimensionless_data_keep_no_relative_read_noise():
    traces = synthetic("soft_bounds", 5, devices=1)
    traces = Traces.of(traces.conductance, traces.up, affine=(0.0, 1.0))
    found = fit(traces, "soft_bounds", thorough=False)
    assert found["read_relative"].value == 0
    assert any("dimensionless" in text for text in found.warnings)


@pytest.mark.parametrize("law", [*SHAPES, "piecewise_step", "neurosim_curve", "jump_table"])
def test_the_device_has_the_steps_of_the_fit(law: str):
    traces = synthetic(law if law in SHAPES else "linear_step", 3, devices=2)
    found = fit(traces, law, thorough=False)
    device = found.device()
    assert device.kind == law  # type: ignore[attr-defined]
    if found.estimate is None:
        return
    quiet = {"cycle_to_cycle": {}, "device_to_device": {}, "read_noise": {}}
    table = {**found.export().table, **quiet}
    state = device_class(law).from_table(table).init((1, 1, 1, 1), Stream.root(0), torch.float64)
    task, theta = found.estimate.task, found.estimate.point.theta
    scale, offset = found.packed.scale, found.packed.offset
    middle = 0.5 * (theta[kernels.LOWER] + theta[kernels.UPPER])
    for way in (True, False):
        size = kernels.step_at(task.law.code, theta, task.middle, float(middle), way)[0]
        cell = device_class(law).from_table(table)
        factor = (1 + cell.asymmetry if way else 1 - cell.asymmetry) * cell.middle_factor(way)
        assert cell.mean_step * factor == pytest.approx(scale * size, rel=0.01)
    assert float(state.conductance) == pytest.approx(offset + scale * middle, rel=1e-3)


def test_saved_and_loaded(linear: DeviceFit, tmp_path: Path):
    path = linear.save(tmp_path / "my_device.toml", sources=("made up",))
    preset = load(path)
    assert preset.name == "my_device" and preset.sources == ("made up",)
    assert preset.device == linear.device()
    assert "two_sample_p" in preset.residuals
    with pytest.raises(InputError, match="is a folder"):
        linear.save(tmp_path)


def test_simulated_traces_pass_the_two_sample_test_and_others_do_not(linear: DeviceFit):
    assert linear.test().passed
    assert len(linear.simulate(1).conductance) == 4
    assert not np.array_equal(linear.simulate(1).conductance[0], linear.simulate(2).conductance[0])
    wrong = fit(synthetic("soft_bounds", 6, devices=2), "constant_step", thorough=False).test()
    assert not wrong.passed and wrong.where()


def test_the_two_sample_test_is_calibrated(linear: DeviceFit):
    generator = np.random.Generator(np.random.Philox(key=11))
    draw = linear._draw
    small = [two_sample(linear.packed._replace(y=draw(generator)), draw, seed, 60).p_value for seed in range(30)]
    assert np.mean(np.array(small) <= 0.1) < 0.3
    assert 0.3 < np.mean(small) < 0.7


def test_chosen_is_the_simplest_within_a_standard_error():
    generator = np.random.Generator(np.random.Philox(key=1))
    base = generator.standard_normal(100)
    close = base + 0.1 * generator.standard_normal(100) - 0.001
    scores = {"simple": close, "complex": base, "bad": base - 1}
    rows = choose(scores, {"simple": 0, "complex": 3, "bad": 0}, 1000)
    assert next(row.law for row in rows if row.chosen) == "simple"
    assert rows[0].law == "complex" or rows[0].law == "simple"


def test_blocks_are_dealt_to_folds_evenly():
    packed = pack(synthetic("constant_step", 1, devices=2))
    block = blocks(packed)
    count, fold = folds(block)
    assert count == 5 and (fold[packed.starts[:-1]] == -1).all()
    assert np.bincount(fold[fold >= 0]).min() > 0.15 * (fold >= 0).sum()


def test_spread_without_the_uncertainty_of_estimates():
    generator = np.random.Generator(np.random.Philox(key=2))
    variance = np.full(2000, 0.5**2)
    value = 0.3 * generator.standard_normal(2000) + 0.5 * generator.standard_normal(2000)
    assert scatter_root(value, variance, 1999, 10) == pytest.approx(0.3, abs=0.05)
    assert scatter_root(0.1 * value, variance, 1999, 10) == 0
    assert scatter_root(1000 * value, variance, 1999, 10) == 10
    assert scatter(value, variance, 0.3) == pytest.approx(1999, rel=0.1)


def test_what_is_refused():
    traces = synthetic("constant_step", 1, devices=1)
    with pytest.raises(InputError, match="unknown law"):
        fit(traces, "cubic")
    short = Traces.of([traces.conductance[0][90:110]], [traces.up[0][90:110]])
    with pytest.raises(DataError, match="too few to choose"):
        fit(short)
    with pytest.raises(DataError, match="too few single pulses"):
        fit(short, "jump_table")
    with pytest.raises(InputError, match="no device of this kind"):
        device_class("cubic")
    with pytest.raises(InputError, match="no NeuroSim label"):
        neurosim(1.2, 0.5, 0.01, 0.01, 1.0)
    found = fit(traces, "constant_step", thorough=False)
    with pytest.raises(InputError, match="is none of"):
        found["slope"]
