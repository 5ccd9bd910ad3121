"""Recurrent cells inside crossbars: one read a time step, and the error of each step back through the same arrays."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Literal, TypedDict, Unpack, get_args

import torch
from torch import Tensor, nn

from ..core.errors import InputError, nearest
from ..core.random import Stream
from ..devices import Backend
from ..periphery import AbstractNeuron
from ..tile import Array
from .base import open_stream
from .linear import Linear
from .neurons import Neuron

Lines = Literal["joint", "separate"]
"""One array whose word lines carry [input, hidden state, 1], or one for the input and one for the hidden state."""
State = tuple[Tensor, ...]
"""Hidden state, and cell state if there is one, (batch, hidden_size) each."""


class CellOptions(TypedDict, total=False):
    """What every recurrent layer takes beside torch's arguments."""

    array: Array | None
    """Devices, mapping, wires and converters."""
    lines: Lines
    """"joint" (default) or "separate"."""
    seed: int | None
    """Of devices, noise and initial weights; None takes one from torch's generator."""
    initial_weight: float | None
    """Half-width of the uniform initial weights; None for torch's own, 1/sqrt(hidden_size)."""
    backend: Backend
    """"cpu" or "reference"."""
    dtype: torch.dtype
    """Of the conductances."""


class ArrayCell(nn.Module):
    """What recurrent cells share: the arrays, and time steps one after another.

    Back-propagation through time is torch's own: every step has read the arrays, so every step's error is read through
    them transposed, and leaves its factors. They are written together, after the last.

    Arguments:
        input_size, hidden_size, bias: as in torch; the two biases of torch are one word line, driven with 1.
        gates: weighted sums per hidden unit.
        array, lines, seed, initial_weight, backend, dtype: see `CellOptions`.
    """

    gates: int

    def __init__(  # noqa: PLR0913 - torch's arguments, and those of `CellOptions`
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        *,
        array: Array | None = None,
        lines: Lines = "joint",
        seed: int | None = None,
        initial_weight: float | None = None,
        backend: Backend = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        for argument, value in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(value, int) or value < 1:
                raise InputError(argument, value, "must be a whole number of at least 1")
        if lines not in get_args(Lines):
            raise InputError("lines", lines, "unknown arrangement", nearest(str(lines), get_args(Lines)))
        super().__init__()
        self.input_size, self.hidden_size, self.bias, self.lines = input_size, hidden_size, bool(bias), lines
        self.stream = open_stream(seed)
        bound = 1 / math.sqrt(hidden_size) if initial_weight is None else initial_weight

        def made(name: str, width: int, biased: bool) -> Linear:
            return Linear(
                width,
                self.gates * hidden_size,
                biased,
                array=array,
                seed=self.stream.child(name).torch_seed(),
                initial_weight=bound,
                backend=backend,
                dtype=dtype,
            )

        if lines == "joint":
            self.joint = made("joint", input_size + hidden_size, self.bias)
        else:
            self.input, self.hidden = made("input", input_size, self.bias), made("hidden", hidden_size, False)

    @property
    def states(self) -> int:
        """Tensors of a state."""
        return 1

    @abstractmethod
    def advance(self, sums: Tensor, state: State) -> State:
        """The next state, from weighted sums (batch, gates x hidden_size)."""

    def initialise(self, input_weight: Tensor, hidden_weight: Tensor, bias: Tensor | None) -> None:
        """Set the arrays as near to these weights as their cells let them; costs and counts nothing.

        Arguments:
            input_weight: (input_size, gates x hidden_size).
            hidden_weight: (hidden_size, gates x hidden_size).
            bias: (gates x hidden_size,), or None without one.
        """
        last = [] if bias is None else [bias[None]]
        if self.lines == "joint":
            self.joint.initialise(torch.cat([input_weight, hidden_weight, *last]))
        else:
            self.input.initialise(torch.cat([input_weight, *last]))
            self.hidden.initialise(hidden_weight)

    def unroll(self, values: Tensor, state: State) -> tuple[Tensor, State]:
        """Time steps one after another.

        Arguments:
            values: (time, batch, input_size).
            state: before the first step.

        Returns:
            Hidden states (time, batch, hidden_size), and the state after the last step.
        """
        for layer in self.children():
            if isinstance(layer, Linear):
                layer.reads_per_sample = len(values)
        # The input does not wait for the state: an array of its own reads all steps in one call.
        ahead = self.input(values) if self.lines == "separate" else None
        hidden = []
        for step, value in enumerate(values):
            if ahead is None:
                sums = self.joint(torch.cat([value.to(state[0].dtype), state[0]], dim=-1))
            else:
                sums = ahead[step] + self.hidden(state[0])
            state = self.advance(sums, state)
            hidden.append(state[0])
        return torch.stack(hidden), state

    def begin(self, values: Tensor, state: State | None, layout: str = "(batch, hidden_size)") -> State:
        """The state as it is given, checked, or zeros.

        Arguments:
            values: (..., batch, input_size).
            state: None for zeros, or each (batch, hidden_size).
            layout: what the message calls the shape.

        Raises:
            InputError: a state does not fit the input.
        """
        shape = (values.shape[-2], self.hidden_size)
        if state is None:
            dtype = self.tile_dtype
            return tuple(values.new_zeros(shape, dtype=dtype) for _ in range(self.states))
        for part in state:
            if tuple(part.shape) != shape:
                raise InputError("hx", tuple(part.shape), f"must have shape {layout} = {shape}")
        return tuple(part.to(self.tile_dtype) for part in state)

    @property
    def tile_dtype(self) -> torch.dtype:
        """Of the conductances, and so of the states."""
        return next(layer for layer in self.children() if isinstance(layer, Linear)).tile.conductance.dtype

    def extra_repr(self) -> str:
        """As torch prints it, and the arrangement."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}, lines={self.lines}"

    def _step(self, values: Tensor, state: State | None) -> State:
        """One time step of (batch, input_size), or of (input_size,) with states without batch.

        Raises:
            InputError: input or state have the wrong shape.
        """
        if values.dim() not in (1, 2) or values.shape[-1] != self.input_size:
            allowed = f"must have shape (batch, {self.input_size}), or ({self.input_size},)"
            raise InputError("input", tuple(values.shape), allowed, f"input_size is {self.input_size}.")
        if values.dim() == 2:
            return self.unroll(values[None], self.begin(values, state))[1]
        for part in state or ():
            if tuple(part.shape) != (self.hidden_size,):
                raise InputError("hx", tuple(part.shape), f"must have shape (hidden_size,) = ({self.hidden_size},)")
        lone = None if state is None else tuple(part[None] for part in state)
        return tuple(part[0] for part in self._step(values[None], lone))


class RNNCell(ArrayCell):
    """Like `torch.nn.RNNCell`: h' = activation(W_ih x + W_hh h + b), with the weights in arrays.

    Arguments:
        input_size, hidden_size, bias, nonlinearity: as in torch.
        neuron: a circuit in place of the digital activation.
        options: see `CellOptions`.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        *,
        neuron: AbstractNeuron | None = None,
        **options: Unpack[CellOptions],
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            remedy = nearest(str(nonlinearity), ("tanh", "relu"))
            raise InputError("nonlinearity", nonlinearity, "unknown activation", remedy)
        super().__init__(input_size, hidden_size, bias, **options)
        self.activation = activation(nn.Tanh() if nonlinearity == "tanh" else nn.ReLU(), neuron, self.stream, "neuron")

    def advance(self, sums: Tensor, state: State) -> State:
        """The activation of the sums."""
        return (self.activation(sums),)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(batch, input_size) and the hidden state (batch, hidden_size), or both without batch, to the next state."""
        return self._step(input, None if hx is None else (hx,))[0]


class LSTMCell(ArrayCell):
    """Like `torch.nn.LSTMCell`: input, forget, candidate and output sums are columns of the arrays.

    Products and sums of the gates are digital; what opens and squashes may be circuits.

    Arguments:
        input_size, hidden_size, bias: as in torch.
        gate: a circuit in place of the digital sigmoid of the three gates.
        squash: a circuit in place of the digital tanh of candidate and cell state.
        options: see `CellOptions`.

    Source: Li et al., Nat. Mach. Intell. 1:49 (2019), LSTM with input, hidden state and bias on the lines of one array.
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        gate: AbstractNeuron | None = None,
        squash: AbstractNeuron | None = None,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(input_size, hidden_size, bias, **options)
        self.gate = activation(nn.Sigmoid(), gate, self.stream, "gate")
        self.candidate = activation(nn.Tanh(), squash, self.stream, "candidate")
        self.output = activation(nn.Tanh(), squash, self.stream, "output")

    @property
    def states(self) -> int:
        """Hidden state and cell state."""
        return 2

    def advance(self, sums: Tensor, state: State) -> State:
        """c' = f c + i g, h' = o tanh(c')."""
        i, f, g, o = sums.chunk(4, dim=-1)
        i, f, o = self.gate(torch.cat([i, f, o], dim=-1)).chunk(3, dim=-1)
        cell = f * state[1] + i * self.candidate(g)
        return o * self.output(cell), cell

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """(batch, input_size) and the states (hidden, cell), (batch, hidden_size) each, to the next states."""
        hidden, cell = self._step(input, hx)
        return hidden, cell


def activation(digital: nn.Module, circuit: AbstractNeuron | None, stream: Stream, name: str) -> nn.Module:
    """The circuit as a module with a seed of its own, or the digital function where there is none."""
    return digital if circuit is None else Neuron(circuit, seed=stream.child(name).torch_seed())
