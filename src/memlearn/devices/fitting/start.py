"""Where the fit starts: step, slope and noises from plain differences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .packed import Packed

_LAG = 3
"""Readings between a step and the state that stands in for its own: far enough to share no read noise with it."""


class Glance(NamedTuple):
    """A first look at the data, in units of z, before any law."""

    up: float
    """Mean step up at the middle of the data."""
    down: float
    slope_up: float
    """Loss of the up step per unit of z, over that step: 0 constant, 2 zero at the upper end."""
    slope_down: float
    read: float
    """Read noise."""
    spread: float
    """Noise of one step."""


def glance(packed: Packed) -> Glance:
    """Steps by instrumental regression on a state of some readings ago, noises from the autocovariance of steps."""
    rows = _triples(packed)
    found = {}
    residual = []
    for way in (True, False):
        change, before, early = (column[rows.up == way] for column in (rows.change, rows.before, rows.early))
        found[way] = _line(change, before, early)
        level, tilt = found[way]
        residual.append(change - level - tilt * (before - 0.5))
    variance = float(np.mean(np.concatenate(residual) ** 2))
    read = np.sqrt(np.clip(-rows.covariance, 0.0025 * variance, 0.49 * variance))
    spread = np.sqrt(max(variance - 2 * read**2, 0.02 * variance))
    (level_up, tilt_up), (level_down, tilt_down) = found[True], found[False]
    up, down = _sure(level_up, variance), _sure(-level_down, variance)
    return Glance(up, down, float(-tilt_up / up), float(-tilt_down / down), float(read), float(spread))


class _Rows(NamedTuple):
    change: np.ndarray
    before: np.ndarray
    early: np.ndarray
    up: np.ndarray
    covariance: float


def _triples(packed: Packed) -> _Rows:
    """Change per pulse, state before, state before that, direction; and the covariance of neighbouring changes."""
    parts: list[tuple[np.ndarray, ...]] = []
    products: list[np.ndarray] = []
    for a, b in zip(packed.starts[:-1], packed.starts[1:], strict=True):
        y, up, n = packed.y[a:b], packed.up[a:b], packed.pulses[a:b]
        change = np.diff(y) / np.maximum(n[1:], 1)
        lag = np.maximum(np.arange(len(change)) - _LAG, 0)
        used = n[1:] > 0
        parts.append((change[used], y[:-1][used], y[lag][used], up[1:][used]))
        same = (up[1:-1] == up[2:]) & (n[1:-1] == n[2:])
        smooth = _detrended(change)
        products.append((smooth[:-1] * smooth[1:])[same])
    change, before, early, up = (np.concatenate(column) for column in zip(*parts, strict=True))
    pairs = np.concatenate(products)
    return _Rows(change, before, early, up, float(np.mean(pairs)) if pairs.size else 0.0)


def _detrended(change: np.ndarray) -> np.ndarray:
    """Changes less their running median, so that a changing step does not look like correlated noise."""
    half = 4
    if len(change) < 2 * half + 1:
        return change - np.median(change)
    padded = np.pad(change, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return change - np.median(windows, axis=1)


def _line(change: np.ndarray, before: np.ndarray, early: np.ndarray) -> tuple[float, float]:
    """Value at z = 0.5 and slope of the change over the state."""
    if change.size == 0:
        return 0.0, 0.0
    aside = early - early.mean()
    common = float(aside @ (before - before.mean()))
    tilt = float(aside @ (change - change.mean())) / common if common > 1e-9 and change.size > 8 else 0.0
    level = float(change.mean())
    tilt = float(np.clip(tilt, -2 * abs(level) * 2, 2 * abs(level) * 2))
    return level + tilt * (0.5 - float(before.mean())), tilt


def _sure(step: float, variance: float) -> float:
    """A positive step to start from, also where the mean change has the wrong sign."""
    return max(step, 0.02 * float(np.sqrt(variance)), 1e-5)
