"""Compiled code of the fit: the filter's likelihood with gradient and information, in one pass over the readings."""

from __future__ import annotations

import math

import numpy as np

from ...ops.fingerprint import shared
from ...ops.guard import Guarded
from .kernels import (
    FAR,
    HALF_LOG_2PI,
    LOWER,
    NARROWEST,
    UPPER,
    cut,
    exponent,
)
from .tangents import cut_slopes, observe_slopes, step_slopes


@shared
def _pulsed(code, theta, middle, count, up, x, p, dx, dp, first, second):  # noqa: ANN001, ANN202, PLR0913
    """The state (x, variance p) after `count` pulses, and whether a bound is near; derivatives dx and dp in place."""
    last, sign, near = theta.size, 1.0 if up else -1.0, False
    cycle, additive = exponent(theta, last - 4), exponent(theta, last - 3)
    lower, upper = theta[LOWER], max(theta[UPPER], theta[LOWER] + NARROWEST)
    for _pulse in range(count):
        if near:
            m, v = cut(x, math.sqrt(p), lower, upper)
            cut_slopes(x, math.sqrt(p), lower, upper, m, dx, dp)
            x, p = m, v
        s, ds, bend = step_slopes(code, theta, middle, x, up, first, second)
        noise, stretch = cycle * s + additive, 1 + sign * ds
        kept, by_size = stretch**2 + (cycle * ds) ** 2, 2 * noise * cycle
        by_slope = 2 * p * (stretch * sign + cycle * cycle * ds)
        for k in range(last):
            size, slope = ds * dx[k] + first[k], bend * dx[k] + second[k]
            dp[k] = kept * dp[k] + by_size * size + by_slope * slope
            dx[k] += sign * size
        dp[last - 4] += by_size * s + 2 * (cycle * ds) ** 2 * p
        dp[last - 3] += 2 * noise * additive
        x += sign * s
        p = max(kept * p + noise**2, 1e-14)
        reach = FAR * math.sqrt(p)
        near = x - reach < lower or x + reach > upper
    return x, p, near


@shared
def _seen_at_bounds(y, x, p, r, lower, upper, lean, dr, w, exact, dx, dp, table, row, score):  # noqa: ANN001, ANN202, PLR0913
    """A reading next to a bound: log-density and the state behind it; derivatives, a row of information, score."""
    n = dx.size
    if not exact:
        mean, variance = cut(x, math.sqrt(p), lower, upper)
        row[0], row[1] = dx, dp
        cut_slopes(x, math.sqrt(p), lower, upper, mean, row[0], row[1])
        total = variance + r
        to_mean, to_variance = math.sqrt(w / total), math.sqrt(0.5 * w) / total
        for k in range(n):
            row[0, k] *= to_mean
            row[1, k] = to_variance * (row[1, k] + lean * dx[k])
        row[1, n - 2] += to_variance * dr[0]
        row[1, n - 1] += to_variance * dr[1]
    logl, x, v = observe_slopes(y, x, p, r, lower, upper, table)
    for j in range(3):
        table[0, j] += lean * table[2, j]
    for k in range(n):
        score[k] = table[0, 0] * dx[k] + table[1, 0] * dp[k]
        x_k, p_k = dx[k], dp[k]
        dx[k] = table[0, 1] * x_k + table[1, 1] * p_k
        dp[k] = table[0, 2] * x_k + table[1, 2] * p_k
    for k, j, by in ((LOWER, 3, 1.0), (UPPER, 4, 1.0), (n - 2, 2, dr[0]), (n - 1, 2, dr[1])):
        score[k] += table[j, 0] * by
        dx[k] += table[j, 1] * by
        dp[k] += table[j, 2] * by
    if exact:
        for k in range(n):
            row[0, k] = math.sqrt(w) * score[k]
    return logl, x, v


@shared
def _tangents(code, theta, setup, y, up, pulses, exact, weight, rows, gradient):  # noqa: ANN001, ANN202, PLR0913
    """The filter with its derivatives by all entries: the log-likelihood; `gradient`; `rows` (readings, 2, entries).

    The information is the product of `rows` with itself: expected for a normal reading; next to a bound the square of
    the score when `exact`, else that of a normal reading with the same mean and variance, with which a climb from far
    away is faster.
    """
    middle, zero, rounding = setup
    n = theta.size
    read, relative = exponent(theta, n - 2) ** 2, exponent(theta, n - 1) ** 2
    lower, upper = theta[LOWER], max(theta[UPPER], theta[LOWER] + NARROWEST)
    first, second, table, score = np.empty(n), np.empty(n), np.empty((5, 3)), np.empty(n)
    dx, dp = np.zeros(n), np.zeros(n)
    x, summed = y[0], 0.0
    p = read + relative * (x - zero) ** 2 + rounding
    dp[n - 2], dp[n - 1] = 2 * read, 2 * relative * (x - zero) ** 2
    for t in range(1, y.size):
        w, row = weight[t], rows[t]
        x, p, near = _pulsed(code, theta, middle, pulses[t], up[t], x, p, dx, dp, first, second)
        r, lean = read + relative * (x - zero) ** 2 + rounding, 2 * relative * (x - zero)
        dr = (2 * read, 2 * relative * (x - zero) ** 2)
        if near:
            logl, x, p = _seen_at_bounds(
                y[t], x, p, r, lower, upper, lean, dr, w, exact, dx, dp, table, row, score
            )
            for k in range(n):
                gradient[k] += w * score[k]
        else:
            error, total = y[t] - x, p + r
            logl = -0.5 * error * error / total - 0.5 * math.log(total) - HALF_LOG_2PI
            gain, ratio = p / total, error / total
            by_total = 0.5 * (ratio * ratio - 1 / total)
            to_mean, to_variance = math.sqrt(w / total), math.sqrt(0.5 * w) / total
            for k in range(n):
                score[k] = lean * dx[k]
            score[n - 2] += dr[0]
            score[n - 1] += dr[1]
            for k in range(n):
                dtotal = dp[k] + score[k]
                gradient[k] += w * (ratio * dx[k] + by_total * dtotal)
                row[0, k], row[1, k] = to_mean * dx[k], to_variance * dtotal
                dx[k] += (dp[k] - gain * dtotal) * ratio - gain * dx[k]
                dp[k] = (1 - gain) ** 2 * dp[k] + gain * gain * score[k]
            x += gain * error
            p = gain * r
        summed += w * logl
    return summed


@shared
def _scores(code, thetas, setup, free, exact, y, up, pulses, weight, starts, owner):  # noqa: ANN001, ANN202, PLR0913
    """Log-likelihood of all traces, and gradient and information of the free entries for each owner of traces."""
    devices, n, entries = thetas.shape[0], free.size, thetas.shape[1]
    gradient, information, total = np.zeros((devices, n)), np.zeros((devices, n, n)), 0.0
    for i in range(owner.size):
        a, b, who = starts[i], starts[i + 1], owner[i]
        rows, whole = np.zeros((b - a, 2, entries)), np.zeros(entries)
        total += _tangents(
            code, thetas[who], setup, y[a:b], up[a:b], pulses[a:b], exact, weight[a:b], rows, whole
        )
        gradient[who] += whole[free]
        flat = rows.reshape((2 * (b - a), entries))
        information[who] += (flat.T @ flat)[free][:, free]
    return total, gradient, information


scores = Guarded(_scores)
