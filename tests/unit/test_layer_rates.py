"""What device benchmarks ask of training: a rate of its own for every layer, and images drawn for every epoch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memlearn.core.errors import InputError
from memlearn.experiment import Experiment
from memlearn.experiment.session import begin
from memlearn.learning import Rule, rounded_sgd
from memlearn.learning.rules import RoundedSGD
from memlearn.nn import array_layers
from tests.end_to_end.small import small
from tests.learners import images, network


def trained(**settings: object) -> tuple[Rule, list[int]]:
    """A rule after one batch, and the pulses of each layer."""
    model = network()
    rule = rounded_sgd(model, learning_rate=1.0, **settings)
    inputs, labels = images(12)
    nn.CrossEntropyLoss()(model(inputs), labels).backward()
    rule.step()
    return rule, [int(layer.tile.counters[..., 0].sum()) for layer in array_layers(model).values()]


def test_a_layer_at_half_the_rate_gets_half_the_pulses():
    equal, halved = trained()[1], trained(layer_rates=(1.0, 0.5))[1]
    assert halved[0] == equal[0]
    assert halved[1] == pytest.approx(equal[1] / 2, abs=2 * 15)  # a pair of cells for each of 15 weights rounds


def test_rates_follow_the_schedule():
    rule = trained(layer_rates=(1.0, 0.5))[0]
    rule.rate = 0.1
    assert rule.rates == (0.1, 0.05)


def test_there_must_be_one_for_each_layer():
    with pytest.raises(InputError, match="as many as the layers, 2"):
        rounded_sgd(network(), layer_rates=(1.0, 0.5, 0.2))


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_they_are_positive(rate):
    with pytest.raises(InputError, match="layer_rates"):
        RoundedSGD(layer_rates=(1.0, rate))


def test_a_counter_is_judged_by_the_smallest_of_them():
    rule = {"kind": "custom", "rule": {"accumulator": {"kind": "persistent_counter", "bits": 4}}}
    rule["rule"]["writer"] = {"kind": "threshold", "threshold": 3.0}
    assert isinstance(small(rule=rule), Experiment)
    rule["rule"]["layer_rates"] = [1.0, 0.1]
    with pytest.raises(InputError, match="bits"):
        small(rule=rule)


def test_every_image_of_an_epoch_is_drawn_once():
    session = begin(small(training={"images_per_epoch": 50}), None)
    first = session.order()
    session.epoch = 1
    assert len(first) == len(first.unique()) == 50 and int(first.max()) < 240
    assert not torch.equal(first, session.order())


def test_no_more_images_than_there_are():
    with pytest.raises(InputError, match="at most 240"):
        begin(small(training={"images_per_epoch": 241}), None)
