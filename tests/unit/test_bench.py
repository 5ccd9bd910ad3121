"""The training benchmark: what it reports, and that it refuses to time a kernel that is wrong."""

from __future__ import annotations

import pytest

from memlearn.core.errors import InputError
from memlearn.experiment import bench
from memlearn.learning.fused.base import AbstractFused

KEYS = {"rule", "device", "batch", "threads", "us_per_sample", "torch_us_per_sample", "ratio", "stages"}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "IMAGES", {1: 8, 8: 16})
    monkeypatch.setattr(bench, "TURNS", 2)


@pytest.mark.parametrize("device", ["constant_step", "soft_bounds"])
def test_a_record_holds_every_figure(device: str) -> None:
    (record,) = bench.bench_train(device, batches=(8,))
    assert record.keys() >= KEYS
    assert record["batch"] == 8 and record["device"] == device and record["ratio"] > 0
    assert set(record["stages"]) == {"forward read", "neurons and loss", "transposed read", "trains", "pulses"}
    assert sum(stage["share"] for stage in record["stages"].values()) == pytest.approx(1, abs=0.01)
    assert all(stage["limit"] for stage in record["stages"].values())
    assert 0 < record["cells_pulsed_by_one_sample"] < 1


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    train = AbstractFused.train

    def wrong(self, inputs, labels, batch):
        for tile in self.tiles:
            tile.counters[..., 0] += 1
        return train(self, inputs, labels, batch)

    monkeypatch.setattr(AbstractFused, "train", wrong)
    with pytest.raises(bench.RedKernel, match="nothing was timed"):
        list(bench.bench_train(batches=(1,)))


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="device"):
        list(bench.bench_train("constnat_step"))
    with pytest.raises(InputError, match="batch"):
        list(bench.bench_train(batches=(0,)))
