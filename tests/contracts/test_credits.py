"""What every credit promises. To add one, add one line to CASES."""

from __future__ import annotations

import pytest
import torch

from memlearn.core.errors import InputError
from memlearn.learning import Parts, Rule
from memlearn.learning.accumulate import FloatTwin
from memlearn.learning.credit import MEMBERS, AbstractCredit, Backprop, SignBackprop, TwinBackprop
from memlearn.periphery import ADC, DAC, Analogue, Comparator, TernaryComparator, TernaryDriver
from memlearn.programming import Program
from memlearn.tile import Periphery, Port
from tests.learners import EXACT, SIGNS, array, network, numbers

CASES = [
    Backprop(),
    TwinBackprop(),
    SignBackprop(),
    SignBackprop(output_dead_zone=0.3),
]


@pytest.fixture(params=CASES, ids=repr)
def credit(request: pytest.FixtureRequest) -> AbstractCredit:
    return request.param


def parts(credit: AbstractCredit) -> Parts:
    """With what a credit needs beside it."""
    if credit.through_twin:
        return Parts(credit=credit, accumulator=FloatTwin(), writer=Program())
    return Parts(credit=credit)


def test_every_member_is_tested():
    assert {type(case) for case in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractCredit) for member in MEMBERS.values())


def test_every_method_has_a_name_of_its_own():
    names = [member.method for member in MEMBERS.values()]  # type: ignore[attr-defined]
    assert len(set(names)) == len(names) and all(names)


class TestContract:
    """Inherited by every credit."""

    def test_settings_make_the_round_trip(self, credit):
        assert type(credit).from_table(credit.table()) == credit
        assert Parts.from_table(parts(credit).table()).credit == credit
        with pytest.raises(InputError, match="gain"):
            type(credit)(gain=8)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4, 7)], ids=str)
    def test_shape_and_type(self, credit, shape, dtype):
        wanted = numbers(*shape, dtype=dtype)
        before = wanted.clone()
        signal = credit.signal(wanted)
        assert signal.shape == wanted.shape and signal.dtype == dtype and torch.equal(wanted, before)

    def test_it_keeps_signs_and_invents_nothing(self, credit):
        wanted = numbers(50, 7)
        wanted[:, 3] = 0
        signal = credit.signal(wanted)
        assert (signal * wanted >= 0).all() and not signal[:, 3].any() and signal.any()
        assert torch.equal(credit.signal(-wanted), -signal)

    def test_saying_it_twice_says_nothing_new(self, credit):
        signal = credit.signal(numbers(50, 7))
        assert torch.equal(credit.signal(signal), signal)

    def test_a_rule_hands_it_to_every_layer(self, credit):
        model = network(array(periphery=SIGNS))
        rule = Rule(model, parts(credit))
        assert all(layer.credit == credit for layer in rule.layers.values()) and len(rule.layers) == 2


class TestBackprop:
    """The error itself."""

    def test_it_changes_nothing(self):
        wanted = numbers(4, 3)
        assert torch.equal(Backprop().signal(wanted), wanted)

    @pytest.mark.parametrize("periphery", [EXACT, SIGNS, Periphery()], ids=["exact", "signs", "converters"])
    def test_any_converters_fit(self, periphery):
        Backprop().check(array(periphery=periphery))


class TestSignBackprop:
    """-1, 0 or 1."""

    def test_signs_beyond_the_dead_zone(self):
        wanted = torch.tensor([[0.0, 1e-9, -2.0, 0.25, -0.26]])
        assert SignBackprop().signal(wanted).tolist() == [[0, 1, -1, 1, -1]]
        assert SignBackprop(output_dead_zone=0.25).signal(wanted.double()).tolist() == [[0, 0, -1, 0, -1]]

    def test_ternary_comparators_fit(self):
        SignBackprop().check(array(periphery=SIGNS))

    @pytest.mark.parametrize("sense", [ADC(), Analogue(), Comparator()], ids=lambda sense: sense.kind)
    def test_other_senses_are_refused_with_advice(self, sense):
        wrong = Periphery(forward=SIGNS.forward, backward=Port(drive=TernaryDriver(), sense=sense))
        with pytest.raises(InputError, match=r"periphery\.backward\.sense.*ternary_comparator"):
            SignBackprop().check(array(periphery=wrong))
        with pytest.raises(InputError, match=sense.kind):
            Rule(network(array(periphery=wrong)), Parts(credit=SignBackprop()))

    def test_the_drivers_are_free(self):
        mixed = Periphery(forward=SIGNS.forward, backward=Port(drive=DAC(), sense=TernaryComparator()))
        SignBackprop().check(array(periphery=mixed))
