"""The network of an array, for those who want only this: currents, node voltages, the array as one matrix."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError
from ...ops.lapack import blas_threads
from ...ops.wires.network import Ends, Network
from ...ops.wires.ports import Terminals
from ..selectors import AbstractSelector, Ohmic
from .bent import Bent, bent_fields
from .circuit import (
    DoubleSided,
    PerLine,
    Read,
    Resistances,
    as_numpy,
    check_conductances,
    checked,
    paired,
    terminals,
)
from .solvers import Solver, choose, currents, fields, matrices, rounding
from .solvers import transfer as solved_transfer


def solve(  # noqa: PLR0913
    conductances: Tensor,
    voltages: Tensor,
    *,
    r_word_line: PerLine = 1.0,
    r_bit_line: PerLine = 1.0,
    r_source: PerLine = 0.0,
    r_sense: PerLine = 0.0,
    read: Read = "forward",
    double_sided: DoubleSided = "none",
    selector: AbstractSelector | None = None,
    tolerance: float = 1e-9,
    solver: Solver = "auto",
    return_node_voltages: bool = False,
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """Currents of an array with resistive lines: Kirchhoff's laws, to the tolerance.

    Word lines are driven on the left and bit lines sensed at the bottom, at 0 V ("forward"), or bit lines are driven at
    the bottom and word lines sensed on the left ("transposed"). One segment per crossing: what lies between a source
    and a line's first node is r_source + r_word_line.

    Arguments:
        conductances: S, (..., rows, columns), of the cells; 0 is an open cell.
        voltages: V, (..., samples, rows), or (..., samples, columns) when transposed; leading axes broadcast.
        r_word_line, r_bit_line: ohm, of a segment; one number, or one for each line.
        r_source, r_sense: ohm, of drivers and of sense inputs; one number, or one for each driven or sensed line.
        read: the direction.
        double_sided: lines that are driven, or sensed, at both ends.
        selector: I(V) of the cells, see `memlearn.arrays.selectors`; None: Ohm's law. One that is not linear is solved
            by Newton's method, for lines with a resistance > 0.
        tolerance: largest error of a current, relative to the largest.
        solver: see `Solver`.
        return_node_voltages: also return the voltages of all nodes; costs an iterative solution for each sample.

    Returns:
        A, (..., samples, columns), or (..., samples, rows) when transposed, in the type of the inputs; with
        `return_node_voltages` also V, (..., samples, rows, columns), of the word lines' and of the bit lines' nodes.
        Differentiable with respect to conductances and voltages (currents only).

    Raises:
        InputError: shapes, signs or names are wrong.
        ConvergenceError: the tolerance was not reached; there is no result then.
    """
    g, v = checked(conductances, voltages, read)
    if not 0 < tolerance < 1:
        raise InputError("tolerance", tolerance, "must lie between 0 and 1", "1e-9, for instance.")
    if isinstance(selector, Ohmic):
        g = selector.folded(g)
    lines = Resistances(r_word_line, r_bit_line, r_source, r_sense, double_sided)
    network = lines.network(g.shape[-2], g.shape[-1], read)
    if v.dim() == 1:
        raise InputError("voltages", tuple(v.shape), "must have shape (..., samples, lines)", "Add an axis: v[None].")
    if selector is not None and not selector.linear:
        current, word, bit = Bent.apply(g, v, selector, network, read, tolerance)
        return (current, word, bit) if return_node_voltages else current
    if return_node_voltages:
        return _nodes(g, v, network, read, tolerance, solver)
    return _Solve.apply(g, v, network, read, tolerance, solver)


def transfer(  # noqa: PLR0913
    conductances: Tensor,
    *,
    r_word_line: PerLine = 1.0,
    r_bit_line: PerLine = 1.0,
    r_source: PerLine = 0.0,
    r_sense: PerLine = 0.0,
    read: Read = "forward",
    double_sided: DoubleSided = "none",
    selector: Ohmic | None = None,
    tolerance: float = 1e-9,
    solver: Solver = "auto",
) -> Tensor:
    """The whole array as one matrix W, exact: `voltages @ W` is `solve`'s answer, `voltages @ W.mT` when transposed.

    Arguments as in `solve`.

    Returns:
        S, (..., rows, columns). The matrices of the two directions are equal where drivers and senses have equal
        resistances.
    """
    g = torch.as_tensor(conductances)
    if g.dim() < 2 or 0 in g.shape or not g.is_floating_point():
        raise InputError("conductances", tuple(g.shape), "must be floating-point numbers (..., rows, columns)", "S.")
    check_conductances(g)
    if selector is not None:
        g = selector.folded(g)
    lines = Resistances(r_word_line, r_bit_line, r_source, r_sense, double_sided)
    return transfers(g, lines.network(g.shape[-2], g.shape[-1], read), tolerance, solver)


def transfers(g: Tensor, network: Network, tolerance: float, solver: Solver) -> Tensor:
    """S, (..., rows, columns), of checked conductances: one elimination an array."""
    return terminals_of(g, (network,), tolerance, solver)[0].transfer


class Between(NamedTuple):
    """`ops.wires.ports.Terminals` of arrays, as tensors with their leading axes."""

    transfer: Tensor
    words: Tensor | None
    """float64."""
    bits: Tensor | None
    """float64."""


def terminals_of(
    g: Tensor, networks: tuple[Network, ...], tolerance: float, solver: Solver, *, heat: bool = False
) -> list[Between]:
    """`transfers` in several networks, one elimination for those that only differ in their ends.

    Uses torch's number of threads: for several arrays at once, or for the two halves of one. With `heat` also the
    admittances of word and of bit lines, None unless all arrays have them.
    """
    flat = as_numpy(g).reshape(-1, *g.shape[-2:])
    threads = torch.get_num_threads()

    def one(cells: np.ndarray) -> list[Terminals]:
        kinds: list[Solver] = [choose(solver, cells, network, 0, tolerance) for network in networks]
        if len(set(kinds)) == 1:
            return matrices(kinds[0], cells, networks, threads if len(flat) == 1 else 1, heat=heat)
        pairs = zip(kinds, networks, strict=True)
        return [matrices(kind, cells, (network,), heat=heat)[0] for kind, network in pairs]

    with ExitStack() as stack:
        if threads > 1 and len(flat) > 1:
            stack.enter_context(blas_threads(1))
            each = stack.enter_context(ThreadPoolExecutor(min(threads, len(flat)))).map
        else:
            each = map
        found = list(each(one, flat))
    joined = (tuple(_stacked(part) for part in zip(*way, strict=True)) for way in zip(*found, strict=True))
    sizes = g.shape[:-2]
    return [
        Between(
            *(None if part is None else part.reshape(*sizes, *part.shape[1:]).to(g if k == 0 else part.dtype)
              for k, part in enumerate(way))  # type: ignore[arg-type]
        )
        for way in joined
    ]  # fmt: skip


def _stacked(parts: tuple[np.ndarray | None, ...]) -> Tensor | None:
    """Of all arrays, or of none."""
    there = [part for part in parts if part is not None]
    return torch.from_numpy(np.stack(there)) if len(there) == len(parts) else None


def solved_ends(cells: np.ndarray, network: Network, voltages: Ends, selector: AbstractSelector | None = None) -> Ends:
    """Currents out of one array into all its terminals, A, (rows,) and (columns,): what a netlist prints.

    Arguments:
        cells: S, (rows, columns).
        network: its lines.
        voltages: V, of the terminals, (rows,) and (columns,).
        selector: of the cells; None: Ohm's law.

    Raises:
        ConvergenceError: no solution was found.
    """
    ends = Ends(*(np.asarray(v, np.float64)[None] for v in voltages))
    if selector is None or selector.linear:
        seen = cells if selector is None else selector.slope(cells, np.zeros_like(cells))
        found = currents("lines", seen, network, ends, 1e-11)
    else:
        found = bent_fields(cells, network, ends, selector, 1e-11).currents
    return Ends(*(current[0] for current in found))


class _Solve(torch.autograd.Function):
    """Currents; the gradient needs one more solution, with the error at the sensed ends, and no unrolled iteration.

    With d the voltages across the cells, and d* those when dL/dI drives the sensed ends of the same network:
    dL/dG = - sum over samples of d d*, and dL/dV is the current into the driven ends.
    """

    @staticmethod
    def forward(
        ctx: Any, g: Tensor, v: Tensor, network: Network, read: Read, tolerance: float, solver: Solver
    ) -> Tensor:
        ctx.save_for_backward(g, v)
        ctx.settings = network, read, tolerance, solver
        return _currents(g, v, network, read == "transposed", tolerance, solver)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        g, v = ctx.saved_tensors
        network, read, tolerance, solver = ctx.settings
        transposed = read == "transposed"
        to_v = to_g = None
        if ctx.needs_input_grad[1]:
            to_v = _currents(g, error, network, not transposed, tolerance, solver).sum_to_size(v.shape)
        if ctx.needs_input_grad[0]:
            word, bit = _nodes(g, v, network, read, tolerance, solver)[1:]
            other: Read = "forward" if transposed else "transposed"
            word_back, bit_back = _nodes(g, error, network, other, tolerance, solver)[1:]
            to_g = -((word - bit) * (word_back - bit_back)).sum(-3).sum_to_size(g.shape)
        return to_g, to_v, None, None, None, None


def _currents(g: Tensor, v: Tensor, network: Network, transposed: bool, tolerance: float, solver: Solver) -> Tensor:
    """A, of checked tensors; `transposed` drives the bit lines of the same network."""
    sizes = torch.broadcast_shapes(g.shape[:-2], v.shape[:-2])
    samples = v.shape[-2]
    arrays = g.detach().double().cpu().reshape(-1, *g.shape[-2:]).numpy()
    kinds: list[Solver] = [choose(solver, one, network, samples, tolerance) for one in arrays]
    if set(kinds) <= {"ports", "hybrid"}:
        w = np.stack([solved_transfer(kind, one, network) for kind, one in zip(kinds, arrays, strict=True)])
        whole = torch.from_numpy(w).reshape(g.shape)
        return (v.double().cpu() @ (whole.mT if transposed else whole)).to(v)
    flat_g, flat_v = paired(g, v, sizes)
    if len(kinds) < len(flat_g):
        kinds = [choose(solver, one, network, samples, tolerance) for one in flat_g]
    found = []
    for kind, one, voltage in zip(kinds, flat_g, flat_v, strict=True):
        if kind in ("ports", "hybrid"):
            w = solved_transfer(kind, one, network)
            found.append(voltage @ (w.T if transposed else w))
            continue
        into = currents(kind, one, network, terminals(voltage, one.shape, transposed), tolerance)
        found.append(into.left + into.right if transposed else into.top + into.bottom)
    return torch.from_numpy(np.stack(found)).reshape(*sizes, samples, -1).to(v)


def _nodes(
    g: Tensor, v: Tensor, network: Network, read: Read, tolerance: float, solver: Solver
) -> tuple[Tensor, Tensor, Tensor]:
    """Currents, A, and node voltages, V, of checked tensors."""
    sizes, transposed = torch.broadcast_shapes(g.shape[:-2], v.shape[:-2]), read == "transposed"
    found = []
    for one, voltage in zip(*paired(g, v, sizes), strict=True):
        kind: Solver = "sparse" if solver == "sparse" else "lines"
        solved = fields(kind, one, network, terminals(voltage, one.shape, transposed), tolerance)
        ends = solved.currents
        into = ends.left + ends.right if transposed else ends.top + ends.bottom
        if rounding(one, network) > tolerance and kind != "sparse":
            # A current through next to no resistance is a difference of next to nothing between two voltages.
            w = solved_transfer("hybrid", one, network)
            into = voltage @ (w.T if transposed else w)
        found.append((into, solved.word, solved.bit))
    joined = (torch.from_numpy(np.stack(parts)).to(v) for parts in zip(*found, strict=True))
    current, word, bit = (part.reshape(*sizes, *part.shape[1:]) for part in joined)
    return current, word, bit
