"""A learning rule at work on a model: credit x accumulator x writer, with torch's `step` and `zero_grad`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ..compound import AnyTile
from ..core.component import Component, kind_of, quantity, setting
from ..core.errors import InputError
from ..core.types import Counts, Factors
from ..nn import ArrayLayer, Follower, Neuron, array_layers
from ..ops.pulse_update import Tally
from ..periphery import ADC, DAC, AbstractNeuron, TernaryComparator
from ..programming import AbstractWriter, AnyWriter, Levels, Plan, Sign, Targets, WriteAddress
from .accumulate import AbstractAccumulator, AnyAccumulator, BatchCounter
from .census import Census, Summed
from .credit import AbstractCredit, AnyCredit, Backprop
from .gates import AbstractGate, Everything

Rate = Annotated[float, Field(gt=0)]


class Parts(Component):
    """The three choices that make a rule; any combination whose accumulator gives what its writer accepts is legal."""

    credit: AnyCredit = setting(Backprop(), doc="whose error, in what form")
    accumulator: AnyAccumulator = setting(BatchCounter(), doc="where the gradient waits")
    writer: AnyWriter = setting(Sign(), doc="what turns a wanted change into pulses")
    layer_rates: tuple[Rate, ...] = setting(
        (), doc="what the rate is multiplied by, layer by layer from the input; empty: 1 in all"
    )
    every: int = quantity(1, unit="1", ge=1, doc="batches whose gradients gather before a write, as one larger batch")

    def model_post_init(self, _: object) -> None:
        """The accumulator must give what the writer accepts."""
        if self.accumulator.gives != self.writer.accepts:
            raise InputError(
                "accumulator",
                self.accumulator.kind,
                f"gives {self.accumulator.gives}, but the writer {self.writer.kind} accepts {self.writer.accepts}",
                'Use "per_sample" with trains, a counter with "sign" or "threshold", "float_twin" with "program".',
            )
        if self.credit.through_twin and self.accumulator.gives != "targets":
            raise InputError(
                "credit",
                self.credit.kind,
                f"goes back through a twin, but the accumulator {self.accumulator.kind} has none",
                'Use "float_twin", or the credit "backprop".',
            )


class Memory(NamedTuple):
    """Digital memory that a rule needs beside the arrays."""

    bits_per_weight: int
    """Largest over the layers."""
    bits_per_neuron: int
    """Output, derivative and error of one neuron and sample, largest over the layers."""
    bits_per_line: int = 0
    """Of what waits as outer products, for each input line and each output line of a layer."""


class Rule:
    """Learns by pulses. It sees what hardware sees: factors that reads have left, and its own digital memory.

    Arguments:
        model: a module with in-memory layers; `loss.backward()` leaves their factors, `step()` writes them.
        parts: credit, accumulator and writer.
        gate: which neurons learn; all, if it is left out.
        start: weights (inputs, outputs) by layer that a digital memory starts from, where they are known and the cells
            have been programmed to them; left out, it starts from the cells, which are set to its quantised weights.
    """

    def __init__(
        self,
        model: nn.Module,
        parts: Parts,
        *,
        gate: AbstractGate | None = None,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model, self.parts, self.gate = model, parts, gate or Everything()
        self.layers: dict[str, ArrayLayer] = array_layers(model)
        self.credit: AbstractCredit = parts.credit
        self.accumulator: AbstractAccumulator = parts.accumulator
        self.writer: AbstractWriter = parts.writer
        self.steps = 0
        self.choices: dict[str, Any] = {}
        """Settings that were left open, as they were set from the device and the layers."""
        self._factors = parts.layer_rates or (1.0,) * len(self.layers)
        if len(self._factors) != len(self.layers):
            allowed = f"must be as many as the layers, {len(self.layers)}"
            raise InputError("layer_rates", parts.layer_rates, allowed, "Leave them out for equal rates.")
        self.rate = 1.0
        self.memory: dict[str, Tensor | None] = {}
        for name, layer in self.layers.items():
            self.credit.check(layer.tile.array)
            self.writer.check(layer.tile.array.device)
            layer.credit = self.credit
            if self.accumulator.gives == "factors" and layer.replicas:
                self._check_replicas(name)
            w_max = layer.tile.array.crossbar.mapping.w_max
            known = None if start is None else start[name].to(layer.tile.conductance)
            self.memory[name] = self.accumulator.init(layer.tile.weight() if known is None else known, w_max)
            wanted = self.accumulator.programmed(self.memory[name])
            if wanted is not None and known is None:
                layer.initialise(wanted.to(layer.tile.conductance))
        self.census: Census | None = None
        """Counts writes beside those of simpler rules; set it to have them counted."""
        self.waiting: dict[str, list[Factors]] = {name: [] for name in self.layers}
        learning = set(self.gate.layers(list(self.layers)))
        for name, layer in self.layers.items():
            layer.learns = name in learning and not layer.follows
        self.followers = [module for module in model.modules() if isinstance(module, Follower)]
        self.looked = 0
        """Samples whose errors the gate has seen."""
        self.scores = {name: torch.zeros(layer.tile.outputs) for name, layer in self.layers.items() if self.gate.looks}
        self._connect()

    def _check_replicas(self, name: str) -> None:
        """Raise InputError where factors wait, as further arrays of a layer have factors of their own."""
        allowed = f"must be {{}}: {name} has further arrays, which do not keep the factors of several batches"
        if self.parts.every > 1:
            raise InputError("every", self.parts.every, allowed.format(1), "Take an accumulator that sums them.")
        if self.accumulator.bits_per_line():
            named = allowed.format("per_sample")
            kind = kind_of(type(self.accumulator))
            raise InputError("accumulator", kind, named, "Take one that sums them, or one array.")

    @property
    def rate(self) -> float:
        """What a schedule sets: it multiplies rates of trains and twins, and divides thresholds of counters."""
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
            if factors is not None and self.gate.looks:
                factors = self._gated(name, factors)
            if factors is not None:
                self.waiting[name].append(self._counted(name, layer, factors, rate))
            if (self.steps + 1) % self.parts.every or not self.waiting[name]:
                continue
            done = self._write(name, layer, self._gathered(name), rate)
            pulses, cells = pulses + done.pulses, cells + done.cells
        for follower in self.followers:
            follower.follow(self._rate)
        self.steps += 1
        return Tally(pulses, cells)

    def _gated(self, name: str, factors: Factors) -> Factors | None:
        """The factors with no error but those of the neurons that learn; None while the gate looks."""
        if self.looked < self.gate.looks:
            self.scores[name] += factors.columns.abs().sum(0).to(self.scores[name])
        looking = self.looked < self.gate.looks
        if name == next(reversed(self.layers)):
            self.looked += len(factors.columns) // self.layers[name].reads_per_sample
        if looking:
            return None
        return factors._replace(columns=factors.columns * self.gate.chosen(self.scores[name]).to(factors.columns))

    def _counted(self, name: str, layer: ArrayLayer, factors: Factors, rate: float) -> Factors:
        """The factors as the accumulator takes them; a census, where there is one, has seen their sum."""
        if self.accumulator.gives == "targets" and rate != 1:  # a schedule scales what its memory learns
            factors = factors._replace(columns=factors.columns * rate)
        if self.census is None:
            return factors
        summed = Summed.of(factors)
        self.census.gradient(name, layer.tile, summed.total)
        return summed if self.parts.every == 1 else factors

    def _write(self, name: str, layer: ArrayLayer, factors: Factors, rate: float) -> Tally:
        """What a layer's factors ask for, in its array and in those that are kept in step with it."""
        memory = self.memory[name]
        at = self._address(layer.tile, rate)
        wanted = self.accumulator.add(memory, factors, at)
        plan = self.writer.plan(wanted, at)
        if self.census is not None:
            self.census.plan(name, layer.tile, plan)
        tallies = [self._send(name, layer.tile, plan)]
        for replica in layer.replicas.values():
            own = replica.plan(plan)
            if own is None:
                assert not isinstance(wanted, Levels)  # their plans are never None
                own = self.writer.plan(replica.wanted(wanted), self._address(replica.tile, rate))
            tallies.append(self._send(name, replica.tile, own))
        if isinstance(plan, Counts):  # after the replicas have planned with what the memory asks for
            self.accumulator.settle(memory, plan, self.writer.quantum(rate, layer.tile.weight_step))
        return Tally(sum(tally.pulses for tally in tallies), sum(tally.cells for tally in tallies))

    def _send(self, name: str, tile: AnyTile, plan: Plan) -> Tally:
        """Pulses as planned, or as many as it takes; the accumulator may hear what the last reads saw."""
        if not isinstance(plan, Targets):
            return tile.write(plan)
        tally, weight = tile.program(plan)
        if weight is not None:
            self.accumulator.reached(self.memory[name], weight)
        return tally

    def _gathered(self, name: str) -> Factors:
        """The waiting factors of `every` batches as one, whose gradient is the mean of theirs; signs stay signs."""
        factors, self.waiting[name] = Factors.joined(self.waiting[name]), []
        if self.parts.every == 1 or self.credit.ternary:
            return factors
        return factors._replace(columns=factors.columns / self.parts.every)

    def _connect(self) -> None:
        """Layers whose error goes back in digital see the accumulator's own tensor."""
        for name, layer in self.layers.items():
            layer.twin = self.accumulator.twin(self.memory[name]) if self.credit.through_twin else None

    def zero_grad(self) -> None:
        """Forget factors that no step has taken; counters and gathering batches stay."""
        for layer in self.layers.values():
            layer.take_factors()
        for follower in self.followers:
            follower.forget()

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs beyond the model's `state_dict`."""
        kept = {f"memory/{name}": tensor for name, tensor in self.memory.items() if tensor is not None}
        for name, gathered in self.waiting.items():
            if gathered:
                kept |= {f"waiting/{name}/{side}": part for side, part in Factors.joined(gathered)._asdict().items()}
        if self.gate.looks:
            kept |= {f"score/{name}": score for name, score in self.scores.items()}
            kept["looked"] = torch.tensor(self.looked)
        return {**kept, "steps": torch.tensor(self.steps)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.steps = int(state["steps"])
        if self.gate.looks:
            self.looked = int(state["looked"])
            self.scores = {name: state[f"score/{name}"].clone() for name in self.scores}
        for name in self.memory:
            if self.memory[name] is not None:
                self.memory[name] = state[f"memory/{name}"].clone()
            pair = [state[key].clone() for side in Factors._fields if (key := f"waiting/{name}/{side}") in state]
            self.waiting[name] = [Factors(*pair)] if pair else []
        self._connect()

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
        bits = self.accumulator.bits_per_weight(products, ternary)
        bits += max(layer.tile.array.cell.bits_per_weight for layer in self.layers.values())
        return Memory(bits, max(per_neuron), self.accumulator.bits_per_line())

    def _address(self, tile: AnyTile, rate: float) -> WriteAddress:
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
