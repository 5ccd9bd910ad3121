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
    # Fitted by experiments/measured_effects.py to 15,961 measured cells at room temperature: mean and standard
    # deviation of the change, over 32 levels; fitted over measured spread, root mean square 13 to 16 %.
    "rram_tech_b": Record(
        128e-6,
        1e-3,
        (0.01, 0.1, 1.0, 100.0, 1000.0, 10_000.0),
        (
            (-0.0008, 0.0454, -0.4756, 1.5831, -2.3459, 1.622, -0.428),
            (-0.0043, 0.1872, -1.8833, 6.4849, -10.183, 7.563, -2.165),
            (-0.0035, 0.2337, -2.69, 9.5367, -15.0038, 11.0348, -3.1081),
            (-0.0065, 0.3846, -4.2961, 15.2851, -24.2744, 18.0277, -5.1211),
            (-0.0066, 0.4398, -5.2142, 18.6604, -29.4488, 21.6455, -6.0767),
            (-0.0104, 0.7113, -7.3615, 25.0378, -38.4429, 27.7676, -7.7025),
        ),
        (
            (0.0047, -0.1433, 2.7786, -10.8152, 17.3933, -12.7592, 3.5453),
            (0.025, -0.6108, 6.7106, -23.2199, 35.5032, -25.2641, 6.86),
            (0.0084, -0.251, 4.8382, -18.0716, 27.605, -19.081, 4.956),
            (0.0048, -0.0542, 3.607, -14.4219, 21.9098, -14.64, 3.5986),
            (0.0119, -0.3106, 5.8894, -21.8665, 33.2344, -22.8665, 5.9132),
            (-0.0066, 0.6284, -0.867, -0.9773, 1.0741, 1.3296, -1.1763),
        ),
    ),
}
