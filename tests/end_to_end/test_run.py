"""A run from settings to folder: the figures agree with each other, and with a second run, to the last bit."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import memlearn
from memlearn.core.errors import DataError, InputError
from memlearn.experiment import Watcher, resume, run, storage
from tests.end_to_end.small import figures, sign_backprop, small


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, for tests that only look."""
    folder = tmp_path_factory.mktemp("run") / "deep" / "er"
    run(sign_backprop(), folder)
    return folder


@pytest.fixture
def result(done: Path) -> dict:
    return json.loads((done / "result.json").read_text())


def test_the_folder_is_complete(done: Path):
    names = {"config.json", "history.jsonl", "result.json", "arrays.safetensors", "checkpoint.safetensors"}
    names |= {"snapshots.safetensors"}
    assert {path.name for path in done.iterdir()} == names


def test_the_configuration_is_the_resolved_one(done: Path):
    config = json.loads((done / "config.json").read_text())
    assert config == sign_backprop().table()
    assert memlearn.Experiment.from_table(config) == sign_backprop()


def test_figures_agree_with_arrays(done: Path, result: dict):
    arrays = load_file(done / "arrays.safetensors")
    for layer in result["layers"]:
        pulses, after = arrays[f"pulses/{layer['name']}"], arrays[f"conductance/{layer['name']}"]
        used = ~after.isnan()
        assert pulses.shape == after.shape == arrays[f"conductance_initial/{layer['name']}"].shape
        assert int(used.sum()) == layer["cells"]
        assert int(pulses.sum()) == int(pulses[used].sum()) == layer["pulses_total"]
        assert layer["pulses_per_cell_max"] == int(pulses.max()) >= layer["pulses_per_cell_p99"]
        assert arrays[f"weight/{layer['name']}"].shape == (layer["inputs"], layer["outputs"])
        assert not torch.equal(after[used], arrays[f"conductance_initial/{layer['name']}"][used])
    assert result["cells"] == sum(layer["cells"] for layer in result["layers"])
    assert result["pulses_total"] == sum(layer["pulses_total"] for layer in result["layers"])
    assert result["pulses_per_cell_mean"] == pytest.approx(result["pulses_total"] / result["cells"])


def test_figures_agree_with_the_ledger_and_the_history(done: Path, result: dict):
    ledger, history = result["ledger"], figures(done)["history"]
    assert sum(n for key, n in ledger.items() if key.endswith("/cell.pulse")) == result["pulses_total"]
    assert sum(n for key, n in ledger.items() if "/comparator.comparison" in key) == result["comparisons"]
    assert result["adc_conversions"] == result["dac_conversions"] == 0
    assert [record["epoch"] for record in history] == [1, 2]
    assert history[-1]["pulses_total"] == result["pulses_total"]
    assert history[-1]["validation_accuracy"] == result["validation_accuracy"]
    pulsed = sum(n for key, n in ledger.items() if key.endswith("/cell.pulsed"))
    assert result["cells_pulsed_per_step"] == pytest.approx(pulsed / (result["cells"] * 2 * 15))
    assert all(0 <= record["float_validation_accuracy"] <= 1 for record in history)


def test_only_training_is_counted(done: Path, result: dict):
    # 240 images, 2 epochs; layer1 has 64 x 12 pairs. Neither validation nor test reads are in the count.
    assert result["ledger"]["layer1/forward/cell.read"] == 2 * 240 * 64 * 24


def test_methods_and_memory_are_recorded(result: dict):
    assert result["device"] == "soft_bounds" and result["mapping"] == "differential_pair"
    assert result["backward_method"] == "ternary transposed read"
    assert result["update_method"] == "persistent_counter + threshold"
    assert result["digital_bits_per_weight"] == 6 and result["digital_bits_per_neuron"] == 4
    assert result["backend"] == "cpu" and result["seed"] == 0
    assert result["versions"]["memlearn"] == memlearn.__version__ and result["versions"]["torch"]
    assert any("Zhang" in source for source in result["sources"])
    assert "relu in place of stochastic_binary" in result["float_network"]


