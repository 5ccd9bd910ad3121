"""The yardstick's learner: plain stochastic gradient descent on plain torch layers, behind the face of a rule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..ops.pulse_update import Tally


class PlainSGD:
    """w <- w - learning_rate dL/dw, without momentum or decay; it sends no pulse.

    Arguments:
        model: plain torch layers.
        learning_rate: of every parameter.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        self._optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

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
