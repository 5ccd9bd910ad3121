"""The benchmark of wires: what it reports, and that it refuses to time a solver that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from memlearn import cli
from memlearn.core.errors import InputError
from memlearn.experiment import bench_wires as bench

FIELDS = {
    "method", "rows", "columns", "inputs", "r_line", "threads", "ms", "sparse_direct_ms", "speedup",
    "max_relative_error", "peak_mb",
}  # fmt: skip
COMMAND = ["bench", "wires", "--sizes", "12", "--resistance", "10", "--seconds", "1e-6"]


def test_one_object_a_line(capsys: pytest.CaptureFixture[str]):
    before = torch.get_num_threads()
    assert cli.main([*COMMAND, "--rectangular", "5x9", "--threads", "1,2", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == 12 and all(set(record) >= FIELDS for record in records)
    assert {(r["rows"], r["columns"]) for r in records} == {(12, 12), (5, 9)}
    assert {(r["method"], r["inputs"]) for r in records} == {("ports", 64), ("repeated", 64), ("lines", 1)}
    assert {r["threads"] for r in records} == {1, 2} and {r["r_line"] for r in records} == {10.0}
    assert all(r["ms"] > 0 and r["sparse_direct_ms"] > 0 and r["peak_mb"] < 1 for r in records)
    assert all(r["max_relative_error"] < 1e-9 for r in records if r["method"] != "lines")
    assert all(r["max_relative_error"] < 1e-7 for r in records)
    assert torch.get_num_threads() == before


def test_without_the_sparse_solution(capsys: pytest.CaptureFixture[str]):
    assert cli.main([*COMMAND, "--rectangular", "none", "--no-sparse", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == 3 and all(r["sparse_direct_ms"] is None and r["speedup"] is None for r in records)
    assert all(r["max_relative_error"] < 1e-7 for r in records)


def test_the_table(capsys: pytest.CaptureFixture[str]):
    assert cli.main([*COMMAND, "--rectangular", "none"]) == 0
    shown = capsys.readouterr().out
    assert "12 x 12" in shown and "repeated" in shown


def test_a_wrong_solver_is_not_timed(monkeypatch: pytest.MonkeyPatch):
    right = bench.transfer
    monkeypatch.setattr(bench, "transfer", lambda *a, **k: right(*a, **k) * (1 + 1e-8))
    with pytest.raises(bench.WrongCurrents, match="nothing was timed"):
        next(bench.bench_wires((6,), rectangles=(), seconds=1e-6))


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"sizes": (0,)}, "sizes"),
        ({"threads": (0,)}, "threads"),
        ({"rectangles": ((3, 0),)}, "rectangular"),
        ({"resistances": (100.0,)}, "resistances"),
        ({"resistances": (0.0,)}, "resistances"),
        ({"seconds": 0.0}, "seconds"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], argument: str):
    with pytest.raises(InputError, match=argument):
        next(bench.bench_wires(**options))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--sizes", "a", "whole numbers"), ("--rectangular", "3", "whole numbers"), ("--resistance", "x", "numbers")],
)
def test_words_that_are_no_numbers(option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["bench", "wires", option, value]) == 1
    assert said in capsys.readouterr().err
