"""The truth of streaming low-rank sums: orthogonalise, decompose a small core, keep the rank.

A sum of outer products is kept as `rows` (n, r) and `columns` (d, r): the sum is about rows @ columns^T. Between
calls of `append` the columns of either side are orthogonal and those of equal number have equal length, so that the
singular values are the squares of these lengths and need no word of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Matrix = np.ndarray
Pair = tuple[Matrix, Matrix]


def append(rows: Matrix, columns: Matrix, x: Matrix, e: Matrix, signs: Matrix | None) -> Pair:
    """Add one outer product x e^T and go back to the rank.

    Arguments:
        rows, columns: (n, r) and (d, r), float64, as `append` has left them; zero at the beginning.
        x, e: (n,) and (d,): the factors.
        signs: (r + 1,), -1 or 1 at random: what would be dropped is mixed into what is kept, without bias; None drops
            the smallest singular value, which is the nearest matrix of rank r.

    Returns:
        New rows and columns.

    Source:
        Gural et al., arXiv 2009.03887 (2020), LRT; the mixing of Benzing et al., ICML (2019), arXiv 1902.03993.
    """
    left, right = _extended(rows, x), _extended(columns, e)
    core = np.outer(left.inside, right.inside)
    number = np.arange(rows.shape[1])
    core[number, number] += left.lengths * right.lengths
    u, sizes, v = np.linalg.svd(core)
    v = v.T
    sizes[sizes < _NOTHING * sizes[0]] = 0.0
    # A pair of singular vectors may change sign; fixed here, so that other arithmetic draws the same mixtures.
    turned = np.where(u[np.abs(u).argmax(0), np.arange(len(sizes))] < 0, -1.0, 1.0)
    kept = np.diag(np.sqrt(sizes))[:, :-1] if signs is None else mixing(sizes, signs)
    return left.basis @ ((u * turned) @ kept), right.basis @ ((v * turned) @ kept)


def mixing(sizes: Matrix, signs: Matrix) -> Matrix:
    """The (q, q - 1) matrix Z with E[Z Z^T] = diag(sizes) over signs, of least variance; its columns are orthogonal.

    Arguments:
        sizes: (q,), singular values, falling.
        signs: (q,), -1 or 1 at random.
    """
    q = len(sizes)
    tails = np.cumsum(sizes[::-1])[::-1]
    first = next(m for m in range(q - 1) if (q - 1 - m) * sizes[m] <= tails[m] or m == q - 2)
    k, rest = q - 1 - first, tails[first]
    made = np.zeros((q, q - 1))
    made[np.arange(first), np.arange(first)] = np.sqrt(sizes[:first])
    if rest > 0:
        x0 = np.sqrt(np.clip(1 - sizes[first:] * k / rest, 0.0, 1.0))
        made[first:, first:] = np.sqrt(rest / k) * signs[first:, None] * _across(x0)
    return made


def turn(rows: Matrix, columns: Matrix, x: Matrix, e: Matrix, fresh: Matrix) -> Pair:
    """Add a block of outer products x^T e by one power iteration from the subspace that is there.

    Arguments:
        rows, columns: (n, r) and (d, r), float64.
        x, e: (samples, n) and (samples, d): the factors.
        fresh: (d, r), random: directions where `columns` has none yet.

    Returns:
        New rows (n, r), orthonormal, and columns (d, r).

    Source:
        Huang, Hoskins et al., ACM JETC 19:15 (2023), streaming batch principal component analysis.
    """
    length = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    # A direction of next to no weight is noise of rounding, no memory of a gradient.
    there = length > 1e-6 * length.max(initial=0.0)
    old, _ = np.linalg.qr(np.where(there, columns / np.where(there, length, 1.0), fresh))
    ahead, _ = np.linalg.qr(rows @ (columns.T @ old) + x.T @ (e @ old))
    return ahead, columns @ (rows.T @ ahead) + e.T @ (x @ ahead)


class _Extended(NamedTuple):
    """The directions of one side and of one more vector."""

    basis: Matrix
    """(n, r + 1), orthonormal, zero where there is no direction."""
    lengths: Matrix
    """(r,), of what has been there."""
    inside: Matrix
    """(r + 1,): the vector in this basis."""


def _extended(side: Matrix, vector: Matrix) -> _Extended:
    """The directions of a side (n, r) with orthogonal columns, and the one that the vector (n,) adds."""
    lengths = np.sqrt(np.einsum("ij,ij->j", side, side))
    basis = side * np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    inside = basis.T @ vector
    across = vector - basis @ inside
    # Twice is enough: what rounding leaves along the basis after one pass matters where almost nothing is across.
    again = basis.T @ across
    across = across - basis @ again
    size = float(np.sqrt(across @ across))
    if size <= _NOTHING * float(np.sqrt(vector @ vector)):
        size, across = 0.0, np.zeros_like(across)
    direction = across / size if size else across
    return _Extended(np.column_stack([basis, direction]), lengths, np.append(inside + again, size))


def _across(unit: Matrix) -> Matrix:
    """Orthonormal columns (q, q - 1) that are orthogonal to a unit vector (q,): a reflection less its first column."""
    v = unit.copy()
    v[0] -= 1.0
    square = float(v @ v)
    whole = np.eye(len(unit)) if square < 1e-24 else np.eye(len(unit)) - 2.0 * np.outer(v, v) / square
    return whole[:, 1:]


_NOTHING = 1e-12
"""Relative size of what rounding leaves where nothing should be; a direction made of it would be no direction."""
