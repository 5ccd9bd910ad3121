"""What reaches the cells of a write: the voltage across every cell, selected, half-selected or not, step by step."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...core.errors import ConvergenceError, InputError
from ...ops.wires import ladder, newton
from ...ops.wires.network import Ends, Network
from ..selection import AbstractSelection, HalfVoltage
from ..selectors import AbstractSelector, Ohmic
from .circuit import DoubleSided, PerLine, Resistances, check_conductances
from .solvers import Prepared, fields


class Drivers(NamedTuple):
    """The lines of an array that is written: every line is driven, or left to itself, at its own end."""

    r_word_line: PerLine = 1.0
    """Ohm, of a segment of a word line; (rows,)."""
    r_bit_line: PerLine = 1.0
    """Ohm, of a segment of a bit line; (columns,)."""
    r_word_driver: PerLine = 0.0
    """Ohm; (rows,)."""
    r_bit_driver: PerLine = 0.0
    """Ohm; (columns,)."""
    double_sided: DoubleSided = "none"
    """"drive": word lines, "sense": bit lines, "both": all lines are driven at both ends."""

    def network(self, rows: int, columns: int) -> Network:
        """Its circuit, all lines attached."""
        return Resistances(*self).network(rows, columns, "forward")


def write_voltages(  # noqa: PLR0913
    conductances: Tensor,
    rows: Tensor,
    columns: Tensor,
    voltage: Tensor | float = 1.0,
    *,
    scheme: AbstractSelection | None = None,
    r_word_line: PerLine = 1.0,
    r_bit_line: PerLine = 1.0,
    r_word_driver: PerLine = 0.0,
    r_bit_driver: PerLine = 0.0,
    double_sided: DoubleSided = "none",
    selector: AbstractSelector | None = None,
    tolerance: float = 1e-9,
) -> Tensor:
    """Voltages that reach the cells while an array with resistive lines is written: Kirchhoff's laws, to the tolerance.

    A step of a write selects word lines and bit lines, and pulses the cells where they cross; all other cells are
    disturbed by what is returned of them. Word lines are driven on the left and bit lines at the bottom. One segment
    per crossing, as in `solve`.

    Arguments:
        conductances: S, (..., rows, columns), of the cells.
        rows, columns: bool, (..., steps, rows) and (..., steps, columns): the selected lines; leading axes broadcast.
        voltage: V, of the pulse, with its sign; one, or (..., steps).
        scheme: what the other lines carry, see `memlearn.arrays.selection`; None: V/2.
        r_word_line, r_bit_line: ohm, of a segment; one number, or one for each line.
        r_word_driver, r_bit_driver: ohm, of the drivers; one number, or one for each line.
        double_sided: "drive": word lines, "sense": bit lines, "both": all lines have a driver at both ends.
        selector: I(V) of the cells; None: Ohm's law.
        tolerance: largest error of a voltage, relative to the pulse.

    Returns:
        V, (..., steps, rows, columns): word minus bit node, in the type of the conductances.

    Raises:
        InputError: shapes, signs or names are wrong.
        ConvergenceError: the tolerance was not reached, or a line that nothing drives meets no cell that conducts.
    """
    g = torch.as_tensor(conductances)
    if g.dim() < 2 or 0 in g.shape or not g.is_floating_point():
        raise InputError("conductances", tuple(g.shape), "must be floating-point numbers (..., rows, columns)", "S.")
    check_conductances(g)
    if not 0 < tolerance < 1:
        raise InputError("tolerance", tolerance, "must lie between 0 and 1", "1e-9, for instance.")
    picked = []
    for name, given, lines in (("rows", rows, g.shape[-2]), ("columns", columns, g.shape[-1])):
        mask = torch.as_tensor(given)
        if mask.dtype != torch.bool or mask.dim() < 2 or mask.shape[-1] != lines:
            raise InputError(name, tuple(mask.shape), f"must be a mask (..., steps, {lines}), bool", "True: selected.")
        picked.append(mask)
    size = torch.broadcast_shapes(picked[0].shape[:-1], picked[1].shape[:-1], (*g.shape[:-2], 1))
    heights = torch.as_tensor(voltage, dtype=torch.float64).broadcast_to(size)
    if not bool(torch.isfinite(heights).all()):
        raise InputError("voltage", "a number that is not finite", "must be finite", "V.")
    scheme = scheme or HalfVoltage()
    drivers = Drivers(r_word_line, r_bit_line, r_word_driver, r_bit_driver, double_sided)
    if isinstance(selector, Ohmic):
        g, selector = selector.folded(g), None
    network = drivers.network(g.shape[-2], g.shape[-1])
    stack = g.detach().expand(*size[:-1], *g.shape[-2:]).reshape(-1, *g.shape[-2:]).double().cpu()
    on = [mask.expand(*size, mask.shape[-1]).reshape(-1, size[-1], mask.shape[-1]).cpu() for mask in picked]
    if selector is None:
        found = [shares(cells, r, c, scheme, network, tolerance) for cells, r, c in zip(stack, *on, strict=True)]
        across = torch.stack(found).reshape(*size, *g.shape[-2:]) * heights.cpu()[..., None, None]
    else:
        high = heights.reshape(-1, size[-1])
        found = [
            bent_voltages(cells, r, c, v, scheme, network, tolerance, selector)
            for cells, r, c, v in zip(stack, *on, high, strict=True)
        ]
        across = torch.stack(found).reshape(*size, *g.shape[-2:])
    return across.to(g)


def shares(
    cells: Tensor, rows: Tensor, columns: Tensor, scheme: AbstractSelection, network: Network, tolerance: float
) -> Tensor:
    """Parts of the pulse's voltage across the cells of one array.

    Arguments:
        cells: S, (rows, columns), float64.
        rows, columns: bool, (steps, rows) and (steps, columns).
        scheme: what the other lines carry.
        network: all lines attached.
        tolerance: of a part.

    Returns:
        (steps, rows, columns), float64.
    """
    given = scheme.lines(rows, columns)
    if scheme.gated and bool((rows.sum(-1) == 1).all()):
        place = rows.int().argmax(-1)
        alone = gated(cells[place], place, given.bit, network)
        return torch.zeros(len(rows), *cells.shape, dtype=torch.float64).scatter_(
            1, place[:, None, None].expand(-1, 1, cells.shape[1]), alone[:, None]
        )
    if not scheme.gated and not bool(given.word.isnan().any() | given.bit.isnan().any()):
        level = 0.0 if math.isnan(scheme.word_share) else scheme.word_share
        return _across(cells, network, _ends(given.word, given.bit, level), tolerance)
    found = []
    for k in range(len(rows)):
        word, bit = given.word[k : k + 1], given.bit[k : k + 1]
        live = cells * rows[k, :, None] if scheme.gated else cells
        loose = _loose(network, live, word[0], bit[0])
        level = 1.0 if scheme.gated else 0.5
        across = _across(live, loose, _ends(word.nan_to_num(level), bit.nan_to_num(level), level), tolerance)
        found.append(across * rows[k, :, None] if scheme.gated else across)
    return torch.cat(found)


def gated(cells: Tensor, place: Tensor, bit: Tensor, network: Network) -> Tensor:
    """Parts of the pulse's voltage across the cells of rows that are written one at a time, all others switched off.

    Arguments:
        cells: S, (n, columns), float64, of these rows.
        place: int64, (n,): where they lie.
        bit: (n, columns), what the bit lines' drivers give, in units of the pulse.
        network: of the whole array.
    """
    where = place.numpy()
    return torch.from_numpy(
        ladder.word_lines(cells.numpy(), ladder.pieces(network, where, bit.numpy()), network, where, 1.0)
    )


class Standing:
    """Arrays as several steps of a write find them, made ready for solutions once.

    Arguments:
        cells: S, (arrays, rows, columns).
        network: of each array.
    """

    def __init__(self, cells: Tensor, network: Network) -> None:
        self.cells, self.network = cells, network
        self._double: np.ndarray | None = None
        self._ready: dict[int, Prepared] = {}

    @property
    def conductances(self) -> np.ndarray:
        """S, (arrays, rows, columns), float64."""
        if self._double is None:
            self._double = self.cells.double().numpy()
        return self._double

    def ready(self, array: int) -> Prepared:
        """One of the arrays."""
        if array not in self._ready:
            self._ready[array] = Prepared(self.conductances[array], self.network)
        return self._ready[array]


class Around(NamedTuple):
    """Row-by-row steps by `row_by_row`; parts of the pulse's voltage."""

    row: Tensor
    """(steps, columns), float32: across the cells of the selected word line."""
    others: Tensor
    """(2, arrays, rows, columns), float32: across cells of other word lines, on selected bit lines, and on others."""


