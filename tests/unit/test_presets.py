"""Presets and device files: each loads, is what has been published, and says so; files that are wrong are refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from memlearn.core.errors import DataError, InputError
from memlearn.devices import MEMBERS, AbstractDevice, Preset, SoftBounds, load, presets
from memlearn.devices.neurosim_curve import label_to_a
from memlearn.devices.presets import resolved
from memlearn.experiment import Experiment, Override, read_experiment, schema
from tests.preset_page import PAGE, page
from tests.published_devices import CURVES, RERAM_DOWN, RERAM_UP, WEIGHTS, residuals, step_at

MINIMAL = '[device]\nkind = "soft_bounds"\nstates = 30\n'
TEXT = 'name = "mine"\ntitle = "Mine"\nsources = ["a"]\ndeviations = ["b"]\n' + MINIMAL


@pytest.fixture(params=presets())
def preset(request: pytest.FixtureRequest) -> Preset:
    return load(request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


class TestEvery:
    """What holds of every preset."""

    def test_is_complete(self, preset):
        assert preset.title and preset.sources and preset.deviations, preset.name
        assert (
            isinstance(preset.device, AbstractDevice)
            and preset.device.from_table(preset.device.table()) == preset.device
        )
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", preset.name) and preset.name in presets()
        json.dumps([preset.record, preset.residuals])

    def test_says_what_nobody_has_stated(self, preset):
        # Endurance is never a silent number: either it has a source, or it is unknown, and then the model has no limit.
        if not preset.name.startswith("fitted_") and preset.name != "neurosim_ideal":
            assert preset.record["endurance_cycles"] == "unknown" and preset.device.endurance.lifetime is None

    def test_residuals_are_those_of_the_model(self, preset):
        again = residuals(preset)
        for name, value in again.items():
            assert preset.residuals[name] == pytest.approx(value, rel=0.06, abs=1e-8), name

    def test_pulses_have_the_signs_of_their_directions(self, preset):
        up, down = preset.device.up_pulse.voltage, preset.device.down_pulse.voltage
        unipolar = preset.name == "gst_pcm"  # phase change is driven by heat, whatever its sign
        assert up is None or down is None or (up * down < 0) is not unipolar

    def test_trains_an_experiment(self, preset):
        made = Experiment.from_table({"device": {"preset": preset.name}})
        assert made.device == preset.device and Experiment.from_table(made.table()) == made


def test_no_preset_has_the_name_of_a_law():
    assert not set(presets()) & set(MEMBERS)


@pytest.mark.parametrize("name", CURVES)
def test_benchmark_devices_are_those_of_the_tables(name):
    true, device = CURVES[name], load(name).device
    assert 1 / device.g_max == pytest.approx(true.resistance, rel=1e-4)
    assert device.g_max / device.g_min == pytest.approx(true.ratio, rel=1e-4)
    assert device.states == true.pulses_up and device.cycle_to_cycle.range_spread == true.c2c
    for label, a in ((true.label_up, true.a_up), (true.label_down, true.a_down)):
        if math.isfinite(a):
            assert label_to_a(label) == pytest.approx(a, abs=1e-6)  # the tables print six digits
    if math.isfinite(true.step_up):
        up, down = (step_at(device, 0.0, -1, 1, way) for way in (True, False))
        assert up == pytest.approx(true.step_up, abs=6e-7) and down == pytest.approx(true.step_down, abs=6e-7)
        assert 2 * true.c2c / up == pytest.approx(true.c2c_of_step, abs=6e-3)
        # Steps at the bounds ahead: D (1 - g).
        ends = step_at(device, 1 - 1e-9, -1, 1, True) / up, step_at(device, -1 + 1e-9, -1, 1, False) / down
        assert ends == pytest.approx((1 - true.slope_up, 1 - true.slope_down), abs=6e-5)
    if math.isfinite(true.symmetric_point):
        assert load(name).residuals["symmetric_point"] < 6e-4


@pytest.mark.parametrize("name", WEIGHTS)
def test_kit_devices_have_the_published_numbers(name):
    true, preset = WEIGHTS[name], load(name)
    device, bounds = preset.device, (true.w_min, true.w_max)
    half = 0.5 * device.range
    weight = device.range / (true.w_max - true.w_min)
    up, down = (step_at(device, 0.0, *bounds, way) for way in (True, False))
    assert (up, down) == pytest.approx((true.step_up, true.step_down), rel=1e-8)
    scale = (RERAM_UP, (1 - 0.259359) * RERAM_DOWN) if name == "aihwkit_reram_es" else (1, 1)
    dw_min = up / scale[0]
    assert preset.record["states_published"] == pytest.approx((true.w_max - true.w_min) / dw_min, rel=1e-8)
    spread, cycle = device.device_to_device, device.cycle_to_cycle
    assert spread.step == true.step_spread
    assert spread.upper_bound * half == pytest.approx(true.max_spread * true.w_max * weight, rel=1e-8)
    assert spread.lower_bound * half == pytest.approx(-true.min_spread * true.w_min * weight, rel=1e-8)
    # Half the balance, of the mean step that the settings scale, is the published spread in steps.
    mean = device.mean_step / weight / dw_min
    assert 0.5 * spread.balance * mean == pytest.approx(true.balance_spread, rel=1e-8)
    noise = cycle.spread if cycle.spread else cycle.range_spread * (true.w_max - true.w_min) / dw_min
    assert noise == pytest.approx(true.c2c, rel=1e-8)
    assert device.write_noise.absolute == pytest.approx(true.write_noise * dw_min * weight, rel=1e-8)


def test_published_states():
    # reference/devices.md, section 4.2.
    states = {
        name: load(f"aihwkit_{name}").record["states_published"]
        for name in (
            "reram_es",
            "reram_sb",
            "capacitor",
            "ecram",
            "ecram_mo",
            "idealized",
            "gokmen_vlasov",
            "reram_array_om",
            "reram_array_hfo2",
        )
    }
    assert [round(value, 1 if value < 10 else 0) for value in states.values()] == [
        1481,
        1000,
        400,
        1000,
        7089,
        10_000,
        1250,
        21,
        4.3,
    ]


def test_ecram_slopes_are_those_of_the_published_lines():
    for name, slopes in (("aihwkit_ecram", (0.1153, 0.5085)), ("aihwkit_ecram_mo", (0.4152, 0.7342))):
        device, true = load(name).device, WEIGHTS[name]
        ends = (true.w_max - 1e-9, True), (true.w_min + 1e-9, False)
        found = [1 - step_at(device, w, true.w_min, true.w_max, up) / true.step_up for w, up in ends]
        assert found == pytest.approx(slopes, abs=1e-6)


class TestFiles:
    """Reading a file."""

    def test_a_file_is_read(self, file):
        file.write_text(TEXT + "[record]\nx = [1, 2]\n[residuals]\ncurve = 1\n")
        for given in (file, str(file)):
            found = load(given)
            assert found.device == SoftBounds(states=30) and found.name == "mine" and found.residuals == {"curve": 1.0}
            assert (found.sources, found.deviations, found.record) == (("a",), ("b",), {"x": [1, 2]})

    def test_only_the_device_is_required(self, file):
        file.write_text(MINIMAL)
        found = load(file)
        assert (found.name, found.title, found.sources, found.record) == ("mine", "mine", (), {})

    @pytest.mark.parametrize(
        ("text", "error", "words"),
        [
            (
                "nam = 1\n" + MINIMAL,
                InputError,
                "mine.toml: nam = 1: unknown key of a device file. Did you mean 'name'",
            ),
            ("name = 3\n" + MINIMAL, InputError, "mine.toml: name = 3: must be a text"),
            ('sources = "a"\n' + MINIMAL, InputError, "mine.toml: sources = 'a': must be a list"),
            ("sources = [1]\n" + MINIMAL, InputError, "mine.toml: sources = [1]: must be a list of sentences"),
            ("record = 3\n" + MINIMAL, InputError, "mine.toml: record = 3: must be a table"),
            (MINIMAL + '[residuals]\na = "b"\n', InputError, "mine.toml: residuals.a = 'b': must be a number"),
            (
                MINIMAL + "stats = 3\n",
                InputError,
                "mine.toml: device.stats = 3: unknown setting of SoftBounds. Did you",
            ),
            (MINIMAL + "g_max = 1e-9\n", InputError, "mine.toml: device.g_min"),
            ("[device]\nstates = 3\n", InputError, "mine.toml: device.kind = None: is required"),
            (
                '[device]\nkind = "soft_bound"\n',
                InputError,
                "device.kind = 'soft_bound': unknown kind. Did you mean 'soft_bounds'",
            ),
            ('name = "x"\n', DataError, "mine.toml: has no table [device]"),
            ("device = 3\n", DataError, "mine.toml: has no table [device]"),
            ("[device\n", DataError, "mine.toml: is no valid TOML"),
            (b"\xff\xfe\x00", DataError, "mine.toml: is no text in UTF-8"),
        ],
    )
    def test_a_wrong_file_is_refused(self, file, text, error, words):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(error, match=re.escape(words)):
            load(file)

    def test_a_file_that_is_not_there(self, tmp_path):
        for path in (tmp_path / "no.toml", str(tmp_path / "no.toml"), "no.toml", tmp_path):
            with pytest.raises(DataError, match="cannot be read"):
                load(path)

    def test_an_unknown_preset_names_the_nearest(self):
        with pytest.raises(
            InputError, match=r"is none of the presets\. Did you mean 'ag_a_si'\?.*give its path"
        ) as error:
            load("ag_asi")
        assert error.value.argument == "preset"


class TestExperiments:
    """`preset` and `file` in the device table of an experiment."""

    def test_further_keys_change_the_preset(self):
        device = load("ag_a_si").device
        table = {"preset": "ag_a_si", "states": 50, "cycle_to_cycle": {"spread": 0.1}, "kind": "neurosim_curve"}
        made = Experiment.from_table({"device": table}).device
        cycle = device.cycle_to_cycle.replace(spread=0.1)
        assert made == device.replace(states=50, cycle_to_cycle=cycle)

    def test_a_file_is_relative_to_the_experiment(self, file):
        file.write_text(TEXT)
        (file.parent / "run.toml").write_text('[device]\nfile = "mine.toml"\nasymmetry = 0.1\n')
        described = read_experiment(file.parent / "run.toml")
        assert described.experiment.device == SoftBounds(states=30, asymmetry=0.1)
        assert "file" not in described.experiment.table()["device"]

    def test_overrides_choose_a_preset(self, file):
        file.write_text(TEXT)
        experiment = file.parent / "run.toml"
        experiment.write_text('[device]\nkind = "soft_bounds"\nstates = 9\nmix_up = 0.5\n')
        chosen = [Override("device.preset", "epiram"), Override("device.states", 32)]
        assert read_experiment(experiment, overrides=chosen).experiment.device == load("epiram").device.replace(
            states=32
        )
        chosen = [Override("device.file", "mine.toml")]
        assert read_experiment(experiment, overrides=chosen).experiment.device == SoftBounds(states=30)

    @pytest.mark.parametrize(
        ("table", "argument", "words"),
        [
            ({"preset": "ag_a_s"}, "preset", "is none of the presets"),
            ({"preset": "ag_a_si", "file": "x.toml"}, "device.file", "stands beside a preset"),
            ({"preset": 3}, "device.preset", "must be a name"),
            ({"file": ""}, "device.file", "must be a path"),
            ({"preset": "ag_a_si", "kind": "soft_bounds"}, "device.kind", "ag_a_si is a neurosim_curve"),
            ({"preset": "ag_a_si", "stats": 3}, "device.stats", "unknown setting"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, table, argument, words):
        with pytest.raises(InputError, match=words) as error:
            Experiment.from_table({"device": table})
        assert error.value.argument == argument

    def test_a_table_without_either_is_left_alone(self):
        assert resolved({"kind": "soft_bounds"}) == {"kind": "soft_bounds"}

    def test_the_schema_knows_presets(self):
        choices = schema()["properties"]["device"]["anyOf"]
        assert any(
            "ag_a_si" in choice["properties"]["preset"]["enum"]
            for choice in choices
            if "preset" in choice.get("properties", {})
        )


def test_the_page_is_that_of_the_presets():
    assert PAGE.read_text(encoding="utf8") == page(), "write it anew: python -m tests.preset_page"
