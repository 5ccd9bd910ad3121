"""Writes counted beside those of simpler rules, lifetimes, and the quantised yardstick."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Factors, Trains
from memlearn.devices import ConstantStep
from memlearn.experiment import Interrupted, resume, run
from memlearn.experiment.config import Wear
from memlearn.experiment.session import begin
from memlearn.experiment.writes import images_to_first_failure
from memlearn.learning import Rule, siamese
from memlearn.learning.census import Census, Summed, Writes
from memlearn.learning.loop import train_batch
from memlearn.learning.plain import PlainSGD, StraightThroughSGD
from memlearn.nn import Linear, attach_ledger
from memlearn.programming import Targets
from memlearn.programming.schemes import WriteVerify
from memlearn.report import write_report
from memlearn.tile import Array, Crossbar, Tile
from tests.end_to_end.small import figures, small
from tests.end_to_end.test_resume import StopAt

FINE = Array(device=ConstantStep(states=1e4))


def tile(rows: int = 3, columns: int = 2, most: int = 1024) -> Tile:
    return Tile(rows, columns, array=Array(crossbar=Crossbar(rows=most, columns=2 * most)), stream=Stream.root(0))


class TestCensus:
    """What is counted, by hand."""

    gradient = torch.tensor([[4.0, -2.0], [0.0, 0.0], [0.1, 0.0]])

    @pytest.mark.parametrize(
        ("parallel", "turns"),
        [("cell", (6, 3, 2)), ("row", (3, 2, 1)), ("column", (2, 2, 2)), ("array", (1, 1, 1))],
    )
    def test_a_gradient_by_hand(self, parallel, turns):
        census = Census(0.5, parallel)
        census.gradient("a", tile(), self.gradient)
        weights = (6, 3, 2)  # of 6, 3 are not zero, 2 reach half of the largest
        found = census.total()
        assert [found[kind] for kind in ("all_cells", "nonzero_gradient", "threshold")] == [
            Writes(w, t) for w, t in zip(weights, turns, strict=True)
        ]
        assert found["written"] == Writes()

    def test_tiles_work_at_the_same_time(self):
        census = Census(0.5, "row")
        census.gradient("a", tile(most=1), self.gradient)  # six tiles of one weight
        assert census.total()["all_cells"] == Writes(6, 1) and census.total()["nonzero_gradient"] == Writes(3, 1)
        census = Census(0.5, "cell")
        census.gradient("a", tile(most=2), self.gradient)  # rows 0 and 1 on one tile, row 2 on another
        assert census.total()["all_cells"] == Writes(6, 4) and census.total()["nonzero_gradient"] == Writes(3, 2)

    def test_a_layer_at_rest_has_no_large_gradient(self):
        census = Census(0.5, "row")
        census.gradient("a", tile(), torch.zeros(3, 2))
        assert census.total() == {
            "written": Writes(), "all_cells": Writes(6, 3), "nonzero_gradient": Writes(), "threshold": Writes()
        }  # fmt: skip

    def test_plans_by_hand(self):
        census, weight = Census(0.5, "row"), torch.tensor([[0.0, 0.5], [0.5, 0.5], [0.0, 0.0]])
        target = Targets(weight, torch.full((3, 2), 0.5), False, WriteVerify())
        for plan, writes in (
            (target, Writes(3, 2)),
            (target._replace(relative=True, previous=None), Writes(3, 2)),
            (target._replace(previous=None), Writes(6, 3)),
            (Counts(torch.tensor([[0, 1], [0, -3], [0, 0]])), Writes(2, 2)),
            (Trains(torch.ones(1, 3), torch.ones(1, 2), 1), Writes()),
        ):
            before = census.total()["written"]
            census.plan("a", tile(), plan)
            after = census.total()["written"]
            assert (after.weights - before.weights, after.turns - before.turns) == writes

    def test_counts_survive_plain_data(self):
        census, other = Census(0.5, "row"), Census(0.5, "row")
        census.gradient("a", tile(), self.gradient)
        other.load(json.loads(json.dumps(census.state())))
        assert other.total() == census.total() and other.state() == census.state()

    def test_it_changes_nothing(self):
        a, b = (model() for _ in range(2))
        b[1].census = Census(0.1, "row")
        for one in (a, b):
            for seed in range(3):
                train_batch(*one, nn.CrossEntropyLoss(), *batch(seed))
        pairs = zip(a[0].state_dict().values(), b[0].state_dict().values(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)

    @pytest.mark.parametrize("every", [1, 3])
    def test_it_agrees_with_the_ledger_and_autograd(self, every: int):
        made, rule = model(every=every)
        census = rule.census = Census(0.1, "row")
        from_autograd = 0
        for seed in range(6):
            inputs, labels = batch(seed)
            inputs[:, :2] = 0
            train_batch(made, rule, nn.CrossEntropyLoss(), inputs, labels)
            from_autograd += 3 * (5 - 2 + 1)  # 5 inputs of which 2 are dark, a bias, 3 outputs that all err
        counted = census.total()
        assert counted["nonzero_gradient"].weights == from_autograd and counted["all_cells"].weights == 6 * 6 * 3
        ledger = rule.layers["0"].tile.ledger
        assert ledger is not None
        written = ledger.total(Event.CELL_WRITE, during=Pass.UPDATE)
        assert counted["written"].weights * 2 == written > 0

    def test_factors_summed_once_are_the_same(self):
        factors = Factors(torch.rand(4, 3), torch.rand(4, 2))
        summed = Summed.of(factors)
        assert torch.equal(summed.sum(), factors.sum()) and summed.sum() is summed.total


def model(every: int = 1) -> tuple[nn.Sequential, Rule]:
    made = nn.Sequential(Linear(5, 3, array=FINE, seed=0))
    attach_ledger(made, Ledger())
    return made, siamese(made, levels=16, learning_rate=0.5, every=every)


def batch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(4, 5, generator=generator), torch.randint(3, (4,), generator=generator)


class TestSchedule:
    """A twin follows the rate of a schedule."""

    def test_half_the_rate_moves_the_twin_half_as_far(self):
        twins = []
        for rate in (1.0, 0.5):
            made, rule = model()
            memory = rule.memory["0"]
            assert memory is not None
            start = memory[0].clone()
            rule.rate = rate
            train_batch(made, rule, nn.CrossEntropyLoss(), *batch(0))
            twins.append(memory[0] - start)
        assert torch.allclose(twins[0] / 2, twins[1], atol=1e-7) and twins[0].abs().max() > 0.01


class TestStraightThrough:
    """The quantised yardstick."""

    def build(self, levels: int, limits: tuple[float, float] = (0.5, 1.0)) -> tuple[nn.Linear, StraightThroughSGD]:
        layer = nn.Linear(5, 3)
        with torch.no_grad():
            for number, parameter in enumerate(layer.parameters()):
                parameter.copy_(torch.linspace(-0.9, 0.8, parameter.numel()).reshape(parameter.shape) + 0.01 * number)
        return layer, StraightThroughSGD(layer, 0.1, levels, limits)

    def test_weights_are_on_the_grid_and_within_the_range(self):
        layer, learner = self.build(4)
        for seed in range(5):
            train_batch(layer, learner, nn.CrossEntropyLoss(), *batch(seed))
            for parameter, most in zip(layer.parameters(), (0.5, 1.0), strict=True):
                steps = parameter.detach() / (most / 3)
                assert torch.allclose(steps, steps.round(), atol=1e-5) and steps.abs().max() <= 3.0001

    def test_the_gradient_passes_the_rounding_as_it_is(self):
        layer, learner = self.build(4)
        start = [kept.clone() for kept in learner.state().values()]
        quantised = [parameter.detach().clone() for parameter in layer.parameters()]
        inputs, labels = batch(0)
        layer.zero_grad()
        nn.functional.cross_entropy(inputs @ (w := quantised[0].requires_grad_()).T + quantised[1], labels).backward()
        train_batch(layer, learner, nn.CrossEntropyLoss(), inputs, labels)
        wanted = (start[0] - 0.1 * w.grad).clamp(-0.5, 0.5)  # type: ignore[operator]
        assert torch.allclose(learner.state()["float/0"], wanted, atol=1e-7)

    def test_very_many_levels_are_plain_descent(self):
        layer, learner = self.build(4096, (2.0, 2.0))
        plain = nn.Linear(5, 3)
        plain.load_state_dict(layer.state_dict())
        other = PlainSGD(plain, 0.1)
        for seed in range(5):
            for model_, rule in ((layer, learner), (plain, other)):
                train_batch(model_, rule, nn.CrossEntropyLoss(), *batch(seed))
        assert torch.allclose(layer.weight, plain.weight, atol=1e-3)

    def test_it_goes_on_from_its_state(self):
        layer, learner = self.build(4)
        train_batch(layer, learner, nn.CrossEntropyLoss(), *batch(0))
        other, again = self.build(4)
        again.load({name: kept.clone() for name, kept in learner.state().items()})
        assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), other.parameters(), strict=True))

    def test_a_schedule_scales_its_steps(self):
        moved = []
        for rate in (1.0, 0.5):
            layer, learner = self.build(16)
            learner.rate = rate
            before = learner.state()["float/1"].clone()
            train_batch(layer, learner, nn.CrossEntropyLoss(), *batch(0))
            moved.append(learner.state()["float/1"] - before)
        assert learner.rate == 0.5 and torch.allclose(moved[0] / 2, moved[1], atol=1e-7)


SIAMESE = {"kind": "siamese", "levels": 8, "learning_rate": 0.2, "parallel": "cell"}
YARDSTICK = {"learning_rate": 0.2, "levels": 8, "rate_decay": 0.9}


def siamese_run(folder: Path, **training: object) -> dict:
    settings = {"float_reference": YARDSTICK, "rate_decay": 0.9, **training}
    device = {"kind": "constant_step", "states": 128, "up_pulse": {"width": 5e-8}, "down_pulse": {"width": 5e-8}}
    return run(small(rule=SIAMESE, device=device, network={"w_max": [0.5, 1.0]}, training=settings), folder)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A finished run, for tests that only look."""
    return siamese_run(tmp_path_factory.mktemp("writes") / "run")


