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


def test_missing_readings_leave_their_pulses_to_the_next(tmp_path: Path):
    rows = [[1, 2], [1, "nan"], [1, 4], ["NaN", "NaN"], [-1, 3], [-1, 2]]
    traces = read_traces(table(tmp_path, rows, "sign,G_uS"))
    assert np.allclose(traces.conductance[0], [2e-6, 4e-6, 3e-6, 2e-6])
    assert traces.pulses[0].tolist() == [1, 2, 1, 1]  # the row without anything is no pulse
    assert any("passed over" in note for note in traces.assumptions)
    long = [[d, *row] for d in ("a", "b") for row in rows]
    assert read_traces(table(tmp_path, long, "device,sign,G_uS")).pulses[1].tolist() == [1, 2, 1, 1]


def test_readings_before_and_after_one_pulse(tmp_path: Path):
    rows = [[i, "set" if i % 2 else "reset", 100 + i, 90 if i % 2 else 120] for i in range(20)]
    how = Reading(before="old", after="new", unit="kohm")
    traces = read_traces(table(tmp_path, [*rows, [20, "set", 100, ""]], "cell,polarity,old,new"), how)
    assert len(traces.conductance) == 20 and traces.device_names == ("device",)
    assert np.allclose(traces.conductance[1], [1 / 101e3, 1 / 90e3])
    assert traces.up[0].tolist() == [False, False] and traces.up[1].tolist() == [True, True]
    said = " ".join(traces.assumptions)
    assert "1 row(s) without a reading" in said and "Too few pulses per device" in said
    of_cells = [[i % 2, *row[1:]] for i, row in enumerate(rows)]
    assert read_traces(table(tmp_path, of_cells, "cell,polarity,old,new"), how).device_names == ("0", "1")
    one = [row[1:] for row in rows]
    assert "on one device" in " ".join(read_traces(table(tmp_path, one, "polarity,old,new"), how).assumptions)
    currents = [[1 if i % 2 else -1, 0.1 * (1 + i % 2), 1 + i, 2 + i] for i in range(6)]
    how = Reading(before="b_nA", after="a_nA")
    read = read_traces(table(tmp_path, currents, "sign,read_V,b_nA,a_nA"), how)
    assert np.allclose(read.conductance[1], [1e-8, 1.5e-8])


AWKWARD = {
    "words for columns": ("Pulse Number,Pulse Voltage (V),Conductance (µS)\n", "{i},{v},{g}", None),
    "a preamble": ("Analyser 4200\nDate: 2021-03-04\nSample, A3\nVpulse (V),I (uA),Vread (V)\n", "{v},{g},1", None),
    "a row of units": ("Voltage;Current\nV;nA\n", "{v};{g}", Reading(read_voltage=1e-3)),
    "comments": ("% measured\n// by hand\n# twice\nsign,G_uS\n", "{v},{g}", None),
    "millivolts": ("Vpulse,Vread (mV),I (nA)\n", "{v},1,{g}", None),
    "other quantities": ("Time (s),V,I (A),T (K),G (uS)\n", "{i},{v},1e-7,300,{g}", None),
    "siemens": ("polarity,Conductance (microSiemens)\n", "{v},{g}", None),
    "small letters": ("v,conductance_us\n", "{v},{g}", None),
    "quotes and empty ends": ('"V (V)","G [uS]",\n', '"{v}","{g}",', None),
    "blank lines": ("V,G_uS\n\n", "{v},{g}\n", None),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_tables(tmp_path: Path, case: str):
    head, row, how = AWKWARD[case]
    path = tmp_path / "t.csv"
    lines = [row.format(i=i, v=2 if i < 4 else -2, g=g) for i, g in enumerate(BRANCHES)]
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        path.write_text(head + "\n".join(lines) + "\n", encoding=encoding)
        traces = read_traces(path, how)
        assert np.allclose(traces.conductance[0], np.array(BRANCHES) * 1e-6)
        assert traces.up[0].tolist() == [True] * 4 + [False] * 4
        assert traces.pulses[0].tolist() == [1] * 8
    if case == "a preamble":
        assert "3 line(s) above the table" in " ".join(traces.assumptions)


def test_decimal_commas(tmp_path: Path):
    rows = [[str(1.5 * int(str(s))).replace(".", ","), str(g).replace(".", ",")] for s, g in signed()]
    for header in ("V;G_uS", None):
        how = None if header else Reading(unit="uS", direction="1")
        traces = read_traces(table(tmp_path, rows, header, by=";"), how)
        assert np.allclose(traces.conductance[0], np.array(BRANCHES) * 1e-6)
        assert any("decimal commas" in note for note in traces.assumptions)


def test_two_columns_whose_names_say_the_direction(tmp_path: Path):
    rows = [[5, 2], [4, 3], [3, 4], [2, 5]]
    traces = read_traces(table(tmp_path, rows, "G LTD (uS),G LTP (uS)"))
    assert traces.up[0].all() and np.allclose(traces.conductance[0], np.array([2, 3, 4, 5]) * 1e-6)


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
    "half of a pair": ("sign,a,b", [[1, 2, 3]], Reading(before="a", unit="uS"), InputError, "needs after too"),
    "one column twice": ("sign,a,b", [[1, 2, 3]], Reading(before="a", after="a", unit="uS"), InputError,
                         "Name two columns"),
    "no whole pair": ("sign,a,b", [[1, 2, ""], [-1, "", 3]], Reading(before="a", after="b", unit="uS"), DataError,
                      "both before and after"),
    "units that differ": ("sign,a,b,G_uS", [[1, 2, 3, 4], [-1, 1, 2, 3]], Reading(values=("a", "G_uS")), InputError,
                          "only some have one"),
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
    for raw in (b"\xff\xfe\x00\x81", b"\x00\x01\x02"):
        (tmp_path / "binary.csv").write_bytes(raw)
        with pytest.raises(DataError, match="no text table"):
            read_traces(tmp_path / "binary.csv")
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04...")
    with pytest.raises(DataError, match="workbook"):
        read_traces(tmp_path / "book.csv")


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
