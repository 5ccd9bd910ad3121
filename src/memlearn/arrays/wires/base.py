"""The wires contract: from line voltages and cell conductances to line currents."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from ...core.component import Component


class AbstractWires(Component):
    """The resistive network of a tile; leading axes of conductances and voltages broadcast.

    The cells being ohmic, the array is a matrix in each direction, and a read is a product with it.
    """

    @property
    def weakens_writes(self) -> bool:
        """Whether pulses lose voltage on their way to the cells."""
        return False

    cheap: ClassVar[bool] = False
    """Whether `transfer` costs less than a comparison of the cells with those it was last asked for."""

    @property
    def patience(self) -> int:
        """Changes of an array's cells at which its matrices are solved again; above 1, reads are an approximation."""
        return 1

    @abstractmethod
    def transfer(self, conductance: Tensor, *, transposed: bool = False) -> Tensor:
        """Current into the bit line's sense per V on the word line's driver; transposed, the other way round.

        Arguments:
            conductance: S, (..., rows, columns).
            transposed: the bit lines are driven and the word lines sensed.

        Returns:
            S, (..., rows, columns), in both directions.
        """

    def both(self, conductance: Tensor) -> tuple[Tensor, Tensor]:
        """`transfer` in both directions, forward first; where they share work, for less than twice its cost."""
        return self.transfer(conductance), self.transfer(conductance, transposed=True)

    def currents(self, conductance: Tensor, voltage: Tensor) -> Tensor:
        """Currents into the bit lines' senses while the word lines are driven.

        Arguments:
            conductance: S, (..., rows, columns).
            voltage: V, (..., samples, rows).

        Returns:
            A, (..., samples, columns).
        """
        return voltage @ self.transfer(conductance)

    def currents_transposed(self, conductance: Tensor, voltage: Tensor) -> Tensor:
        """Currents into the word lines' senses while the bit lines are driven.

        Arguments:
            conductance: S, (..., rows, columns).
            voltage: V, (..., samples, columns).

        Returns:
            A, (..., samples, rows).
        """
        return voltage @ self.transfer(conductance, transposed=True).mT

    def power(self, conductance: Tensor, voltage: Tensor, *, transposed: bool = False) -> Tensor:
        """What the sources of a read deliver, all of which cells and lines turn into heat.

        Here as if no current passed from one driven line into another: V^2 times what a line sends into the senses.

        Arguments:
            conductance: S, (..., rows, columns).
            voltage: V, (..., samples, driven lines), as in `currents`.
            transposed: the bit lines are driven.

        Returns:
            W, (...), added up over samples.
        """
        return heat_of(self.transfer(conductance, transposed=transposed), voltage, transposed)


def heat_of(matrix: Tensor, voltage: Tensor, transposed: bool) -> Tensor:
    """sum of V^2 G, W, (...), added up over samples: lines that see nothing of each other.

    Arguments:
        matrix: S, (..., rows, columns).
        voltage: V, (..., samples, driven lines).
        transposed: the bit lines are driven.
    """
    sent = matrix.double().sum(-2 if transposed else -1)
    return (voltage.double().square().sum(-2) * sent).sum(-1)


def product(voltage: Tensor, matrix: Tensor) -> Tensor:
    """Currents (tiles, tiles, samples, lines), from voltages (tiles, tiles, samples, driven lines)."""
    samples, lines = voltage.shape[2], matrix.shape[-1]
    if samples < _MANY or lines > _SHORT or _WIDE:
        return voltage @ matrix
    # The same product turned round: for many samples and few lines, as convolutions have them, up to five times faster
    # on processors without AVX-512; with it (Sapphire Rapids), torch takes a tenth of that time for the straight one.
    return (matrix.mT @ voltage.mT).mT.contiguous()


_MANY, _SHORT = 2048, 64
_WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512"