class TestResult:
    """The objects in result.json."""

    def test_counts_agree_with_the_ledger(self, result: dict):
        saved, ledger = result["writes_eliminated"], result["ledger"]
        weights = 65 * 12 + 13 * 10
        assert saved["unit"] == "weights" and saved["devices_per_weight"] == 2
        for span, steps in (("first_epoch", 15), ("run", 30)):
            counts = saved[span]["counts"]
            assert counts["all_cells"] == steps * weights
            assert counts["all_cells"] >= counts["nonzero_gradient"] >= counts["threshold"] > counts["written"] > 0
            for kind in ("all_cells", "nonzero_gradient", "threshold"):
                assert saved[span][kind] == pytest.approx(1 - counts["written"] / counts[kind])
                # The baselines' pulses are the run's own mean here, cell by cell, so that all shares are one.
                for part in ("pulses", "pulse_time", "delay"):
                    assert saved[span][part][kind] == pytest.approx(saved[span][kind])
        written = sum(n for key, n in ledger.items() if key.endswith("/update/cell.write"))
        assert 2 * saved["run"]["counts"]["written"] == written
        assert saved["run"]["pulse_time"]["seconds"] == pytest.approx(5e-8 * result["pulses_total"])
        assert saved["run"]["delay"]["slots"] == result["pulses_total"]

    def test_baseline_pulses_may_be_given(self, result: dict, tmp_path: Path):
        half = result["writes_eliminated"]["pulses_per_write"] / 2
        other = siamese_run(tmp_path / "run", wear={"closed_loop_pulses": half})["writes_eliminated"]
        assert other["pulses_per_write"] == half and "closed_loop_pulses" in other["pulses_per_write_from"]
        own = result["writes_eliminated"]["run"]
        assert other["run"]["all_cells"] == own["all_cells"]
        assert 1 - other["run"]["pulses"]["all_cells"] == pytest.approx(2 * (1 - own["pulses"]["all_cells"]))

    def test_wear_by_layer_and_lifetime(self, result: dict):
        for layer in result["layers"]:
            assert result["pulses_per_cell"][layer["name"]] == {
                figure: layer[f"pulses_per_cell_{figure}"] for figure in ("mean", "p99", "max")
            }
        images = 2 * 240 * result["endurance"] / result["pulses_per_cell_max"]
        assert result["images_to_first_failure"] == pytest.approx(images)
        assert images_to_first_failure(100, 0, Wear()) is None

    def test_the_page_shows_it(self, tmp_path: Path):
        siamese_run(tmp_path / "run", epochs=1)
        page = write_report([tmp_path / "run"], tmp_path / "page.html").read_text()
        assert "Writes eliminated" in page and "Weights whose gradient is not zero" in page

    def test_the_yardstick_is_quantised(self, result: dict):
        assert "8 levels a device, trained straight through" in result["float_network"]

    def test_a_stopped_run_goes_on_with_the_same_counts(self, result: dict, tmp_path: Path):
        for epoch, image in ((1, 128), (2, 128)):
            folder = tmp_path / f"{epoch}"
            experiment = small(
                rule=SIAMESE, network={"w_max": [0.5, 1.0]}, training={"float_reference": YARDSTICK, "rate_decay": 0.9}
            )
            run(experiment, folder / "whole")
            with pytest.raises(Interrupted):
                run(experiment, folder / "stopped", watcher=StopAt(epoch, image))
            resume(folder / "stopped")
            assert figures(folder / "stopped") == figures(folder / "whole")

    @pytest.mark.parametrize(
        ("rule", "baselines", "counted"),
        [
            ({"kind": "siamese"}, "never", False),
            ({"kind": "read_write_verify"}, "auto", True),
            ({"kind": "manhattan"}, "auto", False),
            ({"kind": "manhattan"}, "always", True),
            ({"kind": "sgd"}, "always", False),
            ({"kind": "float_reference"}, "always", False),
        ],
        ids=str,
    )
    def test_what_is_counted(self, rule: dict, baselines: str, counted: bool):
        experiment = small(rule=rule, training={"wear": {"baselines": baselines}})
        assert (begin(experiment, None).writes() is not None) is counted
