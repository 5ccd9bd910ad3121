"""The wires contract: from line voltages and cell conductances to line currents."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ...core.component import Component


class Sight(NamedTuple):
    """Arrays as reads of one direction see them."""

    matrix: Tensor
    """S, (..., rows, columns): as of `AbstractWires.transfer`."""
    driven: Tensor | None = None
    """S, (..., lines, lines), float64: admittances of the driven lines, all others at 0 V; None: as if no current
    passed from one driven line into another."""

    def power(self, voltage: Tensor, transposed: bool) -> Tensor:
        """What the sources deliver, W, (...), for voltages (..., samples, driven lines), added up over samples: V Y V,
        or V^2 times what a line sends into the senses."""
        if self.driven is None:
            return heat_of(self.matrix, voltage, transposed)
        volts = voltage.double().cpu()
        return ((volts @ self.driven) * volts).sum((-2, -1))


class AbstractWires(Component):
    """The resistive network of a tile; leading axes of conductances and voltages broadcast.

    Where cells are ohmic, the array is a matrix in each direction, and a read is a product with it.
    """

    @property
    def weakens_writes(self) -> bool:
        """Whether pulses lose voltage on their way to the cells."""
        return False

    @property
    def linear(self) -> bool:
        """Whether currents are proportional to voltages; else there is no matrix, and each sample is solved."""
        return True

    def carried(self, voltage: float) -> float:
        """Current of a cell at this voltage behind lines without resistance / (conductance x voltage)."""
        return 1.0

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

    def sights(self, conductance: Tensor, ways: tuple[bool, ...], *, heat: bool = False) -> list[Sight]:
        """`transfer` in several directions; where they share work, for less than it costs one by one.

        Arguments:
            conductance: S, (..., rows, columns).
            ways: "transposed" of each direction.
            heat: with the admittances of the driven lines, where currents pass from one into another.
        """
        return [Sight(self.transfer(conductance, transposed=way)) for way in ways]

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

    def bent(self, conductance: Tensor, voltage: Tensor, *, transposed: bool = False) -> tuple[Tensor, Tensor]:
        """Currents and power of a read in one, for wires that are not linear.

        Arguments:
            conductance, voltage, transposed: as of `power`.

        Returns:
            A, (..., samples, sensed lines), and W, (...), added up over samples.
        """
        read = self.currents_transposed if transposed else self.currents
        return read(conductance, voltage), self.power(conductance, voltage, transposed=transposed)

    def power(self, conductance: Tensor, voltage: Tensor, *, transposed: bool = False) -> Tensor:
        """What the sources of a read deliver, all of which cells and lines turn into heat.

        Arguments:
            conductance: S, (..., rows, columns).
            voltage: V, (..., samples, driven lines), as in `currents`.
            transposed: the bit lines are driven.

        Returns:
            W, (...), added up over samples.
        """
        return self.sights(conductance, (transposed,), heat=True)[0].power(voltage, transposed)


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
