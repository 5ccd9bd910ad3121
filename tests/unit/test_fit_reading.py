"""Tables of pulses: every shape that is understood, and every refusal with its reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from memlearn.core.errors import DataError, InputError
from memlearn.devices import Reading, Traces, read_traces

UP, DOWN = [2.0, 3.0, 4.0, 5.0], [4.5, 3.5, 2.5, 2.2]
BRANCHES = [*UP, *DOWN]


def table(tmp_path: Path, rows: list[list[object]], header: str | None = None, by: str = ",") -> Path:
    lines = ([header] if header else []) + [by.join(map(str, row)) for row in rows]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def signed(scale: float = 1.0) -> list[list[object]]:
    return [[1 if i < 4 else -1, scale * g] for i, g in enumerate(BRANCHES)]


@pytest.mark.parametrize("by", [",", "\t", ";", " "])
def test_conductance_with_signed_voltage(tmp_path: Path, by: str):
    header = None if by == " " else by.join(["pulse_V", "G_uS"])
    how = Reading(unit="uS", direction="1") if header is None else None
    traces = read_traces(table(tmp_path, signed(), header, by=by), how)
    assert np.allclose(traces.conductance[0], np.array(BRANCHES) * 1e-6)
    assert traces.up[0].tolist() == [True] * 4 + [False] * 4
    if header:
        assert any("direction" in note for note in traces.assumptions)


def test_currents_with_a_column_of_read_voltages_many_devices_and_ragged_ends(tmp_path: Path):
    rows = [[4 if i < 4 else -2, 0.5, 1e-6 * g, "" if i > 6 else 2e-6 * g] for i, g in enumerate(BRANCHES)]
    traces = read_traces(table(tmp_path, rows, "pulse_V,read_V,I_A_00,I_A_01"))
    assert np.allclose(traces.conductance[0], 2e-6 * np.array(BRANCHES))
    assert [len(g) for g in traces.conductance] == [8, 7]
    assert traces.device_names == ("I_A_00", "I_A_01")
    repeats = read_traces(table(tmp_path, rows, "pulse_V,read_V,I_A_00,I_A_01"), Reading(same_device=True))
    assert len(repeats.device_names) == 1


def test_currents_with_one_read_voltage_and_resistances(tmp_path: Path):
    path = table(tmp_path, signed(), "dir,value")
    currents = read_traces(path, Reading(unit="uA", read_voltage=0.2))
    assert np.allclose(currents.conductance[0], 5e-6 * np.array(BRANCHES))
    resistances = table(tmp_path, [[s, 1 / float(str(g))] for s, g in signed()], "dir,R_kohm")
    assert np.allclose(read_traces(resistances).conductance[0], 1e-3 * np.array(BRANCHES))


def test_long_form_with_devices_traces_and_words(tmp_path: Path):
    rows = [[d, "up" if i < 4 else "down", i, g] for d in ("a", "b") for i, g in enumerate(BRANCHES)]
    traces = read_traces(table(tmp_path, rows, "device,direction,pulse,G_uS"))
    assert traces.device_names == ("a", "b")
    assert traces.up[1].tolist() == [True] * 4 + [False] * 4


def test_gaps_in_the_numbering_are_several_pulses(tmp_path: Path):
    rows = [[5 * i, 1 if i < 4 else -1, g] for i, g in enumerate(BRANCHES)]
    traces = read_traces(table(tmp_path, rows, "pulse,sign,G_uS"))
    assert traces.pulses[0].tolist() == [1] + [5] * 7
    assert any("between two readings" in note for note in traces.assumptions)


def test_two_columns_up_and_down_without_header_dimensionless_and_gzip(tmp_path: Path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"-1,1\n0,0.5\n1,-0.5\n"))
    traces = read_traces(path, Reading(up_column="1", down_column="2", unit="1", window=(1e-6, 3e-6)))
    assert np.allclose(traces.conductance[0], [1e-6, 2e-6, 3e-6])
    assert traces.device_names == ("device",)
    assert traces.affine is not None


def test_counts_of_pulses_repeat(tmp_path: Path):
    path = table(tmp_path, [[g] for g in BRANCHES * 2], "G_uS")
    traces = read_traces(path, Reading(up=4, down=4))
    assert traces.up[0].tolist() == ([True] * 4 + [False] * 4) * 2


def test_a_reading_before_its_pulse_moves_the_directions(tmp_path: Path):
    rows = [[1, 2], [1, 3], [-1, 4], [-1, 3], [-1, 2]]
    traces = read_traces(table(tmp_path, rows, "sign,G_uS"), Reading(read_before=True))
    assert traces.up[0][1:].tolist() == [True, True, False, False]


REFUSED = {
    "no direction": ("G_uS", [[g] for g in BRANCHES], None, InputError, "nothing in .* tells up pulses"),
    "two columns": (None, [[1, 2], [2, 1], [3, 0]], None, InputError, "up_column=1"),
    "no unit": ("sign,value", signed(), None, InputError, "unit of the readings"),
    "no read voltage": ("sign,I_uA", signed(), None, InputError, "currents need one"),
    "zero read voltage": ("sign,I_uA", signed(), Reading(read_voltage=0.0), InputError, "must not be 0"),
    "unknown unit": ("sign,value", signed(), Reading(unit="siemens"), InputError, "no unit of conductance"),
    "unknown column": ("sign,G_uS", signed(), Reading(direction="volts"), InputError, "no column of"),
    "counts": ("G_uS", [[g] for g in BRANCHES], Reading(up=-1, down=2), InputError, "numbers of pulses"),
    "half of two columns": ("a,b", signed(), Reading(up_column="a", unit="S"), InputError, "needs down_column"),
    "wrong way round": ("sign,G_uS", [[-int(str(s)), g] for s, g in signed()], None, InputError, "other way round"),
    "several readings": ("device,x,y", [[1, 2, 3], [1, 3, 4]], Reading(unit="S"), InputError, "could be any of"),
    "bad window": ("a,b", [[0, 2], [1, 1]], Reading(up_column="a", down_column="b", unit="1", window=(2.0, 1.0)),
                   InputError, "lowest < highest"),
    "unknown word": ("direction,G_uS", [["up", 1], ["dwn", 2]], None, InputError, "no direction"),
    "no values": ("sign,read_V", [[1, 0.1], [-1, 0.1]], None, InputError, "left for the readings"),
    "only up": ("sign,G_uS", signed()[:4], None, DataError, "no down pulse"),
    "negative": ("sign,G_uS", [[s, -float(str(g))] for s, g in signed()], None, DataError, "conductance is positive"),
    "wrong unit": ("sign,G_S", signed(), None, DataError, "no memristor has that"),
    "far too small": ("sign,G_nS", signed(1e-9), None, DataError, "no memristor has that"),
    "constant": ("sign,G_uS", [[s, 3] for s, _ in signed()], None, DataError, "constant"),
    "single row": ("sign,G_uS", signed()[:1], None, DataError, "at least 2"),
    "hole": ("sign,G_uS", [*signed()[:3], [1, ""], *signed()[4:]], None, DataError, "row 5"),
    "words": ("sign,G_uS", [*signed()[:3], [1, "high"]], None, DataError, "holds words"),
    "words in a named column": ("sign,G_uS", [*signed()[:3], [1, "high"]], Reading(values=("G_uS",)), DataError,
                                "'high' is no number"),
    "infinite": ("sign,G_uS", [*signed()[:3], [1, "inf"]], None, DataError, "no number"),
    "zero pulse": ("pulse_V,G_uS", [[2, 1], [0, 2], [-2, 1]], None, DataError, "0 V has no direction"),
    "missing direction": ("pulse_V,G_uS", [[2, 1], ["", 2], [-2, 1]], None, DataError, "needs its direction"),
    "zero resistance": ("sign,R_ohm", [[1, 5], [-1, 0]], None, DataError, "resistance of 0"),
    "empty column": ("sign,G_uS,H_uS", [[1, 1, ""], [-1, 2, ""]], None, DataError, "is empty"),
    "only a header": ("sign,G_uS", [], None, DataError, "nothing below"),
    "missing voltage": ("sign,read_V,I_uA", [[1, 0.1, 1], [-1, 0, 2]], None, DataError, "read voltage is 0"),
    "hole in a long table": ("device,sign,G_uS", [["a", 1, 1], ["a", 1, ""], ["a", -1, 1]], None, DataError,
                             "row 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(tmp_path: Path, case: str):
    header, rows, how, error, reason = REFUSED[case]
    with pytest.raises(error, match=reason):
        read_traces(table(tmp_path, rows, header), how)


def test_files_that_are_none(tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        read_traces(tmp_path / "missing.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_traces(tmp_path)
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        read_traces(tmp_path / "empty.csv")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(DataError, match="damaged gzip"):
        read_traces(tmp_path / "broken.gz")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DataError, match="no text table"):
        read_traces(tmp_path / "binary.csv")


def test_arrays_are_checked_too():
    g, up = np.array([1e-6, 2e-6, 1.5e-6]), np.array([True, True, False])
    assert Traces.of([g], [up]).readings == 3
    with pytest.raises(DataError, match="no trace"):
        Traces.of([], [])
    with pytest.raises(InputError, match="one entry per trace"):
        Traces.of([g], [up, up])
    with pytest.raises(InputError, match="one length"):
        Traces.of([g], [up[:2]])
    with pytest.raises(InputError, match="not be negative"):
        Traces.of([g], [up], pulses=[np.array([1, -1, 1])])
