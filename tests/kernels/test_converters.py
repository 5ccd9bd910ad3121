"""The converter that scales its samples, in one pass: against the steps of torch, to the bit."""

from __future__ import annotations

import pytest
import torch

from memlearn.core.random import Stream
from memlearn.periphery import DAC
from memlearn.periphery.base import Address

AT = Address(Stream.root(0), 0, True)


@pytest.mark.parametrize("shape", [(2000, 1, 26), (500, 2, 33), (16, 1, 2048)])
@pytest.mark.parametrize("converter", [DAC(scaling="max"), DAC(scaling="max", bits=5, input_range=0.7)])
def test_one_pass_gives_what_the_steps_give(shape: tuple[int, ...], converter: DAC) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values[3], values[5] = 0, values[5] * 1e-42
    values[6, 0, 0], values[7, 0, 0] = torch.inf, torch.nan
    found = converter._at_once(values, 0.2)
    assert found is not None
    for fast, slow in zip(found, converter._step_by_step(values, 0.2, AT), strict=True):
        assert slow is not None
        assert fast.shape == slow.shape
        assert torch.equal(
            fast.view(torch.int32).where(~fast.isnan(), 0), slow.view(torch.int32).where(~slow.isnan(), 0)
        )
        assert torch.equal(fast.isnan(), slow.isnan())


@pytest.mark.parametrize(
    "converter", [DAC(), DAC(scaling="max", bits=None), DAC(scaling="max", stochastic_rounding=True)]
)
def test_others_go_step_by_step(converter: DAC) -> None:
    assert converter._at_once(torch.randn(2000, 1, 26), 0.2) is None
