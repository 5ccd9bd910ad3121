"""Recurrent layers: cells inside crossbars, stacked and unrolled over time."""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..periphery import AbstractNeuron
from .base import open_stream
from .recurrent import ArrayCell, CellOptions, LSTMCell, RNNCell, State


class Recurrent(nn.Module):
    """What `RNN` and `LSTM` share: layers of cells, directions, layouts of batch and time.

    Arguments:
        cells: layer after layer; with two directions, the forward one of a layer and then its backward one.
        batch_first, dropout, bidirectional: as in torch.
    """

    def __init__(self, cells: list[ArrayCell], batch_first: bool, dropout: float, bidirectional: bool) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.input_size, self.hidden_size = cells[0].input_size, cells[0].hidden_size
        self.directions = 2 if bidirectional else 1
        self.num_layers = len(cells) // self.directions

    def extra_repr(self) -> str:
        """As torch prints it."""
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, batch_first={self.batch_first}, "
            f"dropout={self.dropout}, bidirectional={self.bidirectional}"
        )

    def _run(self, values: Tensor, state: State | None) -> tuple[Tensor, State]:
        """All layers.

        Arguments:
            values: (time, batch, input_size), (batch, time, input_size) if `batch_first`, or (time, input_size).
            state: each (layers x directions, batch, hidden_size), without batch where the input has none; None: zeros.

        Returns:
            Hidden states of the last layer, laid out as the input, and the states after the last step.
        """
        batched = self._check(values)
        steps = values[:, None] if not batched else values.transpose(0, 1) if self.batch_first else values
        begins = self._begins(steps, state, batched)
        ends: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                steps = nn.functional.dropout(steps, self.dropout, self.training)
            found = []
            for direction in range(self.directions):
                number = layer * self.directions + direction
                cell: ArrayCell = self.cells[number]  # type: ignore[assignment]
                hidden, end = cell.unroll(steps.flip(0) if direction else steps, begins[number])
                found.append(hidden.flip(0) if direction else hidden)
                ends.append(end)
            steps = found[0] if len(found) == 1 else torch.cat(found, dim=-1)
        last = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
        if not batched:
            return steps[:, 0], tuple(part[:, 0] for part in last)
        return steps.transpose(0, 1) if self.batch_first else steps, last

    def _check(self, values: Tensor) -> bool:
        """Whether there is a batch.

        Raises:
            InputError: the input is packed, empty in time, or of a wrong shape.
        """
        if not isinstance(values, Tensor):
            remedy = "Pad it to a tensor (torch.nn.utils.rnn.pad_packed_sequence), and mask the loss."
            raise InputError("input", type(values).__name__, "must be a tensor", remedy)
        layout = "(batch, time, input_size)" if self.batch_first else "(time, batch, input_size)"
        if values.dim() not in (2, 3) or values.shape[-1] != self.input_size:
            allowed = f"must have shape {layout}, or (time, input_size)"
            raise InputError("input", tuple(values.shape), allowed, f"input_size is {self.input_size}.")
        if not values.shape[1 if self.batch_first and values.dim() == 3 else 0]:
            raise InputError("input", tuple(values.shape), f"must have at least one time step in {layout}")
        return values.dim() == 3

    def _begins(self, steps: Tensor, state: State | None, batched: bool) -> list[State]:
        """The state before the first step of every cell, from torch's layout.

        Raises:
            InputError: a state does not fit the layers or the batch.
        """
        cells: list[ArrayCell] = list(self.cells)  # type: ignore[arg-type]
        if state is None:
            return [cell.begin(steps, None) for cell in cells]
        shape = (len(cells), *([steps.shape[1]] if batched else []), self.hidden_size)
        for part in state:
            if tuple(part.shape) != shape:
                layout = f"(layers x directions, {'batch, ' * batched}hidden_size)"
                raise InputError("hx", tuple(part.shape), f"must have shape {layout} = {shape}")
        return [
            cell.begin(steps, tuple(part[n] if batched else part[n][None] for part in state))
            for n, cell in enumerate(cells)
        ]


class RNN(Recurrent):
    """Like `torch.nn.RNN`, with the weights in arrays.

    Arguments:
        input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional: as in torch.
        neuron: a circuit in place of the digital activation.
        options: see `CellOptions`.
    """

    def __init__(  # noqa: PLR0913 - torch's own arguments
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        neuron: AbstractNeuron | None = None,
        **options: Unpack[CellOptions],
    ) -> None:
        sizes = _sizes(input_size, hidden_size, num_layers, bidirectional, dropout)
        cells: list[ArrayCell] = [
            RNNCell(size, hidden_size, bias, nonlinearity, neuron=neuron, **own)
            for size, own in zip(sizes, _options(len(sizes), options), strict=True)
        ]
        super().__init__(cells, batch_first, dropout, bidirectional)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Input and first hidden states to (hidden states of the last layer, last hidden states), as torch's."""
        output, (hidden,) = self._run(input, None if hx is None else (hx,))
        return output, hidden


class LSTM(Recurrent):
    """Like `torch.nn.LSTM`, with the weights in arrays; without projections (proj_size).

    Arguments:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as in torch.
        gate, squash: circuits in place of the digital sigmoid and tanh; see `LSTMCell`.
        options: see `CellOptions`.
    """

    def __init__(  # noqa: PLR0913 - torch's own arguments
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        gate: AbstractNeuron | None = None,
        squash: AbstractNeuron | None = None,
        **options: Unpack[CellOptions],
    ) -> None:
        sizes = _sizes(input_size, hidden_size, num_layers, bidirectional, dropout)
        cells: list[ArrayCell] = [
            LSTMCell(size, hidden_size, bias, gate=gate, squash=squash, **own)
            for size, own in zip(sizes, _options(len(sizes), options), strict=True)
        ]
        super().__init__(cells, batch_first, dropout, bidirectional)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Input and first states (hidden, cell) to (hidden states of the last layer, last states), as torch's."""
        output, (hidden, cell) = self._run(input, hx)
        return output, (hidden, cell)


def _sizes(input_size: int, hidden_size: int, num_layers: int, bidirectional: bool, dropout: float) -> list[int]:
    """Input size of every cell.

    Raises:
        InputError: num_layers or dropout are out of range.
    """
    if not isinstance(num_layers, int) or num_layers < 1:
        raise InputError("num_layers", num_layers, "must be a whole number of at least 1")
    if not 0 <= dropout <= 1:
        raise InputError("dropout", dropout, "must lie within 0 .. 1")
    directions = 2 if bidirectional else 1
    later = [hidden_size * directions] * (directions * (num_layers - 1))
    return [input_size] * directions + later


def _options(cells: int, options: CellOptions) -> list[CellOptions]:
    """The options of every cell, each with a seed of its own."""
    stream = open_stream(options.get("seed"))
    return [{**options, "seed": stream.child("cell", n).torch_seed()} for n in range(cells)]
