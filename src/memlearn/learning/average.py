"""Averages of weights: the last steps' noise taken out of what is deployed, at the price of counted reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..compound import AnyTile, Compound
from ..core.errors import InputError
from ..nn import array_layers
from ..programming.base import Parallelism
from ..programming.schemes import AnyScheme, WriteVerify


class WeightAverage:
    """The mean of a model's weights as they are read, look by look: 32 bits a weight, in digital.

    Arguments:
        model: with in-memory layers.

    Source:
        Izmailov et al., UAI (2018), arXiv 1803.05407, stochastic weight averaging.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = array_layers(model)
        self.looks = 0
        self.mean = {name: torch.zeros(layer.tile.inputs, layer.tile.outputs) for name, layer in self.layers.items()}

    @torch.no_grad()
    def look(self) -> None:
        """Read every weight, cell by cell, and take it into the mean."""
        self.looks += 1
        for name, layer in self.layers.items():
            self.mean[name] += (_looked(layer.tile).to(self.mean[name]) - self.mean[name]) / self.looks

    def program(self, scheme: AnyScheme | None = None, parallel: Parallelism = "row") -> None:
        """Bring the arrays to the mean by a scheme's counted reads and pulses; left out, pulse and read until there.

        Raises:
            InputError: nothing has been looked at.
        """
        if not self.looks:
            raise InputError("looks", 0, "must be at least 1", "Call look() first.")
        for name, layer in self.layers.items():
            layer.program(self.mean[name], WriteVerify() if scheme is None else scheme, parallel)

    def state(self) -> dict[str, Tensor]:
        """All that it remembers."""
        return {**{f"mean/{name}": mean for name, mean in self.mean.items()}, "looks": torch.tensor(self.looks)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.looks = int(state["looks"])
        self.mean = {name: state[f"mean/{name}"].clone() for name in self.mean}


def _looked(tile: AnyTile) -> Tensor:
    """The weights (inputs, outputs) as single reads show them; of all parts that a read of the layer sees."""
    everything = torch.ones(tile.inputs, tile.outputs, dtype=torch.bool, device=tile.conductance.device)
    if not isinstance(tile, Compound):
        return tile.look_at_weights(everything)
    signs = tile.cell.signs(int(tile.writes))
    parts = zip(signs, tile.plans, tile.tiles_of.values(), strict=True)
    seen = [sign * part.gain * one.look_at_weights(everything) for sign, part, one in parts if part.gain]
    return torch.stack(seen).sum(0)
