"""One pulse of a law, compiled from its step; what every kernel of the law is made of."""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from ..fingerprint import digest
from ..guard import tagged
from .draws import uniform_of

_ONE = np.float32(1)
# What a law may call and still be evaluated both ways, up and down, for a whole row of cells at once.
_CHEAP = {"np", "float32", "maximum", "minimum", "abs"}


class Law(NamedTuple):
    """A law's parts, as functions that kernels compile in."""

    mean: Callable[..., Any]
    """mean(g, p, up, noise, cell, k0, k1, ordinal): the law's step, whatever arguments it takes."""
    loud: Callable[..., Any]
    """loud(noise): whether there is any."""
    pulse: Callable[..., Any]
    """pulse(g, p, up, size, z, noise): the conductance after a pulse of mean `size` with the normal number z."""
    reads: int
    """Columns of parameters that the step reads, where it is plain arithmetic, so that whole rows of cells are worth
    visiting where only some are pulsed; 0 for other laws."""
    fingerprint: str
    """Digest of the law's code, and of all code that its kernels share."""


def compile_law(step: Callable[..., Any], drawn: bool, table: bool, uneven: bool, shared: tuple[Any, ...]) -> Law:
    """The parts of a law.

    Arguments:
        step, drawn, table, uneven: as in `compile_step`.
        shared: functions that every kernel compiles in. Numba keys its disk cache on the file of a kernel; the code of
            the law and of what is shared must be part of the key too, or after an edit the old kernel would run on.
    """
    step = register_jitable(step)
    fingerprint = digest(drawn, table, uneven, step, *shared)

    # A law that draws nothing must not pay for a draw, nor one without a table for a table: a body for each kind.
    if drawn and table:

        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up, noise[3], uniform_of(cell, k0, k1, ordinal))
    elif drawn:

        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up, uniform_of(cell, k0, k1, ordinal))
    elif table:

        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up, noise[3])
    else:

        def mean(g: Any, p: Any, up: bool, noise: Any, cell: Any, k0: Any, k1: Any, ordinal: Any) -> Any:
            return step(g, p, up)

    if uneven:

        def terms(noise: Any, up: bool) -> Any:
            return (noise[0], noise[1], noise[2]) if up else (noise[4], noise[5], noise[6])
    else:

        def terms(noise: Any, up: bool) -> Any:
            return noise[0], noise[1], noise[2]

    terms = register_jitable(tagged(fingerprint)(terms))

    @register_jitable
    @tagged(fingerprint)
    def loud(noise: Any) -> bool:
        a, b = terms(noise, True), terms(noise, False)
        return a[0] != 0 or a[1] != 0 or a[2] != 0 or b[0] != 0 or b[1] != 0 or b[2] != 0

    @register_jitable
    @tagged(fingerprint)
    def pulse(g: Any, p: Any, up: bool, size: Any, z: Any, noise: Any) -> Any:
        relative, absolute, slope = terms(noise, up)
        size = size * (_ONE + relative * z)
        if absolute != 0 or slope != 0:
            size = size + (absolute + slope * (g - p[0])) * z
        moved = g + size if up else g - size
        moved = moved if moved > p[0] else p[0]
        return moved if moved < p[1] else p[1]

    reads = _columns(step) if not (drawn or table or uneven) and _plain(step) else 0
    return Law(register_jitable(tagged(fingerprint)(mean)), loud, pulse, reads, fingerprint)


def _plain(step: Callable[..., Any]) -> bool:
    """True where a law is sums, products and extremes of single precision, and nothing that costs a call."""
    powers = any(line.argrepr.startswith("**") for line in dis.get_instructions(step))
    return not powers and set(step.__code__.co_names) <= _CHEAP


def _columns(step: Callable[..., Any]) -> int:
    """One more than the last column of parameters that a plain step reads, the two bounds included."""
    read = {0, 1}

    class Row:
        def __getitem__(self, column: int) -> np.float32:
            read.add(column)
            return _ONE

    for up in (True, False):
        step(_ONE, Row(), up)
    return max(read) + 1
