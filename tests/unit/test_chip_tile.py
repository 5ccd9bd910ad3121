"""Tiles on chips: equal to simulated ones where the chip is the simulator, and wary of what a chip answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import memlearn
from memlearn.arrays.gains import LineGains
from memlearn.arrays.mapping import ReferenceColumn
from memlearn.chip import ChipError, ChipTile, Reached, SimulatedChip, connect
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Drive, Trains
from memlearn.learning.fused import fuse
from memlearn.nn import attach_ledger
from memlearn.programming import Targets
from memlearn.programming.schemes import GateCompliance, WriteVerify
from memlearn.tile import Array, Crossbar, Tile

NOISY = memlearn.devices.SoftBounds(
    states=60, mix_up=0.3, mix_down=0.2,
    read_noise={"relative": 0.01}, cycle_to_cycle={"spread": 0.3}, device_to_device={"step": 0.2},
)  # fmt: skip
ARRAYS = {
    "noise": Array(device=NOISY),
    "reference column": Array(crossbar=Crossbar(mapping=ReferenceColumn())),
    "wires": Array(crossbar=Crossbar(wires=memlearn.wires.ResistiveWires(solver="sparse"))),
}


def tile(array: Array | None = None, **options: Any) -> Tile:
    return Tile(5, 3, array=array or Array(), stream=Stream.root(3), **options)


def pair(array: Array | None = None, **options: Any) -> tuple[Tile, ChipTile]:
    """The same array twice: simulated as usual, and behind a chip."""
    made = [tile(array, **options) for _ in range(3)]
    for one in made:
        one.initialise(weights())
    return made[0], ChipTile(made[1], SimulatedChip.of(made[2]))


def weights() -> Tensor:
    return torch.linspace(-0.9, 0.9, 15).reshape(5, 3).flip(0)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


VERBS: dict[str, Callable[[Tile], Any]] = {
    "read": lambda one: one.read(drawn(7, 5)),
    "read_transposed": lambda one: one.read_transposed(drawn(7, 3)),
    "no samples": lambda one: one.read(drawn(0, 5)),
    "write counts": lambda one: one.write(Counts((4 * drawn(5, 3)).round().int())),
    "look": lambda one: one.look(one.used()),
    "look_at_weights": lambda one: one.look_at_weights(torch.ones(5, 3, dtype=torch.bool)),
    "program": lambda one: one.program(Targets(drawn(5, 3), None, False, WriteVerify(tolerance=0.02), heard=True)),
    "program what changed": lambda one: one.program(Targets(weights().abs(), weights(), False, WriteVerify())),
}


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("verb", VERBS)
def test_it_is_the_tile_bit_for_bit_over_the_simulator(array: str, verb: str):
    plain, on_chip = pair(ARRAYS[array], backend="cpu" if array == "reference column" else "reference")
    for number in range(2):  # the second time the random numbers of the next event
        expected, found = VERBS[verb](plain), VERBS[verb](on_chip)
        assert str(expected) == str(found), number
        if isinstance(expected, Tensor):
            assert torch.equal(expected, found)
    on_chip.survey()
    if array != "noise":
        assert torch.equal(on_chip.conductance, plain.conductance)
    assert torch.equal(on_chip.counters[..., 0], plain.counters[..., 0])
    assert torch.equal(on_chip.chips[0].tile.conductance, plain.conductance)  # type: ignore[attr-defined]


def trains(only_up: bool) -> Trains:
    generator = torch.Generator().manual_seed(4)
    words = [torch.randint(2**20, (6, lines), generator=generator) for lines in (5, 3)]
    signs = [torch.randint(2, word.shape, generator=generator) << 31 for word in words]
    return Trains(words[0] ^ signs[0], words[1] ^ signs[1], 20, only_up)


@pytest.mark.parametrize("only_up", [False, True])
def test_trains_become_counts_sample_by_sample(only_up: bool):
    plain, on_chip = pair(Array(device=memlearn.devices.SoftBounds(states=300)), backend="reference")
    expected, found = plain.write(trains(only_up)), on_chip.write(trains(only_up))
    assert expected == found and found.pulses > 100
    torch.testing.assert_close(on_chip.survey(), plain.conductance, rtol=1e-5, atol=0)
    assert torch.equal(on_chip.counters[..., 0], plain.counters[..., 0])


def test_relative_plans_read_before_they_write():
    plain, on_chip = pair()
    plan = Targets(0.2 * drawn(5, 3).round(), None, True, WriteVerify(), heard=True)
    (expected, there), (found, here) = plain.program(plan), on_chip.program(plan)
    assert expected == found and found.pulses and there is not None and here is not None
    assert torch.equal(here, there)


def test_a_layer_on_several_chips_of_which_some_lines_are_not_used():
    crossbar = Crossbar(rows=4, columns=4)
    plain = Tile(6, 4, array=Array(crossbar=crossbar), stream=Stream.root(0), dtype=torch.float64)
    target = drawn(6, 4).double()
    plain.initialise(target)
    assert plain.tiles == (2, 2) and plain.conductance.shape[2:] == (3, 4)
    chips = [SimulatedChip(5, 6, dtype=torch.float64, backend="reference") for _ in range(4)]
    on_chip = ChipTile(plain, chips, scheme=WriteVerify(tolerance=0.009, max_pulses=200))
    assert not on_chip.transfer().any()
    seen = on_chip.survey()
    assert (seen - plain.conductance).abs().max() <= 0.009 * 18e-6
    plain.conductance.copy_(seen)
    for number in range(2):
        x, e = drawn(3, 6, seed=number).double(), drawn(3, 4, seed=number).double()
        torch.testing.assert_close(on_chip.read(x), plain.read(x), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(on_chip.read_transposed(e), plain.read_transposed(e), rtol=1e-12, atol=1e-12)
    outer = chips[0].conductances(np.ones((5, 6), bool))
    outer[:3, :4] = outer[4, 5]
    assert len(np.unique(outer)) == 1 and not chips[0].tile.counters[..., 3:, :, 0].any()


def test_correction_circuits_of_the_host_stay():
    plain, other, cells = tile(), tile(), tile()
    for one in (plain, other, cells):
        one.initialise(weights())
    for one in (plain, other):
        one.gains = LineGains(torch.full((1, 1, 5), 1.1), torch.full((1, 1, 6), 0.8))
    on_chip = ChipTile(other, SimulatedChip.of(cells))
    assert torch.equal(on_chip.read(drawn(7, 5)), plain.read(drawn(7, 5)))
    assert not torch.equal(on_chip.read(drawn(7, 5)), tile().read(drawn(7, 5)))


def test_initialising_programmes_and_counts_by_cell():
    on_chip = pair()[1]
    before = int(on_chip.counters[..., 0].sum())
    on_chip.initialise(weights().T.reshape(5, 3))
    assert int(on_chip.counters[..., 0].sum()) > before
    torch.testing.assert_close(on_chip.weight(), weights().T.reshape(5, 3), atol=0.02, rtol=0)


def test_the_ledger_counts_as_that_of_a_simulated_tile():
    plain, on_chip = pair(ARRAYS["noise"], backend="reference")
    plain.ledger, on_chip.ledger = Ledger(), Ledger()
    for verb in VERBS.values():
        verb(plain), verb(on_chip)
    # The conductances between two pulses, and so the energy in the cells, only a simulator knows.
    known = {key: n for key, n in plain.ledger.state().items() if "cell.dose" not in key}
    assert known == on_chip.ledger.state()
    assert plain.ledger.total(Event.PULSE) and plain.ledger.total(Event.SINGLE_READ)


# What does not fit.


def test_a_scheme_without_a_window_is_refused():
    plan = Targets(weights(), None, False, GateCompliance())
    with pytest.raises(InputError, match="scheme = 'gate_compliance': has no window.*Take \"write_verify\""):
        pair()[1].program(plan)


def test_pulses_of_another_voltage_are_refused():
    with pytest.raises(InputError, match="plan.drive .* pulses of its own"):
        pair()[1].write(Counts(torch.ones(5, 3, dtype=torch.int32), Drive(1.0, 1e-6, -1.0, 1e-6)))


@pytest.mark.parametrize(
    ("chip", "text"),
    [
        ({"rows": 4, "columns": 6}, "4 x 6 cells.*smaller than the tile of 5 x 6 cells"),
        ({"array": Array(device=memlearn.devices.ConstantStep(g_max=1e-5))}, "does not hold .* range, 2e-06 to 2e-05"),
    ],
)
def test_a_chip_that_does_not_fit_is_refused(chip: dict[str, Any], text: str):
    with pytest.raises(InputError, match=text):
        ChipTile(tile(), SimulatedChip(**{"rows": 5, "columns": 6, **chip}))


def test_there_must_be_a_chip_for_each_tile():
    with pytest.raises(InputError, match="chips = 2: must be 1 x 1, one for each tile of layer"):
        ChipTile(tile(), [SimulatedChip(5, 6), SimulatedChip(5, 6)])


def test_a_simulated_chip_needs_lines_that_the_mapping_can_use():
    with pytest.raises(InputError, match="leave cells over that make no weight of differential_pair"):
        SimulatedChip(4, 5)
    with pytest.raises(InputError, match="tile .* must be one"):
        SimulatedChip.of(Tile(6, 2, array=Array(crossbar=Crossbar(rows=4, columns=4)), stream=Stream.root(0)))


class Careless(SimulatedChip):
    """A chip of a user's whose answers are wrong."""

    wrong: Any = None

    def read(self, voltages: np.ndarray) -> np.ndarray:
        return self.wrong

    def program(self, cells: np.ndarray, targets: np.ndarray, *, tolerance: float, max_pulses: int) -> Reached:
        done = super().program(cells, targets, tolerance=tolerance, max_pulses=max_pulses)
        return done._replace(**self.wrong)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (np.zeros((6, 7)), r"read of 7 samples: currents has shape \(6, 7\), and must have .* = \(7, 6\)"),
        (np.full((7, 6), np.nan), "currents holds NaN"),
        ("none", "currents has shape"),
        (np.full((7, 6), "?"), "currents holds <U1, and must hold numbers"),
    ],
)
def test_a_wrong_answer_is_told(wrong: Any, text: str):
    chip = Careless(5, 6)
    chip.wrong = wrong
    with pytest.raises(ChipError, match=f"chip, .*{text}.*Correct the chip's driver"):
        ChipTile(tile(), chip).read(drawn(7, 5))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"pulses": np.full((5, 6), 0.5)}, "pulses must hold whole numbers"),
        ({"failed": np.full((5, 6), 2)}, "failed must hold 0 and 1"),
        ({"conductances": np.full((5, 6), np.nan)}, "conductances holds NaN"),
    ],
)
def test_a_wrong_report_of_programming_is_told(wrong: dict[str, Any], text: str):
    chip = Careless(5, 6)
    chip.wrong = wrong
    with pytest.raises(ChipError, match=f"program of 30 cells: {text}"):
        ChipTile(tile(), chip).transfer()


