"""The page says what the run folder holds, loads nothing, and lets no name become markup."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from memlearn.report import write_report
from memlearn.report.figures import accuracy_against_wear, learning_curves
from memlearn.report.folder import read_layer, read_runs
from memlearn.report.histograms import bars
from memlearn.report.layers import block_mean, layer_figures, thinned
from memlearn.report.page import plotly_js
from tests.report_runs import write_history, write_run

HOSTILE = '<script>alert(1)</script> "quoted" & <b>bold</b> %{x} {{ 7 * 7 }} @run-0'


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, visible text, figures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.tags, self.specs, self._inside = "", [], {}, []
        self.source = path.read_text(encoding="utf-8").replace(plotly_js(), "")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, attributes = self._inside[-1] if self._inside else ("", {})
        if "data-plot" in attributes:
            self.specs[attributes["data-plot"]] = json.loads(data, parse_constant=pytest.fail)
        elif tag not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folders: list[Path], out: Path | None = None) -> Page:
    return Page(write_report(folders, out))


def test_the_page_lies_in_the_first_folder_unless_told_otherwise(tmp_path: Path):
    folder = write_run(tmp_path / "a")
    assert write_report([folder]) == folder / "report.html"
    assert write_report([folder], tmp_path / "new/page.html") == tmp_path / "new/page.html"
    assert (tmp_path / "new/page.html").stat().st_size < 8e6
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["page.html"]


def test_one_run_is_told_in_words_and_figures(tmp_path: Path):
    page = page_of([write_run(tmp_path / "a", name="my digits")])
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "my digits",
        "classify 91.20 % of the test set correctly, 2.10 points below the same network in floating point (93.30 %)",
        "1.23 M programming pulses on 72 cells: 76.5 per cell on average and 4,321 on the busiest one",
        "A training step pulsed 3.21 % of the cells",
        "12.3 M ADC conversions, 98,765 DAC conversions and 0 comparisons",
        "soft_bounds", "differential_pair", "ternary_transpose", "\N{MINUS SIGN}2.10",
        "A paper, its journal, 2018.", "torch", "2.13", "a fabricated run", '"kind": "soft_bounds"',
        f"memlearn run {tmp_path / 'a' / 'config.json'} --out a-again",
        "layer0, forward", "ADC conversions", "1,001", "2,001", "6 inputs, 4 outputs, 48 cells",
    ):
        assert words in text, words


def test_every_figure_is_one_that_plotly_takes(tmp_path: Path):
    page = page_of([write_run(tmp_path / "a", tile=(4, 5))])
    places = {attributes.get("id") for attributes in page.all("div")}
    assert len(page.specs) == 3 + 2 * 6 + 2
    assert set(page.specs) <= places
    for spec in page.specs.values():
        plain = json.loads(re.sub(r'"@[a-z0-9-]+"', '"#000000"', json.dumps(spec)))
        go.Figure(data=plain["data"], layout=plain["layout"])
        assert all(plain["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))


def test_several_runs_are_compared_before_each_is_shown(tmp_path: Path):
    names = ["slow", "fast", "gentle"]
    folders = [
        write_run(tmp_path / name, name=name, seed=i, test_accuracy=0.8 + 0.05 * i, pulses_per_cell_mean=10.0 ** -i)
        for i, name in enumerate(names)
    ]
    page = page_of(folders)
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "3 runs compared" in text
    assert "The best run, gentle, classifies 90.00 %" in text
    assert "gentle wears its cells least, with 0.01 pulses per cell on average" in text
    assert text.index("Runs against floating point") < text.index("Learning") < text.index("The runs, one by one")
    runs = [attributes for attributes in page.all("details") if attributes.get("class") == "run"]
    assert [attributes["id"] for attributes in runs] == ["run-0", "run-1", "run-2"]
    assert {attributes.get("href") for attributes in page.all("a")} >= {"#run-0", "#run-1", "#run-2"}
    shown = page.specs["run-figure-0"]["data"]
    assert [trace["name"] for trace in shown if trace["showlegend"]] == names
    for trace in shown + page.specs["run-figure-1"]["data"]:
        assert trace["line"]["color"] == f"@run-{names.index(trace['name'])}"
    assert page.specs["run-2-layer-0-figure-3"]["data"][0]["marker"]["color"] == "@run-2"


def test_many_runs_take_one_line_each(tmp_path: Path):
    folders = [write_run(tmp_path / str(i), sizes=(2, 2), name=f"run of seed {i}", seed=i) for i in range(7)]
    page = page_of(folders)
    head, *rows = page.source.split("<h2>Learning")[0].split("<tr>")[1:]
    assert len(rows) == 7
    assert "run of seed 6" in rows[6] and 'href="#run-6"' in rows[6]
    assert "Test accuracy" in head
    assert page.specs["run-figure-0"]["layout"]["showlegend"]
    assert not page.specs["run-figure-1"]["layout"]["showlegend"]


@pytest.mark.parametrize("several", [False, True])
def test_names_never_become_markup(tmp_path: Path, several: bool):
    changes: dict[str, Any] = dict.fromkeys(("device", "mapping", "backward_method", "update_method"), HOSTILE)
    changes |= {"sources": [HOSTILE], "versions": {HOSTILE: HOSTILE}, "ledger": {f"{HOSTILE}/{HOSTILE}/{HOSTILE}": 1}}
    folders = [write_run(tmp_path / f"<b>{i}", name=HOSTILE, **changes) for i in range(2 if several else 1)]
    page = page_of(folders, tmp_path / "page.html")
    assert not page.all("b")
    assert len(page.all("script")) == len(page.specs) + 2
    assert HOSTILE in page.text
    assert "<script>alert" not in page.source
    for spec in page.specs.values():
        for trace in spec["data"]:
            assert "<b>" not in trace.get("name", "")
            assert "%{x} {{" not in trace.get("hovertemplate", "")


def test_the_page_loads_nothing(tmp_path: Path):
    page = page_of([write_run(tmp_path / "a", sources=["https://example.org/paper"])])
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert not attributes.get(name) or (attributes[name] or "").startswith("#")
    assert not page.all("link") and not page.all("img") and not page.all("iframe")
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", page.source)
    assert "url(" not in page.source and "@import" not in page.source
    policy = [a["content"] or "" for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy and policy[0].startswith("default-src 'none'")


def test_the_page_can_be_used_from_the_keyboard_and_read_aloud(tmp_path: Path):
    page = page_of([write_run(tmp_path / "a")])
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in page.all("div") if a.get("class") == "scroll")
    assert all(a.get("role") == "img" and a.get("aria-label") for a in page.all("div") if a.get("class") == "plot")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_accuracies_that_are_not_known_leave_gaps(tmp_path: Path, missing: float | None):
    folder = write_run(tmp_path / "a", float_test_accuracy=None, validation_accuracy=None)
    write_history(folder, [
        {"epoch": i, "train_loss": missing, "train_accuracy": 0.5, "validation_accuracy": None} for i in range(3)
    ])
    page = page_of([folder])
    assert "floating point" not in page.text.split("Learning")[0]
    accuracy = page.specs["run-figure-0"]["data"]
    assert [trace["name"] for trace in accuracy] == ["training"]
    assert accuracy[0]["y"] == [50.0, 50.0, 50.0]
    if missing is not None:
        assert page.specs["run-figure-1"]["data"][0]["y"] == [None, None, None]


def test_a_run_that_knows_next_to_nothing_has_a_page(tmp_path: Path):
    folder = write_run(tmp_path / "a", sizes=(1, 1))
    (folder / "result.json").write_text('{"test_accuracy": null}')
    write_history(folder, [])
    text = page_of([folder]).text
    assert "The run has no test accuracy." in text
    assert "The history of the training is empty." in text
    assert "None of the runs has a test accuracy." in page_of([folder, folder]).text


def test_an_array_of_one_cell_has_all_its_figures(tmp_path: Path):
    page = page_of([write_run(tmp_path / "a", sizes=(1, 1), tile=(1, 1), epochs=1)])
    layer = [spec for key, spec in page.specs.items() if "layer-0" in key]
    assert len(layer) == 6
    for spec in layer:
        for trace in spec["data"]:
            if trace["type"] == "heatmap":
                assert trace["zmin"] < trace["zmax"]
            else:
                assert sum(trace["y"]) in (1, 2)


def test_maps_hold_microsiemens_and_blanks(tmp_path: Path):
    folder = write_run(tmp_path / "a", sizes=(6, 4), tile=(4, 5))
    arrays = read_layer(folder, "layer0")
    arrays.after[2, 3] = np.nan
    spec = layer_figures(arrays, index=0, side=200)[1].traces[0]
    shape = tuple(int(n) for n in spec["z"]["shape"].split(","))
    z = np.frombuffer(base64.b64decode(spec["z"]["bdata"]), "<f4").reshape(shape)
    np.testing.assert_allclose(z, 1e6 * arrays.after, rtol=1e-6)
    assert np.isnan(z[2, 3])


def test_large_maps_become_block_means():
    grid = np.arange(35.0).reshape(5, 7)
    grid[4, 6] = np.nan
    small, block = block_mean(grid, 3)
    assert (small.shape, block) == ((3, 3), (2, 3))
    assert small[0, 0] == grid[:2, :3].mean()
    assert np.isnan(small[2, 2])
    whole, block = block_mean(grid, 7)
    assert whole is grid and block == (1, 1)


def test_a_caption_says_when_a_map_is_shrunk(tmp_path: Path):
    arrays = read_layer(write_run(tmp_path / "a", sizes=(6, 4), tile=(4, 5)), "layer0")
    caption = layer_figures(arrays, index=0, side=3)[0].caption
    assert "6 of 8 word lines × 8 of 10 bit lines, one cell of every 2 × 4 drawn" in caption
    captions = [figure.caption for figure in layer_figures(arrays, index=0, side=3)]
    assert any("drawn as means over blocks of 2 × 3 cells" in text for text in captions)


def test_a_thinned_map_keeps_one_side_of_the_pairs():
    grid = np.tile([1.0, -1.0], (5, 6))
    left, step = thinned(grid, 3)
    assert step == (2, 4) and left.shape == (3, 3) and (left == 1).all()
    assert thinned(grid, 12) == (pytest.approx(grid), (1, 1))


@pytest.mark.parametrize("values", [[0, 0, 0], [5], [0, 1, 2, 500], list(range(61)), []])
def test_every_cell_falls_into_one_bin(values: list[int]):
    trace = bars(np.array(values, dtype=float), name="cells", colour="@soft", whole=True)
    assert sum(trace["y"]) == len(values)
    assert len(set(trace["width"])) == 1
    assert len(trace["y"]) <= 61


def test_values_that_are_all_equal_have_a_histogram():
    trace = bars(np.full(4, 1e-3), name="weights", colour="@soft")
    assert sum(trace["y"]) == 4
    assert min(trace["width"]) > 0


def test_wear_is_compared_on_a_scale_that_fits(tmp_path: Path):
    def layout(*wear: float | None) -> dict[str, Any] | None:
        folders = [write_run(tmp_path / str(i), pulses_per_cell_mean=w) for i, w in enumerate(wear)]
        figure = accuracy_against_wear(read_runs(folders))
        return figure and figure.layout["xaxis"]

    assert layout(1.0, None) is None
    assert "type" not in (layout(1.0, 2.0) or {})
    assert (layout(1.0, 100.0) or {})["type"] == "log"


def test_curves_of_many_epochs_have_no_markers(tmp_path: Path):
    figures = learning_curves(read_runs([write_run(tmp_path / "a", epochs=50)]))
    assert {trace["mode"] for trace in figures[0].traces} == {"lines"}
