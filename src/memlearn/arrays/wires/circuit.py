"""The circuit of an array as users give it: checked, in SI units, one direction of reading at a time."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError, nearest
from ...ops.wires.network import Ends, Network

Read = Literal["forward", "transposed"]
DoubleSided = Literal["none", "drive", "sense", "both"]

PerLine = float | Tensor
"""Ohm: one number for all lines, or one for each."""


class Resistances(NamedTuple):
    """What the lines are made of. One segment per crossing: a line of n cells has n, the one at its driver or sense
    included; `double_sided` lines have one more, at their other end."""

    r_word_line: PerLine = 1.0
    """Ohm, of a segment of a word line; (rows,)."""
    r_bit_line: PerLine = 1.0
    """Ohm, of a segment of a bit line; (columns,)."""
    r_source: PerLine = 0.0
    """Ohm, of a driver; one for each driven line."""
    r_sense: PerLine = 0.0
    """Ohm, of a sense input; one for each sensed line."""
    double_sided: DoubleSided = "none"
    """Whose lines are driven, or sensed, at both ends."""

    def network(self, rows: int, columns: int, read: Read) -> Network:
        """Its circuit while it is read in one direction.

        Raises:
            InputError: a resistance is negative, not finite, or has not one value a line.
        """
        check_direction(read)
        sides = ("none", "drive", "sense", "both")
        if self.double_sided not in sides:
            raise InputError("double_sided", self.double_sided, "unknown", nearest(str(self.double_sided), sides))
        forward = read == "forward"
        word, bit = _line("r_word_line", self.r_word_line, rows), _line("r_bit_line", self.r_bit_line, columns)
        source = _line("r_source", self.r_source, rows if forward else columns)
        sense = _line("r_sense", self.r_sense, columns if forward else rows)
        at_word, at_bit = (word + source, bit + sense) if forward else (word + sense, bit + source)
        drive, sensed = self.double_sided in ("drive", "both"), self.double_sided in ("sense", "both")
        both_words, both_bits = (drive, sensed) if forward else (sensed, drive)
        open_word, open_bit = np.full(rows, np.inf), np.full(columns, np.inf)
        return Network(
            word, bit, at_word, at_word if both_words else open_word, at_bit if both_bits else open_bit, at_bit
        )


def _line(name: str, value: Any, lines: int) -> np.ndarray:
    """(lines,), float64, from one number or one a line."""
    if isinstance(value, float | int) and 0 <= value < math.inf:
        return np.full(lines, float(value))
    given = torch.as_tensor(value, dtype=torch.float64).detach().cpu().numpy()
    if given.ndim > 1 or (given.ndim == 1 and given.shape[0] not in (1, lines)):
        raise InputError(name, tuple(given.shape), f"must be one number, or one for each of {lines} lines")
    if not np.isfinite(given).all() or (given < 0).any():
        raise InputError(name, value, "must be finite and >= 0 ohm", "A wire without resistance has 0.")
    return np.broadcast_to(given, (lines,)).astype(np.float64)


def checked(conductances: Any, voltages: Any, read: Read) -> tuple[Tensor, Tensor]:
    """Conductances (..., rows, columns) and voltages (..., samples, driven lines), of one type and on one device.

    Raises:
        InputError: shapes do not fit, or a number is not finite, or a conductance is negative.
    """
    check_direction(read)
    g, v = torch.as_tensor(conductances), torch.as_tensor(voltages)
    for name, tensor in (("conductances", g), ("voltages", v)):
        if not tensor.is_floating_point():
            remedy = "Convert it, for instance with .double()."
            raise InputError(name, str(tensor.dtype), "must be a floating-point tensor", remedy)
    if g.dim() < 2 or 0 in g.shape:
        raise InputError("conductances", tuple(g.shape), "must have shape (..., rows, columns)", "S, cell by cell.")
    lines = g.shape[-2] if read == "forward" else g.shape[-1]
    if v.dim() < 1 or v.shape[-1] != lines:
        side = "rows" if read == "forward" else "columns"
        raise InputError("voltages", tuple(v.shape), f"must have shape (..., samples, {side}) = (..., {lines})")
    check_conductances(g)
    if not bool(torch.isfinite(v).all()):
        raise InputError("voltages", "a tensor with NaN or infinity", "must be finite", "V.")
    kind = torch.promote_types(g.dtype, v.dtype)
    return g.to(kind), v.to(g.device, kind)


def check_direction(read: str) -> None:
    """Raise InputError for an unknown direction."""
    if read not in ("forward", "transposed"):
        raise InputError("read", read, "unknown direction", nearest(str(read), ("forward", "transposed")))


def check_conductances(g: Tensor) -> None:
    """Raise InputError where a conductance is negative or not finite."""
    cells = as_numpy(g)
    least, most = cells.min(), cells.max()  # NaN where there is one
    if not math.isfinite(least) or not math.isfinite(most):
        remedy = "A shorted cell has a large conductance, not an infinite one; an open one has 0."
        raise InputError("conductances", "a tensor with NaN or infinity", "must be finite", remedy)
    if float(least) < 0:
        raise InputError("conductances", float(least), "must be >= 0 S", "Signs are made by pairs of cells.")


def as_numpy(g: Tensor) -> np.ndarray:
    """A tensor as float64, with no help from torch's threads: once woken they keep a core busy for milliseconds."""
    plain = g.detach().cpu()
    return (plain.float() if plain.dtype is torch.bfloat16 else plain).numpy().astype(np.float64, copy=False)


def paired(g: Tensor, v: Tensor, sizes: torch.Size) -> tuple[np.ndarray, np.ndarray]:
    """Arrays and their voltages with the leading axes broadcast and made one."""
    wide_g, wide_v = g.detach().expand(*sizes, *g.shape[-2:]), v.detach().expand(*sizes, *v.shape[-2:])
    flat_g, flat_v = (t.double().cpu().reshape(-1, *t.shape[-2:]).numpy() for t in (wide_g, wide_v))
    return flat_g, flat_v


def terminals(voltage: np.ndarray, shape: tuple[int, ...], transposed: bool) -> Ends:
    """Voltages of all ends while one side is driven."""
    word, bit = np.zeros((len(voltage), shape[0])), np.zeros((len(voltage), shape[1]))
    return Ends(word, word, voltage, voltage) if transposed else Ends(voltage, voltage, bit, bit)
