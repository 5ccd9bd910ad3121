"""The wires contract: from line voltages and cell conductances to line currents."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from ...core.component import Component


class AbstractWires(Component):
    """The resistive network of a tile; leading axes of conductances and voltages broadcast."""

    @abstractmethod
    def currents(self, conductance: Tensor, voltage: Tensor) -> Tensor:
        """Currents into the bit lines' senses while the word lines are driven.

        Arguments:
            conductance: S, (..., rows, columns).
            voltage: V, (..., samples, rows).

        Returns:
            A, (..., samples, columns).
        """

    @abstractmethod
    def currents_transposed(self, conductance: Tensor, voltage: Tensor) -> Tensor:
        """Currents into the word lines' senses while the bit lines are driven.

        Arguments:
            conductance: S, (..., rows, columns).
            voltage: V, (..., samples, columns).

        Returns:
            A, (..., samples, rows).
        """
