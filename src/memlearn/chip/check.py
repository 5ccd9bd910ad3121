"""The self test of a driver: does what stands behind the interface behave like an array of cells?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.random import Stream
from .base import Chip
from .process import ProcessChip


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    found: str
    """In words, with figures."""
    right: bool


class Tried(NamedTuple):
    """How hard a chip is tried."""

    voltage: float = 0.2
    """V, of a fully driven line."""
    cells: int = 16
    """Cells that are pulsed and programmed."""
    tolerance: float = 0.02
    """Half-width of the programming window, relative to the range."""
    max_pulses: int = 500
    repeats: int = 16
    """Reads of the same, to know the noise."""
    allowed: float = 0.05
    """Deviation, relative to the largest current, that wires and converters may cause."""


def check(chip: Chip, how: Tried | None = None) -> Iterator[Finding]:
    """Look at one thing after another; cells are moved, and not put back.

    Arguments:
        chip: of which all verbs are tried.
        how: how hard.

    Raises:
        ChipError: it does not answer, or not as it should.
        InputError: fewer than two cells are to be tried.
    """
    how = how or Tried()
    if how.cells < 2:
        raise InputError("cells", how.cells, "must be at least 2")
    bench = _Bench(chip, how)
    for look in (bench.zero, bench.linear, bench.single, bench.pulsed, bench.programmed, bench.reciprocal):
        yield look()
    if isinstance(chip, ProcessChip):
        yield bench.killed(chip)


class _Bench:
    """What the looks share: drawn voltages and cells, and the noise of a read."""

    def __init__(self, chip: Chip, how: Tried) -> None:
        self.chip, self.how = chip, how
        self.random = np.random.Generator(np.random.Philox(key=Stream.root(0).torch_seed()))
        self.rows = self.random.uniform(-how.voltage, how.voltage, (2, chip.rows))
        several = chip.read(np.repeat(self.rows[:1], how.repeats, axis=0))
        self.largest = float(np.abs(several).max()) or 1.0
        self.noise = float(several.std(axis=0).max()) / self.largest
        order = self.random.permutation(chip.rows * chip.columns)[: how.cells]
        self.places = np.unravel_index(order, (chip.rows, chip.columns))
        self.mask = np.zeros((chip.rows, chip.columns), bool)
        self.mask[self.places] = True

    def zero(self) -> Finding:
        """No voltage, no current."""
        current = np.abs(self.chip.read(np.zeros((1, self.chip.rows)))).max() / self.largest
        return self._within("currents without voltage", current)

    def linear(self) -> Finding:
        """Twice the one minus half of the other, by voltages and by currents."""
        one, other = self.rows
        # Halved, so that no line is driven beyond the voltage that was allowed.
        mixed = 0.5 * one - 0.25 * other
        currents = self._mean(self.chip.read, np.stack([one, other, mixed]))
        away = np.abs(currents[2] - 0.5 * currents[0] + 0.25 * currents[1]).max() / self.largest
        return self._within("currents are linear in the voltages", away)

    def reciprocal(self) -> Finding:
        """A resistive network is its own transpose, wires included: line by line, both directions show one matrix."""
        volts = self.how.voltage
        forward = self.chip.read(volts * np.eye(self.chip.rows)) / volts
        again = self.chip.read(volts * np.eye(self.chip.rows)) / volts
        backward = self.chip.read_transposed(volts * np.eye(self.chip.columns)).T / volts
        largest = float(np.abs(forward).max()) or 1.0
        away, noise = (float(np.abs(forward - other).max()) / largest for other in (backward, again))
        most = self.how.allowed + 3 * noise
        words = f"{away:.2g} of the largest cell, allowed {most:.2g}"
        return Finding("transposed reads see the same cells", words, away <= most)

    def single(self) -> Finding:
        """Cells read by themselves add up to the line's current."""
        everything = np.ones((self.chip.rows, self.chip.columns), bool)
        expected = self.rows[0] @ self.chip.conductances(everything)
        found = self._mean(self.chip.read, self.rows[:1])[0]
        return self._within("single cells add up to the lines", np.abs(found - expected).max() / self.largest)

    def pulsed(self) -> Finding:
        """Pulses up raise, pulses down lower, and others stay."""
        counts = np.zeros_like(self.mask, dtype=np.int32)
        half = len(self.places[0]) // 2
        counts[self.places[0][:half], self.places[1][:half]] = 5
        counts[self.places[0][half:], self.places[1][half:]] = -5
        everything = np.ones_like(self.mask)
        before = self._seen(everything)
        self.chip.pulse(counts)
        moved = self._seen(everything) - before
        up, down = (float(moved[which].mean()) for which in (counts > 0, counts < 0))
        others, span = moved[counts == 0], self.chip.g_max - self.chip.g_min
        rest = float(others.mean()) if len(others) else 0.0
        words = f"5 up {up / span:+.3f}, 5 down {down / span:+.3f}, others {rest / span:+.3f} of the range, mean"
        aside = abs(rest) < 0.25 * (up - down) if len(others) else True
        clear = up - down > 4 * float(others.std()) / np.sqrt(half) if len(others) else True
        return Finding("pulses move the cells that they name", words, up > 0 > down and aside and clear)

    def programmed(self) -> Finding:
        """Cells reach targets over the whole range, as another read finds."""
        span, how = self.chip.g_max - self.chip.g_min, self.how
        targets = np.full(self.mask.shape, self.chip.g_min)
        targets[self.places] = self.random.uniform(self.chip.g_min, self.chip.g_max, len(self.places[0]))
        done = self.chip.program(self.mask, targets, tolerance=how.tolerance * span, max_pulses=how.max_pulses)
        lost = int(done.failed[self.mask].sum())
        away = np.abs(self._seen(self.mask) - targets)[self.mask & ~done.failed] / span
        typical = float(np.median(away)) if len(away) else 1.0
        pulses = float(done.pulses[self.mask].mean())
        share = f"{lost} of {self.mask.sum()} given up"
        words = f"median {typical:.4f} of the range off, {pulses:.1f} pulses a cell, {share}"
        return Finding("cells are programmed to targets", words, typical <= 2 * how.tolerance and lost <= len(away))

    def killed(self, chip: ProcessChip) -> Finding:
        """A driver that is killed and started again finds its cells as they were."""
        before, heard = self._seen(np.ones_like(self.mask)), []
        tell, chip.tell = chip.tell, heard.append
        try:
            chip.kill()
            after = self._seen(np.ones_like(self.mask))
        finally:
            chip.tell = tell
        away = float(np.abs(after - before).mean()) / (chip.g_max - chip.g_min)
        words = f"cells differ by {away:.4f} of the range, mean, after the driver was killed and started again"
        return Finding("a killed driver loses nothing", words, bool(heard) and away <= 0.01 + 3 * self.noise)

    def _mean(self, read: Callable[[np.ndarray], np.ndarray], voltages: np.ndarray) -> np.ndarray:
        """Mean of several reads."""
        several = read(np.repeat(voltages, self.how.repeats, axis=0))
        return several.reshape(len(voltages), self.how.repeats, -1).mean(axis=1)

    def _seen(self, cells: np.ndarray) -> np.ndarray:
        """Mean of several reads of single cells."""
        return np.mean([self.chip.conductances(cells) for _ in range(4)], axis=0)

    def _within(self, what: str, away: float) -> Finding:
        """Whether a deviation, relative to the largest current, is one that noise and wires explain."""
        most = self.how.allowed + 4 * self.noise
        return Finding(what, f"{away:.2g} of the largest current, allowed {most:.2g}", bool(away <= most))
