"""The selector contract: how the current of a crosspoint depends on the voltage across it."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from ...core.component import Component


class AbstractSelector(Component):
    """I(V) of a cell of conductance G together with what stands in series with it."""

    linear: ClassVar[bool] = False

    @abstractmethod
    def current(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """A, odd and rising in the voltage.

        Arguments:
            conductance: S, of the cells, by which the published law is scaled.
            voltage: V, across cell and selector.
        """

    @abstractmethod
    def slope(self, conductance: np.ndarray, voltage: np.ndarray) -> np.ndarray:
        """S, dI/dV."""

    def share(self, voltage: np.ndarray, pulse: float) -> np.ndarray:
        """What a cell gets of a pulse, as a part of what it gets where the whole pulse arrives.

        Here the part of the voltage that arrives: a law of the cell itself, or a resistance in series.

        Arguments:
            voltage: V, across cell and selector.
            pulse: V, the whole one.
        """
        return voltage / pulse

    @abstractmethod
    def spice(self, conductance: float, voltage: str) -> str:
        """The current as an expression that SPICE computes; `voltage` is an expression, too."""
