"""Sign back-propagation: errors are -1, 0 or +1 everywhere."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import hardshrink

from ...core.component import quantity
from ...core.errors import InputError
from ...periphery import TernaryComparator
from ...tile import Array
from .base import AbstractCredit


class SignBackprop(AbstractCredit):
    """The sign of the error, within a dead zone nothing; hidden errors are decided by the backward port's comparators.

    The derivative gate is the neuron's (`binary_step`, `window`).
    """

    kind: Literal["sign_backprop"] = "sign_backprop"
    method: ClassVar[str] = "ternary transposed read"
    ternary: ClassVar[bool] = True
    sources: ClassVar[tuple[str, ...]] = ("Zhang et al., Neural Networks 108:217 (2018), sign backpropagation",)

    output_dead_zone: float = quantity(
        0.0, unit="1", ge=0, doc="largest derivative of the loss that counts as no error"
    )

    def signal(self, wanted: Tensor) -> Tensor:
        """-1, 0 or 1."""
        return hardshrink(wanted, self.output_dead_zone).sign_()

    def check(self, array: Array) -> None:
        """The backward port must decide signs."""
        sense = array.periphery.backward.sense
        if not isinstance(sense, TernaryComparator):
            raise InputError(
                "periphery.backward.sense",
                sense.kind,
                "sign backpropagation reads errors with ternary comparators",
                'Set sense.kind = "ternary_comparator" and drive.kind = "ternary_driver", or take the rule "sgd".',
            )
