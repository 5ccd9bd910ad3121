"""The contract of gates: which layers, and which neurons of them, a rule may write."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ...core.component import Component


class AbstractGate(Component):
    """Decides who learns. What does not is never pulsed; layers before the first that does are not read backwards."""

    @abstractmethod
    def layers(self, names: Sequence[str]) -> Sequence[str]:
        """The layers that learn, of those of a model from input to output."""

    @property
    def looks(self) -> int:
        """Samples of training whose errors are ranked, and that write nothing, before any neuron learns."""
        return 0

    def chosen(self, scores: Tensor) -> Tensor:
        """The neurons of a layer that learn, bool (outputs,).

        Arguments:
            scores: (outputs,): sum over the samples looked at of the size of each neuron's error.
        """
        return torch.ones_like(scores, dtype=torch.bool)
