"""What a pulse does of which only a part of the voltage arrives, for laws whose pulse has no voltage of its own."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from ...core.component import Component


class AbstractResponse(Component):
    """The step under a part of the nominal pulse's voltage, relative to the full step: 0 at 0, 1 at 1, never falling.

    It holds for the selected cell behind a resistive line, and for the half-selected one, whose small step is the
    disturb. The same for both polarities and in every state.
    """

    @abstractmethod
    def factor(self, share: Tensor) -> Tensor:
        """Step / full step.

        Arguments:
            share: voltage of the pulse / nominal voltage, any shape, >= 0.
        """
