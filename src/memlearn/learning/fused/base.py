"""What the fused trainers share: which networks are plain enough, how cells are handed over, how events are counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from ...arrays.mapping import DifferentialPair, ReferenceColumn
from ...arrays.wires import IdealWires
from ...compound import AnyTile
from ...core.errors import InputError
from ...core.ledger import Event, Pass
from ...devices.effects import WriteNoise
from ...nn import Linear, Neuron, TernaryMarginLoss
from ...ops import fused_reads, write_noise
from ...programming.heat import Amounts, Sums
from ...tile import Tile
from ..rule import Rule
from .heat import Meter, enter_reads, line_sums, reads_meter
from .reads import loss_of, neuron_of, port_of, switches_of

MAPPINGS = {ReferenceColumn: fused_reads.REFERENCE_COLUMN, DifferentialPair: fused_reads.DIFFERENTIAL_PAIR}


class Trained(NamedTuple):
    """What a span of images did."""

    loss: float
    correct: int
    pulses: int
    cells: int


class AbstractFused(ABC):
    """A rule and a model that a compiled kernel can train; `fuse` builds one where everything fits.

    Arguments:
        rule: at work on the model.
        layers, neurons: of the model, in turn.
        loss: cross-entropy or ternary margin.
    """

    kernel: ClassVar[str]
    """The kernel's name, for the run record."""
    unsettled: ClassVar[bool] = False
    """The kernel knows write noise."""
    tallied: int = 3
    """Numbers that the kernel adds up for each layer; pulses and cells pulsed come first."""

    def __init__(self, rule: Rule, layers: list[Linear], neurons: list[nn.Module], loss: object) -> None:
        self.rule, self.layers, self.neurons, self.loss = rule, layers, neurons, loss
        self.tiles = [layer.tile for layer in layers if isinstance(layer.tile, Tile)]
        self.sums: list[Sums] = []

    @abstractmethod
    def run(
        self, inputs: np.ndarray, labels: np.ndarray, batch: int, tally: np.ndarray, meter: Meter
    ) -> tuple[float, int]:
        """Loss sum and right answers; adds pulses, cells pulsed and slots of each layer to `tally` (L, tallied), and
        what reads find in the cells to the first of `meter`, see `heat.reads_meter`; `sums` are those before."""

    @abstractmethod
    def pulse_amounts(self, number: int, sums: Sums, slots: int) -> Amounts:
        """What the pulses of the last `run` found in the cells of layer `number`.

        Arguments:
            number: of the layer.
            sums: of the conductances of its lines.
            slots: that its writes took.
        """

    @classmethod
    @abstractmethod
    def fits(cls, rule: Rule) -> bool:
        """Whether the kernel does all that the accumulator and the writer do, and gets its errors by the credit."""

    @abstractmethod
    def update(self, number: int) -> Any:
        """What the kernel's `Layer` holds beside the reads, of layer `number`."""

    def train(self, inputs: Tensor, labels: Tensor, batch: int) -> Trained:
        """Consecutive batches of inputs (N, features), labels (N,): the same events as that many steps of the rule.

        Raises:
            InputError: inputs or labels do not fit the network, or an input is not finite.
        """
        tally = np.zeros((len(self.tiles), self.tallied), np.int64)
        rows = self._checked(inputs, labels).detach().contiguous().numpy()
        before = line_sums(self.tiles) if self.tiles[0].measures else []
        meter = reads_meter(self.tiles, before)
        self.sums, reads = before, meter[0]
        loss, correct = self.run(rows, labels.numpy(), batch, tally, meter)
        self._account(len(inputs), -(-len(inputs) // batch), tally)
        for number, (tile, first, last) in enumerate(zip(self.tiles, before, line_sums(self.tiles), strict=False)):
            self.enter_heat(number, tile, first.mean(last), reads[number], int(tally[number, 2]))
        return Trained(loss, correct, int(tally[:, 0].sum()), int(tally[:, 1].sum()))

    def enter_heat(self, number: int, tile: Tile, sums: Sums, reads: np.ndarray, slots: int) -> None:
        """Enter what the reads and pulses of the last `run` found in the cells of layer `number`, see `pulse_amounts`;
        `reads` (2, 3) as of `heat.reads_meter`."""
        assert tile.ledger is not None
        enter_reads(tile, reads)
        tile.ledger.enter(tile.name, Pass.UPDATE, self.pulse_amounts(number, sums, slots))

    def cells(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Flat conductances, parameters and counters: views of the tiles' own buffers, into which the kernel writes."""
        return (
            tuple(tile.conductance.numpy().reshape(-1) for tile in self.tiles),
            tuple(tile.parameters_.numpy().reshape(-1, tile.parameters_.shape[-1]) for tile in self.tiles),
            tuple(tile.counters.numpy().reshape(-1, 2) for tile in self.tiles),
        )

    def unsettled_cells(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """As `cells`, then the memory of effects, flat, and what reads see; for kernels that know write noise."""
        memories = tuple(memory_of(tile) for tile in self.tiles)
        return *self.cells(), memories, tuple(seen_of(tile).numpy().reshape(-1) for tile in self.tiles)

    def backs(self) -> tuple[np.ndarray, ...]:
        """What errors go back through, flat: the cells."""
        return self.cells()[0]

    def layer_settings(self) -> tuple[fused_reads.Layer, ...]:
        """The kernel's constants."""
        return tuple(self._layer(number) for number in range(len(self.tiles)))

    def images(self, inputs: np.ndarray, labels: np.ndarray, batch: int, layers: tuple[Any, ...]) -> tuple[Any, ...]:
        """The first arguments of every kernel."""
        return inputs, labels, batch, layers, switches_of(self.tiles[0])

    def kernel_loss(self) -> tuple[int, float]:
        """The kernel's loss, and its margin."""
        return loss_of(self.loss, self.rule.credit)

    def events(self, steps: int, first: bool) -> list[int]:
        """How far that many steps move a tile's event counters; the first layer is not read backwards."""
        return [steps, 0 if first else steps, steps, 0, steps]

    def enter(self, tile: Tile, images: int, first: bool, tally: np.ndarray) -> None:
        """Enter what a layer has done, (tallied), into its ledger."""
        assert tile.ledger is not None
        tile.count_read(Pass.FORWARD, images)
        if not first:
            tile.count_read(Pass.BACKWARD, images)
        for event, n in zip((Event.PULSE, Event.PULSED_CELL, Event.TRAIN_SLOT), tally, strict=True):
            tile.ledger.count(tile.name, Pass.UPDATE, event, int(n))

    def _layer(self, number: int) -> fused_reads.Layer:
        tile, credit = self.tiles[number], self.rule.credit
        neuron, window = neuron_of(self.neurons[number] if number < len(self.neurons) else None)
        return fused_reads.Layer(
            rows=tile.inputs,
            columns=tile.outputs,
            height=tile.conductance.shape[2],
            width=tile.conductance.shape[3],
            mapping=MAPPINGS[type(tile.array.crossbar.mapping)],
            bias=self.layers[number].bias,
            neuron=neuron,
            window=window,
            noise=tile.array.device.noise.words(),
            forward=port_of(tile, tile.array.periphery.forward, credit),
            backward=port_of(tile, tile.array.periphery.backward, credit),
            update=self.update(number),
        )

    def _checked(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The inputs of the first layer; a compiled kernel does not look where it reads."""
        if inputs.dim() != 2:
            raise InputError("inputs", tuple(inputs.shape), "must have shape (samples, features)", "Flatten them.")
        if int(labels.min()) < 0 or int(labels.max()) >= self.tiles[-1].outputs:
            found = int(labels.min()), int(labels.max())
            raise InputError("labels", found, f"must lie within 0 .. {self.tiles[-1].outputs - 1}")
        return self.layers[0].samples(inputs)

    def _account(self, images: int, steps: int, tally: np.ndarray) -> None:
        """Advance the event counters, and count what the stages would have counted."""
        self.rule.steps += steps
        for number, tile in enumerate(self.tiles):
            tile.events += torch.tensor(self.events(steps, number == 0))
            if tile.ledger is not None:
                self.enter(tile, images, number == 0, tally[number])
        for neuron, tile in zip(self.neurons, self.tiles, strict=False):
            if isinstance(neuron, Neuron):
                neuron.events += steps
                if neuron.ledger is not None:
                    for event, n in neuron.circuit.uses(images * tile.outputs, True).items():
                        neuron.ledger.count(neuron.name, Pass.FORWARD, event, n)
        if isinstance(self.loss, TernaryMarginLoss):
            self.loss.count(images * self.tiles[-1].outputs)


def seen_of(tile: Tile) -> Tensor:
    """What a noise-free read sees of the cells: their own memory where nothing comes on top."""
    return tile.array.device.visible(tile.state)


def memory_of(tile: Tile) -> np.ndarray:
    """The memory of a tile's effects, (cells, columns), in place; a cell's worth of nothing where they have none."""
    memory = tile.memory if tile.memory.shape[-1] else torch.zeros(1, 1)
    return memory.numpy().reshape(-1, memory.shape[-1])


def unsettled_of(tile: Tile) -> write_noise.Unsettled:
    """The write noise of a tile's cells."""
    noise = tile.array.device.write_noise
    key = tile.stream.child("update", WriteNoise.__name__)
    return write_noise.Unsettled(noise.active, noise.relative, noise.absolute**2, *key)


def plain_tile(tile: AnyTile) -> TypeGuard[Tile]:
    """Weights of one part, one device of each sign; one tile of float32 cells in this machine's memory, compiled
    kernels, ideal wires, silent reads, plain cells."""
    return plain_cells(tile)


def plain_cells(tile: AnyTile, *, unsettled: bool = False) -> TypeGuard[Tile]:
    """As `plain_tile`; `unsettled` lets write noise be, for kernels that know it."""
    array = tile.array
    noisy = unsettled and array.device.only("write_noise")
    return (
        type(tile) is Tile  # no chip stands behind it
        and getattr(array.crossbar.mapping, "devices", 1) == 1
        and tile.backend == "cpu"
        and tile.tiles == (1, 1)
        and tile.conductance.dtype == torch.float32
        and tile.conductance.device.type == "cpu"
        and type(array.crossbar.wires) is IdealWires
        and tile.gains is None
        and type(array.crossbar.mapping) in MAPPINGS
        and array.device.read_noise.silent
        and (array.device.plain or noisy)
    )