# Whole models.


def model(array: Array | None = None) -> nn.Sequential:
    return nn.Sequential(
        memlearn.nn.Linear(6, 5, seed=0, array=array), nn.Tanh(), memlearn.nn.Linear(5, 3, seed=1, array=array)
    )


RULES: dict[str, Callable[[nn.Module], memlearn.learning.Rule]] = {
    "siamese": lambda net: memlearn.learning.siamese(net, learning_rate=0.5),
    "read_write_verify": lambda net: memlearn.learning.read_write_verify(net, learning_rate=0.3),
    "manhattan": lambda net: memlearn.learning.manhattan(net),
    "sgd": lambda net: memlearn.learning.sgd(net, learning_rate=0.2),
}


def train(net: nn.Module, rule: memlearn.learning.Rule, steps: int) -> list[float]:
    losses = []
    for step in range(steps):
        inputs, labels = drawn(8, 6, seed=step), torch.arange(8) % 3
        loss = nn.functional.cross_entropy(net(inputs), labels)
        loss.backward()
        rule.step()
        rule.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("name", RULES)
def test_rules_learn_on_chips_as_in_the_simulator(name: str):
    """With cells free of noise, by the same reads and the same pulses."""
    nets = [model() for _ in range(3)]
    rules = [RULES[name](net) for net in nets]
    arrays, ledgers = memlearn.nn.tiles(nets[2]), [Ledger(), Ledger()]
    replaced = connect(nets[1], {layer: SimulatedChip.of(arrays[layer]) for layer in arrays}, program=False)
    assert memlearn.nn.tiles(nets[1]) == replaced and fuse(nets[1], rules[1], nn.CrossEntropyLoss()) is None
    for net, ledger in zip(nets, ledgers, strict=False):
        attach_ledger(net, ledger)
    assert train(nets[0], rules[0], 6) == train(nets[1], rules[1], 6)
    for layer, array in memlearn.nn.tiles(nets[0]).items():
        assert torch.equal(replaced[layer].survey(), array.conductance)
    pulses = [ledger.total(Event.PULSE) for ledger in ledgers]
    assert pulses[0] == pulses[1] > 0


