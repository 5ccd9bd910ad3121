"""Settings of experiments: defaults, files, overrides, changes of kind, sweeps, the schema."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import memlearn
from memlearn.core.errors import DataError, InputError
from memlearn.experiment import MLP, Experiment, parse_override, read_experiment, schema
from memlearn.experiment.files import read_table
from memlearn.experiment.sweep import cases, plan
from memlearn.experiment.tables import Override, flattened, overridden, with_nones
from memlearn.learning.rules import SGD, SignBackpropagation
from memlearn.periphery import ADC, DAC, TernaryDriver

REPOSITORY = Path(__file__).parents[2]
EXPERIMENTS = sorted((REPOSITORY / "experiments").glob("*.toml"))


def changed(*texts: str, table: dict[str, Any] | None = None) -> Experiment:
    new, _ = overridden(Experiment, table or {}, [parse_override(text) for text in texts])
    return Experiment.from_table(new)


def test_the_version_is_that_of_the_distribution():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert memlearn.__version__ == project["version"]


def test_an_empty_table_is_an_experiment():
    assert Experiment.from_table({}) == Experiment()


def test_a_table_is_read_back_after_json():
    experiment = changed("device.kind=soft_bounds", "data.train_limit=5", "network.hidden=[3, 4]", "seed=-1")
    assert Experiment.from_table(json.loads(json.dumps(experiment.table()))) == experiment


def test_the_digest_knows_every_setting():
    assert Experiment().digest() == Experiment().digest() != Experiment(seed=1).digest()


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_the_experiments_that_come_along_are_valid_and_say_what_they_are(file: Path):
    table = read_table(file)
    if "base" in table:
        assert plan(file, Path("out"))
        return
    experiment = read_experiment(file).experiment
    assert experiment.name == file.stem and experiment.description and experiment.reproduces


# Overrides.


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a.b=1", "a.b", 1),
        ("a=1.5", "a", 1.5),
        ("a=true", "a", True),
        ("a=cpu", "a", "cpu"),
        ('a="1"', "a", "1"),
        ("a=[1, 2]", "a", [1, 2]),
        ("a={b = 1}", "a", {"b": 1}),
        (" a . b = two words ", "a.b", "two words"),
        ("a=", "a", ""),
        ("a=b=c", "a", "b=c"),
        ("a=1\nb=2", "a", "1\nb=2"),
        ("a=[1", "a", "[1"),
    ],
)
def test_an_override_is_read_as_toml_or_as_a_word(text: str, key: str, value: Any):
    assert parse_override(text) == Override(key, value)


@pytest.mark.parametrize("text", ["a", "", "=1", "a..b=1", ".a=1", "a.=1"])
def test_an_override_needs_a_key_and_a_value(text: str):
    with pytest.raises(InputError, match="must look like key=value"):
        parse_override(text)


def test_the_last_of_equal_overrides_holds_and_the_table_stays():
    table = {"seed": 1, "training": {"epochs": 2}}
    assert changed("training.epochs=3", "training.epochs=4", "seed=5", table=table).training.epochs == 4
    assert table == {"seed": 1, "training": {"epochs": 2}}


def test_an_override_of_a_part_keeps_the_defaults_beside_it():
    port = changed("periphery.backward.drive.bits=6").periphery.backward
    assert port.drive == DAC(bits=6, scaling="max") and port.sense == ADC()


def test_an_override_can_open_what_is_closed_by_default():
    yardstick = changed("training.float_reference.learning_rate=0.2").training.float_reference
    assert yardstick is not None and yardstick.learning_rate == 0.2
    table = {"training": {"float_reference": {"learning_rate": 0.2}}}
    assert changed("training.float_reference=none", table=table).training.float_reference is None


def test_a_whole_table_can_be_set():
    assert changed('network.neuron={kind = "tanh"}').network.neuron.kind == "tanh"


def test_a_kind_changes_and_shared_settings_stay():
    table = {"device": {"kind": "soft_bounds", "states": 9, "mix_up": 0.2}}
    new, notes = overridden(Experiment, table, [parse_override("device.kind=constant_step")])
    assert new["device"] == {"kind": "constant_step", "states": 9}
    assert notes == ["device.kind = constant_step: dropped mix_up, which the new kind does not share."]
    assert Experiment.from_table(new).device.states == 9


def test_a_kind_may_be_set_to_what_it_is():
    table = {"device": {"kind": "soft_bounds", "mix_up": 0.2}}
    assert overridden(Experiment, table, [Override("device.kind", "soft_bounds")]) == (table, [])


def test_a_setting_of_the_same_name_but_another_meaning_does_not_stay():
    table = {"rule": {"kind": "threshold_manhattan", "threshold": 0.7}}
    sense = ["periphery.backward.sense.kind=ternary_comparator", "periphery.backward.drive.kind=ternary_driver"]
    assert changed("rule.kind=sign_backprop", *sense, table=table).rule == SignBackpropagation()


def test_a_changed_kind_takes_its_own_settings_in_any_order():
    experiment = changed("device.mix_up=0.4", "device.kind=soft_bounds", "device.states=8")
    assert experiment.device.mix_up == 0.4 and experiment.device.states == 8


def test_kinds_change_at_every_depth():
    experiment = changed(
        "rule.rule.writer.threshold=0.2",
        "rule.rule.writer.relative=true",
        "rule.rule.writer.kind=threshold",
        "rule.kind=custom",
        "periphery.forward.drive.kind=ternary_driver",
        "crossbar.mapping.kind=reference_column",
    )
    assert experiment.rule.parts().writer.threshold == 0.2
    assert experiment.periphery.forward.drive == TernaryDriver()
    assert experiment.crossbar.mapping.kind == "reference_column"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trainin.epochs=1", "trainin.epochs = 1: Experiment has no setting 'trainin'. Did you mean 'training'"),
        ("training.epoch=1", "training.epoch = 1: Training has no setting 'epoch'. Did you mean 'epochs'"),
        ("device.faults.hihg=1", "StuckCells has no setting 'hihg'. Did you mean 'high'"),
        ("device.fault.high=1", "ConstantStep has no setting 'fault'. Did you mean 'faults'"),
        ("network.hidden.0=3", "network.hidden is a single setting. Set network.hidden itself."),
        ("device.kind=x", "device.kind = 'x': unknown kind. Allowed: "),
        ("training.kind=x", "Training comes in one kind only"),
        ("kind=x", "Experiment comes in one kind only"),
        ("rule.rule.writer.kind=sign", "SGD has no setting 'rule'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(text: str, says: str):
    with pytest.raises(InputError) as error:
        changed(text)
    assert says in str(error.value)


def test_a_number_in_place_of_a_table_is_said_to_be_wrong():
    with pytest.raises(InputError, match="device = 3: must be a table"):
        changed("device.states=3", table={"device": 3})


# None in files.


def test_none_is_read_where_it_may_stand():
    table = {"data": {"kind": "digits", "train_limit": "none"}, "name": "none", "device": "none"}
    new = with_nones(Experiment, table)
    assert new["data"]["train_limit"] is None and new["name"] == "none" and new["device"] == "none"


def test_keys_are_flattened():
    assert flattened({"a": {"b": 1, "c": {"d": 2}}, "e": [3]}) == [("a.b", 1), ("a.c.d", 2), ("e", [3])]


def test_the_schema_describes_files_not_python():
    document = json.loads(json.dumps(schema()))
    assert document["additionalProperties"] is False and "seed" in document["properties"]
    text = json.dumps(document)
    assert '"null"' not in text and '{"const": "none"}' in text
    assert Experiment().rule == SGD() and '"sign_backprop"' in text


def test_a_file_may_be_toml_or_json(tmp_path: Path):
    (tmp_path / "a.toml").write_text('name = "x"\n[network]\nhidden = [3]')
    (tmp_path / "a.json").write_text(json.dumps(Experiment(name="x", network=MLP(hidden=(3,))).table()))
    one, other = (read_experiment(tmp_path / name, seed=4).experiment for name in ("a.toml", "a.json"))
    assert one == other and one.seed == 4


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="cannot be read"):
        read_experiment(tmp_path)


# Sweeps.


def test_cases_and_axes_are_combined():
    table = {
        "case": [{"name": "a", "seed": 1}, {"name": "b", "device": {"states": 3}}],
        "vary": [{"name": "e", "training": {"epochs": [1, 2]}}, {"name": "w", "x": [[1], [2]], "y": [0.5, 2.0]}],
    }
    found = cases(table)
    assert [case.name for case in found[:3]] == ["a, e=1, w=[1]", "a, e=1, w=[2]", "a, e=2, w=[1]"]
    assert found[-1].name == "b, e=2, w=[2]" and len(found) == 8
    assert found[-1].overrides == (("device.states", 3), ("training.epochs", 2), ("x", [2]), ("y", 2.0))


def test_a_plan_has_a_folder_a_seed_and_an_experiment_for_each_run(tmp_path: Path):
    (tmp_path / "base.toml").write_text('name = "base"\n[training]\nepochs = 7')
    text = 'base = "base.toml"\nseeds = [3, 4]\n[[case]]\nname = "soft / bounds"\ndevice.kind = "soft_bounds"'
    (tmp_path / "sweep.toml").write_text(text)
    one, other = plan(tmp_path / "sweep.toml", tmp_path / "out")
    assert one.folder == tmp_path / "out" / "soft_bounds" / "seed3" and (one.seed, other.seed) == (3, 4)
    assert one.experiment.device.kind == "soft_bounds" and one.experiment.seed == 3
    assert one.experiment.name == "base soft / bounds" and one.experiment.training.epochs == 7