def test_equal_runs_are_equal_to_the_bit_also_with_more_threads(done: Path, tmp_path: Path):
    torch.set_num_threads(2)
    torch.rand(3)  # the state of the user's own generator must not matter
    run(sign_backprop(training={"threads": 2}), tmp_path / "again")
    assert torch.get_num_threads() == 2
    assert figures(tmp_path / "again") == figures(done)
    assert (tmp_path / "again" / "arrays.safetensors").read_bytes() == (done / "arrays.safetensors").read_bytes()


@pytest.mark.parametrize("rule", ["sgd", "manhattan"])
def test_threads_that_really_share_the_work_change_nothing(rule: str, tmp_path: Path):
    changes = {"network": {"hidden": [1100]}, "rule": {"kind": rule}, "data": {"train_limit": 48}}
    for threads in (1, 2, 3):
        run(small(**changes, training={"threads": threads, "epochs": 1}), tmp_path / str(threads))
    assert figures(tmp_path / "1") == figures(tmp_path / "2") == figures(tmp_path / "3")
    bytes_of = [(tmp_path / str(threads) / "arrays.safetensors").read_bytes() for threads in (1, 2, 3)]
    assert bytes_of[0] == bytes_of[1] == bytes_of[2]


def test_a_run_leaves_the_users_generator_alone(tmp_path: Path):
    before = torch.get_rng_state()
    run(sign_backprop(training={"epochs": 1}), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_is_another_run(done: Path, tmp_path: Path):
    run(sign_backprop(seed=1), tmp_path / "run")
    assert figures(tmp_path / "run")["pulses_total"] != figures(done)["pulses_total"]


def test_evaluation_in_other_portions_changes_nothing_without_noise(tmp_path: Path):
    run(small(), tmp_path / "a")
    run(small(training={"evaluate_batch": 7, "checkpoint_every": 32}), tmp_path / "b")
    first, second = figures(tmp_path / "a"), figures(tmp_path / "b")
    # Measured sums are added up in other portions, those of half-selected cells with the mean of each portion's ends.
    assert first.pop("amounts") == pytest.approx(second.pop("amounts"), rel=1e-6)
    assert first.pop("cost")["energy"]["total"] == pytest.approx(second.pop("cost")["energy"]["total"], rel=1e-6)
    energies = [[record.pop("energy") for record in one["history"]] for one in (first, second)]
    assert energies[0] == pytest.approx(energies[1], rel=1e-6)
    assert first == second


@pytest.mark.parametrize("rule", [{"kind": "sgd"}, {"kind": "manhattan"}, {"kind": "threshold_manhattan"}], ids=str)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_every_rule_runs_on_every_backend(rule: dict, backend: str, tmp_path: Path):
    data = {"train_limit": 24, "validation": 0}
    result = run(small(rule=rule, data=data, training={"backend": backend, "epochs": 1}), tmp_path / "run")
    assert result["validation_accuracy"] is None and result["float_test_accuracy"] is None
    assert result["backend"] == backend and result["pulses_total"] > 0
    assert result["adc_conversions"] > 0 and result["dac_conversions"] > 0


def test_it_learns(tmp_path: Path):
    training = {"epochs": 10, "batch": 8, "float_reference": {"learning_rate": 0.2}}
    settings = {"rule": {"kind": "sgd", "learning_rate": 0.1}, "network": {"hidden": [24]}, "training": training}
    result = run(small(data={"train_limit": 600}, **settings), tmp_path / "run")
    assert result["test_accuracy"] > 0.7 and result["float_test_accuracy"] > 0.8


def test_a_single_layer_has_no_neurons(tmp_path: Path):
    result = run(small(network={"hidden": []}), tmp_path / "run")
    assert [layer["name"] for layer in result["layers"]] == ["layer1"]


def test_the_float_reference_as_the_rule_has_no_cells(tmp_path: Path):
    result = run(small(rule={"kind": "float_reference"}, training={"epochs": 5}), tmp_path / "run")
    assert result["cells"] == result["pulses_total"] == result["pulses_per_cell_max"] == 0
    assert result["layers"] == [] and result["ledger"] == {} and result["device"] is None
    assert result["test_accuracy"] > 0.3 and result["float_test_accuracy"] is None
    weights = load_file(tmp_path / "run" / "arrays.safetensors")
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "weight/layer1": (64, 12),
        "weight/layer2": (12, 10),
    }


