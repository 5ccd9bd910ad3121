"""Programme, then adapt: what arrays hold before they learn, and faults that weights are put round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from memlearn.arrays.mapping import DifferentialPair, ReferenceColumn
from memlearn.compensation.faults import FaultMap, detect, reorder
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, ReadNoise, StuckCells
from memlearn.experiment import resume, run
from memlearn.experiment.config import Experiment
from memlearn.experiment.session import begin
from memlearn.learning import Rule
from memlearn.nn import Linear, array_layers, tiles
from memlearn.ops.quantise import quantised
from memlearn.tile import Array, Crossbar, Tile

NOISY = {"kind": "soft_bounds", "states": 100, "cycle_to_cycle": {"spread": 0.3}, "read_noise": {"absolute": 5e-8}}


def experiment(start: dict[str, Any] | None = None, **changes: Any) -> Experiment:
    table: dict[str, Any] = {
        "name": "start",
        "network": {"hidden": [24], "w_max": [1.0, 1.0]},
        "device": NOISY,
        "rule": {"kind": "siamese", "levels": 32, "learning_rate": 0.2},
        "start": {"epochs": 6, "batch": 10, "grid": "uniform", "levels": 32, **(start or {})},
        "training": {"epochs": 1, "batch": 10, "images_per_epoch": 200},
    }
    for key, value in changes.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) and isinstance(table.get(key), dict) else value
    return Experiment.from_table(table)


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    torch.set_num_threads(1)


def found(layers: Mapping[str, Linear], **settings: Any) -> dict[str, FaultMap]:
    """What a test finds in the cells of layers."""
    maps = {}
    for name, layer in layers.items():
        assert isinstance(layer.tile, Tile)
        maps[name] = detect(layer.tile, **settings)
    return maps


class TestDetection:
    """Pulses and reads find what does not move."""

    def test_it_finds_the_stuck_cells_and_no_others(self):
        device = SoftBounds(
            states=60, faults=StuckCells(low=0.05, high=0.05, anywhere=0.05), read_noise=ReadNoise(absolute=5e-8),
            cycle_to_cycle=CycleToCycle(spread=0.3),
        )  # fmt: skip
        tile = Tile(40, 30, array=Array(device=device), stream=Stream.root(1))
        tile.ledger = ledger = Ledger()
        found = detect(tile, pulses=20, moved=0.1)
        stuck = tile.parameters_[..., 0] == tile.parameters_[..., 1]
        assert torch.equal(found.stuck, stuck & tile.used()) and stuck.any()
        assert torch.allclose(found.value[stuck], tile.conductance[stuck], atol=5 * 5e-8)
        assert ledger.total(Event.PULSE) == 60 * tile.cells and ledger.total(Event.CELL_READ) == 3 * tile.cells


class TestReordering:
    """Hidden neurons are put where faults hurt least."""

    def layers(self, device: ConstantStep) -> dict[str, Linear]:
        array = Array(device=device, crossbar=Crossbar(rows=16, columns=24))
        return {"layer1": Linear(20, 18, array=array, seed=1), "layer2": Linear(18, 10, array=array, seed=2)}

    def test_it_never_makes_errors_larger_and_finds_the_place_of_a_dead_column(self):
        torch.manual_seed(0)
        layers = self.layers(ConstantStep())
        weights = {"layer1": 0.4 * torch.randn(21, 18), "layer2": 0.4 * torch.randn(19, 10)}
        weights["layer1"][:, 7] = 0.0  # one neuron has no weights, and nobody listens to it
        weights["layer2"][7] = 0.0
        faults = found(layers, pulses=1, moved=1e-6)
        assert not any(bool(one.stuck.any()) for one in faults.values())
        tile = layers["layer1"].tile
        assert isinstance(tile, Tile)
        dead = torch.zeros_like(faults["layer1"].stuck)
        dead[:, 0, :, 4:6] = True  # the third pair of lines of the first tile column: place 2
        faults["layer1"] = faults["layer1"]._replace(stuck=dead & tile.used(), value=torch.full(dead.shape, 11e-6))
        order = reorder(weights, layers, faults)["layer1"]
        assert order[2] == 7 and sorted(order.tolist()) == list(range(18))

    def test_other_mappings_and_shapes_are_refused(self):
        layers = self.layers(ConstantStep())
        weights = {"layer1": torch.zeros(21, 18), "layer2": torch.zeros(30, 10)}
        faults = found(layers)
        with pytest.raises(InputError, match="dense layers"):
            reorder(weights, layers, faults)
        array = Array(crossbar=Crossbar(mapping=ReferenceColumn()))
        alone = {"layer1": Linear(3, 2, array=array), "layer2": Linear(2, 2, array=array)}
        given = {"layer1": torch.zeros(4, 2), "layer2": torch.zeros(3, 2)}
        with pytest.raises(InputError, match="pair of cells"):
            reorder(given, alone, found(alone))
        assert isinstance(layers["layer1"].tile.array.crossbar.mapping, DifferentialPair)


class TestStart:
    """Trained outside, programmed, adapted."""

    def test_cells_hold_the_quantised_weights_within_the_window(self):
        session = begin(experiment({"scheme": {"kind": "write_verify", "tolerance": 0.01}}), None)
        session.prepare()
        figures = session.started
        assert figures is not None and figures["float_validation_accuracy"] > 0.85
        assert figures["cell.pulse"] > 0 and figures["cell.given_up"] == 0
        for name, layer in array_layers(session.main.model).items():
            assert isinstance(session.main.rule, Rule)
            memory = session.main.rule.memory[name]
            assert memory is not None
            assert torch.allclose(memory[1], quantised(memory[0], "uniform", 1.0, 32), atol=1e-6)
            assert (layer.tile.weight() - memory[1]).abs().max() < 2 * 0.01 + 5 * 2 * 5e-8 / 18e-6
            assert not torch.equal(memory[0], memory[1])

    def test_a_run_killed_before_or_after_programming_resumes_to_the_same_bits(self, tmp_path: Path, monkeypatch: Any):
        settings = experiment()
        whole = run(settings, tmp_path / "whole")
        for name, method in (("before", "prepare"), ("after", "train_span")):
            with monkeypatch.context() as patch:
                patch.setattr(f"memlearn.experiment.session.Session.{method}", _killed)
                with pytest.raises(RuntimeError, match="killed"):
                    run(settings, tmp_path / name)
            figures = resume(tmp_path / name)
            assert figures["start"] == whole["start"] and figures["test_accuracy"] == whole["test_accuracy"]
            assert figures["pulses_total"] == whole["pulses_total"]

    def test_adapting_makes_faults_good_and_remapping_helps_before(self):
        accuracies = {}
        faults = {**NOISY, "faults": {"low": 0.15}}
        for name, repair in (("plain", {}), ("remapped", {"detect": True, "remap": True})):
            session = begin(experiment({"repair": repair}, device=faults), None)
            session.prepare()
            assert session.started is not None
            accuracies[name] = session.started["transferred_validation_accuracy"]
        assert accuracies["remapped"] > accuracies["plain"]

    def test_layers_yet_to_come_are_tuned_on_what_is_measured(self):
        faults = {**NOISY, "faults": {"low": 0.2}}
        accuracies = {}
        for images in (0, 1000):
            session = begin(experiment({"progressive": images}, device=faults), None)
            session.prepare()
            assert session.started is not None
            accuracies[images] = session.started["transferred_validation_accuracy"]
        assert accuracies[1000] > accuracies[0]

    @pytest.mark.parametrize("grid", ["binary", "ternary"])
    def test_few_states_noise_and_sparsity(self, grid: str):
        start = {"grid": grid, "straight_through": True, "noise": 0.05, "sparsity": 0.3, "learning_rate": 0.3}
        session = begin(experiment(start, network={"w_max": [0.4, 0.4]}), None)
        session.prepare()
        assert session.started is not None and session.started["quantised_validation_accuracy"] > 0.7
        for tile in tiles(session.main.model).values():
            places = {"binary": (-0.4, 0.4), "ternary": (-0.4, 0.0, 0.4)}[grid]
            away = torch.stack([(tile.weight() - place).abs() for place in places]).amin(0)
            assert away.max() < 0.05


def _killed(*_: object) -> None:
    raise RuntimeError("killed")


def test_initial_weights_on_steps_and_shifted():
    network = {"kind": "mlp", "hidden": [6], "initial_weight": 0.5, "initial_levels": 3, "initial_shift": -0.1}
    table = {"network": network, "crossbar": {"mapping": {"kind": "reference_column", "w_max": 1.0}}}
    made = begin(Experiment.from_table(table), None).main.model
    for layer in array_layers(made).values():
        found = {round(float(w), 4) for w in layer.tile.weight().flatten()}
        assert found <= {-0.6, -0.1, 0.4} and len(found) > 1
    with pytest.raises(InputError, match="initial_weight"):
        Experiment.from_table({"network": {"hidden": [6], "initial_levels": 3}})
