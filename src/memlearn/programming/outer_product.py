"""Width x amplitude: row pulses as long as the inputs, column pulses as high as the errors, all cells at once."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..core.component import quantity
from ..core.types import Factors
from .base import AbstractWriter, Sent, Targets, Wanted, WriteAddress
from .schemes import Proportional


class OuterProduct(AbstractWriter):
    """One pulse a cell and sample, whose charge is the product of its two sides: the whole array in one slot a sample.

    The ideal of the parallel update: a cell moves by exactly learning_rate x_i d_j, whatever the device's law says
    (scheme `proportional`), up to its noise and its bounds. Every other open-loop writer is measured against it.
    """

    kind: Literal["outer_product"] = "outer_product"
    accepts: ClassVar[Literal["factors", "dense", "targets"]] = "factors"
    sources: ClassVar[tuple[str, ...]] = (
        "Agarwal et al., IJCNN (2016): pulse width on the rows, pulse amplitude on the columns",
        "Wang, Li and Wang, Neuromorph. Comput. Eng. 4:032002 (2024), ideal parallel update",
    )

    learning_rate: float = quantity(0.01, unit="1", gt=0, doc="weight change / outer product of the factors")

    def plan(self, wanted: Wanted, at: WriteAddress) -> Targets:
        """The sum of the samples' changes, how many pulses it takes, and how large these are."""
        assert isinstance(wanted, Factors)
        rate = self.learning_rate * at.rate
        fired = Factors(*((side != 0).to(side) for side in wanted)).sum().int()
        size = rate * Factors(*(side.square() for side in wanted)).sum().sqrt()
        return Targets(rate * wanted.sum(), None, True, Proportional(), "array", sent=Sent(fired, size))
