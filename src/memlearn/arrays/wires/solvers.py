"""Ways to solve the network of an array, each with its domain, and the choice among them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...core.errors import ConvergenceError, InputError, nearest
from ...ops.wires import hybrid, lines, ports, reference
from ...ops.wires.network import Ends, Network, Solved
from ...ops.wires.ports import Terminals
from ...ops.wires.threads import Pair

Solver = Literal["auto", "ports", "hybrid", "lines", "sparse"]
"""auto: the fastest in whose domain the array lies.

    ports   the exact transfer matrix in O(n^3); segments not much smaller than 1e-2 ohm; any number of inputs
    hybrid  the exact transfer matrix for lines of little or no resistance, about ten times slower
    lines   conjugate gradients with exact lines; segments > 0; few inputs, node voltages, very large arrays
    sparse  Kirchhoff's equations by a sparse direct solver: the reference, slow
"""

ROUNDING = 2.3e-16
_LIMIT = 500
"""Iterations after which conjugate gradients have failed; 28 were needed for 1024 x 1024 cells at 10 ohm."""
_FEW = 0.1
"""Inputs per line below which conjugate gradients beat the transfer matrix."""


def choose(wanted: Solver, conductance: np.ndarray, network: Network, inputs: int, tolerance: float) -> Solver:
    """The solver for so many inputs; `inputs` 0 asks for the transfer matrix.

    Raises:
        InputError: the name is unknown, or the array lies outside the domain of the solver that was asked for.
    """
    names = ("auto", "ports", "hybrid", "lines", "sparse")
    if wanted not in names:
        raise InputError("solver", wanted, "unknown solver", nearest(str(wanted), names))
    loss = rounding(conductance, network)
    if wanted == "auto":
        if loss > tolerance:
            return "hybrid"
        return "lines" if 0 < inputs <= _FEW * max(conductance.shape) and max(conductance.shape) >= 32 else "ports"
    if wanted in ("ports", "lines") and not np.isfinite(loss):
        raise InputError("solver", wanted, "needs lines with a resistance > 0", "Use 'hybrid', or 'auto'.")
    if wanted == "sparse" and not np.isfinite(loss):
        loss = rounding(conductance, network, merged=True)
    if wanted != "hybrid" and loss > tolerance:
        allowed = f"loses {loss:.1e} of the currents to rounding here, more than the tolerance of {tolerance:.1e}"
        raise InputError("solver", wanted, allowed, "Use 'hybrid', or 'auto'.")
    return wanted


def rounding(conductance: np.ndarray, network: Network, *, merged: bool = False) -> float:
    """Bound of what nodal forms lose: rounding of the largest conductance of a segment, against a mean cell.

    Infinite where a segment has no resistance, unless the nodes on its sides are `merged`.
    """
    parts = network.word, network.bit, network.left, network.bottom
    least = min(float(part.min(where=(part > 0) | (not merged), initial=np.inf)) for part in parts)
    typical = float(conductance.mean())
    if least == 0:
        return float("inf")
    return ROUNDING / (least * typical) if typical > 0 else 0.0


def transfer(solver: Solver, conductance: np.ndarray, network: Network, threads: int = 1) -> np.ndarray:
    """S, (rows, columns): currents into bit-line terminals per V on word-line terminals, by `choose`'s solver.

    Raises:
        ConvergenceError: rounding has eaten the conductances.
    """
    return matrices(solver, conductance, (network,), threads)[0].transfer


def matrices(
    solver: Solver, conductance: np.ndarray, networks: tuple[Network, ...], threads: int = 1, *, heat: bool = False
) -> list[Terminals]:
    """`transfer` of one array in several networks; what only differs in the ends is eliminated once.

    Arguments:
        heat: with the admittances of either side's terminals, where `ports` can tell them.

    Raises:
        ConvergenceError: rounding has eaten the conductances.
    """
    if solver not in ("ports", "hybrid"):
        rows, columns = conductance.shape
        word, bit = np.eye(rows), np.zeros((rows, columns))
        into = [currents(solver, conductance, network, Ends(word, word, bit, bit), 1e-13) for network in networks]
        found = [Terminals(ends.top + ends.bottom) for ends in into]
        return _with_heat(found, conductance, networks) if heat else found
    try:
        if solver == "hybrid":
            found = [Terminals(hybrid.transfer(conductance, network)) for network in networks]
            found = _with_heat(found, conductance, networks) if heat else found
        else:
            found = _by_ports(conductance, networks, threads, heat)
    except (ports.Failed, np.linalg.LinAlgError) as error:
        other = "solver='hybrid', or 'sparse'" if solver == "ports" else "solver='sparse'"
        raise ConvergenceError(
            f"port elimination failed: {error}",
            f"The conductances span too much for it, or a line floats: use {other}.",
        ) from None
    if not all(np.isfinite(one.transfer).all() for one in found):
        raise ConvergenceError("port elimination gave numbers that are not finite", "Does a line float?")
    return found


def _with_heat(found: list[Terminals], conductance: np.ndarray, networks: tuple[Network, ...]) -> list[Terminals]:
    """The admittances of the terminals by ports, which have them at hand: heat may be less exact than a read."""
    if not all(np.isfinite(rounding(conductance, network)) for network in networks):
        return found
    try:
        hot = _by_ports(conductance, networks, 1, True)
    except ports.Failed:
        return found
    return [own._replace(words=one.words, bits=one.bits) for own, one in zip(found, hot, strict=True)]


def _by_ports(
    conductance: np.ndarray, networks: tuple[Network, ...], threads: int, heat: bool = False
) -> list[Terminals]:
    found: list[Terminals] = []
    with Pair(threads) as pair:
        for k, network in enumerate(networks):
            alike = [j for j in range(k) if ports.alike(networks[j], network)]
            same = [j for j in alike if all(map(np.array_equal, networks[j], network))]
            if same:
                found.append(found[same[0]])
                continue
            if k == 0 or not alike or alike[-1] != k - 1:
                eliminated = ports.eliminate(conductance, network, pair)
            found.append(ports.between(eliminated, network, pair, heat=heat))
    return found


def fields(solver: Solver, conductance: np.ndarray, network: Network, voltages: Ends, tolerance: float) -> Solved:
    """Voltages of all nodes and currents of all ends, for terminals at given voltages (samples, lines).

    Raises:
        ConvergenceError: the tolerance was not reached.
    """
    if solver == "sparse":
        return _direct(conductance, network, voltages)
    return Prepared(conductance, network).fields(voltages, tolerance)


class Prepared:
    """An array made ready for `fields` by lines, under any number of voltages.

    Arguments:
        conductance: S, (rows, columns), float64.
        network: its lines.
    """

    def __init__(self, conductance: np.ndarray, network: Network) -> None:
        self.conductance, self.network = conductance, network
        resists = np.isfinite(rounding(conductance, network))
        self.lines = lines.prepare(conductance, network) if resists else None

    def fields(self, voltages: Ends, tolerance: float) -> Solved:
        """As the function of this name."""
        if self.lines is None:
            return _direct(self.conductance, self.network, voltages)
        # The iteration measures energy; currents are as good as that times a small factor, hence the margin.
        found, outcomes = lines.solve(self.lines, self.network, voltages, 0.1 * tolerance, _LIMIT)
        _check(outcomes, tolerance)
        return found


def currents(solver: Solver, conductance: np.ndarray, network: Network, voltages: Ends, tolerance: float) -> Ends:
    """Currents of all ends alone; as `fields`."""
    if solver == "sparse" or not np.isfinite(rounding(conductance, network)):
        return _direct(conductance, network, voltages).currents
    found, outcomes = lines.currents(lines.prepare(conductance, network), network, voltages, 0.1 * tolerance, _LIMIT)
    _check(outcomes, tolerance)
    return found


def _direct(conductance: np.ndarray, network: Network, voltages: Ends) -> Solved:
    try:
        return reference.solve(conductance, network, voltages)
    except (reference.Floating, reference.Shorted) as error:
        raise ConvergenceError(str(error), "Attach the line, or give its end a resistance.") from None


def _check(outcomes: list[lines.Outcome], tolerance: float) -> None:
    if not all(outcome.residual <= 0.1 * tolerance for outcome in outcomes):
        worst = float(np.max([outcome.residual for outcome in outcomes]))
        raise ConvergenceError(
            f"conjugate gradients stand at {worst:.1e} after {max(o.iterations for o in outcomes)} iterations, "
            f"wanted {0.1 * tolerance:.1e}",
            "Loosen the tolerance, or use solver='hybrid', which is exact.",
        )
