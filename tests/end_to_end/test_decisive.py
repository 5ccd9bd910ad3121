"""Short versions of the decisive experiments of docs/decisive.md: the orderings, on single arrays."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from memlearn.datasets import Data, Digits
from memlearn.experiment.network import accuracy
from memlearn.learning.rules import SGD, AbstractRule, LowRankSGD, MultiTile, TikiTaka, TikiTakaV2
from memlearn.nn import tiles

FOLDER = Path(__file__).parents[2] / "experiments"


def load(name: str) -> ModuleType:
    """A program of the folder experiments, as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


toy = load("weight_programming")
squares = load("least_squares")
thin = load("low_rank_tiki_taka")


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for small arrays costs more than it saves."""
    torch.set_num_threads(1)


def test_wrong_references_break_v2_slow_the_chopped_rule_and_leave_agad_alone():
    # B2, B3, B4 and the collapse of SGD (B1): 20 states, references wrong by 0, 30 and 100 % of half the range.
    found = {
        name: toy.error(rule, 20, (0.0, 0.3, 1.0), seeds=1, products=1500) for name, rule in toy.rules(0.1, 1.0).items()
    }
    sgd, plain, chopped, agad = (found[name] for name in ("SGD", "Tiki-Taka v2", "chopped", "AGAD"))
    assert plain[0] < 0.6 * sgd[0] and chopped[0] < 0.6 * sgd[0]
    assert plain[1] > 2 * plain[0] and plain[2] > 5 * plain[0]
    assert chopped[0] < chopped[1] < chopped[2] < 0.6 * plain[2]
    assert max(agad) < 1.2 * min(agad) and agad[2] < 0.6 * chopped[2]


def test_the_floor_of_sgd_is_that_of_the_closed_form_and_residual_learning_has_none():
    # B5: noise of 0.2 and of 0.4 of half the range.
    rule = squares.SGD(learning_rate=4e-3)
    floors = [squares.slope(rule, sigma, products=8000) for sigma in (0.2, 0.4)]
    for found, sigma in zip(floors, (0.2, 0.4), strict=True):
        assert found == pytest.approx(squares.expected(sigma), rel=0.15)
    assert abs(squares.slope(squares.RESIDUAL, 0.4, products=2500)) < 0.2 * floors[1]


def test_a_calibration_costs_pulses_that_tracking_does_not():
    # B7 against K1: 20 states, symmetric points that spread by 0.4 of half the range.
    errors = {}
    for pairs in (0, 30):
        rule = squares.TikiTakaV2(learning_rate=0.1)
        made = squares.uncalibrated(rule, 20)
        made.tile.memory["reference1"].zero_()
        if pairs:
            done = squares.calibrate(made, squares.ZeroShifting(pairs=pairs, tolerance=0.0))
            assert next(iter(done.values())).pulses == 2 * pairs * squares.SIZE * squares.WIDTH
        squares.learn(made, rule, squares.target(), 1500)
        errors[pairs] = squares.rms(made, squares.target())
    tracked = squares.Tracked(learning_rate=0.1)
    made = squares.uncalibrated(tracked, 20)
    squares.learn(made, tracked, squares.target(), 1500)
    assert errors[30] < 0.7 * errors[0] and squares.rms(made, squares.target()) < 0.7 * errors[0]


@pytest.fixture(scope="module")
def digits() -> Data:
    """The embedded digits."""
    return Digits(validation=300).load(None)


def learnt(data: Data, rule: AbstractRule, epochs: int, constant: bool = False, **options) -> tuple[float, int]:
    """Accuracy in percent on images that did not train, and pulses of all cells, of 64-32-10 with 1200 states."""
    model = thin.learn(data, rule, thin.cells(constant), epochs, **options)
    pulses = sum(int(tile.counters[..., 0].sum()) for tile in tiles(model).values())
    return 100 * (accuracy(model, data.validation, 1000) or 0.0), pulses


def test_a_second_array_rescues_what_sgd_loses_on_soft_bounds(digits: Data):
    # B1: 1200 states, automatic gains; floating point reaches 93 to 94 % after as many epochs.
    assert learnt(digits, SGD(learning_rate=1.0), 3)[0] < 70
    for rule in (TikiTaka(), TikiTakaV2()):
        assert learnt(digits, rule, 3)[0] > 88


def test_more_tiles_pass_version_two_at_few_states():
    # B6: 4 states.
    rules = [TikiTakaV2(learning_rate=0.5)]
    rules += [MultiTile(learning_rate=0.5, arrays=n, gamma=0.5, slower=5, buffer="digital") for n in (2, 3)]
    errors = []
    for rule in rules:
        made = squares.layer(rule, squares.device(4), squares.WIDTH, seed=3)
        squares.learn(made, rule, squares.target(), 1000)
        errors.append(squares.rms(made, squares.target()))
    assert errors[1] < 0.8 * errors[0] and errors[2] < 0.97 * errors[1]


def test_thin_arrays_pass_on_what_they_gather(digits: Data):
    # B8: rank 8 beside 65 x 32 and 33 x 10 cells; with new weights ten times smaller than a transfer needs 20 %.
    assert learnt(digits, SGD(learning_rate=1.0), 2, rank=8, transfer_every=128)[0] > 50


def test_low_rank_sums_write_far_less_than_every_image(digits: Data):
    # C2: hardly worse after as many images, with a fraction of the pulses.
    plain = learnt(digits, SGD(learning_rate=0.1), 3, constant=True)
    rule = LowRankSGD(learning_rate=0.1, rank=10, samples=100, write="counts")
    summed = learnt(digits, rule, 3, constant=True)
    assert summed[0] > plain[0] - 10 and summed[1] < 0.25 * plain[1]
