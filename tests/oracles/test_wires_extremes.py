"""Arrays at the edge of arithmetic, against Kirchhoff's equations in exact fractions: right, or refused with advice."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from memlearn import wires
from memlearn.arrays.wires import solvers
from memlearn.core.errors import ConvergenceError, InputError
from memlearn.ops.wires import ports, reference
from memlearn.ops.wires.network import Ends, Network

SOLVERS = ["auto", "ports", "hybrid", "lines", "sparse"]
ROWS, COLUMNS = 4, 3


def exactly(g: np.ndarray, v: np.ndarray, word: float, bit: float, source: float) -> np.ndarray:
    """Currents (columns,) by Gaussian elimination in fractions; sense inputs without resistance."""
    rows, columns = g.shape
    size = 2 * rows * columns
    matrix = [[Fraction(0)] * (size + 1) for _ in range(size)]

    def join(a: int, b: int | None, conductance: Fraction, volt: Fraction = Fraction(0)) -> None:
        matrix[a][a] += conductance
        if b is None:
            matrix[a][size] += conductance * volt
            return
        matrix[b][b] += conductance
        matrix[a][b] -= conductance
        matrix[b][a] -= conductance

    for i in range(rows):
        join(i * columns, None, 1 / (Fraction(source) + Fraction(word)), Fraction(float(v[i])))
        for j in range(columns):
            here, there = i * columns + j, rows * columns + i * columns + j
            join(here, there, Fraction(float(g[i, j])))
            if j + 1 < columns:
                join(here, here + 1, 1 / Fraction(word))
            if i + 1 < rows:
                join(there, there + columns, 1 / Fraction(bit))
            else:
                join(there, None, 1 / Fraction(bit))
    for k in range(size):
        pivot = matrix[k][k]
        for row in range(k + 1, size):
            if factor := matrix[row][k] / pivot:
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[k], strict=True)]
    found = [Fraction(0)] * size
    for k in reversed(range(size)):
        rest = sum(matrix[k][m] * found[m] for m in range(k + 1, size))
        found[k] = (matrix[k][size] - rest) / matrix[k][k]
    return np.array([float(found[size - columns + j] / Fraction(bit)) for j in range(columns)])


def case(kind: str) -> np.ndarray:
    """Conductances of 1e6 between the largest and the smallest, and what has gone wrong in them."""
    g = 10 ** np.random.default_rng(11).uniform(-9, -3, (ROWS, COLUMNS))
    if kind == "open row":
        g[1] = 0
    elif kind == "open column":
        g[:, 2] = 0
    elif kind == "shorted cell":
        g[2, 1] = 1e4
    elif kind == "shorted row":
        g[2] = 1e3
    elif kind == "all but one open":
        g[:] = 0
        g[3, 0] = 1e-6
    return g


KINDS = ["wide", "open row", "open column", "shorted cell", "shorted row", "all but one open"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("segment", [1e-6, 1e-3, 1.0, 1e3])
def test_right_or_refused(kind: str, segment: float):
    g, v = case(kind), np.array([0.3, 1.0, 0.7, 0.2])
    exact = exactly(g, v, segment, 3 * segment, 10.0)
    settings: dict[str, Any] = {"r_word_line": segment, "r_bit_line": 3 * segment, "r_source": 10.0}
    answered = []
    for solver in SOLVERS:
        try:
            found = wires.solve(torch.tensor(g), torch.tensor(v[None]), solver=solver, **settings)[0].numpy()
        except (ConvergenceError, InputError) as error:
            assert "hybrid" in str(error) or "olerance" in str(error)
            continue
        answered.append(solver)
        assert np.abs(found - exact).max() <= 1e-9 * np.abs(exact).max(), solver
    assert {"auto", "hybrid"} <= set(answered)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("segment", [1e-3, 1.0, 1e3])
def test_single_precision_keeps_five_digits(kind: str, segment: float):
    g, v = case(kind).astype(np.float32), np.array([0.3, 1.0, 0.7, 0.2], np.float32)
    exact = exactly(g.astype(np.float64), v.astype(np.float64), segment, segment, 10.0)
    found = wires.solve(torch.tensor(g), torch.tensor(v[None]), r_word_line=segment, r_bit_line=segment, r_source=10.0)
    assert found.dtype == torch.float32
    assert np.abs(found[0].numpy() - exact).max() <= 1e-5 * np.abs(exact).max()


def floating() -> tuple[np.ndarray, Network]:
    """Word line 1 and bit line 2 have neither an end nor a cell that conducts."""
    g = np.full((3, 4), 1e-5)
    g[1], g[:, 2] = 0, 0
    left, bottom = np.array([1.0, np.inf, 1.0]), np.array([2.0, 2.0, np.inf, 2.0])
    return g, Network(np.ones(3), np.ones(4), left, np.full(3, np.inf), np.full(4, np.inf), bottom)


def test_a_floating_line_is_named():
    g, network = floating()
    with pytest.raises(reference.Floating, match="word line 1, bit line 2: without any way"):
        reference.solve(g, network, Ends(np.ones((1, 3)), np.ones((1, 3)), np.zeros((1, 4)), np.zeros((1, 4))))


@pytest.mark.parametrize("solver", ["ports", "hybrid", "lines", "sparse"])
def test_no_solver_gives_a_floating_line_a_number(solver: Any):
    g, network = floating()
    with np.errstate(all="ignore"), pytest.raises(ConvergenceError):
        solvers.transfer(solver, g, network)


def test_both_ends_of_a_line_on_a_floating_one_still_conduct():
    """A floating word line with cells is no island: currents pass through it."""
    g, network = floating()
    g[1] = 1e-5
    ready = network._replace(bottom=np.full(4, 2.0))
    matrix = solvers.transfer("hybrid", g, ready)
    exact = reference.solve(g, ready, Ends(np.eye(3), np.eye(3), np.zeros((3, 4)), np.zeros((3, 4)))).currents.bottom
    assert np.abs(matrix - exact).max() <= 1e-11 * np.abs(exact).max()
    assert np.abs(ports.transfer(ports.eliminate(g, ready), ready) - exact).max() <= 1e-11 * np.abs(exact).max()


def test_currents_beside_node_voltages_are_as_good_where_wires_are_short():
    g, v = case("open column"), np.array([0.3, 1.0, 0.7, 0.2])
    exact = exactly(g, v, 1e-6, 1e-6, 10.0)
    settings = {"r_word_line": 1e-6, "r_bit_line": 1e-6, "r_source": 10.0}
    current, word, _ = wires.solve(torch.tensor(g), torch.tensor(v[None]), return_node_voltages=True, **settings)
    assert np.abs(current[0].numpy() - exact).max() <= 1e-9 * exact.max()
    assert np.abs(word[0].numpy() - v[:, None]).max() <= 10 * g.sum(1).max()
