"""Tables and numbers read well."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from memlearn.core.errors import DataError
from memlearn.core.ledger import Event
from memlearn.report import formats, summary_table, tables
from memlearn.report.folder import Result
from tests.report_runs import write_run


def shown(results: list[dict[str, Any]], width: int = 80, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(summary_table(results, **options))
    return console.file.getvalue().replace("\N{NO-BREAK SPACE}", " ")  # type: ignore[attr-defined]


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    return json.loads((write_run(tmp_path / "a") / "result.json").read_text())


def test_one_run_stands_upright(result: dict[str, Any]):
    text = shown([result], title="my run")
    for words in ("my run", "this run", "91.20 %", "93.30 %", "\N{MINUS SIGN}2.10", "12.3 M", "differential_pair"):
        assert words in text


def test_few_runs_stand_side_by_side(result: dict[str, Any]):
    text = shown([result, {**result, "test_accuracy": 0.95}], names=["sign", "float twin"])
    line = next(line for line in text.splitlines() if "Test accuracy" in line)
    assert "91.20 %" in line and "95.00 %" in line


def test_many_runs_take_a_line_each(result: dict[str, Any]):
    lines = shown([result] * 6).splitlines()
    assert sum("91.20 %" in line and "4,321" in line for line in lines) == 6
    assert all(len(line) <= 80 for line in lines)


def test_names_are_no_markup_in_the_terminal_either(result: dict[str, Any]):
    assert "[red]x[/red]" in shown([result], names=["[red]x[/red]"])


def test_a_wrong_figure_names_the_run(result: dict[str, Any]):
    with pytest.raises(DataError, match=r"results\[1\]: test_accuracy"):
        summary_table([result, {**result, "test_accuracy": "high"}])


def test_a_run_without_yardstick_has_no_gap():
    assert tables.gap(Result(test_accuracy=0.5)) is None


def test_the_ledger_is_laid_out_by_layer_and_pass():
    result = Result(test_accuracy=None, ledger={
        "a/b/forward/adc.conversion": 3, "a/b/update/cell.pulse": 5, "c/forward/adc.conversion": 4, "odd": 7,
    })
    grid = tables.ledger_table(result)
    assert grid.columns == ["ADC conversions", "Pulses", "odd"]
    assert dict(grid.rows) == {
        "a/b, forward": ["3", "–", "–"], "a/b, update": ["–", "5", "–"], "c, forward": ["4", "–", "–"],
        "": ["–", "–", "7"], "Sum": ["7", "5", "7"],
    }


def test_writes_are_laid_out_by_baseline():
    span = {"all_cells": 0.995, "nonzero_gradient": 0.99, "threshold": 0.9, "pulses": {"all_cells": 0.5}}
    counts = {"written": 5, "all_cells": 1000, "nonzero_gradient": 500, "threshold": 50}
    saved = {"threshold": 0.1, "first_epoch": {**span, "counts": counts}, "run": {**span, "delay": {"threshold": 0.25}}}
    result = Result.model_validate({"test_accuracy": None, "writes_eliminated": saved})
    grid = tables.writes_table(result)
    gap = formats.percent(0.5)[-2:-1]
    rows = {name: [cell.replace(gap, " ") for cell in cells] for name, cells in grid.rows}
    assert len(grid.columns) == 8
    assert rows["Written by the run"][:2] == ["5", "–"]
    assert rows["Every weight at every step"][:4] == ["1,000", "99.50 %", "50.00 %", "–"]
    assert rows["Weights whose gradient reaches 0.1 of the layer's largest"][4:] == ["–", "90.00 %", "–", "25.00 %"]
    assert tables.writes_table(Result(test_accuracy=None)).rows == []
    shown = dict(tables.comparison([result], ["a"]).rows)
    assert shown["Writes eliminated, first epoch"][0].replace(gap, " ") == "99.50 %"


def test_every_event_of_the_ledger_has_a_heading():
    ledger = {f"layer/forward/{event.value}": 1 for event in Event}
    assert not any("." in column for column in tables.ledger_table(Result(test_accuracy=None, ledger=ledger)).columns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.percent(0.91237), "91.24 %"),
        (formats.share(0.0000123), "0.00123 %"),
        (formats.share(1.0), "100 %"),
        (formats.points(-0.0213), "−2.13"),
        (formats.points(0.01), "+1.00"),
        (formats.points(-0.000001), "0.00"),
        (formats.count(999_999), "999,999"),
        (formats.count(1_234_567), "1.23 M"),
        (formats.count(45_678_901_234), "45.7 G"),
        (formats.count(6.7e20), "670,000 P"),
        (formats.count(float("inf")), "inf"),
        (formats.exact(1_234_567), "1,234,567"),
        (formats.many(1, "cell"), "1 cell"),
        (formats.many(2000, "cell"), "2,000 cells"),
        (formats.figure(76.543), "76.5"),
        (formats.figure(-0.00123), "−0.00123"),
        (formats.figure(12_345.6), "12,346"),
        (formats.figure(999.9), "1,000"),
        (formats.seconds(1.234), "1.23 s"),
        (formats.seconds(600), "10 min"),
        (formats.seconds(9000), "2.5 h"),
    ],
)
def test_numbers_read_well(text: str, expected: str):
    assert text.replace("\N{NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize("show", [formats.percent, formats.share, formats.points, formats.count, formats.exact,
                                  formats.figure, formats.seconds])
def test_what_is_not_known_is_a_dash(show: Any):
    assert show(None) == formats.MISSING
