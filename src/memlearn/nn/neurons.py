"""Neurons as modules: any neuron circuit of `periphery`, with its own derivative on the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..core.ledger import Ledger, Pass
from ..periphery import AbstractNeuron, Address, BinaryStep
from .base import open_stream


class Neuron(nn.Module):
    """Applies a neuron circuit; backward, the error is multiplied by what the circuit has stored.

    Arguments:
        circuit: which neuron.
        seed: of its offsets and noise; None takes one from torch's generator.
    """

    events: Tensor

    def __init__(self, circuit: AbstractNeuron | None = None, *, seed: int | None = None) -> None:
        super().__init__()
        self.circuit: AbstractNeuron = circuit or BinaryStep()
        self.stream = open_stream(seed)
        self.ledger: Ledger | None = None
        self.name = "neuron"
        self.register_buffer("events", torch.zeros(1, dtype=torch.int64))

    def forward(self, sums: Tensor) -> Tensor:
        """(..., neurons) to (..., neurons); each of the leading axes is one of samples."""
        flat = sums.reshape(-1, sums.shape[-1])
        address = Address(self.stream, int(self.events[0]))
        self.events[0] += 1
        training = torch.is_grad_enabled() and sums.requires_grad
        if self.ledger is not None:
            for event, n in self.circuit.uses(sums.numel(), training).items():
                self.ledger.count(self.name, Pass.FORWARD, event, n)
        fired = _Fire.apply(flat, self.circuit, address) if training else self.circuit.fire(flat, address).output
        return fired.reshape(sums.shape)

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
