"""The yardstick's learner: plain stochastic gradient descent on plain torch layers, behind the face of a rule."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..ops.pulse_update import Tally
from ..ops.quantise import quantised


class PlainSGD:
    """w <- w - rate x learning_rate dL/dw, without momentum or decay; it sends no pulse.

    Arguments:
        model: plain torch layers.
        learning_rate: of every parameter.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        self._optimizer, self._learning_rate = torch.optim.SGD(model.parameters(), lr=learning_rate), learning_rate

    @property
    def rate(self) -> float:
        """What a schedule multiplies the learning rate by."""
        return self._optimizer.param_groups[0]["lr"] / self._learning_rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._optimizer.param_groups[0]["lr"] = rate * self._learning_rate

    def step(self) -> Tally:
        """One step of descent; nothing is pulsed."""
        self._optimizer.step()
        return Tally(0, 0)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._optimizer.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """Nothing: all that it keeps is in the model."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Nothing to go on from."""
        return None


class StraightThroughSGD(PlainSGD):
    """Trains weights that are quantised whenever they are used; the gradient passes the rounding as it is.

    Weights have the levels -(levels - 1) .. levels - 1, as those of a pair of devices with `levels` each. The model
    holds the quantised ones, so that it is evaluated as it would be deployed; the float ones are kept here.

    Arguments:
        model: plain torch layers.
        learning_rate: of every parameter.
        levels: of one device.
        w_max: largest weight, parameter by parameter.

    Source: Bengio, Leonard and Courville, arXiv 1308.3432 (2013), the straight-through estimator.
    """

    def __init__(self, model: nn.Module, learning_rate: float, levels: int, w_max: Sequence[float]) -> None:
        super().__init__(model, learning_rate)
        self._limits = list(zip(model.parameters(), w_max, strict=True))
        self._levels = levels
        self._float = [parameter.detach().clone().clamp_(-most, most) for parameter, most in self._limits]
        self._quantise()

    def step(self) -> Tally:
        """One step of descent on the float weights, with the gradient at the quantised ones."""
        self._put(self._float)
        super().step()
        for (parameter, most), kept in zip(self._limits, self._float, strict=True):
            kept.copy_(parameter.detach().clamp_(-most, most))
        self._quantise()
        return Tally(0, 0)

    def state(self) -> dict[str, Tensor]:
        """The float weights."""
        return {f"float/{number}": kept for number, kept in enumerate(self._float)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        for number, kept in enumerate(self._float):
            kept.copy_(state[f"float/{number}"])
        self._quantise()

    def _put(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for (parameter, _), value in zip(self._limits, values, strict=True):
                parameter.copy_(value)

    def _quantise(self) -> None:
        """What the model holds: the float weights on the grid."""
        with torch.no_grad():
            for (parameter, most), kept in zip(self._limits, self._float, strict=True):
                parameter.copy_(quantised(kept, "uniform", most, self._levels))