def test_one_layer_on_a_chip_beside_simulated_ones():
    net = model()
    before = net[2].tile.weight().clone()
    made = connect(net, {"2": SimulatedChip(5 + 1, 6, seed=5)})
    assert net[2].tile is made["2"] and type(net[0].tile) is Tile
    torch.testing.assert_close(made["2"].weight(), before, atol=0.021, rtol=0)
    assert train(net, memlearn.learning.siamese(net, learning_rate=0.5), 3)


def test_connecting_without_programming_takes_the_chip_as_it_is():
    net, chip = model(), SimulatedChip(6, 6)
    chip.tile.initialise(torch.full((6, 3), 0.25))
    made = connect(net, {"2": chip}, program=False)
    torch.testing.assert_close(made["2"].weight(), torch.full((6, 3), 0.25))
    assert not made["2"].counters[..., 0].any()


def test_a_part_of_a_weight_may_live_on_a_chip():
    cell = {"kind": "major_minor"}
    net = nn.Sequential(memlearn.nn.Linear(6, 3, seed=0, array=Array.from_table({"cell": cell})))
    made = connect(net, {"0.major": SimulatedChip(7, 6)})
    assert memlearn.nn.tiles(net)["0.major"] is made["0.major"]
    net(drawn(4, 6)).sum().backward()


def test_an_unknown_array_is_refused():
    with pytest.raises(InputError, match="chips = 'layer': is no array of this model. .*Allowed: 0, 2"):
        connect(model(), {"layer": SimulatedChip(7, 10)})


def test_notes_of_the_host_travel_with_the_model(tmp_path: Path):
    net = model()
    connect(net, {"2": SimulatedChip(6, 6)})
    state, other = net.state_dict(), model()
    connect(other, {"2": SimulatedChip(6, 6)}, program=False)
    other.load_state_dict(state)
    assert torch.equal(other[2].tile.conductance, net[2].tile.conductance)
