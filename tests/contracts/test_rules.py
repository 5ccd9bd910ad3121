"""What every learning rule promises. To add a rule, add one line to CASES."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from memlearn.arrays.mapping import MEMBERS as MAPPINGS
from memlearn.cells import Carry, Hidden, SecondArray, Single, Volatile
from memlearn.compound import Compound, physical
from memlearn.core.component import Component, setting
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger, Pass
from memlearn.devices import ConstantStep, SoftBounds
from memlearn.devices.effects import CycleToCycle
from memlearn.learning import AnyRule, FloatReference, Parts
from memlearn.learning.accumulate import LowRank, PerSample, PersistentCounter, ScaledSample
from memlearn.learning.credit import Backprop, SignBackprop
from memlearn.learning.fused import fuse
from memlearn.learning.loop import train_images
from memlearn.learning.rules import (
    AGAD,
    MEMBERS,
    SGD,
    AbstractRule,
    AnalogueHidden,
    CapacitorTransfer,
    ChoppedTikiTaka,
    Custom,
    IdealSGD,
    LowRankSGD,
    Manhattan,
    MixedPrecision,
    MultiThresholdRule,
    MultiTile,
    PeriodicCarry,
    QuantisedSynapses,
    ReadWrite,
    ReadWriteVerify,
    ResidualLearning,
    RoundedSGD,
    Siamese,
    SignBackpropagation,
    SignBackpropagationCounter,
    ThresholdManhattan,
    TikiTaka,
    TikiTakaV2,
    Tracked,
    WeightedSynapse,
)
from memlearn.nn import array_layers, attach_ledger, tiles
from memlearn.periphery import BinaryStep, Sigmoid
from memlearn.programming import BlindPulses, DeterministicTrains, Targets, Threshold
from memlearn.programming.schemes import WriteVerify
from memlearn.tile import Tile
from tests.learners import CONVERTERS, EXACT, SIGNS, Setup, array, images, loss_for, network, same

CASES = [
    SGD(learning_rate=0.3),
    SGD(learning_rate=0.3, max_length=5, update_management=False),
    RoundedSGD(learning_rate=0.3),
    RoundedSGD(learning_rate=0.3, rounding="stochastic", layer_rates=(1.0, 0.5)),
    Manhattan(),
    ThresholdManhattan(),
    SignBackpropagation(),
    SignBackpropagation(threshold=3.0, accumulator=PersistentCounter(bits=4)),
    SignBackpropagationCounter(threshold=3.0, bits=4),
    MixedPrecision(learning_rate=0.5),
    MixedPrecision(learning_rate=0.5, granularity=2.0),
    MultiThresholdRule(),
    MultiThresholdRule(thresholds=(0.1, 0.5)),
    IdealSGD(learning_rate=0.3),
    LowRankSGD(learning_rate=0.3, rank=2, samples=3, method="lrt_unbiased"),
    LowRankSGD(learning_rate=0.3, rank=2, samples=4, write="counts"),
    Siamese(learning_rate=0.5),
    Siamese(learning_rate=0.5, levels=40, max_pulses=20),
    QuantisedSynapses(learning_rate=0.5),
    ReadWrite(learning_rate=0.5),
    ReadWriteVerify(learning_rate=0.5, max_pulses=20),
    PeriodicCarry(learning_rate=0.3),
    WeightedSynapse(),
    CapacitorTransfer(learning_rate=0.3),
    TikiTaka(gain=2.0),
    TikiTakaV2(gain=20.0),
    ChoppedTikiTaka(gain=20.0, learning_rate=0.3, credit=SignBackprop()),
    AGAD(gain=20.0, period=1),
    ResidualLearning(gain=2.0),
    MultiTile(gain=20.0, slower=1),
    Tracked(gain=20.0),
    AnalogueHidden(learning_rate=0.3, cells=Hidden(look_every=4)),
    Custom(rule=Parts(accumulator=PerSample(), writer=DeterministicTrains(learning_rate=0.3))),
]
WITHOUT_ARRAYS = [FloatReference()]
WORDS = ("kept_buffer", "kept_mean", "kept_frozen")
"""Numbers per weight that a second array keeps in digital."""
NOISY = ConstantStep(states=100, cycle_to_cycle=CycleToCycle(spread=0.3))


@pytest.fixture(params=CASES, ids=repr)
def settings(request: pytest.FixtureRequest) -> AbstractRule:
    return request.param


@pytest.fixture(autouse=True)
def one_thread(few_threads: None) -> None:
    """Waking a second thread for a few numbers costs more than it saves."""
    torch.set_num_threads(1)


def begin(settings: AbstractRule, device: ConstantStep | SoftBounds = NOISY, **options: object) -> Setup:
    """A new network with converters that suit the rule, and the rule at work on it."""
    signs = settings.parts().credit.ternary
    cell = settings.cell or Single()
    # Weights of two values end on the very borders between two codes, where rounding decides.
    made = array(device, SIGNS if signs else EXACT if cell.jumps else CONVERTERS).replace(cell=cell)
    model = network(made, BinaryStep(window=1.0) if signs else Sigmoid(), **options)
    return Setup(model, settings.attach(model), loss_for(model))


@pytest.fixture
def setup(settings: AbstractRule) -> Setup:
    return begin(settings)


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """True weights cannot be looked at; what counted reads have shown of them can."""
    look, program, shown, programming = Tile.look, Tile.program, [], []

    def refuse(*_: object) -> None:
        raise AssertionError("a learning rule has looked at the weights")

    def read(tile: Tile, chosen: torch.Tensor) -> torch.Tensor:
        shown.append(look(tile, chosen).clone())  # without noise it may be the conductance itself
        return shown[-1]

    def heard(tile: Tile, plan: Targets) -> object:
        programming.append(plan.heard and not plan.scheme.unseen)
        try:
            return program(tile, plan)
        finally:
            programming.pop()

    for owner in MAPPINGS.values():

        def weight(mapping: Component, cells: torch.Tensor, *bounds: float, given: Any = owner.weight) -> torch.Tensor:
            if not any(programming) and not any(cells is seen for seen in shown):
                refuse()
            return given(mapping, cells, *bounds)

        monkeypatch.setattr(owner, "weight", weight)
    for owner in (Tile, Compound):
        monkeypatch.setattr(owner, "weight", refuse)
    monkeypatch.setattr(Tile, "look", read)
    monkeypatch.setattr(Tile, "program", heard)
    yield
    monkeypatch.undo()


class Holder(Component):
    """A field of any rule, as an experiment has one."""

    rule: AnyRule = setting(doc="which")


def pulses(setup: Setup) -> int:
    """That the cells have counted."""
    return sum(int(tile.counters[..., 0].sum()) for tile in setup.tiles)


def by_layer(setup: Setup) -> list[dict[str, Tile]]:
    """The physical arrays of each layer by name: one, or one for each part of a weight."""
    found = [physical(name, layer.tile) for name, layer in array_layers(setup.model).items()]
    assert [name for layer in found for name in layer] == list(tiles(setup.model))
    return found


def test_every_member_is_tested():
    assert {type(case) for case in CASES + WITHOUT_ARRAYS} == set(MEMBERS.values())
    assert all(issubclass(member, AbstractRule) for member in MEMBERS.values())


@pytest.mark.parametrize("settings", CASES + WITHOUT_ARRAYS, ids=repr)
def test_settings_make_the_round_trip(settings):
    assert type(settings).from_table(settings.table()) == settings
    assert Holder.from_table({"rule": settings.table()}).rule == settings
    with pytest.raises(InputError, match="momentum"):
        type(settings)(momentum=0.9)


class TestLikeTorch:
    """backward, step, zero_grad."""

    def test_a_step_sends_the_pulses_that_it_reports(self, setup):
        (inputs, labels), ledger = images(12), Ledger()
        attach_ledger(setup.model, ledger)
        setup.loss(setup.model(inputs), labels).backward()
        tally = setup.rule.step()
        passed_on = ledger.total(Event.PULSE, during=Pass.TRANSFER)
        assert tally.pulses == pulses(setup) - passed_on >= tally.cells > 0
        written = sum(int((tile.counters[..., 0] > 0).sum()) for tile in setup.tiles)
        if isinstance(setup.model[0].tile.array.cell, SecondArray):
            reached = ledger.total(Event.PULSED_CELL, during=Pass.TRANSFER)  # by transfers, one by one
            assert tally.cells >= written - reached and passed_on >= reached > 0  # a write for every sample
        else:
            assert tally.cells == written

    def test_a_step_without_an_error_writes_nothing(self, setup):
        setup.train(n=8)
        before = {name: tile.conductance.clone() for name, tile in tiles(setup.model).items()}
        assert setup.rule.step() == (0, 0) and before
        assert same({name: tile.conductance for name, tile in tiles(setup.model).items()}, before)

    def test_zero_grad_forgets(self, setup):
        inputs, labels = images(12)
        before = [tile.conductance.clone() for tile in setup.tiles]
        setup.loss(setup.model(inputs), labels).backward()
        setup.rule.zero_grad()
        assert setup.rule.step() == (0, 0) and pulses(setup) == 0
        assert all(torch.equal(tile.conductance, old) for tile, old in zip(setup.tiles, before, strict=True))

    def test_backward_passes_add_up_until_the_step(self, settings):
        # Sums over samples, so that two halves are the whole.
        inputs, labels = images(12)
        ends = []
        for parts in (1, 2):
            setup = begin(settings)
            for x, y in zip(inputs.chunk(parts), labels.chunk(parts), strict=True):
                (setup.loss(setup.model(x), y) * len(x)).backward()
            setup.rule.step()
            ends.append(setup)
        for whole, halves in zip(ends[0].tiles, ends[1].tiles, strict=True):
            assert torch.equal(whole.counters, halves.counters)
            assert torch.equal(whole.conductance, halves.conductance)

    def test_evaluation_teaches_nothing(self, setup):
        inputs, labels = images(12)
        setup.model.eval()
        setup.loss(setup.model(inputs), labels).backward()
        assert setup.rule.step() == (0, 0)

    def test_steps_are_counted(self, setup):
        setup.train(n=12, batch=4)
        assert setup.rule.steps == 3


class TestGathering:
    """Batches whose gradients gather before a write."""

    def test_it_writes_once_in_so_many_steps(self):
        setup = begin(Siamese(learning_rate=0.5, levels=40, every=3))
        written = []
        for n in range(7):
            setup.train(n=4, batch=4, seed=n)
            written.append(pulses(setup))
        assert written[0] == written[1] == 0 < written[2] == written[3] == written[4] < written[5] == written[6]

    @pytest.mark.parametrize("ternary", [False, True])
    def test_batches_that_gather_are_one_larger_batch(self, ternary):
        if ternary:
            credit, writer = SignBackprop(), Threshold(threshold=2.0)
        else:
            credit, writer = Backprop(), BlindPulses(granularity=0.1)
        ends = []
        for every in (1, 3):
            setup = begin(Custom(rule=Parts(credit=credit, writer=writer, every=every)), ConstantStep(states=100))
            setup.train(n=12, batch=12 // every)
            ends.append(setup)
        for whole, parts in zip(ends[0].tiles, ends[1].tiles, strict=True):
            assert torch.equal(whole.counters[..., 0], parts.counters[..., 0]) and whole.counters.any()

    def test_the_loop_of_runs_gathers_too(self):
        for settings in (SGD(learning_rate=0.3), SignBackpropagation()):
            parts = settings.parts().replace(every=3)
            setup = begin(Custom(rule=parts))
            written = [setup.rule.steps]
            for n in range(1, 4):
                train_images(setup.model, setup.rule, setup.loss, *images(4, seed=n), batch=4)
                written.append(pulses(setup))
            assert fuse(setup.model, setup.rule, setup.loss) is None
            assert written[1] == written[2] == 0 < written[3]

    def test_a_run_resumes_between_two_writes(self):
        settings = Siamese(learning_rate=0.5, levels=40, every=3)
        whole, first, second = (begin(settings) for _ in range(3))
        for n in range(4):
            whole.train(n=4, batch=4, seed=n)
        for n in range(2):
            first.train(n=4, batch=4, seed=n)
        second.model.load_state_dict(first.model.state_dict())
        second.rule.load(first.rule.state())
        for n in range(2, 4):
            second.train(n=4, batch=4, seed=n)
        assert same(whole.memory(), second.memory())


class TestThroughTheArrays:
    """Forward, backward and update: the three passes use the same tiles, and nothing else."""

    def test_weights_are_never_looked_at(self, setup, blind):
        for handle in (*setup.tiles, *(layer.tile for layer in array_layers(setup.model).values())):
            with pytest.raises(AssertionError, match="looked at the weights"):
                handle.weight()
        for tile in setup.tiles:
            mapping, device = tile.array.crossbar.mapping, tile.array.device
            with pytest.raises(AssertionError, match="looked at the weights"):
                mapping.weight(tile.conductance, device.g_min, device.g_max)
        setup.train()
        train_images(setup.model, setup.rule, setup.loss, *images(8), batch=4)
        assert pulses(setup) > 0

    @pytest.mark.parametrize(
        "settings",
        [
            PeriodicCarry(learning_rate=0.3, cells=Carry(carry_every=2, threshold=0.0)),
            PeriodicCarry(learning_rate=0.3, cells=Carry(carry_every=2, threshold=0.0, verify=WriteVerify())),
            CapacitorTransfer(learning_rate=0.3, cells=Volatile(transfer_every=2, keep_rest=True)),
        ],
        ids=["carry", "carry-verify", "transfer"],
    )
    def test_what_passes_between_parts_is_read_and_counted(self, setup, blind):
        ledger = Ledger()
        attach_ledger(setup.model, ledger)
        setup.train(n=24, batch=4)
        for layer in by_layer(setup):
            for name, tile in layer.items():
                assert ledger.total(Event.CELL_READ, layer=name, during=Pass.UPDATE) > 0
                assert ledger.total(Event.PULSE, layer=name) == int(tile.counters[..., 0].sum()) > 0

    def test_every_pass_is_counted_at_every_layer(self, setup):
        ledger = Ledger()
        attach_ledger(setup.model, ledger)
        setup.train(n=24, batch=4)
        back = 0 if setup.rule.credit.through_twin else 24
        for layer, samples in zip(by_layer(setup), (0, back), strict=True):
            for name, tile in layer.items():
                cell, seen = setup.model[0].tile.array.cell, 0 if name.endswith(".hidden") else tile.cells
                if isinstance(cell, SecondArray) and "fast" in name:
                    assert ledger.total(Event.CELL_READ, layer=name, during=Pass.TRANSFER) > 0
                    seen = tile.cells if cell.gamma else 0
                assert ledger.total(Event.CELL_READ, layer=name, during=Pass.FORWARD) == 24 * seen
                assert ledger.total(Event.CELL_READ, layer=name, during=Pass.BACKWARD) == samples * seen
                assert ledger.total(Event.PULSE, layer=name) == int(tile.counters[..., 0].sum())

    def test_without_transposed_reads_hidden_layers_do_not_learn(self, setup, monkeypatch):
        if setup.rule.credit.through_twin:
            return  # the error goes back in digital
        for owner in (Tile, Compound):
            monkeypatch.setattr(owner, "read_transposed", lambda tile, e: e.new_zeros(len(e), tile.inputs))
        setup.train()
        first, second = by_layer(setup)
        assert not any(tile.counters.any() for tile in first.values())
        assert any(tile.counters.any() for tile in second.values())

    def test_both_backends_agree_to_the_bit(self, settings):
        for device in (NOISY, SoftBounds(states=100)):
            ends = [begin(settings, device, backend=backend) for backend in ("cpu", "reference")]
            for setup in ends:
                setup.train(n=16)
            assert same(ends[0].memory(), ends[1].memory()) and pulses(ends[0]) > 0


class TestDeterminism:
    """Seeds and addresses, not histories."""

    def test_the_same_seed_learns_the_same(self, settings):
        ends = [begin(settings) for _ in range(2)]
        for setup in ends:
            setup.train()
        assert same(ends[0].memory(), ends[1].memory())

    def test_a_resumed_run_ends_on_the_same_bits(self, settings):
        whole, first, second = (begin(settings) for _ in range(3))
        whole.train(seed=0)
        whole.train(seed=1)
        first.train(seed=0)
        middle = first.memory()
        saved = {k: v.clone() for k, v in first.rule.state().items()}
        second.model.load_state_dict(first.model.state_dict())
        second.rule.load(saved)
        assert same(second.memory(), middle)
        second.train(seed=1)
        assert same(second.memory(), whole.memory()) and not same(second.memory(), middle)
        assert second.rule.steps == whole.rule.steps == 12

    def test_what_was_loaded_is_not_written_into(self, settings):
        first, second = begin(settings), begin(settings)
        first.train()
        saved = {k: v.clone() for k, v in first.rule.state().items()}
        kept = {k: v.clone() for k, v in saved.items()}
        second.rule.load(saved)
        second.train()
        assert same(saved, kept)


class TestDigitalMemory:
    """What a rule needs beside the arrays."""

    @pytest.mark.parametrize("batch", [1, 32])
    def test_it_is_stated(self, setup, batch):
        memory = setup.rule.digital_memory(batch)
        tensors = [m for m in setup.rule.memory.values() if m is not None]
        if isinstance(setup.rule.accumulator, PerSample | ScaledSample):
            words = [k for k in setup.model[0].tile.state_dict() if k.startswith(WORDS)]
            assert memory.bits_per_weight == 32 * len(words)
            return
        assert memory.bits_per_weight + memory.bits_per_line >= (1 if tensors else 0)
        if isinstance(setup.rule.accumulator, LowRank):
            sizes = [
                (m[1:].numel() * 32, memory.bits_per_line * (t.inputs + t.outputs))
                for m, t in zip(tensors, setup.tiles, strict=True)
            ]
            assert memory.bits_per_weight == 0 and all(kept == stated for kept, stated in sizes)
            tensors = []
        assert all(m.shape[-2:] == (t.inputs, t.outputs) for m, t in zip(tensors, setup.tiles, strict=False))
        # 8-bit output and error; or one bit, the gate, and two bits; or numbers.
        exact = setup.tiles[0].array.periphery == EXACT
        assert memory.bits_per_neuron == (4 if setup.rule.credit.ternary else 64 if exact else 16)

    def test_a_counter_holds_what_its_bits_hold(self, setup):
        setup.train(n=96, batch=32)
        bits = setup.rule.digital_memory(32).bits_per_weight
        if isinstance(setup.rule.accumulator, ScaledSample):
            return
        for memory in setup.rule.memory.values():
            assert memory is None or memory.abs().max() < 2 ** (bits - 1) or not bits


def test_the_yardstick_has_no_parts():
    with pytest.raises(TypeError, match="float_reference"):
        FloatReference().parts()
    with pytest.raises(TypeError, match="no parts"):
        FloatReference().attach(nn.Sequential(nn.Linear(2, 2)))


def test_streams_of_layers_differ():
    # Two layers of equal shape must not fire the same trains.
    assert len({tile.stream for tile in begin(CASES[0]).tiles}) == 2
