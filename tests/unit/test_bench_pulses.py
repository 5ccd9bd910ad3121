"""The benchmark of pulses: what it reports, and that it refuses to time a kernel that is wrong."""

from __future__ import annotations

import json

import pytest

from memlearn import cli
from memlearn.core.errors import InputError
from memlearn.experiment import bench_pulses as bench
from memlearn.ops.pulse_update import Tally

COMMAND = ["bench", "pulse-update", "--law", "constant_step", "--seconds", "1e-6"]
FIGURES = {"ns_per_pulse", "ns_per_cell", "ns_per_pulse_per_core_of_two", "limit_ns_per_pulse", "times_the_limit"}


def test_a_record_for_every_noise_plan_and_density(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        cli.main(["bench", "pulse-update", "--law", "constant_step", "--size", "9", "--seconds", "1e-6", "--json"]) == 0
    )
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({(r["noise"], r["plan"], r["density"]) for r in records}) == len(records) == 12
    for record in records:
        assert record["law"] == "constant_step" and record["cells"] == 81
        assert all(record[figure] > 0 for figure in FIGURES)
        assert record["pulses"] <= 81 * 31
    assert [r["pulses"] for r in records if r["density"] == 1] == [81] * 4


def test_the_table_names_the_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMAND, "--size", "5"]) == 0
    shown = capsys.readouterr().out
    assert "constan" in shown and "GB/s" in shown and "100.0%" in shown


def test_a_wrong_kernel_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    device = bench.device_of("constant_step")
    broken = device.kernels._replace(counts=lambda *_, **__: Tally(0, 0))
    monkeypatch.setattr(type(device), "kernels", broken)
    with pytest.raises(bench.RedPulses, match="nothing was timed"):
        next(bench.bench_pulses(("constant_step",), size=3, seconds=1e-6))


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"laws": ("constnat",)}, "law"), ({"size": 0}, "size"), ({"seconds": 0.0}, "size"), ({"seconds": 1e9}, "size")],
)
def test_nonsense_is_refused(options: dict, argument: str) -> None:
    with pytest.raises(InputError, match=argument):
        next(bench.bench_pulses(**options))
