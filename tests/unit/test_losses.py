"""Losses from single outputs."""

from __future__ import annotations

import pytest
import torch

from memlearn.nn import SigmoidCrossEntropyLoss, SquaredErrorLoss
from tests.learners import numbers


class TestSigmoidCrossEntropyLoss:
    """The delta rule of single sigmoids."""

    @pytest.mark.parametrize("samples", [1, 5])
    def test_its_derivative_is_sigmoid_minus_target(self, samples):
        outputs = (3 * numbers(samples, 4)).requires_grad_()
        labels = torch.arange(samples) % 4
        SigmoidCrossEntropyLoss()(outputs, labels).backward()
        target = torch.nn.functional.one_hot(labels, 4)
        assert outputs.grad is not None
        assert torch.allclose(outputs.grad, (outputs.detach().sigmoid() - target) / samples, atol=1e-7)

    def test_value(self):
        loss = SigmoidCrossEntropyLoss()(torch.tensor([[0.0, 0.0], [100.0, -100.0]]), torch.tensor([1, 0]))
        assert float(loss) == pytest.approx(torch.log(torch.tensor(2.0)).item(), rel=1e-6)


class TestSquaredErrorLoss:
    """The classical delta rule."""

    @pytest.mark.parametrize("samples", [1, 5])
    def test_value_and_derivative(self, samples):
        outputs = (3 * numbers(samples, 4)).requires_grad_()
        labels = torch.arange(samples) % 4
        loss = SquaredErrorLoss()(outputs, labels)
        loss.backward()
        a, target = outputs.detach().sigmoid(), torch.nn.functional.one_hot(labels, 4)
        assert float(loss) == pytest.approx(float((a - target).square().sum(1).mean()), rel=1e-6)
        assert outputs.grad is not None
        assert torch.allclose(outputs.grad, 2 * (a - target) * a * (1 - a) / samples, atol=1e-7)
