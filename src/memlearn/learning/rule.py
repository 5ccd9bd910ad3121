"""A learning rule at work on a model: credit x accumulator x writer, with torch's `step` and `zero_grad`."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ..core.component import Component, setting
from ..core.errors import InputError
from ..core.types import Counts
from ..nn import ArrayLayer, Neuron, array_layers
from ..ops.pulse_update import Tally
from ..periphery import ADC, DAC, AbstractNeuron, TernaryComparator
from ..programming import AbstractWriter, AnyWriter, Sign, WriteAddress
from ..tile import Tile
from .accumulate import AbstractAccumulator, AnyAccumulator, BatchCounter
from .credit import AbstractCredit, AnyCredit, Backprop

Rate = Annotated[float, Field(gt=0)]


class Parts(Component):
    """The three choices that make a rule; any combination whose accumulator gives what its writer accepts is legal."""

    credit: AnyCredit = setting(Backprop(), doc="whose error, in what form")
    accumulator: AnyAccumulator = setting(BatchCounter(), doc="where the gradient waits")
    writer: AnyWriter = setting(Sign(), doc="what turns a wanted change into pulses")
    layer_rates: tuple[Rate, ...] = setting(
        (), doc="what the rate is multiplied by, layer by layer from the input; empty: 1 in all"
    )

    def model_post_init(self, _: object) -> None:
        """The accumulator must give what the writer accepts."""
        if self.accumulator.gives != self.writer.accepts:
            raise InputError(
                "accumulator",
                self.accumulator.kind,
                f"gives {self.accumulator.gives}, but the writer {self.writer.kind} accepts {self.writer.accepts}",
                'Use "per_sample" with trains, a counter with "sign" or "threshold".',
            )


class Memory(NamedTuple):
    """Digital memory that a rule needs beside the arrays."""

    bits_per_weight: int
    """Largest over the layers."""
    bits_per_neuron: int
    """Output, derivative and error of one neuron and sample, largest over the layers."""


class Rule:
    """Learns by pulses. It sees what hardware sees: factors that reads have left, and its own digital memory.

    Arguments:
        model: a module with in-memory layers; `loss.backward()` leaves their factors, `step()` writes them.
        parts: credit, accumulator and writer.
    """

    def __init__(self, model: nn.Module, parts: Parts) -> None:
        self.model, self.parts = model, parts
        self.layers: dict[str, ArrayLayer] = array_layers(model)
        self.credit: AbstractCredit = parts.credit
        self.accumulator: AbstractAccumulator = parts.accumulator
        self.writer: AbstractWriter = parts.writer
        self.steps = 0
        self._factors = parts.layer_rates or (1.0,) * len(self.layers)
        if len(self._factors) != len(self.layers):
            allowed = f"must be as many as the layers, {len(self.layers)}"
            raise InputError("layer_rates", parts.layer_rates, allowed, "Leave them out for equal rates.")
        self.rate = 1.0
        self.memory: dict[str, Tensor | None] = {}
        for name, layer in self.layers.items():
            self.credit.check(layer.tile.array)
            layer.credit = self.credit
            self.memory[name] = self.accumulator.init(layer.tile.inputs, layer.tile.outputs)

    @property
    def rate(self) -> float:
        """What a schedule sets: it multiplies the learning rate of trains and divides the threshold of counters."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if not rate > 0:
            raise InputError("rate", rate, "must be positive")
        for factor, layer in zip(self._factors, self.layers.values(), strict=True):
            self.accumulator.check(self.writer.quantum(factor * rate, layer.tile.weight_step))
        self._rate = rate

    @property
    def rates(self) -> tuple[float, ...]:
        """The rate of each layer."""
        return tuple(factor * self._rate for factor in self._factors)

    def step(self) -> Tally:
        """Write what the factors since the last step ask for; every layer plans with the weights as they were read.

        Returns:
            Pulses sent to cells, and distinct cells pulsed, summed over layers.
        """
        pulses = cells = 0
        for (name, layer), rate in zip(self.layers.items(), self.rates, strict=True):
            factors = layer.take_factors()
            if factors is None:
                continue
            wanted = self.accumulator.add(self.memory[name], factors)
            plan = self.writer.plan(wanted, self._address(layer.tile, rate))
            tallies = [layer.tile.write(plan)]
            for replica in layer.replicas.values():
                here = replica.plan(plan)
                if here is None:
                    here = self.writer.plan(replica.wanted(wanted), self._address(replica.tile, rate))
                tallies.append(replica.tile.write(here))
            if isinstance(plan, Counts):  # after the replicas have planned with what the memory asks for
                self.accumulator.settle(self.memory[name], plan, self.writer.quantum(rate, layer.tile.weight_step))
            pulses += sum(tally.pulses for tally in tallies)
            cells += sum(tally.cells for tally in tallies)
        self.steps += 1
        return Tally(pulses, cells)

    def zero_grad(self) -> None:
        """Forget factors that were not written; counters that persist by design stay."""
        for layer in self.layers.values():
            layer.take_factors()

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs beyond the model's `state_dict`."""
        kept = {f"memory/{name}": tensor for name, tensor in self.memory.items() if tensor is not None}
        return {**kept, "steps": torch.tensor(self.steps)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.steps = int(state["steps"])
        for name in self.memory:
            if self.memory[name] is not None:
                self.memory[name] = state[f"memory/{name}"].clone()

    def digital_memory(self, batch: int) -> Memory:
        """Bits per weight and per neuron beside the arrays, for a batch of that many samples.

        A layer that is read several times per sample sums as many outer products (`reads_per_sample` of its last).
        """
        switched = not any(isinstance(n.tile.array.periphery.forward.drive, DAC) for n in self.layers.values())
        # Activations of torch are digital; their derivative follows from the stored output.
        circuits = [n.circuit for n in self._neurons()] or [None] * (len(self.layers) > 1)
        per_neuron = [self._neuron_bits(circuit) for circuit in circuits] or [0]
        ternary = self.credit.ternary and switched
        products = batch * max(layer.reads_per_sample for layer in self.layers.values())
        return Memory(self.accumulator.bits_per_weight(products, ternary), max(per_neuron))

    def _address(self, tile: Tile, rate: float) -> WriteAddress:
        return WriteAddress(tile.weight_step, rate, tile.stream.child("writer"), self.steps)

    def _neurons(self) -> list[Neuron]:
        return [module for module in self.model.modules() if isinstance(module, Neuron)]

    def _neuron_bits(self, circuit: AbstractNeuron | None) -> int:
        """Stored output + derivative + error; a number takes the bits of the converter that it passes next."""
        periphery = next(iter(self.layers.values())).tile.array.periphery
        drive, sense = periphery.forward.drive, periphery.backward.sense
        output = 1 if circuit is not None and circuit.binary else (drive.bits or 32) if isinstance(drive, DAC) else 32
        error = 2 if isinstance(sense, TernaryComparator) else (sense.bits or 32) if isinstance(sense, ADC) else 32
        return output + (0 if circuit is None else circuit.derivative_bits) + error
