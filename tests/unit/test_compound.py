"""Weights of several parts: bit for bit the plain tile where there is one, exact arithmetic where there are more."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memlearn.cells import Carry, MajorMinor, Single, Volatile
from memlearn.compound import Compound, make_tile
from memlearn.core.errors import InputError
from memlearn.core.ledger import Event, Ledger
from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import Capacitor, ConstantStep, SoftBounds, load
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, ReadNoise, Retention
from memlearn.learning import sgd
from memlearn.nn import Conv2d, Linear, attach_ledger, tiles
from memlearn.periphery import ADC, DAC
from memlearn.programming import Targets
from memlearn.programming.schemes import MEMBERS, WriteVerify, nominal
from memlearn.tile import Array, Periphery, Port, Tile

EXACT = Port(drive=DAC(bits=None), sense=ADC(bits=None, output_range=1000.0))
BOTH = Periphery(forward=EXACT, backward=EXACT)
PLAIN = ConstantStep(states=64)


def make(cell: Any, device: Any = PLAIN, inputs: int = 6, outputs: int = 4, **options: Any) -> Compound:
    array = Array(device=device, periphery=BOTH, cell=cell)
    tile = make_tile(inputs, outputs, array=array, stream=Stream.root(5), **options)
    assert isinstance(tile, Compound)
    return tile


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal, float32."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_one_part_is_the_plain_tile_bit_for_bit():
    noisy = SoftBounds(
        states=50,
        cycle_to_cycle=CycleToCycle(spread=0.3),
        device_to_device=DeviceToDevice(step=0.2, upper_bound=0.1),
        read_noise=ReadNoise(relative=0.02),
    )
    array, same = Array(device=noisy), {"stream": Stream.root(7), "name": "layer"}
    plain, compound = Tile(9, 5, array=array, **same), Compound(9, 5, array=array, **same)
    for tile in (plain, compound):
        tile.initialise(0.1 * drawn(9, 5))
    ledgers = Ledger(), Ledger()
    plain.ledger, compound.first.ledger = ledgers
    for n in range(4):
        x, e, pulses = drawn(3, 9, seed=n), drawn(3, 5, seed=n), (2 * drawn(9, 5, seed=n)).int()
        assert torch.equal(plain.encode(x), compound.encode(x))
        assert torch.equal(plain.read(x), compound.read(x))
        assert torch.equal(plain.read_transposed(e), compound.read_transposed(e))
        assert plain.write(Counts(pulses)) == compound.write(Counts(pulses))
        assert torch.equal(plain.weight(), compound.weight()) and plain.weight_step == compound.weight_step
    assert ledgers[0].state() == ledgers[1].state()


class TestCarry:
    """Periodic carry on devices that do what they are told."""

    @pytest.mark.parametrize("base", [2, 4, 7])
    @pytest.mark.parametrize("digits", [2, 3])
    def test_the_weight_is_conserved(self, base, digits):
        tile = make(Carry(base=base, digits=digits, carry_every=1), dtype=torch.float64)
        tile.initialise(0.3 * drawn(6, 4).double().clamp(-2, 2))
        exact, low = tile.weight(), tile.first
        for n in range(60):
            pulses = (6 * drawn(6, 4, seed=n)).int().clamp(-10, 10)
            held = low.weight() + pulses.double() * low.weight_step
            fits = held.abs() <= 1  # a digit that is full at once loses what no carry can save
            exact = exact + (pulses * fits).double() * tile.weight_step
            tile.write(Counts(pulses * fits))
        assert torch.allclose(tile.weight(), exact, rtol=0, atol=1e-11)

    def test_a_digit_is_emptied_into_the_next(self):
        tile = make(Carry(base=8, carry_every=2), dtype=torch.float64)
        low, high = tile.tiles_of.values()
        ledger = Ledger()
        attach_ledger(layer_of(tile), ledger)
        tile.write(Counts(torch.full((6, 4), 17, dtype=torch.int32)))
        assert (
            torch.allclose(low.weight(), torch.full((6, 4), 17 / 32).double()) and not high.weight().abs().gt(0).any()
        )
        tile.write(Counts(torch.zeros(6, 4, dtype=torch.int32)))
        # 17 steps are nearest to 2 x 8: two pulses up there, sixteen down here, on both cells of each pair.
        assert torch.allclose(low.weight(), torch.full((6, 4), 1 / 32).double())
        assert torch.allclose(high.weight(), torch.full((6, 4), 2 / 32).double())
        assert ledger.total(Event.PULSE, layer="layer.digit0") == 2 * 24 * (17 + 16)
        assert ledger.total(Event.PULSE, layer="layer.digit1") == 2 * 24 * 2
        assert ledger.total(Event.CELL_READ, layer="layer.digit0") == low.cells
        assert ledger.total(Event.CELL_READ, layer="layer.digit1") == high.cells

    def test_a_full_higher_digit_takes_no_more(self):
        tile = make(Carry(base=4, carry_every=1), dtype=torch.float64)
        low, high = tile.tiles_of.values()
        high.initialise(torch.full((6, 4), 0.98))
        tile.write(Counts(torch.full((6, 4), 25, dtype=torch.int32)))
        assert torch.allclose(high.weight(), torch.full((6, 4), 0.98).double(), atol=1e-12)
        assert torch.allclose(low.weight(), torch.full((6, 4), 25 / 32).double())

    def test_below_the_threshold_nothing_moves(self):
        tile = make(Carry(base=4, carry_every=1, threshold=0.8))
        for _ in range(12):
            tile.write(Counts(2 * torch.ones(6, 4, dtype=torch.int32)))
        assert not tile.tiles_of["digit1"].counters[..., 0].any()

    @pytest.mark.parametrize(
        ("device", "threshold"),
        [
            (ConstantStep(states=100), 0.5),
            (SoftBounds(states=100), 0.1),
            (SoftBounds(states=400, mix_up=0.25, mix_down=0.25, cycle_to_cycle=CycleToCycle(spread=3**0.5)), 0.2),
            (SoftBounds(states=100, cycle_to_cycle=CycleToCycle(range_spread=0.03)), 0.316),
            (SoftBounds(states=100, cycle_to_cycle=CycleToCycle(range_spread=0.1)), 0.5),
            (load("taox_tio2").device, 0.164),
            (load("taox_hfox").device, 0.5),
        ],
    )
    def test_its_threshold_follows_the_device(self, device, threshold):
        assert Carry().settled(device).threshold == pytest.approx(threshold, abs=2e-3)
        assert Carry(low_device=ConstantStep(states=30)).settled(device).threshold == 0.5
        assert Carry(threshold=0.3).settled(device).threshold == 0.3

    def test_that_is_how_far_pulses_of_both_signs_spread_a_cell(self):
        for noise, mix in ((0.0, 1.0), (0.02, 0.5)):
            device = SoftBounds(states=60, mix_up=mix, mix_down=mix, cycle_to_cycle=CycleToCycle(range_spread=noise))
            state, stream = device.init((1, 1, 40, 50), Stream.root(3)), Stream.root(4)
            for n in range(300):
                signs = 2 * (drawn(40, 50, seed=n)[None, None] > 0).int() - 1
                device.pulse(state, Counts(signs), stream, n)
            spread = float((state.conductance - device.middle).std()) / (0.5 * device.range)
            assert spread == pytest.approx(nominal.wandering(device), rel=0.06)

    def test_verified_carries_conserve_where_blind_ones_do_not(self):
        lost = {}
        device = SoftBounds(states=64, device_to_device=DeviceToDevice(step=0.3))
        for verify in (None, WriteVerify(tolerance=0.01)):
            tile = make(Carry(base=4, carry_every=1, verify=verify, low_device=PLAIN), device, 20, 20)
            for n in range(20):
                before, wanted = tile.weight(), (4 + 3 * drawn(20, 20, seed=n)).int()
                tile.write(Counts(wanted))
                lost.setdefault(verify is None, []).append(
                    (tile.weight() - before - wanted * tile.weight_step).abs().mean()
                )
        assert sum(lost[False]) < 0.5 * sum(lost[True])

    def test_periods_grow_with_the_digit(self):
        tile = make(Carry(base=2, digits=3, carry_every=2, threshold=0.0))
        for n in range(1, 9):
            tile.write(Counts(torch.full((6, 4), 3, dtype=torch.int32)))
            assert bool(tile.tiles_of["digit2"].counters[..., 0].any()) == (n >= 4)


class TestMajorMinor:
    """No carry: two cells, two step sizes."""

    def test_size_decides(self):
        tile = make(MajorMinor(gain=4.0))
        major, minor = tile.tiles_of.values()
        plan = torch.zeros(6, 4, dtype=torch.int32)
        plan[0] = torch.tensor([3, 4, -9, 1])
        before = tile.weight()
        tile.write(Counts(plan))
        assert torch.allclose(tile.weight() - before, plan * tile.weight_step, atol=1e-6)
        assert torch.allclose(major.weight()[0] * 32, torch.tensor([0.0, 1, -2, 0]), atol=1e-4)
        assert torch.allclose(minor.weight()[0] * 32, torch.tensor([3.0, 0, -1, 1]), atol=1e-4)

    def test_a_full_minor_cell_stays_full(self):
        tile = make(MajorMinor(gain=4.0, update="minor"))
        for _ in range(5):
            tile.write(Counts(torch.full((6, 4), 20, dtype=torch.int32)))
        assert torch.allclose(tile.weight(), torch.full((6, 4), 0.2), atol=1e-6)

    def test_its_gain_follows_the_states(self):
        for states, gain in ((9, 3.0), (32, 6.0), (500, 16.0), (2, 2.0)):
            assert MajorMinor().settled(ConstantStep(states=states)).gain == gain


class TestVolatile:
    """A fast cell that learns, a slow one that keeps."""

    @staticmethod
    def fast(**settings: Any) -> Capacitor:
        quiet = {"slope_up": 0.0, "slope_down": 0.0, "cycle_to_cycle": CycleToCycle()}
        return Capacitor(**{**quiet, **settings})

    def test_a_transfer_keeps_the_weight_and_frees_the_fast_cell(self):
        cell = Volatile(fast=self.fast(), transfer_every=3, scheme=WriteVerify(tolerance=0.004), keep_rest=True)
        tile = make(cell, ConstantStep(states=1000))
        tile.initialise(0.2 * drawn(6, 4))
        for sign in (1, 1, -1):
            before = tile.weight()
            tile.write(Counts(torch.full((6, 4), 15 * sign, dtype=torch.int32)))
        kept = before - 15 * tile.weight_step
        assert (tile.weight() - kept).abs().max() < 0.01
        assert tile.tiles_of["fast"].weight().abs().max() < 0.04
        assert (0.75 * tile.tiles_of["slow"].weight() - kept).abs().max() < 0.01

    def test_inversion_turns_reads_and_pulses(self):
        tile = make(Volatile(fast=self.fast(), transfer_every=1), ConstantStep(states=1000))
        fast, x = tile.tiles_of["fast"], drawn(3, 6).clamp(-1, 1)
        for n in range(4):
            before = tile.weight()
            tile.write(Counts(torch.full((6, 4), 10, dtype=torch.int32)))
            assert torch.allclose(tile.read(x), x @ tile.weight(), atol=1e-4)
            assert (tile.weight() - before - 10 * tile.weight_step).abs().max() < 0.05
            assert tile.cell.signs(n) == (1, -1 if n % 2 else 1)
        assert int(fast.counters[..., 0].max()) > 0

    def test_a_mismatch_of_up_and_down_cancels_over_two_periods(self):
        drift = {}
        for inversion in (True, False):
            fast = self.fast(device_to_device=DeviceToDevice(balance=0.1))
            cell = Volatile(
                fast=fast, transfer_every=40, inversion=inversion, scheme=WriteVerify(tolerance=0.002), keep_rest=True
            )
            tile = make(cell, ConstantStep(states=2000), 20, 20)
            for n in range(160):  # as many up as down: a matched cell would stand still
                tile.write(Counts(torch.full((20, 20), 4 - 8 * (n % 2), dtype=torch.int32)))
            drift[inversion] = float(tile.weight().square().mean().sqrt())
        assert drift[True] < 0.3 * drift[False]

    def test_it_forgets_only_what_has_not_been_transferred(self):
        cell = Volatile(fast=self.fast(retention=Retention(time_constant=1e-3, rest=0.5)), transfer_every=100)
        tile = make(cell)
        tile.initialise(torch.full((6, 4), 0.5))
        tile.write(Counts(torch.full((6, 4), 30, dtype=torch.int32)))
        assert tile.weight().min() > 0.51
        tile.relax(1.0)
        assert torch.allclose(tile.weight(), torch.full((6, 4), 0.5), atol=1e-6)


@pytest.mark.parametrize("cell", [MajorMinor(), Carry(), Volatile()], ids=lambda cell: cell.kind)
class TestLayers:
    """Layers, ledgers and rules do not know that a weight has parts."""

    def test_a_linear_layer_trains(self, cell):
        layer = Linear(8, 3, array=Array(cell=cell, device=ConstantStep(states=300)), seed=1)
        ledger, rule = Ledger(), sgd(layer, learning_rate=0.05)
        attach_ledger(layer, ledger)
        x, target, first, last = drawn(16, 8), drawn(16, 3, seed=1), 0.0, 0.0
        for _ in range(15):
            loss = (layer(x) - target).square().mean()
            loss.backward()
            rule.step()
            last = float(loss.detach())
            first = first or last
        assert last < first
        names = set(tiles(layer))
        assert {key[0] for key, _ in ledger} == names == {f"layer.{part.name}" for part in layer.tile.plans}
        assert sum(t.cells for t in tiles(layer).values()) == layer.tile.cells
        assert cell.kind in layer.extra_repr()

    def test_a_convolution_with_copies_and_a_second_array(self, cell):
        array = Array(cell=cell, device=ConstantStep(states=300))
        layer = Conv2d(2, 3, 3, array=array, backward="copy", copies=2, seed=1)
        rule = sgd(layer, learning_rate=0.02)
        x = drawn(2, 2, 6, 6).requires_grad_()
        layer(x).square().mean().backward()
        before = layer.tile.weight()
        assert x.grad is not None and x.grad.abs().max() > 0
        assert rule.step().pulses > 0 and not torch.equal(layer.tile.weight(), before)
        assert {name.split(".")[1] for name in tiles(layer)} >= {"copy1", "transposed"}

    def test_compiled_and_staged_agree(self, cell):
        moved = []
        for backend in ("reference", "cpu"):
            array = Array(cell=cell, device=PLAIN, periphery=BOTH)
            tile = make_tile(6, 4, array=array, stream=Stream.root(0), backend=backend)
            for n in range(3):
                tile.write(Counts((9 * drawn(6, 4, seed=n)).int()))
            moved.append(tile.weight())
        assert torch.equal(*moved)


def test_a_scheme_that_sees_nothing_is_refused():
    unseen = next(kind() for kind in MEMBERS.values() if kind().unseen)
    with pytest.raises(InputError, match="scheme"):
        make(Carry()).program(Targets(torch.zeros(6, 4), None, True, unseen))


def test_one_part_needs_no_compound():
    assert isinstance(make_tile(2, 3, array=Array(cell=Single()), stream=Stream.root(0)), Tile)


def layer_of(tile: Compound) -> Linear:
    """A layer around a compound."""
    layer = Linear(tile.inputs, tile.outputs, bias=False, array=tile.array)
    layer.tile = tile
    return layer
