"""One identical pulse by the sign of the wanted change, whatever its size."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.types import Counts
from .base import AbstractWriter, Plan, Wanted, WriteAddress


class Sign(AbstractWriter):
    """The Manhattan rule's write: one pulse per weight whose wanted change is not zero."""

    kind: Literal["sign"] = "sign"
    sources: ClassVar[tuple[str, ...]] = ("Zamanidoost et al., Proc. CNNA / IJCNN (2015), Manhattan rule",)

    def plan(self, wanted: Wanted, at: WriteAddress) -> Plan:
        """sgn(wanted)."""
        assert isinstance(wanted, Tensor)
        return Counts(wanted.sign().int())
