"""Settings that follow from device, layers and schedule: the formulas of docs/rules.md, and that they are recorded."""

from __future__ import annotations

import pytest
from torch import nn

from memlearn.cells import SecondArray
from memlearn.devices import ConstantStep, LinearStep, SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise
from memlearn.experiment import Experiment
from memlearn.learning import Facts, automatic, mixed_precision
from memlearn.learning.accumulate import PersistentCounter
from memlearn.learning.rules import (
    AGAD,
    MEMBERS,
    FloatReference,
    MixedPrecision,
    ReadWriteVerify,
    SignBackpropagation,
    SignBackpropagationCounter,
)
from memlearn.nn import Linear
from memlearn.tile import Array

SPREADS = {"cycle_to_cycle": CycleToCycle(spread=0.5), "device_to_device": DeviceToDevice(step=0.4)}


@pytest.mark.parametrize(
    ("device", "pull"),
    [
        (ConstantStep(), 0.0),
        (SoftBounds(), 1.0),
        (SoftBounds(mix_up=0.8, mix_down=0.8, states=64, **SPREADS), 0.8),
        (LinearStep(slope_up=0.5, slope_down=0.3), 0.4),
    ],
    ids=repr,
)
def test_the_pull_of_a_law_is_its_mix(device, pull):
    assert Facts.of(device).pull == pytest.approx(pull, abs=1e-9) and Facts.of(device).states == device.states


def test_facts_of_a_model_are_those_of_its_widest_layer():
    device = ConstantStep(states=30, read_noise=ReadNoise(absolute=9e-7))
    model = nn.Sequential(Linear(9, 40, array=Array(device=device)), nn.ReLU(), Linear(40, 3, array=Array()))
    facts = Facts.of_model(model, batch=5, slowest=0.5)
    assert tuple(facts) == pytest.approx((30, 0.0, 0.05, 41, 5, 0.5, 0.0))


def test_the_formulas():
    plain, soft = Facts(), Facts(states=1200, pull=1.0)
    assert automatic.learning_rate(plain) == 0.404 and automatic.learning_rate(Facts(inputs=65)) == 0.5
    assert automatic.granularity(plain) == 1 and automatic.granularity(soft) == 60
    assert automatic.granularity(Facts(states=64, pull=0.8)) == 3
    assert [automatic.batch_threshold(Facts(states=n, batch=b)) for n, b in ((64, 32), (64, 8), (16, 32))] == [2, 1, 4]
    assert [automatic.counter_threshold(Facts(states=n)) for n in (16, 64, 1200)] == [32, 8, 2]
    assert automatic.counter_bits(plain, 8.0) == 6 and automatic.counter_bits(Facts(slowest=0.3), 8.0) == 7
    assert automatic.relative_threshold(plain) == 0.3 and automatic.relative_threshold(Facts(states=4)) == 0.8
    assert automatic.tolerance(plain) == 0.00781 and automatic.tolerance(Facts(read_noise=0.01)) == 0.02


def test_an_open_gain_falls_with_the_reads_of_a_line_and_scales_with_the_step():
    coarse, fine = (SecondArray().fitted(785, 256, [step, step]) for step in (0.2, 0.05))
    assert coarse.gain == pytest.approx(2) and fine.gain == pytest.approx(8)
    assert [fine.gain_at(reads) for reads in (0, 15, 45)] == pytest.approx([8, 4, 2])
    late = fine.gain_at(10**6) * 10**6
    assert late == pytest.approx(
        fine.gain_at(10**7) * 10**7, rel=1e-3
    )  # sums of 1 / t diverge, those of 1 / t^2 do not
    for fixed in (SecondArray(gain=3.0), SecondArray(settle=0.0), SecondArray(gamma=0.5)):
        cell = fixed.fitted(785, 256, [0.1, 0.1])
        assert cell.gain_at(0) == cell.gain_at(1000)
    assert SecondArray(gain=3.0, settle=5.0).fitted(9, 9, [0.1, 0.1]).gain_at(5) == 1.5


def test_pulses_of_the_fast_array_grow_with_its_states():
    assert [automatic.slots(Facts(states=n)) for n in (4, 20, 60, 1200)] == [0.5, 0.5, 1.5, 15.0]
    assert automatic.slots(Facts(states=1200), chopped=True) == 30.0
    assert automatic.slots(Facts(states=20, spread=1.0)) == 1.0  # half of such cells take far more pulses
    device = SoftBounds(states=20)
    model = nn.Sequential(Linear(9, 3, array=Array(device=device, cell=AGAD().cell)))  # type: ignore[arg-type]
    rule = AGAD().attach(model)
    assert rule.choices["slots"] == 0.5 and rule.choices["0.settle"] == 15 and rule.choices["0.period"] == 2
    assert rule.choices["0.gain"] == pytest.approx(0.4 / next(iter(rule.layers.values())).tile.weight_step)


def test_every_setting_that_is_left_open_is_set_and_recorded():
    model = nn.Sequential(Linear(9, 3, array=Array(device=SoftBounds(states=100))))
    rule = mixed_precision(model, learning_rate=0.2)
    assert rule.choices == {"granularity": 5.0} and rule.writer.granularity == 5.0  # type: ignore[attr-defined]
    for kind, member in MEMBERS.items():
        settings = member()
        assert not settings.resolved().is_open, kind
        if member is not FloatReference:
            settings.parts()
            assert settings.resolved() == settings.replace(**settings.choices(Facts()))
    assert MixedPrecision(learning_rate=0.2, granularity=2.0).attach(model).choices == {}


def test_bits_hold_a_threshold_that_is_given():
    assert SignBackpropagationCounter(threshold=100.0).resolved().bits == 9
    lasting = SignBackpropagation(accumulator=PersistentCounter(bits=8))
    assert lasting.resolved().threshold == 8 and SignBackpropagation().resolved().threshold == 2


@pytest.mark.parametrize("word", ["auto", "none"])
def test_a_file_may_say_so(word):
    table = {"rule": {"kind": "read_write_verify", "tolerance": word, "learning_rate": 0.1}}
    experiment = Experiment.from_table(table)
    assert experiment.rule == ReadWriteVerify(learning_rate=0.1)
    assert experiment.table()["rule"]["tolerance"] is None


def test_counters_of_a_schedule_are_wide_enough():
    signs = {
        "rule": {"kind": "sign_backprop_counter"},
        "network": {"loss": "ternary_margin", "neuron": {"kind": "binary_step"}},
        "periphery": {
            "backward": {"drive": {"kind": "ternary_driver"}, "sense": {"kind": "ternary_comparator", "dead_zone": 0.1}}
        },
        "training": {"epochs": 30, "rate_decay": 0.8},
    }
    slowest = Experiment.from_table(signs).training.slowest
    assert automatic.counter_bits(Facts(slowest=slowest), 8.0) == 15


def test_a_transfer_moves_a_weight_as_far_at_many_states_as_at_few():
    most = {n: SecondArray().settled(SoftBounds(states=n)).most for n in (4, 20, 21, 100, 400, 1200)}
    assert most == {4: 1, 20: 1, 21: 1, 100: 1, 400: 4, 1200: 12}
    assert SecondArray(most=3).settled(SoftBounds(states=1200)).most == 3
    assert SecondArray(gamma=0.5).settled(SoftBounds(states=1200)).most == 1
