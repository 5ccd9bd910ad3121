"""A recurrent network that reads an image row by row."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ...core.component import setting
from ...core.errors import InputError
from ...nn.recurrent import Lines
from .base import AbstractNetwork, Image, Maker, Width


class Recurrent(AbstractNetwork):
    """Recurrent layers that take the rows of an image as time steps; the last state goes to a layer of weights.

    The cells have their own activations (tanh; of an LSTM also sigmoids), in digital; `neuron` is not used.
    """

    kind: Literal["recurrent"] = "recurrent"
    sources: ClassVar[tuple[str, ...]] = (
        "Li et al., Nat. Mach. Intell. 1:49 (2019), LSTM with input, hidden state and bias on the lines of one array",
    )

    cell: Literal["rnn", "lstm"] = setting("lstm", doc="which cell")
    hidden: tuple[Width, ...] = setting((64,), doc="units of each recurrent layer")
    lines: Lines = setting("joint", doc="one array for input and state together, or one for each")

    def model_post_init(self, _: Any) -> None:
        """There is a recurrent layer."""
        if not self.hidden:
            raise InputError("hidden", self.hidden, "must name at least one layer", 'Or take kind = "mlp".')
        super().model_post_init(_)

    @property
    def layers(self) -> int:
        """Recurrent layers, and the last; the two arrays of separate lines count as one."""
        return len(self.hidden) + 1

    def assemble(self, maker: Maker, image: Image, classes: int) -> OrderedDict[str, nn.Module]:
        """rows, lstm1, states1, lstm2, ..., last, layer1."""
        parts: OrderedDict[str, nn.Module] = OrderedDict(rows=nn.Unflatten(1, image))
        inputs = image[1]
        for number, units in enumerate(self.hidden, start=1):
            parts[f"{self.cell}{number}"] = maker.recurrent(f"{self.cell}{number}", inputs, units)
            parts[f"states{number}"] = _States()
            inputs = units
        parts["last"] = _Last()
        parts["layer1"] = maker.dense("layer1", inputs, classes)
        return parts

    def words(self, image: Image, classes: int) -> str:
        """Input of a step, cells, classes."""
        return "-".join([str(image[1]), *(f"{self.cell} {units}" for units in self.hidden), str(classes)])


class _States(nn.Module):
    """The hidden states of all steps, of what a recurrent layer gives."""

    def forward(self, given: tuple[Tensor, Any]) -> Tensor:
        """(n, time, units)."""
        return given[0]


class _Last(nn.Module):
    """The last step."""

    def forward(self, states: Tensor) -> Tensor:
        """(n, time, units) to (n, units)."""
        return states[:, -1]