def row_by_row(
    standing: Standing,
    array: Tensor,
    place: Tensor,
    columns: Tensor,
    scheme: AbstractSelection,
    tolerance: float,
) -> Around:
    """Steps of one word line each: the selected lines are exact, the others as they are on the mean of the steps.

    The word lines that are not selected fall with what the selected bit lines draw from them. They are solved once for
    an array, with every bit line driven by the mean of what it is driven by; then each step is two exact ladders.

    Arguments:
        standing: the arrays.
        array, place: int64, (steps,): which array, and which of its word lines.
        columns: bool, (steps, columns).
        scheme: what the other lines carry; all lines driven, no gates.
        tolerance: of a part.
    """
    conducts, network, level = standing.conductances, standing.network, scheme.word_share
    arrays, height, width = conducts.shape
    steps = torch.zeros(arrays, 1, dtype=torch.float64).index_add_(0, array, torch.ones(len(array), 1).double())
    chosen = torch.zeros(arrays, width, dtype=torch.float64).index_add_(0, array, columns.double())
    words = np.empty(conducts.shape)
    for k in range(arrays):
        if float(steps[k]) == 0:
            words[k] = level
            continue
        bit = scheme.bit_share * (1 - chosen[k : k + 1] / steps[k])
        ends = _ends(torch.full((1, height), level, dtype=torch.float64), bit, level)
        words[k] = standing.ready(k).fields(ends, tolerance).word[0] + level
    behind, others = ladder.bit_lines(conducts, network, words, np.array([0.0, scheme.bit_share]))
    where, kinds = (array.numpy(), place.numpy()), (~columns).numpy().astype(np.int64)
    row = ladder.chosen_word_lines(conducts, behind, network, where, kinds, 1.0)
    return Around(torch.from_numpy(row), torch.from_numpy(others))


