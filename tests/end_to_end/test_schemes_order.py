"""Update schemes on one bad device, in short: what gathers outside the array survives, what is blind does not.

The long version is experiments/schemes_mnist.toml and rescue_mnist.toml. Every rule runs with the settings it gives
itself.
"""

from __future__ import annotations

import pytest
import torch

from memlearn.datasets import Data, Digits
from memlearn.devices import SoftBounds
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning import mixed_precision, outer_product_sgd, sgd, sign_backprop, sign_backprop_counter
from memlearn.periphery import TernaryComparator
from tests.end_to_end.test_learning import BINARY, Recipe, learn
from tests.learners import SIGNS

BAD = SoftBounds(
    states=64, mix_up=0.8, mix_down=0.8,
    cycle_to_cycle=CycleToCycle(spread=0.3), device_to_device=DeviceToDevice(step=0.3),
)  # fmt: skip


@pytest.fixture(scope="module")
def digits() -> Data:
    return Digits(validation=0).load()


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for small arrays costs more than it saves."""
    torch.set_num_threads(1)


def test_persistent_counters_rescue_what_plain_sign_backpropagation_cannot_use(digits):
    dead = SIGNS.backward.replace(sense=TernaryComparator(dead_zone=0.5))
    shared = {**BINARY, "periphery": SIGNS.replace(backward=dead)}
    plain, counters = (
        learn(Recipe(rule, epochs=10, **shared), BAD, digits) for rule in (sign_backprop, sign_backprop_counter)
    )
    assert counters.accuracy > 0.75 and counters.accuracy > plain.accuracy + 0.3
    sent = [sum(int(tile.counters[..., 0].sum()) for tile in end.tiles) for end in (plain, counters)]
    assert sent[1] < sent[0]


def test_an_accumulator_outside_comes_nearest_to_ideal_writes_with_the_fewest_pulses(digits):
    ends = {
        rule.__name__: learn(Recipe(rule, epochs=5), BAD, digits) for rule in (outer_product_sgd, mixed_precision, sgd)
    }
    ideal, outside, blind = (ends[name].accuracy for name in ("outer_product_sgd", "mixed_precision", "sgd"))
    assert outside > ideal - 0.06 and outside > blind + 0.15
    pulses = {name: sum(int(tile.counters[..., 0].sum()) for tile in end.tiles) for name, end in ends.items()}
    assert 8 * pulses["mixed_precision"] < pulses["sgd"] < pulses["outer_product_sgd"]
