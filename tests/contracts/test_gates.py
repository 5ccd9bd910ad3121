"""What every gate promises. To add one, add one line to CASES."""

from __future__ import annotations

import pytest
import torch

from memlearn.core.errors import InputError
from memlearn.experiment.config import Training
from memlearn.learning import Rule
from memlearn.learning.fused import fuse
from memlearn.learning.gates import MEMBERS, AbstractGate, Everything, LastLayers, WorstNeurons
from memlearn.learning.rules import Manhattan, Siamese
from memlearn.nn import array_layers, tiles
from memlearn.periphery import Sigmoid
from tests.learners import Setup, array, loss_for, network

CASES = [Everything(), LastLayers(), LastLayers(number=2), WorstNeurons(), WorstNeurons(fraction=0.5, images=8)]


@pytest.fixture(params=CASES, ids=repr)
def gate(request: pytest.FixtureRequest) -> AbstractGate:
    return request.param


def begin(gate: AbstractGate, rule: Siamese | Manhattan | None = None) -> Setup:
    model = network(array(), Sigmoid())
    made = (rule or Manhattan()).attach(model, gate=gate)
    return Setup(model, made, loss_for(model))


def pulsed_columns(setup: Setup) -> list[list[bool]]:
    """Neurons of each layer any of whose cells have been pulsed."""
    found = []
    for tile in tiles(setup.model).values():
        cells = (tile.counters[..., 0] > 0).any(-2)[0, 0]
        found.append((cells[0::2] | cells[1::2])[: tile.outputs].tolist())
    return found


def test_every_member_is_tested():
    assert {type(case) for case in CASES} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractGate) for member in MEMBERS.values())


def test_settings_make_the_round_trip(gate):
    assert Training.from_table({"gate": gate.table()}).gate == gate
    with pytest.raises(InputError, match="part"):
        type(gate)(part=0.5)


def test_a_resumed_rule_goes_on_where_it_was(gate):
    whole, first, second = (begin(gate) for _ in range(3))
    for seed in range(4):
        whole.train(n=4, batch=4, seed=seed)
    for seed in range(2):
        first.train(n=4, batch=4, seed=seed)
    second.model.load_state_dict(first.model.state_dict())
    second.rule.load(first.rule.state())
    for seed in range(2, 4):
        second.train(n=4, batch=4, seed=seed)
    ends = zip(tiles(whole.model).values(), tiles(second.model).values(), strict=True)
    assert all(torch.equal(a.conductance, b.conductance) for a, b in ends)


def test_only_no_gate_is_fused(gate):
    setup = begin(gate, Siamese(learning_rate=0.5))
    fused = fuse(setup.model, setup.rule, setup.loss)
    assert isinstance(gate, Everything) or fused is None


def test_only_the_last_layers_are_pulsed_and_read_backwards():
    setup = begin(LastLayers())
    setup.train(n=12)
    first, last = tiles(setup.model).values()
    assert not first.counters[..., 0].any() and last.counters[..., 0].any()
    assert int(last.events[1]) == 0  # nobody before it wants its error
    with pytest.raises(InputError, match=r"gate\.number = 3"):
        begin(LastLayers(number=3))


def test_only_the_worst_neurons_are_pulsed():
    setup = begin(WorstNeurons(fraction=0.5, images=8))
    setup.train(n=8, batch=4)
    assert not any(map(any, pulsed_columns(setup)))  # it has only looked
    setup.train(n=8, batch=4, seed=1)
    for columns, scores in zip(pulsed_columns(setup), setup.rule.scores.values(), strict=True):
        chosen = setup.rule.gate.chosen(scores)
        assert int(chosen.sum()) == -(-len(scores) // 2) and scores[chosen].min() >= scores[~chosen].max()
        assert not any(p and not c for p, c in zip(columns, chosen.tolist(), strict=True)) and any(columns)


def test_a_memory_can_start_from_weights_that_were_programmed():
    model = network(array(), Sigmoid())
    weights = {name: 0.3 * torch.ones_like(layer.tile.weight()) for name, layer in array_layers(model).items()}
    before = [tile.conductance.clone() for tile in tiles(model).values()]
    rule = Rule(model, Siamese(levels=16).parts(), start=weights)
    assert all(torch.equal(tile.conductance, b) for tile, b in zip(tiles(model).values(), before, strict=True))
    assert all(torch.allclose(memory[0], torch.tensor(0.3)) for memory in rule.memory.values() if memory is not None)
