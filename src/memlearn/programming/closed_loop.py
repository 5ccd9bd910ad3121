"""Writers that programme cells to targets instead of sending pulses blindly."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from ..core.component import quantity, setting
from ..devices import AbstractDevice
from .base import AbstractWriter, Levels, Parallelism, Targets, Wanted, WriteAddress
from .schemes import AnyScheme, WriteVerify


class ClosedLoop(AbstractWriter):
    """Every weight with a wanted change is read, and programmed to what was read plus that change.

    With `least`, smaller changes are left alone, and lost: the threshold rule in a closed loop.
    """

    kind: Literal["closed_loop"] = "closed_loop"
    sources: ClassVar[tuple[str, ...]] = (
        "Wang, Li and Wang, Neuromorph. Comput. Eng. 4:032002 (2024), read-write and read-write-verify",
        "Yao et al., Nature 577:641 (2020), Methods, equation 2: a threshold for changes",
    )

    learning_rate: float = quantity(0.1, unit="1", gt=0, doc="wanted weight change / what the accumulator gives")
    least: float = quantity(0.0, unit="1", ge=0, doc="smallest change of a weight that is written")
    scheme: AnyScheme = setting(WriteVerify(), doc="how a cell reaches its target")
    parallel: Parallelism = setting("row", doc="cells written at the same time")

    def check(self, device: AbstractDevice) -> None:
        """The scheme's."""
        self.scheme.check(device)

    def plan(self, wanted: Wanted, at: WriteAddress) -> Targets:
        """A change of learning_rate x wanted for every weight that has a large enough one."""
        assert isinstance(wanted, Tensor)
        change = self.learning_rate * at.rate * wanted
        if self.least:
            change = change * (change.abs() >= self.least)
        return Targets(change, None, True, self.scheme, self.parallel)


class Program(AbstractWriter):
    """The weights that the accumulator gives are programmed where they differ from those before.

    With `cells = "all"` every cell is, at every step: the plain closed loop that sparse updates are compared with.
    """

    accepts: ClassVar[Literal["factors", "dense", "targets"]] = "targets"
    kind: Literal["program"] = "program"
    sources: ClassVar[tuple[str, ...]] = ("Tan et al. (2024), Siamese learning: sparse closed-loop updates",)

    scheme: AnyScheme = setting(WriteVerify(), doc="how a cell reaches its target")
    parallel: Parallelism = setting("row", doc="cells written at the same time")
    cells: Literal["changed", "all"] = setting("changed", doc="cells that are programmed")

    def check(self, device: AbstractDevice) -> None:
        """The scheme's."""
        self.scheme.check(device)

    def plan(self, wanted: Wanted, at: WriteAddress) -> Targets:
        """From weights (inputs, outputs) before and after, and whether the accumulator hears of the last reads."""
        assert isinstance(wanted, Levels)
        before = wanted.before if self.cells == "changed" else None
        return Targets(wanted.after, before, False, self.scheme, self.parallel, wanted.heard)
