"""The training benchmark: what it reports, and that it refuses to time a kernel that is wrong."""

from __future__ import annotations

import json

import pytest

from memlearn import cli
from memlearn.core.errors import InputError
from memlearn.experiment import bench
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
