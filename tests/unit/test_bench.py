"""The training benchmark: what it reports, and that it refuses to time a kernel that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memlearn import cli
from memlearn.core.errors import InputError
from memlearn.experiment import bench, bench_costs
from memlearn.learning.fused.base import AbstractFused

KEYS = {"rule", "network", "device", "batch", "threads", "path", "us_per_sample", "torch_us_per_sample", "ratio"}
READS = {"forward read", "neurons and loss", "transposed read"}
STAGES = {
    "sgd": READS | {"trains", "pulses", "not attributed"},
    "manhattan": READS | {"pulses", "accumulators"},
    "sign_backprop_counter": READS | {"pulses", "accumulators"},
    "siamese": READS | {"twin and write-verify"},
}
PATHS = {"sgd": "fused_sgd", "siamese": "fused_twin"}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "IMAGES", {"mlp": {1: 8, 8: 16, 64: 64}, "cnn": {64: 4}})
    monkeypatch.setattr(bench, "TURNS", 2)


@pytest.mark.parametrize("rule", STAGES)
def test_a_record_holds_every_figure(rule: str) -> None:
    (record,) = bench.bench_train((rule,), batches=(8,))
    assert record.keys() >= KEYS
    assert record["rule"] == rule and record["batch"] == 8 and record["ratio"] > 0
    assert record["path"] == PATHS.get(rule, "fused_counts")
    assert set(record["stages"]) == STAGES[rule]
    assert all(stage["us_per_sample"] >= 0 for stage in record["stages"].values())
    assert record["pulses_per_sample"] > 0


@pytest.mark.parametrize("backward", ["rewired", "copy"])
def test_a_convolutional_network_goes_by_its_stages(backward: str) -> None:
    (record,) = bench.bench_train(("manhattan",), network="cnn", backward=backward, batches=(2,))
    assert record["path"] == "stages" and record["backward"] == backward
    shares = {name: stage["share"] for name, stage in record["stages"].items()}
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert min(shares[name] for name in ("im2col", "forward reads", "sums of outer products", "pulses")) > 0


def test_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "train", "--rule", "manhattan", "--batch", "8"]
    assert cli.main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rule"] == "manhattan"
    assert cli.main(command) == 0
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("accumulators", "Training, multiples", "batch 8"))


@pytest.mark.parametrize(("network", "path"), [("mlp", "fused_counts"), ("wires", "stages")])
def test_accounting_is_timed_beside_the_same_training_without(
    network: str, path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_costs, "FEWEST", {"mlp": 16, "cnn": 4, "wires": 2})
    monkeypatch.setattr(bench_costs, "WIRED", (14 * 14, 4, 10))
    command = ["bench", "costs", "--rule", "manhattan", "--network", network, "--batch", "2", "--turns", "1"]
    assert cli.main([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["path"] == path and record["same_pulses"] and record["measured"] > 0
    assert set(record["us_per_sample"]) == {"off", "counted", "measured"}


@pytest.mark.parametrize("wrong", [{"network": "lenet"}, {"turns": 0}, {"batches": (0,)}])
def test_accounting_of_nothing_known_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        next(bench_costs.bench_costs(("sgd",), **wrong))


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    train = AbstractFused.train

    def wrong(self, inputs, labels, batch):
        for tile in self.tiles:
            tile.counters[..., 0] += 1
        return train(self, inputs, labels, batch)

    monkeypatch.setattr(AbstractFused, "train", wrong)
    with pytest.raises(bench.RedKernel, match="nothing was timed"):
        list(bench.bench_train(("manhattan",), batches=(1,)))


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("device", {"device": "constnat_step"}),
        ("batch", {"batches": (0,)}),
        ("rule", {"rules": ("manhatan",)}),
        ("network", {"network": "lenet"}),
    ],
)
def test_nonsense_is_refused(argument: str, options: dict) -> None:
    with pytest.raises(InputError, match=argument):
        list(bench.bench_train(**options))
