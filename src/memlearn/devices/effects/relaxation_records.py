"""Published statistics of relaxation after a write, as data; `relaxation.py` says what the numbers mean."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """Polynomials in g = G / scale, in units of scale, at some times after the write."""

    scale: float
    """S, the conductance of g = 1."""
    onset: float
    """s."""
    times: tuple[float, ...]
    """s, ascending."""
    shift: tuple[tuple[float, ...], ...]
    """A row for each time: the mean of what has been added by then."""
    spread: tuple[tuple[float, ...], ...]
    """Likewise the standard deviation."""


def _per(scale: float, *coefficients: float) -> tuple[float, ...]:
    """Coefficients in microsiemens, over a scale in microsiemens."""
    return tuple(value / scale for value in coefficients)


RECORDS: dict[str, Record] = {
    # Total spread at 1 s, 1 day, 2 days, programming error included; no shift is published, and nothing before 1 s.
    # The fit at 2 days lies up to 2 % below that of 1 day for some g, where it is held.
    "hfox_neurram": Record(
        40e-6,
        1e-3,
        (1.0, 86_400.0, 172_800.0),
        ((0.0,), (0.0,), (0.0,)),
        (
            _per(40, 0.348, 16.030, -43.853, 45.393, -16.815),
            _per(40, 0.701, 22.086, -50.773, 47.095, -16.458),
            _per(40, 0.782, 20.274, -43.507, 37.062, -11.934),
        ),
    ),
    # shift -0.0890 ln t, spread 0.0420 ln t + 0.4118 microsiemens at every G (hence the scale): two ends of a straight
    # line in ln t, from 1 s to exp(10) s.
    "cmo_hfox": Record(1e-6, 1e-3, (1.0, 22026.465794806718), ((0.0,), (-0.890,)), ((0.4118,), (0.8318,))),
    # PLACEHOLDER
}
