"""A fully connected layer inside crossbars."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..compound import make_tile
from ..core.errors import InputError
from ..devices import Backend
from ..tile import Array
from .base import ArrayLayer, finite, open_stream


class Linear(ArrayLayer):
    """Like `torch.nn.Linear`, with the weights in an array; the bias is one more word line, driven with 1.

    Arguments:
        in_features, out_features: as in torch.
        bias: whether there is a bias line.
        array: devices, mapping, wires and converters.
        seed: of the layer's devices, noise and initial weights; None takes one from torch's generator.
        initial_weight: half-width of the uniform initial weights; None for torch's own, 1/sqrt(in_features).
        backend: "cpu" or "reference".
        dtype: of the conductances.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        array: Array | None = None,
        seed: int | None = None,
        initial_weight: float | None = None,
        backend: Backend = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        for argument, value in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(value, int) or value < 1:
                raise InputError(argument, value, "must be a whole number of at least 1")
        stream = open_stream(seed)
        size = in_features + bool(bias)
        options: dict[str, Any] = {"backend": backend, "dtype": dtype}
        super().__init__(make_tile(size, out_features, array=array or Array(), stream=stream, **options))
        self.in_features, self.out_features, self.bias = in_features, out_features, bool(bias)
        bound = 1 / math.sqrt(in_features) if initial_weight is None else initial_weight
        generator = torch.Generator().manual_seed(stream.child("initial").torch_seed())
        self.tile.initialise((2 * torch.rand(size, out_features, generator=generator, dtype=dtype) - 1) * bound)

    def forward(self, values: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        rows = self.samples(values)
        # A copy in any case, as a user may change the input before the backward pass.
        rows = torch.nn.functional.pad(rows, (0, 1), value=1.0) if self.bias else rows.clone()
        return self.read(rows).reshape(*values.shape[:-1], self.out_features)

    def samples(self, values: Tensor) -> Tensor:
        """(samples, in_features) in the array's precision, from (..., in_features).

        Raises:
            InputError: the last axis does not fit, or a value is not finite.
        """
        if values.shape[-1:] != (self.in_features,):
            raise InputError(
                "input",
                tuple(values.shape),
                f"last axis must be in_features = {self.in_features}",
                "Flatten or permute it.",
            )
        rows = values.reshape(-1, self.in_features).to(self.tile.conductance.dtype)
        if not finite(rows):
            raise InputError(
                "input", "a tensor with NaN or infinity", "must be finite", "Look at the layer or data before."
            )
        return rows

    def extra_repr(self) -> str:
        """As torch prints it, and the physical shape."""
        tall, wide = self.tile.tiles
        return (
            f"{self.in_features}, {self.out_features}, bias={self.bias}, {self.array_kind}, "
            f"{tall} x {wide} tiles of {tuple(self.tile.conductance.shape[2:])} cells"
        )

    @property
    def array_kind(self) -> str:
        """Device and mapping in two words, and the weight cell where it has parts."""
        cell = self.tile.array.cell.kind
        parts = "" if cell == "single" else f" in {cell}"
        return f"{self.tile.array.device.kind} {self.tile.array.crossbar.mapping.kind}{parts}"