def test_the_yardstick_is_the_float_rule(tmp_path: Path):
    yardstick = {"float_reference": {"learning_rate": 0.2}}
    beside = run(small(training=yardstick), tmp_path / "a")
    alone = run(small(rule={"kind": "float_reference", "learning_rate": 0.2}), tmp_path / "b")
    assert beside["float_test_accuracy"] == alone["test_accuracy"]


def test_the_yardstick_changes_nothing_in_the_arrays(tmp_path: Path):
    with_it = run(small(training={"float_reference": {"learning_rate": 0.2}}), tmp_path / "a")
    without = run(small(), tmp_path / "b")
    assert with_it["test_accuracy"] == without["test_accuracy"] and with_it["ledger"] == without["ledger"]


def test_a_yardstick_that_diverges_spoils_nothing(tmp_path: Path):
    experiment = small(rule={"kind": "float_reference", "learning_rate": 1e30}, training={"checkpoint_every": 16})
    run(experiment, tmp_path / "run")
    losses = [record["train_loss"] for record in figures(tmp_path / "run")["history"]]
    assert losses[-1] is None or math.isfinite(losses[-1])


def test_the_rate_decays(tmp_path: Path):
    steady, slowed = (
        run(small(training={"epochs": 3, "rate_decay": decay}), tmp_path / str(decay))["pulses_total"]
        for decay in (1.0, 0.1)
    )
    assert slowed < steady


def test_the_watcher_hears_everything(tmp_path: Path):
    class Ears(Watcher):
        def __init__(self):
            self.ticks, self.epochs, self.notes = [], [], []

        def tick(self, tick):
            self.ticks.append((tick.epoch, tick.image))

        def epoch(self, record, epochs):
            self.epochs.append((record["epoch"], epochs))

        def note(self, text):
            self.notes.append(text)

    ears = Ears()
    run(small(training={"checkpoint_every": 100}), tmp_path / "run", watcher=ears)
    assert ears.ticks == [(e, i) for e in (1, 2) for i in (112, 224, 240)] and ears.epochs == [(1, 2), (2, 2)]
    resume(tmp_path / "run", watcher=ears)
    assert "finished" in ears.notes[0]


def test_a_folder_in_use_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        run(small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_overwrite_removes_only_what_runs_write(tmp_path: Path):
    run(small(), tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    (tmp_path / "run" / "report.html").write_text("old")
    (tmp_path / "run" / ".checkpoint.safetensors.part").write_text("left by a kill")
    run(small(training={"epochs": 1}), tmp_path / "run", overwrite=True)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "notes.txt" in names and not {"report.html", ".checkpoint.safetensors.part"} & names
    assert figures(tmp_path / "run")["epochs"] == 1


@pytest.mark.parametrize("config", [None, "{}", '{"name": "my web page"}', "no json"])
def test_overwrite_refuses_files_that_only_share_a_name(config: str | None, tmp_path: Path):
    (tmp_path / "result.json").write_text("mine")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match="memlearn may not have written them"):
        run(small(), tmp_path, overwrite=True)
    assert (tmp_path / "result.json").read_text() == "mine"


@pytest.mark.parametrize("which", [name for name in storage.RUN_FILES if name != storage.REPORT])
def test_a_full_disk_is_one_sentence_and_no_result(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usual = Path.open

    def full(path: Path, mode: str = "r", **options):
        if path.name == f".{which}.part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return usual(path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match="No space left on device.*Make room"):
        run(small(training={"epochs": 1}), tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "result.json" not in names and not [name for name in names if name.endswith(".part")]


def test_after_a_full_disk_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(small(), tmp_path / "whole")
    count, sync = iter(range(100)), os.fsync

    def full_at_the_end(handle: int) -> None:
        if next(count) > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_at_the_end)
        with pytest.raises(DataError, match="No space left"):
            run(small(), tmp_path / "run")
    resume(tmp_path / "run")
    assert figures(tmp_path / "run") == figures(tmp_path / "whole")


def test_a_folder_that_cannot_be_written_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="cannot be written"):
        run(small(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_beyond_the_memory_is_refused_at_once(tmp_path: Path):
    with pytest.raises(InputError, match="network.hidden.*of memory"):
        run(small(network={"hidden": [1_000_000, 1_000_000]}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