def _across(cells: Tensor, network: Network, ends: Ends, tolerance: float) -> Tensor:
    """Word minus bit nodes of linear cells."""
    solved = fields("lines", cells.numpy(), network, ends, tolerance)
    across = torch.from_numpy(solved.word - solved.bit)
    if not bool(torch.isfinite(across).all()):
        remedy = "Drive the lines, as every scheme but floating does."
        raise ConvergenceError("lines that nothing drives meet no cell that leads to a driver", remedy)
    return across


def bent_voltages(
    cells: Tensor,
    rows: Tensor,
    columns: Tensor,
    heights: Tensor,
    scheme: AbstractSelection,
    network: Network,
    tolerance: float,
    selector: AbstractSelector,
) -> Tensor:
    """V across the cells of one array that are not ohmic: every step has slopes of its own.

    Arguments:
        cells, rows, columns, scheme, network: as of `shares`.
        heights: V, (steps,), of the pulses.
        tolerance: of a voltage, relative to the pulse.
        selector: I(V) of the cells.

    Returns:
        (steps, rows, columns), float64, across cells and selectors.
    """
    if min(float(r.min()) for r in network) <= 0:
        allowed = "cells that are not ohmic need lines with a resistance > 0"
        raise InputError("r_word_line", 0.0, allowed, "1e-3 ohm will do.")
    given, found = scheme.lines(rows, columns), []
    for k in range(len(rows)):
        word, bit, height = given.word[k : k + 1], given.bit[k : k + 1], float(heights[k])
        loose = _loose(network, cells, word[0], bit[0])
        level = 0.0 if not scheme.gated else 1.0
        ends = _ends(word.nan_to_num(level) * height, bit.nan_to_num(level) * height, level * height)
        live = (cells * rows[k, :, None] if scheme.gated else cells).numpy()
        limit = tolerance * max(abs(height), 1e-300)

        def law(d: np.ndarray, live: np.ndarray = live) -> tuple[np.ndarray, np.ndarray]:
            return selector.current(live, d), selector.slope(live, d)

        solved, outcomes = newton.solve(law, loose, ends, live.shape, limit)
        if not outcomes[0].change <= limit:
            raise ConvergenceError(
                f"Newton's method still moves nodes by {outcomes[0].change:.1e} V after {outcomes[0].steps} steps",
                "Lower the pulse, soften the selector (a wider knee, more leak), or loosen the tolerance.",
            )
        across = torch.from_numpy(solved.word - solved.bit)
        found.append(across * rows[k, :, None] if scheme.gated else across)
    return torch.cat(found)


def _ends(word: Tensor, bit: Tensor, level: float) -> Ends:
    """All terminals, measured from a level that most of them have: a voltage common to all moves nothing."""
    w, b = (word - level).numpy(), (bit - level).numpy()
    return Ends(w, w, b, b)


def _loose(network: Network, cells: Tensor, given_word: Tensor, given_bit: Tensor) -> Network:
    """The network with nothing attached to lines that nothing drives; one without a cell that conducts may stay."""
    word = (given_word.isnan() & (cells > 0).any(1)).numpy()
    bit = (given_bit.isnan() & (cells > 0).any(0)).numpy()
    if not word.any() and not bit.any():
        return network
    word_ends = (np.where(word, np.inf, end) for end in (network.left, network.right))
    bit_ends = (np.where(bit, np.inf, end) for end in (network.top, network.bottom))
    return Network(network.word, network.bit, *word_ends, *bit_ends)
