"""The truth: Kirchhoff's current law at every node, by a sparse direct solver, with lines of no resistance merged."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from .network import Ends, Network, Solved

_BLOCK = 32
"""Samples solved at once: their node voltages take more memory than the factors."""


class Floating(ValueError):
    """Nodes without any way to a terminal have no voltage."""


class Shorted(ValueError):
    """Terminals of different voltages meet without a resistance between them."""


def solve(conductance: np.ndarray, network: Network, voltages: Ends) -> Solved:
    """Node voltages and terminal currents of the array.

    Arguments:
        conductance: S, (rows, columns).
        network: its lines and ends.
        voltages: V, of the terminals, (samples, rows) and (samples, columns).

    Raises:
        Floating: a node has no way to a terminal.
        Shorted: terminals meet without a resistance.
    """
    rows, columns = conductance.shape
    nodes = rows * columns
    known = np.concatenate([np.atleast_2d(np.asarray(v, np.float64)) for v in voltages], 1)
    total = 2 * nodes + known.shape[1]
    first, second, resistance = _edges(network)
    place = np.arange(nodes)
    cells = coo_matrix((conductance.ravel(), (place, place + nodes)), (total, total))
    merged = resistance == 0
    zero = coo_matrix((np.ones(merged.sum()), (first[merged], second[merged])), (total, total))
    count, group = connected_components(zero, directed=False)
    fixed = np.full((len(known), count), np.nan)
    for end in range(known.shape[1]):
        mine = group[2 * nodes + end]
        if not np.isnan(fixed[:, mine]).all() and not np.array_equal(fixed[:, mine], known[:, end]):
            raise Shorted("two terminals of different voltages are joined without a resistance")
        fixed[:, mine] = known[:, end]
    wires = coo_matrix((1 / resistance[~merged], (first[~merged], second[~merged])), (total, total))
    edge_first, edge_second = (
        np.concatenate([group[a], group[b]]) for a, b in ((wires.row, cells.row), (wires.col, cells.col))
    )
    edge = np.concatenate([wires.data, cells.data])
    given = ~np.isnan(fixed[0])
    _refuse_floating(edge_first, edge_second, edge, given, group[: 2 * nodes].reshape(2, rows, columns))
    matrix = _laplacian(edge_first, edge_second, edge, count)
    found = _solved(matrix, given, fixed)
    node = found[:, group]
    # What leaves a terminal's group through conductances enters it from the array.
    inwards = (matrix @ found.T).T
    ends = group[2 * nodes :]
    counted = np.bincount(ends, minlength=count)
    out = -inwards[:, ends] / counted[ends]
    parts = np.split(out, np.cumsum([len(v) for v in (network.left, network.right, network.top)]), axis=1)
    shape = (len(known), rows, columns)
    return Solved(Ends(*parts), node[:, :nodes].reshape(shape), node[:, nodes : 2 * nodes].reshape(shape))


def _edges(network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segments and attached ends: nodes, nodes, ohm; terminals follow the nodes, left, right, top, bottom."""
    rows, columns = network.rows, network.columns
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    terminal = 2 * rows * columns + np.arange(2 * rows + 2 * columns)
    left, right, top, bottom = np.split(terminal, np.cumsum([rows, rows, columns]))
    edges = [
        (word[:, :-1], word[:, 1:], np.broadcast_to(network.word[:, None], (rows, columns - 1))),
        (bit[:-1], bit[1:], np.broadcast_to(network.bit, (rows - 1, columns))),
        (word[:, 0], left, network.left),
        (word[:, -1], right, network.right),
        (bit[0], top, network.top),
        (bit[-1], bottom, network.bottom),
    ]
    first, second, resistance = (np.concatenate([np.ravel(edge[k]) for edge in edges]) for k in range(3))
    attached = np.isfinite(resistance)
    return first[attached], second[attached], resistance[attached].astype(np.float64)


def _refuse_floating(
    first: np.ndarray, second: np.ndarray, edge: np.ndarray, given: np.ndarray, group: np.ndarray
) -> None:
    """Raise Floating, and name the lines; `group` (2, rows, columns) says where word and bit nodes are."""
    conducts = edge != 0
    count = len(given)
    ways = coo_matrix((np.ones(conducts.sum()), (first[conducts], second[conducts])), (count, count))
    number, part = connected_components(ways, directed=False)
    held = np.zeros(number, bool)
    held[part[given]] = True
    loose = ~held[part][group]
    if loose.any():
        named = [f"word line {i}" for i in np.flatnonzero(loose[0].any(1))]
        named += [f"bit line {j}" for j in np.flatnonzero(loose[1].any(0))]
        more = f" and {len(named) - 4} more" if len(named) > 4 else ""
        raise Floating(f"{', '.join(named[:4])}{more}: without any way to a terminal, the voltage is undefined")


def _laplacian(first: np.ndarray, second: np.ndarray, edge: np.ndarray, count: int) -> csc_matrix:
    """Current out of each node, per V of each node."""
    data = np.concatenate([edge, edge, -edge, -edge])
    where = np.concatenate([first, second, first, second]), np.concatenate([first, second, second, first])
    return csc_matrix((data, where), (count, count))


def _solved(matrix: csc_matrix, given: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Voltages (samples, nodes) with those `given` as in `fixed`; one step of refinement."""
    free = np.flatnonzero(~given)
    voltages = np.where(given, fixed, 0.0)
    if not len(free):
        return voltages
    inner = matrix[free][:, free].tocsc()
    factors = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    towards = matrix[free][:, np.flatnonzero(given)]
    for start in range(0, len(voltages), _BLOCK):
        block = slice(start, start + _BLOCK)
        right = -(towards @ voltages[block][:, given].T)
        found = factors.solve(right)
        found += factors.solve(right - inner @ found)
        voltages[block, free] = found.T
    return voltages
