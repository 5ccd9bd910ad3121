"""The second array on devices that do what they are told: what is passed on, in what order, and what is conserved."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from memlearn import lines
from memlearn.arrays.mapping import ReferenceColumn
from memlearn.cells import SecondArray
from memlearn.compound import Compound, make_tile
from memlearn.core.random import Stream
from memlearn.core.types import Counts, Factors
from memlearn.devices import ConstantStep, SoftBounds, symmetric_point
from memlearn.devices.effects import CycleToCycle, DeviceToDevice
from memlearn.learning.rules import AGAD, AbstractRule, ChoppedTikiTaka, ResidualLearning, TikiTaka, TikiTakaV2
from memlearn.nn import LSTM, RNN, Conv2d, Linear
from memlearn.periphery import ADC, DAC
from memlearn.programming import DeterministicTrains, StochasticTrains, WriteAddress
from memlearn.tile import Array, Crossbar, Periphery, Port
from tests.learners import CONVERTERS, Setup, array, images, network, same

EXACT = Port(drive=DAC(bits=None), sense=ADC(bits=None, output_range=1000.0))
FINE = ConstantStep(states=1e5)
READS: dict[str, Any] = {"drive": EXACT.drive, "sense": EXACT.sense}


def make(device: Any = FINE, inputs: int = 3, outputs: int = 2, **options: Any) -> Compound:
    cell = SecondArray(**{**READS, **options})
    crossbar = Crossbar(mapping=ReferenceColumn())
    given = Array(device=device, crossbar=crossbar, periphery=Periphery(forward=EXACT, backward=EXACT), cell=cell)
    tile = make_tile(inputs, outputs, array=given, stream=Stream.root(1), dtype=torch.float64)
    assert isinstance(tile, Compound)
    return tile


def write(tile: Compound, x: torch.Tensor, e: torch.Tensor, number: int, rate: float = 1e-3) -> None:
    """One sample's outer product on the fast array."""
    at = WriteAddress(tile.weight_step, 1.0, Stream.root(2), number)
    tile.write(DeterministicTrains(learning_rate=rate, rounding="nearest").plan(Factors(x[None], e[None]), at))


class TestEffectiveRate:
    """A constant gradient moves the slow weight as SGD would at the rate gain x pulse x what the fast one holds.

    After n outer products of dw each, line by line, the fast weight read at time t is t dw, so that a line that is read
    every R products has passed on gain D (R + 2 R + ...) dw of it.
    """

    each = torch.tensor([[15, -10], [8, -5], [-15, 10]], dtype=torch.int32)

    @pytest.mark.parametrize("options", [{"buffer": "none"}, {"buffer": "digital"}])
    def test_sums_of_reads(self, options):
        tile = make(gain=1500.0, most=31, **options)
        for _ in range(60):
            tile.write(Counts(self.each))
        step, fast = tile.first.weight_step, tile.tiles_of["fast"].weight_step
        times = torch.tensor([sum(range(j + 1, 61, 3)) for j in range(3)])[:, None]
        wanted = 1500.0 * times * self.each * fast
        assert wanted.abs().min() > 50
        assert torch.allclose(tile.weight() / step, wanted.double(), atol=1 if options["buffer"] == "digital" else 12)

    def test_the_dynamic_reference_sees_what_a_period_adds(self):
        # On a linear device v rises by K R dw under one sign and falls by it under the other; Q is the level before.
        tile = make(gain=100.0, chopper="regular", period=4, reference="dynamic", reference_rate=1.0, inputs=1, most=31)
        for _ in range(8):
            tile.write(Counts(self.each[:1]))
        # First period: 1 .. 4 dw, nothing is passed on. Second: 3 .. 0 dw less the level 4 dw, under the other sign.
        gathered = self.each[:1] * (tile.tiles_of["fast"].weight_step * sum(4 - level for level in (3, 2, 1, 0)))
        passed = tile.weight() / tile.first.weight_step + tile.memory["buffer1"]
        assert torch.allclose(passed, 100.0 * gathered.double(), rtol=1e-6)


