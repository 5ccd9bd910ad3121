"""Tiles whose lines have a resistance: both reads are the network's, and nothing is solved twice."""

from __future__ import annotations

import pytest
import torch

import memlearn
from memlearn import wires
from memlearn.arrays.mapping import ReferenceColumn
from memlearn.arrays.wires import Matrices, ResistiveWires
from memlearn.arrays.wires.base import Sight
from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import ConstantStep
from memlearn.devices.effects import ReadNoise
from memlearn.periphery import ADC, DAC
from memlearn.tile import Array, Crossbar, Periphery, Port, Tile

LINES = ResistiveWires(r_word_line=4.0, r_bit_line=7.0, r_source=120.0, r_sense=30.0)
EXACT = Periphery(
    forward=Port(drive=DAC(bits=None), sense=ADC(bits=None)), backward=Port(drive=DAC(bits=None), sense=ADC(bits=None))
)


def tile(lines: ResistiveWires = LINES, *, size: int = 1024, backend: str = "cpu", noise: float = 0.0) -> Tile:
    device = ConstantStep(read_noise=ReadNoise(relative=noise)) if noise else ConstantStep()
    array = Array(device=device, crossbar=Crossbar(wires=lines, rows=size, columns=size), periphery=EXACT)
    made = Tile(23, 9, array=array, stream=Stream.root(3), dtype=torch.float64, backend=backend)
    torch.manual_seed(5)
    made.initialise(torch.rand(23, 9, dtype=torch.float64) * 2 - 1)
    return made


@pytest.mark.parametrize("size", [1024, 8])
def test_reads_are_the_networks(size: int):
    it, x, e = tile(size=size), torch.rand(3, 23, dtype=torch.float64), torch.rand(3, 9, dtype=torch.float64)
    settings = {"r_word_line": 4.0, "r_bit_line": 7.0, "r_source": 120.0, "r_sense": 30.0}
    voltage = 0.2
    rows = torch.nn.functional.pad(x, (0, it.tiles[0] * it.part[0] - 23)).reshape(3, it.tiles[0], it.part[0])
    total = 0
    for k in range(it.tiles[0]):
        current = wires.solve(it.conductance[k], voltage * rows[:, k], **settings)
        total = total + (current[..., 0::2] - current[..., 1::2]).transpose(0, 1).flatten(1)[:, :9]
    assert torch.allclose(it.read(x), total / it.unit_current, rtol=1e-9, atol=1e-12)
    columns = torch.nn.functional.pad(e, (0, it.tiles[1] * it.part[1] - 9)).reshape(3, it.tiles[1], it.part[1])
    pairs = torch.stack([columns, -columns], -1).flatten(-2)
    back = 0
    for k in range(it.tiles[1]):
        current = wires.solve(it.conductance[:, k], voltage * pairs[:, k], read="transposed", **settings)
        back = back + current.transpose(0, 1).flatten(1)[:, :23]
    assert torch.allclose(it.read_transposed(e), back / it.unit_current, rtol=1e-9, atol=1e-12)


def test_no_resistance_is_the_ideal_tile():
    bare, x = ResistiveWires(r_word_line=0.0, r_bit_line=0.0), torch.rand(2, 23, dtype=torch.float64)
    it = tile(bare)
    assert torch.allclose(it.read(x), x @ it.weight(), rtol=1e-10)


def test_wires_of_the_forward_read_alone():
    it = tile(LINES.replace(reads="forward"))
    e, x = torch.rand(2, 9, dtype=torch.float64), torch.rand(2, 23, dtype=torch.float64)
    assert torch.allclose(it.read_transposed(e), e @ it.weight().T, rtol=1e-10)
    assert not torch.allclose(it.read(x), x @ it.weight(), rtol=1e-3)


def test_only_changed_arrays_are_solved_again(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    whole = ResistiveWires.sights

    def counted(
        self: ResistiveWires, conductance: torch.Tensor, ways: tuple[bool, ...], *, heat: bool = False
    ) -> list[Sight]:
        asked.append(conductance.shape[:-2].numel())
        return whole(self, conductance, ways, heat=heat)

    monkeypatch.setattr(ResistiveWires, "sights", counted)
    it, x = tile(size=8), torch.rand(2, 23, dtype=torch.float64)
    first = it.read(x)
    assert torch.equal(it.read(x), first) and asked == [it.tiles[0] * it.tiles[1]]
    pulses = torch.zeros(23, 9, dtype=torch.int32)
    pulses[0, 0] = 3
    it.write(Counts(pulses))
    second = it.read(x)
    assert asked[1:] == [1] and not torch.equal(second, first)
    fresh = Matrices(LINES)(it.conductance, False)
    assert torch.equal(it.matrices(it.conductance, False), fresh)


def test_reads_may_be_two_writes_old():
    it, x = tile(LINES.replace(refresh_every=2)), torch.rand(2, 23, dtype=torch.float64)
    first, pulses = it.read(x), torch.zeros(23, 9, dtype=torch.int32)
    pulses[:, 0] = 5
    it.write(Counts(pulses))
    assert torch.equal(it.read(x), first)
    it.write(Counts(pulses))
    fresh = tile(LINES)
    fresh.conductance.copy_(it.conductance)
    assert torch.equal(it.read(x), fresh.read(x)) and not torch.equal(fresh.read(x), first)
    told = it.matrices.staleness()
    assert told is not None and told.solutions == 1 and told.worst > 1e-3
    assert "matrices.solved" in it.state_dict() and "matrices.solved" not in fresh.state_dict()


def test_read_noise_is_weakened_as_the_current_is():
    """Merged noise against cell by cell: same spread, to what sneak paths make of it."""
    x = torch.rand(1, 23, dtype=torch.float64).expand(4000, 23)
    merged, single = tile(noise=0.1).read(x), tile(noise=0.1, backend="reference").read(x[:400])
    assert torch.allclose(merged.mean(0), single.mean(0), atol=5 * float(single.std(0).max()) / 20)
    ratio = merged.std(0) / single.std(0)
    assert float((ratio - 1).abs().max()) < 0.15


def test_a_layer_learns_through_them():
    torch.manual_seed(0)
    array = memlearn.Array(crossbar=memlearn.Crossbar(mapping=ReferenceColumn(), wires=LINES))
    layer = memlearn.nn.Linear(6, 3, array=array, seed=1)
    rule = memlearn.learning.sgd(layer, learning_rate=0.1)
    loss = torch.nn.functional.mse_loss(layer(torch.rand(4, 6)), torch.rand(4, 3))
    loss.backward()
    before = layer.tile.conductance.clone()
    rule.step()
    assert not torch.equal(before, layer.tile.conductance)
