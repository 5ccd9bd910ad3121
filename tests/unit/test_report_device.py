"""The sheet of a device: what it derives, that it is the same for a seed, and what its page, picture and text hold."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from memlearn.cli import main
from memlearn.core.errors import InputError
from memlearn.devices import MEMBERS, ConstantStep, SoftBounds, load, presets
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise
from memlearn.report import DeviceSheet, find_device, portrait
from memlearn.report.chart import Curve, Panel, as_dots, as_figure, as_svg, prefixed, ticks, with_unit

SMALL = "taox_hfox"
PANEL = Panel(
    "A <b>",
    "of & lines",
    "x (V)",
    "y (µS)",
    (
        Curve("one", "line", [0, 1, 2], [0.0, 4.0, 1.0]),
        Curve("", "band", [0, 1, 2], [1.0, 5.0, 2.0], [-1.0, 3.0, math.nan], 1),
        Curve("two", "dots", [0, 1], [2.0, math.nan], colour=2),
        Curve("", "thin", [0, 2], [1.0, 1.0], colour=3),
    ),
)


@pytest.fixture(scope="module")
def sheet() -> DeviceSheet:
    return DeviceSheet(find_device(SMALL))


class TestDerived:
    """Figures that follow from the settings."""

    def test_of_soft_bounds(self):
        law = SoftBounds(states=50, asymmetry=0.2, series_resistance=1e4, cycle_to_cycle=CycleToCycle(spread=0.3))
        found = portrait.derived(law)
        step = law.range / 50
        assert (found.step_up, found.step_down) == pytest.approx((1.2 * step, 0.8 * step))
        assert found.states == pytest.approx(50) and found.range == pytest.approx(law.range)
        assert found.spread_of_step == pytest.approx(0.3) and found.spread_of_range == pytest.approx(0.3 * 1.2 / 50)
        # w* = (D+ - D-) / (D+ / b+ + D- / |b-|), section 2.3, with bounds at +-1: (1.2 - 0.8) / 2.
        assert found.symmetric_place == pytest.approx(0.6) and found.attracts
        # Ron + Rs over Roff + Rs.
        assert found.on_off == pytest.approx((1 / law.g_min + 1e4) / (1 / law.g_max + 1e4))
        # 1 - (1 - 1.2 / 25) ** n >= 0.97.
        assert found.pulses_up == math.ceil(math.log(0.03) / math.log(1 - 1.2 / 25))
        assert found.pulses_down == math.ceil(math.log(0.03) / math.log(1 - 0.8 / 25))

    def test_spread_and_noise_do_not_move_the_nominal_cell(self):
        wild = {"device_to_device": DeviceToDevice(step=0.5), "read_noise": ReadNoise(relative=0.1)}
        assert portrait.derived(SoftBounds(**wild)) == portrait.derived(SoftBounds())

    def test_equal_steps_have_no_symmetric_point_and_long_ways_no_count(self):
        found = portrait.derived(ConstantStep(states=30_000, g_min=0.0))
        assert found.symmetric_point is None and found.attracts is None and found.on_off is None
        assert found.pulses_up is None and found.pulses_down is None

    def test_a_point_may_repel(self):
        found = portrait.derived(load("gst_pcm").device)
        assert found.attracts is False and 2 * found.symmetric_place - 1 == pytest.approx(0.337, abs=1e-3)

    @pytest.mark.parametrize("kind", MEMBERS)
    def test_every_law_has_figures_and_steps(self, kind):
        law = MEMBERS[kind]()
        found = portrait.derived(law)
        assert found.range > 0 and found.spread_of_range >= 0
        for up in (True, False):
            steps = portrait.steps(law, 0, up=up)
            assert np.isfinite(steps.mean).all() and np.isfinite(steps.cells).all()
            # A reset may also lead upwards, to its level.
            assert (steps.mean * (1 if up else -1) >= (0 if up or kind != "one_sided" else -0.01 * law.range)).all()


class TestCourse:
    """Simulated cells."""

    def test_goes_up_and_down_again(self):
        law = SoftBounds(states=40, cycle_to_cycle=CycleToCycle(spread=0.5))
        course = portrait.course(law, 0)
        assert course.seen.shape == (len(course.pulses), 256) and (course.seen[0] == course.seen[0, 0]).all()
        assert (course.seen[course.turn] > law.g_min + 0.8 * law.range).all()
        assert course.seen[-1].mean() < law.g_min + 0.05 * law.range
        assert (np.diff(course.pulses) > 0).all() and course.seen[5].std() > 0

    def test_a_seed_says_it_all(self):
        law = SoftBounds(cycle_to_cycle=CycleToCycle(spread=0.5))
        first, again, other = (portrait.course(law, seed).seen for seed in (1, 1, 2))
        assert np.array_equal(first, again) and not np.array_equal(first, other)


class TestChart:
    """One description, three forms."""

    def test_svg_is_well_formed_and_complete(self):
        text = as_svg([PANEL, PANEL], title="T & t")
        tree = ElementTree.fromstring(text)
        words = " ".join(tree.itertext())
        assert "A <b>" in words and "x (V)" in words and "y (µS)" in words and "one" in words and "two" in words
        assert "nan" not in text and tree.get("role") == "img"

    def test_figure_has_a_trace_for_each_curve(self):
        figure = as_figure(PANEL)
        assert len(figure.traces) == 5 and figure.layout["xaxis"]["title"]["text"] == "x (V)"
        assert sum(trace["showlegend"] for trace in figure.traces) == 2

    def test_dots_show_the_lines_and_the_ends_of_the_axes(self):
        lines = as_dots(PANEL, columns=20, rows=5).splitlines()
        assert lines[0].endswith("y (µS) against x (V)") and len(lines) == 7
        assert lines[-1].split() == ["0", "2"] and any(0x2800 < ord(c) <= 0x28FF for c in "".join(lines))

    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (2e-6, "S", "2 µS"),
            (38.462e-9, "S", "38.46 nS"),
            (15e3, "ohm", "15 kohm"),
            (0.0, "S", "0 S"),
            (None, "S", "unknown"),
            (999.9e-6, "S", "999.9 µS"),
            (1e-3, "S", "1 mS"),
            (0.5, "1", "0.5"),
            (1e-30, "S", "1e-15 fS"),
        ],
    )
    def test_units_have_prefixes(self, value, unit, text):
        assert with_unit(value, unit) == text

    def test_prefix_of_what_is_not_finite(self):
        assert prefixed(math.inf, "S") == (1, "S")

    def test_ticks_are_round_and_inside(self):
        assert ticks(0, 10) == [0, 2, 4, 6, 8, 10] and ticks(-1.3, 1.1) == pytest.approx([-1, -0.5, 0, 0.5, 1])


class TestSheet:
    """Text, page, picture, data."""

    def test_text_says_everything(self, sheet):
        text = sheet.text()
        preset = sheet.preset
        assert text.startswith(f"{preset.name}: {preset.title}")
        assert all(line in text for line in (*preset.sources, *preset.deviations))
        assert "g_min = 1 µS  (lowest conductance of the nominal range)" in text and "label_up = 0.04" in text
        assert "up_pulse.width = 50 ns" in text and "endurance_cycles = unknown" in text and "curve_up = 0" in text
        assert "at rest: device_to_device, faults" in text and "C2C of the range: 0.037" in text

    def test_page_loads_nothing_and_holds_three_figures(self, sheet):
        page = sheet.html()
        HTMLParser().feed(page)
        figures = re.findall(r'<script type="application/json" data-plot="(device-figure-\d)">(.*?)</script>', page)
        assert [name for name, _ in figures] == [f"device-figure-{k}" for k in range(3)]
        assert not re.search(r'<(script|link|img)[^>]+(src|href)="?http', page)
        axes = [json.loads(spec)["layout"] for _, spec in figures]
        titles = [(axis["xaxis"]["title"]["text"], axis["yaxis"]["title"]["text"]) for axis in axes]
        assert titles[0] == titles[2] == ("pulses", "conductance (µS)")
        # The unit of the steps goes by the largest, which the noise decides.
        assert titles[1][0] == "conductance (µS)" and re.fullmatch(r"change by a pulse \([µn]S\)", titles[1][1])

    def test_twenty_cells_and_a_band_of_many(self, sheet):
        spread, _, single = sheet.panels
        assert sum(curve.kind == "thin" for curve in single.curves) == 20
        assert [curve.kind for curve in spread.curves] == ["band", "line", "band", "line"]
        for curve in spread.curves[::2]:
            assert (np.array(curve.y) >= np.array(curve.low)).all()

    def test_a_seed_gives_the_same_sheet(self, sheet):
        again = DeviceSheet(find_device(SMALL))
        assert again.svg() == sheet.svg() and again.data() == sheet.data() and again.text() == sheet.text()
        assert DeviceSheet(find_device(SMALL), seed=1).svg() != sheet.svg()

    def test_data_is_plain(self, sheet):
        data = json.loads(json.dumps(sheet.data(), allow_nan=False))
        assert data["device"]["kind"] == "neurosim_curve" and data["derived"]["states"] == pytest.approx(126.8, abs=0.1)
        assert len(data["panels"]) == 3

    def test_a_folder_is_no_file(self, sheet, tmp_path):
        with pytest.raises(InputError, match="is a folder"):
            sheet.write(svg=tmp_path)


class TestCommand:
    """`memlearn show device`."""

    def test_writes_page_and_picture(self, tmp_path: Path, capsys):
        page, picture = tmp_path / "deep" / "page.html", tmp_path / "picture.svg"
        assert main(["show", "device", SMALL, "--html", str(page), "--svg", str(picture)]) == 0
        said = capsys.readouterr()
        assert said.out.startswith(f"{SMALL}: ") and f"Written to {page}." in said.err.replace("\n", "")
        assert page.stat().st_size > 1e6 and ElementTree.parse(picture).getroot().tag.endswith("svg")

    def test_reads_a_file(self, tmp_path: Path, capsys):
        file = tmp_path / "mine.toml"
        text = 'title = "My <own>"\n[device]\nkind = "soft_bounds"\nstates = 12.5\n[record]\nx = [nan, 1.0]\n'
        file.write_text(text)
        assert main(["show", "device", str(file), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["record"] == {"x": [None, 1.0]}
        assert main(["show", "device", str(file), "--html", str(tmp_path / "p.html")]) == 0
        assert "mine: My <own>" in capsys.readouterr().out and "My &lt;own&gt;" in (tmp_path / "p.html").read_text()

    def test_a_law_has_its_settings_first(self, capsys):
        assert main(["show", "device", "vteam"]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("vteam: ") and "v_on = -0.2 V" in shown and "\nDerived:\n" in shown

    def test_json_and_nothing_else(self, capsys):
        assert main(["show", "device", SMALL, "--json", "--seed", "3"]) == 0
        assert json.loads(capsys.readouterr().out)["seed"] == 3

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["device", "ag_asi"], "name = 'ag_asi': is none of the devices. Did you mean 'ag_a_si'?"),
            (["device", "no.toml"], "no.toml: cannot be read"),
            (["rule", "sgd", "--svg", "x.svg"], "only a device has a page"),
        ],
    )
    def test_what_cannot_be_shown(self, arguments, words, capsys):
        assert main(["show", *arguments]) == 1
        assert words in capsys.readouterr().err


def test_laws_presets_and_files_are_found():
    assert find_device("soft_bounds").device == SoftBounds()
    assert find_device(presets()[0]).device == load(presets()[0]).device
