"""Arrays whose cells are not ohmic: Newton's method forward, one linear network backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.errors import ConvergenceError, InputError
from ...ops.wires import newton
from ...ops.wires.network import Ends, Network, Solved
from ..selectors import AbstractSelector
from .circuit import Read, paired, terminals
from .solvers import fields


class Bent(torch.autograd.Function):
    """Currents and node voltages; gradients of the currents.

    Around the solution the array is a linear one of cells dI/dV. With d the voltages across the cells and d* those of
    that network when dL/dI drives the sensed ends: dL/dG = - sum over samples of (I / G) d*, as every law is
    proportional to G, and dL/dV is the current into the driven ends.
    """

    @staticmethod
    def forward(  # noqa: D102  # noqa: D102
        ctx: Any, g: Tensor, v: Tensor, selector: AbstractSelector, network: Network, read: Read, tolerance: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        _check_lines(network)
        sizes = torch.broadcast_shapes(g.shape[:-2], v.shape[:-2])
        found = []
        for one, voltage in zip(*paired(g, v, sizes), strict=True):
            found.append(_solved(one, voltage, selector, network, read == "transposed", tolerance))
        current, word, bit = (
            torch.from_numpy(np.stack(parts)).reshape(*sizes, *parts[0].shape).to(v)
            for parts in zip(*found, strict=True)
        )
        ctx.save_for_backward(g, v, word - bit)
        ctx.settings = selector, network, read, tolerance
        ctx.mark_non_differentiable(word, bit)
        return current, word, bit

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # noqa: D102
        ctx: Any, error: Tensor, *_: Any
    ) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        g, v, across = ctx.saved_tensors
        selector, network, read, tolerance = ctx.settings
        wide, sizes = torch.broadcast_to(g[..., None, :, :], across.shape), across.shape[:-3]
        to_v, back = error.new_empty(*sizes, *v.shape[-2:]), torch.empty_like(across)
        cells, drops = (x.detach().double().cpu().numpy() for x in (wide, across))
        slopes = selector.slope(cells, drops)
        for index in np.ndindex(*across.shape[:-2]):
            ends = terminals(error[index][None].double().cpu().numpy(), g.shape[-2:], read == "forward")
            solved = fields("lines", slopes[index], network, ends, tolerance)
            into = solved.currents
            driven = into.left + into.right if read == "forward" else into.top + into.bottom
            to_v[index] = torch.from_numpy(driven[0]).to(to_v)
            back[index] = torch.from_numpy(solved.word[0] - solved.bit[0]).to(back)
        unit = torch.from_numpy(selector.current(np.ones_like(drops), drops)).to(back)
        to_g = -(unit * back).sum(-3).sum_to_size(g.shape)
        return to_g, to_v.sum_to_size(v.shape), None, None, None, None


def _solved(
    cells: np.ndarray,
    voltage: np.ndarray,
    selector: AbstractSelector,
    network: Network,
    transposed: bool,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Currents into the sensed ends, word and bit nodes of one array."""
    solved = bent_fields(cells, network, terminals(voltage, cells.shape, transposed), selector, tolerance)
    into = solved.currents
    return (into.left + into.right if transposed else into.top + into.bottom), solved.word, solved.bit


def delivered(
    g: Tensor, v: Tensor, selector: AbstractSelector, network: Network | None, transposed: bool, tolerance: float
) -> tuple[Tensor, Tensor]:
    """What is sensed, A, (..., samples, sensed lines), and what the sources deliver, W, (...), added up over samples.

    Arguments:
        g: S, (..., rows, columns).
        v: V, (..., samples, driven lines); leading axes broadcast.
        selector: of the cells.
        network: of each array, segments and ends > 0; None: lines without resistance.
        transposed: the bit lines are driven.
        tolerance: largest change of a node in the last step, relative to the largest voltage.
    """
    sizes = torch.broadcast_shapes(g.shape[:-2], v.shape[:-2])
    if network is None or all(not np.any(part[np.isfinite(part)]) for part in network):
        felt = torch.from_numpy(np.asarray(selector.current(np.ones(()), v.detach().double().cpu().numpy())))
        cells = g.detach().double().cpu()
        current = felt @ (cells.mT if transposed else cells)
        watts = (v.detach().double().cpu() * felt).sum(-2) * cells.sum(-2 if transposed else -1)
        return current.to(v), watts.sum(-1)
    _check_lines(network)
    found, watts = [], []
    for one, voltage in zip(*paired(g, v, sizes), strict=True):
        out = bent_fields(one, network, terminals(voltage, one.shape, transposed), selector, tolerance).currents
        words, bits = out.left + out.right, out.top + out.bottom
        sensed, driven = (words, bits) if transposed else (bits, words)
        found.append(sensed)
        watts.append(-(np.nan_to_num(driven) * voltage).sum())
    current = torch.from_numpy(np.stack(found)).reshape(*sizes, *found[0].shape)
    return current.to(v), torch.tensor(watts, dtype=torch.float64).reshape(sizes)


def _check_lines(network: Network) -> None:
    """Raise InputError where a segment or an end has no resistance."""
    least = min(float(r.min()) for r in (network.word, network.bit, network.left, network.bottom))
    if least <= 0:
        allowed = "cells that are not ohmic need lines with a resistance > 0"
        raise InputError("r_word_line", 0.0, allowed, "1e-3 ohm will do.")


def bent_fields(
    cells: np.ndarray, network: Network, voltages: Ends, selector: AbstractSelector, tolerance: float
) -> Solved:
    """Voltages of all nodes and currents of all ends of one array, for terminals at given voltages (samples, lines).

    Raises:
        ConvergenceError: the tolerance was not reached.
    """
    scale = max(max(float(np.abs(v).max(initial=0.0)) for v in voltages), 1e-300)
    solved, outcomes = newton.solve(
        lambda d: (selector.current(cells, d), selector.slope(cells, d)),
        network,
        voltages,
        (cells.shape[0], cells.shape[1]),
        tolerance * scale,
    )
    if not all(outcome.change <= tolerance * scale for outcome in outcomes):
        worst = float(np.max([outcome.change for outcome in outcomes]))
        raise ConvergenceError(
            f"Newton's method still moves nodes by {worst:.1e} V after {max(o.steps for o in outcomes)} steps",
            "Lower the drive, soften the selector (a wider knee, more leak), or loosen the tolerance.",
        )
    return solved