class TestConservation:
    """What leaves the buffer is what the slow array gets."""

    @pytest.mark.parametrize("options", [{}, {"chopper": "random", "output_flip": 0.3}])
    def test_every_pulse_is_taken_out(self, options):
        tile = make(ConstantStep(states=400), gain=4.0, **options)
        fast, step, sent = tile.tiles_of["fast"], tile.first.weight_step, 0
        for n in range(60):
            kept, before, line = {name: part.clone() for name, part in tile.memory.items()}, tile.weight(), n % 3
            write(tile, torch.tensor([1.0, 0.5, -1.0]), torch.tensor([0.9, -0.6]), n, 0.05)
            pulses, held = (tile.weight() - before) / step, tile.memory["buffer1"] - kept["buffer1"]
            u = torch.zeros(3, 2, dtype=torch.float64)
            u[line] = fast.weight()[line] * kept.get("signs", torch.ones(3))[line] * kept.get("output_signs", 1)
            assert torch.allclose(held + pulses.round(), 4.0 * u, atol=1e-9)
            assert torch.allclose(pulses, pulses.round(), atol=1e-6)
            sent += int(pulses.abs().sum().round())
        assert sent > 20

    def test_forgetting_leaves_a_share(self):
        tile = make(gain=2.0, forget=0.1)
        tile.tiles_of["fast"].initialise(torch.full((3, 2), 0.8))
        tile.write(Counts(torch.zeros(3, 2, dtype=torch.int32)))
        assert torch.allclose(tile.memory["buffer1"][0], torch.full((2,), 0.16, dtype=torch.float64), atol=1e-6)


