"""The contract of a correction of wire resistance: an array that reads nearer to its target."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from ..arrays.wires import AbstractWires, ResistiveWires, solve
from ..core.component import Component
from ..core.errors import InputError

if TYPE_CHECKING:
    from ..tile import Array

Acts = Literal["array", "mapping", "read"]
"""Where a correction acts: on how arrays are built, on what cells are to hold, or on every read."""


class Cost(NamedTuple):
    """What a correction needs beyond the uncorrected array."""

    row_gains: int = 0
    """Programmable gains on word-line drivers: one multiplication a vector each."""
    column_gains: int = 0
    """Programmable gains on bit-line senses: one multiplication a vector each."""
    shared_gains: int = 0
    """Gains that a whole array shares: a reference voltage, or a factor of the next layer."""
    gain_bits: int = 0
    """Bits that store the gains."""
    drivers: int = 0
    """Further line drivers."""
    senses: int = 0
    """Further sense inputs."""
    conversions: int = 0
    """Further conversions of each vector, sums of partial results included."""
    calibration_reads: int = 0
    """Vectors that the array reads to be calibrated, once."""
    solutions: int = 0
    """Exact solutions of an array's network on a computer, once."""
    cell_writes: int = 0
    """Cells with another target than without: as many further writes where the array had been written already."""
    signal: float = 1.0
    """What is left of the currents that stand for a weight; read noise grows by its inverse."""

    def plus(self, other: Cost) -> Cost:
        """Both."""
        total = (mine + theirs for mine, theirs in zip(self[:-1], other[:-1], strict=True))
        return Cost(*(int(n) for n in total), signal=self.signal * other.signal)

    def __str__(self) -> str:
        """What is not free, in one line."""
        counts = [f"{n} {name.replace('_', ' ')}" for name, n in zip(self._fields[:-1], self[:-1], strict=True) if n]
        lost = [] if self.signal == 1 else [f"signal x {self.signal:.2g}"]
        return ", ".join(counts + lost) or "nothing"


class Mapped(NamedTuple):
    """Arrays on their way from wanted conductances to hardware; leading axes are tiles."""

    target: Tensor
    """S, (..., rows, columns): the matrix that the array shall act as; 0 where there is no cell."""
    conductance: Tensor
    """S, (..., rows, columns): what its cells are to hold, or hold."""
    wires: AbstractWires
    g_min: float
    """S, ends of the cells' range."""
    g_max: float
    inputs: Tensor
    """V, (..., samples, rows): drivers' voltages that are typical, for calibration."""
    row_gain: Tensor
    """(..., rows)."""
    column_gain: Tensor
    """(..., columns)."""
    cost: Cost = Cost()
    signal: Tensor | None = None
    """(columns, outputs): what each bit line adds to what is sensed; None: every line is sensed by itself."""

    def matrix(self) -> Tensor:
        """S, (..., rows, columns): the array as a forward read sees it, gains and network, exact."""
        inner = self.wires.transfer(self.conductance)
        return self.row_gain[..., :, None] * inner * self.column_gain[..., None, :]

    def read(self, voltage: Tensor) -> Tensor:
        """A, (..., samples, columns), for drivers' voltages (..., samples, rows)."""
        return voltage @ self.matrix()

    def ideal(self, voltage: Tensor) -> Tensor:
        """A, as lines without resistance would give them."""
        return voltage @ self.target

    def bounded(self, conductance: Tensor) -> Tensor:
        """Within the cells' range; nothing where there is no cell."""
        return conductance.clamp(self.g_min, self.g_max).where(self.target > 0, 0)

    def moved(self, conductance: Tensor) -> int:
        """How many cells have another conductance there than here."""
        return int(torch.count_nonzero(conductance != self.conductance))

    @property
    def arrays(self) -> int:
        """How many."""
        return self.target.shape[:-2].numel()


