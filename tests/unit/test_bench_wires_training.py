"""The benchmark of training through wires: what it reports, and that it refuses to time what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memlearn import cli
from memlearn.core.errors import InputError
from memlearn.experiment import bench_wires_training as bench
from memlearn.experiment.bench_wires import WrongCurrents

FIELDS = {
    "rule", "passes", "writes", "tiles", "size", "r_on", "batch", "steps", "ideal_ms", "ms", "times", "times_mean",
    "ideal_pulses", "pulses",
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch):
    whole = bench.drawn_images
    monkeypatch.setattr(bench, "drawn_images", lambda data: [part[:320] for part in whole(data)])


def test_one_object_a_line(capsys: pytest.CaptureFixture[str]):
    command = ["bench", "wires-training", "--rule", "sign_backprop", "--passes", "V/2", "--steps", "1", "--json"]
    assert cli.main(command) == 0
    (record,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(record) == FIELDS and record["tiles"] == 38 and record["writes"] == "mean"
    assert record["ms"] > record["ideal_ms"] > 0 and record["pulses"] > 0


def test_what_is_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    right = bench.write_voltages
    monkeypatch.setattr(bench, "write_voltages", lambda *a, **k: right(*a, **k) * 0.99)
    with pytest.raises(WrongCurrents, match="a write is wrong"):
        next(bench.bench_wires_training(("sign_backprop",), passes=("1T1R",), steps=1))


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"rules": ("sgd",)}, "rule"),
        ({"passes": ("V/5",)}, "passes"),
        ({"size": 1}, "size"),
        ({"r_on": 0.0}, "r_on"),
        ({"steps": 0}, "steps"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], argument: str):
    with pytest.raises(InputError, match=argument):
        next(bench.bench_wires_training(**options))