class TestOrder:
    """Lines one after another, from the first, over and over."""

    @pytest.mark.parametrize("every", [1, 3])
    def test_lines_and_portions(self, every, monkeypatch):
        read, tile, order = lines.read, make(transfer_every=every), []
        monkeypatch.setattr(lines, "read", lambda tile, line, *rest: order.append(line) or read(tile, line, *rest))
        x, e = torch.ones(8, 3), torch.ones(8, 2)
        at = WriteAddress(tile.weight_step, 1.0, Stream.root(2), 0)
        plan = StochasticTrains().plan(Factors(x, e), at)
        for _ in range(2):  # 16 products in two batches of 8: portions do not end with a batch
            tile.write(plan)
        assert order == [n % 3 for n in range(16 // every)]
        assert int(tile.writes) == 16

    def test_slower_arrays_wait_for_their_turn(self, monkeypatch):
        read, tile, order = lines.read, make(arrays=2, gamma=0.5, slower=2, buffer="none"), []
        parts = list(tile.tiles_of.values())
        monkeypatch.setattr(
            lines, "read", lambda tile, line, *rest: order.append((parts.index(tile), line)) or read(tile, line, *rest)
        )
        for _ in range(4):
            tile.write(Counts(torch.zeros(3, 2, dtype=torch.int32)))
        assert order == [(2, 0), (2, 1), (1, 0), (2, 2), (2, 0), (1, 1)]


class TestReference:
    """Where up and down pulses cancel."""

    def test_the_symmetric_point_of_soft_bounds_is_known(self):
        # D+ (1 - w / b+) = D- (1 + w / b-) at w = (D+ - D-) / (D+ / b+ + D- / b-), b about mid-range.
        spread = DeviceToDevice(step=0.2, upper_bound=0.3, lower_bound=0.3, balance=0.2)
        device = SoftBounds(states=50, device_to_device=spread)
        state = device.init((1, 1, 40, 30), Stream.root(0), torch.float64)
        p, middle = state.parameters, device.middle
        up, down = p[..., 3] * (p[..., 1] - middle), p[..., 5] * (middle - p[..., 0])
        wanted = middle + (up - down) / (p[..., 3] + p[..., 5])
        inside = (wanted > p[..., 0]) & (wanted < p[..., 1])
        assert inside.all() and torch.allclose(symmetric_point(device, state), wanted, rtol=1e-9)

    def test_cells_without_one_get_the_middle(self):
        device = ConstantStep(asymmetry=0.1)
        state = device.init((1, 1, 3, 3), Stream.root(0))
        assert torch.allclose(symmetric_point(device, state), torch.full((1, 1, 3, 3), device.middle))

    def test_a_reference_is_subtracted_before_the_converters(self):
        cell = {"sense": ADC(bits=None, output_range=0.2)}
        tile = make(SoftBounds(states=50, asymmetry=0.5), reference="array", gain=1.0, **cell)
        fast, points = tile.tiles_of["fast"], tile.memory["reference1"]
        assert torch.allclose(points, torch.full_like(points, 0.5), atol=1e-9)
        fast.initialise(points + 0.1)
        seen = lines.read(fast, 1, 1.0, points[1])
        assert torch.allclose(seen, torch.full_like(seen, 0.1), atol=1e-6)

    def test_random_pulses_pull_the_fast_array_there(self):
        tile = make(SoftBounds(states=30, asymmetry=0.3), gain=1e-6)
        drawn = torch.Generator().manual_seed(0)
        for _ in range(600):
            signs = 2 * torch.randint(0, 2, (3, 2), generator=drawn) - 1
            tile.write(Counts(signs.int()))
        apart = tile.tiles_of["fast"].weight() - tile.memory["reference1"]
        assert apart.mean().abs() < 0.15 and tile.memory["reference1"].mean() > 0.25


NOISY = SoftBounds(
    states=30, cycle_to_cycle=CycleToCycle(spread=0.3), device_to_device=DeviceToDevice(step=0.3, upper_bound=0.2)
)


def begin(rule: AbstractRule) -> Setup:
    assert rule.cell is not None
    model = network(array(NOISY, CONVERTERS).replace(cell=rule.cell), nn.Sigmoid())
    return Setup(model, rule.attach(model), nn.CrossEntropyLoss())


@pytest.mark.parametrize("rule", [ChoppedTikiTaka(gain=20.0, output_flip=0.2), AGAD(gain=20.0, period=3)], ids=repr)
def test_a_run_resumes_in_the_middle_of_a_period(rule):
    whole, first, second = (begin(rule) for _ in range(3))
    x, y = images(28)

    def train(setup: Setup, begin: int, end: int) -> None:
        for start in range(begin, end, 4):
            setup.loss(setup.model(x[start : start + 4]), y[start : start + 4]).backward()
            setup.rule.step()
            setup.rule.zero_grad()

    train(whole, 0, 28)
    train(first, 0, 20)  # two passes over 8 lines and a half: signs differ from line to line
    signs = first.model[0].tile.memory["signs"]
    assert signs.min() < signs.max()
    second.model.load_state_dict({name: tensor.clone() for name, tensor in first.model.state_dict().items()})
    second.rule.load(first.rule.state())
    train(second, 20, 28)
    assert same(whole.memory(), second.memory())


@pytest.mark.parametrize("rule", [TikiTaka(), TikiTakaV2(unit="batch"), ResidualLearning(transfer_every=5)], ids=repr)
def test_convolutions_and_recurrent_layers(rule):
    given = array(NOISY, CONVERTERS).replace(cell=rule.cell)
    layers: list[tuple[nn.Module, tuple[int, ...], int]] = [
        (Conv2d(1, 2, 3, array=given, seed=1), (2, 1, 5, 5), 18),
        (Conv2d(1, 2, 3, array=given, seed=1, backward="copy"), (2, 1, 5, 5), 18),
        (RNN(3, 4, array=given, seed=1), (2, 5, 3), 10),
        (LSTM(3, 4, array=given, seed=1), (2, 5, 3), 10),
    ]
    for layer, shape, products in layers:
        model = nn.Sequential(layer)
        at_work = rule.attach(model)
        found = layer(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
        (found[0] if isinstance(found, tuple) else found).square().sum().backward()
        assert at_work.step().pulses > 0
        tile = next(module for module in model.modules() if isinstance(module, Compound))
        assert int(tile.writes) == (1 if rule.cell.unit == "batch" else products)


def test_a_part_out_of_reads_costs_nothing_in_them():
    tile, other = make(gamma=0.0), make(gamma=0.0)
    other.tiles_of["fast"].initialise(torch.full((3, 2), 0.5))
    x = torch.rand(4, 3, dtype=torch.float64)
    assert torch.equal(tile.read(x), other.read(x)) and torch.equal(tile.weight(), other.weight())
    assert isinstance(Linear(3, 2, array=Array(cell=SecondArray()), seed=0).tile, Compound)
