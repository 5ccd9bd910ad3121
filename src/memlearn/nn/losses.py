"""Losses that torch does not have: from single outputs, by a sigmoid each or by comparators."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.ledger import Event, Ledger, Pass


class SigmoidCrossEntropyLoss(nn.Module):
    """Binary cross-entropy of a sigmoid per output, summed over outputs, mean over samples.

    Its derivative is sigmoid(o) - t, with t = 1 for the target and 0 for the others: the delta rule without the slope
    of the output neuron, which is what a digital circuit behind each bit line forms most easily.
    """

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """A scalar, from outputs (samples, classes) and labels (samples,)."""
        target = torch.nn.functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
        return nn.functional.binary_cross_entropy_with_logits(outputs, target, reduction="sum") / len(outputs)


class SquaredErrorLoss(nn.Module):
    """Squared error of a sigmoid per output, summed over outputs, mean over samples.

    Its derivative is 2 (a - t) a (1 - a), with a = sigmoid(o), t = 1 for the target and 0 for the others: the classical
    delta rule. It is small where an output is certain, rightly or wrongly, and never beyond 0.3.
    """

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """A scalar, from outputs (samples, classes) and labels (samples,)."""
        target = torch.nn.functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
        return (outputs.sigmoid() - target).square().sum() / len(outputs)


class TernaryMarginLoss(nn.Module):
    """One-against-all hinge: sum over outputs of max(0, margin - t o), t = +1 for the target and -1 for the others.

    Its derivative is -t where t o < margin and 0 elsewhere: the ternary output error of sign backpropagation, which two
    comparators per output can decide. The mean is taken over samples; rules that take signs do not see the factor.

    Arguments:
        margin: in units of the weighted sum.

    Source: Zhang et al., Neural Networks 108:217 (2018), output error; the margin form is inferred.
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        if not margin >= 0:
            raise InputError("margin", margin, "must not be negative")
        self.margin = margin
        self.ledger: Ledger | None = None
        self.name = "loss"

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """A scalar, from outputs (samples, classes) and labels (samples,)."""
        target = 2.0 * torch.nn.functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype) - 1.0
        if outputs.requires_grad:
            self.count(outputs.numel())
        return (self.margin - target * outputs).clamp_min(0).sum() / len(outputs)

    def count(self, outputs: int) -> None:
        """Two comparators decide each output's error."""
        if self.ledger is not None:
            self.ledger.count(self.name, Pass.BACKWARD, Event.COMPARISON, 2 * outputs)
