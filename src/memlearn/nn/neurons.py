"""Neurons as modules: any neuron circuit of `periphery`, with its own derivative on the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.ledger import Ledger, Pass
from ..periphery import AbstractNeuron, Address, BinaryStep
from .base import open_stream


class Neuron(nn.Module):
    """Applies a neuron circuit; backward, the error is multiplied by what the circuit has stored.

    Arguments:
        circuit: which neuron.
        seed: of its offsets and noise; None takes one from torch's generator.
        axis: along which the circuits lie; 1 for the maps of a convolution, whose columns each have one for all
            positions.
    """

    events: Tensor

    def __init__(self, circuit: AbstractNeuron | None = None, *, seed: int | None = None, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis
        self.circuit: AbstractNeuron = circuit or BinaryStep()
        self.stream = open_stream(seed)
        self.ledger: Ledger | None = None
        self.name = "neuron"
        self.register_buffer("events", torch.zeros(1, dtype=torch.int64))

    def forward(self, sums: Tensor) -> Tensor:
        """Values of any shape with the neurons along `axis`, to the same shape; every other axis is one of samples."""
        if not -sums.dim() <= self.axis < sums.dim():
            raise InputError("axis", self.axis, f"the input {tuple(sums.shape)} has no such axis")
        lined = sums.movedim(self.axis, -1)
        flat = lined.reshape(-1, lined.shape[-1])
        address = Address(self.stream, int(self.events[0]))
        self.events[0] += 1
        training = torch.is_grad_enabled() and sums.requires_grad
        if self.ledger is not None:
            for event, n in self.circuit.uses(sums.numel(), training).items():
                self.ledger.count(self.name, Pass.FORWARD, event, n)
        fired = _Fire.apply(flat, self.circuit, address) if training else self.circuit.fire(flat, address).output
        return fired.reshape(lined.shape).movedim(-1, self.axis)

    def extra_repr(self) -> str:
        """The circuit's settings."""
        return repr(self.circuit)


class _Fire(torch.autograd.Function):
    """The circuit as a node of the autograd graph; its derivative may be a stand-in."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, circuit: AbstractNeuron, address: Address) -> Tensor:
        fired = circuit.fire(sums, address)
        ctx.derivative = fired.derivative
        return fired.output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return gradient * ctx.derivative, None, None