def start(
    target: Tensor,
    wires: AbstractWires,
    *,
    inputs: Tensor,
    g_min: float,
    g_max: float,
    signal: Tensor | None = None,
) -> Mapped:
    """Arrays that nothing has corrected yet.

    Arguments:
        target: S, (..., rows, columns), >= 0; 0 where there is no cell.
        wires: of the arrays.
        inputs: V, (..., samples, rows), typical drivers' voltages; leading axes broadcast.
        g_min, g_max: S, the cells' range.
        signal: (columns, outputs): what each bit line adds to what is sensed; None: every line by itself.

    Raises:
        InputError: shapes or the range do not fit, or a selector bends the currents.
    """
    if target.dim() < 2 or inputs.dim() < 2 or inputs.shape[-1] != target.shape[-2]:
        shape = f"must have shape (..., samples, {target.shape[-2] if target.dim() > 1 else 'rows'})"
        raise InputError("inputs", tuple(inputs.shape), shape)
    if not 0 <= g_min < g_max:
        raise InputError("g_max", g_max, f"must be above g_min = {g_min} >= 0")
    if not wires.linear:
        allowed = "bend the currents: corrections here are of arrays that are a matrix"
        raise InputError("wires", wires.kind, allowed, 'Use no selector, or "ohmic".')  # type: ignore[attr-defined]
    ones = torch.ones_like(target)
    lines = ones[..., 0], ones[..., 0, :]
    return Mapped(target, target, wires, g_min, g_max, inputs.to(target), *lines, signal=signal)


class AbstractCorrection(Component):
    """A step against the resistance of lines. What it does not know it measures or solves, and counts."""

    acts: ClassVar[Acts]

    def built(self, array: Array) -> Array:
        """The arrays to be built for it; most are as they were."""
        return array

    @abstractmethod
    def correct(self, mapped: Mapped) -> Mapped:
        """The arrays with what this correction changes, its cost added."""


def node_voltages(mapped: Mapped, voltage: Tensor) -> tuple[Tensor, Tensor]:
    """V of all nodes of word lines and of bit lines, (..., samples, rows, columns), for drivers' voltages.

    Arguments:
        mapped: its conductances and wires; row gains raise the drivers' voltages.
        voltage: V, (..., samples, rows).

    Raises:
        InputError: wires that nobody can look into.
    """
    driven = voltage * mapped.row_gain[..., None, :]
    wires = mapped.wires
    if not isinstance(wires, ResistiveWires):
        size = torch.broadcast_shapes(mapped.conductance[..., None, :, :].shape, (*driven.shape, 1))
        word = driven[..., None].expand(size)
        return word, torch.zeros_like(word)
    _, word, bit = solve(
        mapped.conductance,
        driven,
        r_word_line=wires.r_word_line,
        r_bit_line=wires.r_bit_line,
        r_source=wires.r_source,
        r_sense=wires.r_sense,
        double_sided=wires.double_sided,
        selector=wires.selector,
        tolerance=1e-7,
        return_node_voltages=True,
    )
    return word, bit


def source_voltage_error(mapped: Mapped, voltage: Tensor) -> float:
    """Sum of |V at the first crossing - V wanted| over that of |V wanted|, over the driven word lines of all samples.

    Arguments:
        mapped: the arrays.
        voltage: V, (..., samples, rows), as wanted.
    """
    word, _ = node_voltages(mapped, voltage)
    wanted = voltage.expand(word.shape[:-1])
    used = (wanted != 0) & (mapped.target > 0).any(-1)[..., None, :]
    return float((word[..., 0] - wanted).abs()[used].sum() / wanted.abs()[used].sum())


def output_error(mapped: Mapped, voltage: Tensor) -> float:
    """Root mean square of (sensed - ideal) current, over the standard deviation of an ideal output over the inputs.

    1: nothing of the information is left. The mean deviation over the outputs counts.

    Arguments:
        mapped: the arrays.
        voltage: V, (..., samples, rows).
    """
    ideal, used = mapped.ideal(voltage), (mapped.target > 0).any(-2)
    wrong = (mapped.read(voltage) - ideal).square().mean(-2)[used].mean().sqrt()
    return float(wrong / ideal.std(-2)[used].mean())
