"""Compiled code of the fit: derivatives by all parameters of the step, of the cut at the bounds and of a reading there.

Each function has its plain twin in `kernels`; `tests/oracles/test_fit_scores.py` compares the two.
"""

from __future__ import annotations

import math

from ...ops.fingerprint import shared
from .kernels import (
    AFFINE,
    BALANCE,
    HALF_LOG_2PI,
    LOWER,
    NARROWEST,
    NOISES,
    PIECEWISE,
    POWER,
    SHAPES,
    STEP,
    TINY,
    UPPER,
    density,
    exponent,
    node,
    phi,
    step_and_slope,
)


@shared
def _shape_slopes(code, theta, own, shapes, size, x, sign, ahead, width, first, second):  # noqa: ANN001, ANN202, PLR0913
    """Derivatives of a step and of its slope by the shapes, into `first` and `second`; and by x, `ahead` and `width`.

    Returns (curvature, d step/d ahead, d slope/d ahead, d step/d width, d slope/d width), slopes along x.
    """
    if code == AFFINE:
        slope = theta[own] / ahead
        first[own], second[own] = -size * x / ahead, -size / ahead
        return 0.0, size * slope * x / ahead, size * slope / ahead, 0.0, 0.0
    if code == POWER:
        left, power = (ahead - x) / ahead, exponent(theta, own)
        s, safe = size * left**power, max(left, 1e-3)
        ds = -s * power / (safe * ahead)
        first[own] = power * s * math.log(left)
        second[own] = ds * (1 + power * math.log(left))
        by_ahead = s * power / safe * x / ahead**2
        slope_by_ahead = -power / (safe * ahead) * (by_ahead - s * x / (safe * ahead**2) - s / ahead)
        return s * power * (power - 1) / (safe * ahead) ** 2, by_ahead, slope_by_ahead, 0.0, 0.0
    plateau, rate = exponent(theta, own), 2 * theta[own + 1] / width
    bend = math.exp(min(max(rate * x, -60.0), 60.0))
    growth = size * (plateau - 1) * bend
    first[own], second[own] = size * plateau * (1 - bend), -size * plateau * bend * rate
    first[own + 1], second[own + 1] = -growth * x * 2 / width, -growth * 2 / width * (rate * x + 1)
    return -growth * rate**2, 0.0, 0.0, growth * x * rate / width, growth * rate / width * (rate * x + 1)


@shared
def step_slopes(code, theta, middle, z, up, first, second):  # noqa: ANN001, ANN201
    """A step, its slope and curvature at z; derivatives by all entries: `first` of the step, `second` of its slope."""
    s, ds = step_and_slope(code, theta, middle, z, up)
    first[:], second[:] = 0.0, 0.0
    if s <= 0:
        return 0.0, 0.0, 0.0
    lower, upper = theta[LOWER], max(theta[UPPER], theta[LOWER] + NARROWEST)
    follows = 0.5 if math.isnan(middle) else 0.0
    if math.isnan(middle):
        middle = 0.5 * (lower + upper)
    sign, width = 1.0 if up else -1.0, upper - lower
    size = math.exp(min(max(theta[STEP] + sign * theta[BALANCE], -60.0), 60.0))
    shapes = (theta.size - SHAPES - NOISES) // 2
    own = SHAPES if up else SHAPES + shapes
    first[STEP], second[STEP] = s, ds
    first[BALANCE], second[BALANCE] = sign * s, sign * ds
    if code == PIECEWISE:
        place = (z - lower) / width * shapes
        if not 0.0 < place < shapes:
            k, part, gain = (0, 0.0, 0.0) if place <= 0 else (shapes - 1, 1.0, 0.0)
        else:
            k = int(place)
            part, gain = place - k, shapes / width
        for j, share, tilt in ((k, 1 - part, -gain), (k + 1, part, gain)):
            if j != shapes // 2:
                moved = size * node(theta, own, j, shapes + 1)
                entry = own + (j if j < shapes // 2 else j - 1)
                first[entry], second[entry] = moved * share, moved * tilt
        along = place / shapes
        first[LOWER], second[LOWER] = ds * (along - 1), ds / width
        first[UPPER], second[UPPER] = -ds * along, -ds / width
        return s, ds, 0.0
    ahead = max(upper - middle if up else middle - lower, NARROWEST)
    x = sign * (z - middle)
    bend, a, da, w, dw = _shape_slopes(code, theta, own, shapes, size, x, sign, ahead, width, first, second)
    slope = sign * ds
    to_lower, to_upper = (-follows, 1 - follows) if up else (follows - 1, follows)
    for entry, grows, nearer in ((LOWER, -1.0, to_lower), (UPPER, 1.0, to_upper)):
        first[entry] = -slope * sign * follows + a * nearer + w * grows
        second[entry] = -bend * sign * follows + da * nearer + dw * grows
    for k in range(SHAPES, theta.size - NOISES):
        second[k] *= sign
    second[LOWER] *= sign
    second[UPPER] *= sign
    return s, ds, bend


@shared
def cut_slopes(mean, spread, lower, upper, m, dx, dp):  # noqa: ANN001, ANN201
    """The derivatives of the state (dx, dp, by all entries) carried through `cut`, whose mean was m; in place."""
    a, b = (lower - mean) / spread, (upper - mean) / spread
    below, above = phi(a), phi(-b)
    inside = max(1 - below - above, 0.0)
    da, db = density(a), density(b)
    by_mean = 2 * (inside * mean + spread * (da - db) - m * inside)
    by_spread = 2 * (mean * (da - db) + spread * (inside + a * da - b * db) - m * (da - db))
    half = 0.5 / spread
    for k in range(dx.size):
        wider = half * dp[k]
        dp[k] = by_mean * dx[k] + by_spread * wider
        dx[k] = inside * dx[k] + (da - db) * wider
    dp[LOWER] += 2 * (lower - m) * below
    dx[LOWER] += below
    dp[UPPER] += 2 * (upper - m) * above
    dx[UPPER] += above


@shared
def observe_slopes(y, mean, p, r, lower, upper, table):  # noqa: ANN001, ANN201
    """`observe_at_bounds`, and its results differentiated by (mean, p, r, lower, upper) in `table` (5, 3)."""
    spread, total = math.sqrt(p), p + r
    over_total, over_r = 1 / total, 1 / r
    gain, error = p * over_total, y - mean
    m, s = mean + gain * error, math.sqrt(p * r * over_total)
    over_s, over_spread = 1 / s, 1 / spread
    a, b = (lower - m) * over_s, (upper - m) * over_s
    inside = max(phi(b) - phi(a) if b < 0 or a > 0 else 1 - phi(a) - phi(-b), TINY)
    fa, fb = density(a) / inside, density(b) / inside
    c, d = (lower - mean) * over_spread, (mean - upper) * over_spread
    on_c, on_d = max(phi(c), TINY), max(phi(d), TINY)
    at = -0.5 * error * error * over_total - 0.5 * math.log(total) + math.log(inside)
    half_log = 0.5 * math.log(r)
    on_lower = -0.5 * (y - lower) ** 2 * over_r - half_log + math.log(on_c)
    on_upper = -0.5 * (y - upper) ** 2 * over_r - half_log + math.log(on_d)
    top = max(at, on_lower, on_upper)
    w, wl, wu = math.exp(at - top), math.exp(on_lower - top), math.exp(on_upper - top)
    whole = w + wl + wu
    logl = top + math.log(whole) - HALF_LOG_2PI
    w, wl, wu = w / whole, wl / whole, wu / whole
    factor = max(1 + a * fa - b * fb - (fa - fb) ** 2, 1e-6)
    usual = inside > 1e-12
    inner = m + s * (fa - fb) if usual else (lower if m < lower else upper)
    variance = s * s * factor if usual else 1e-14
    x = w * inner + wl * lower + wu * upper
    v = w * (variance + (inner - x) ** 2) + wl * (lower - x) ** 2 + wu * (upper - x) ** 2
    fc, fd = density(c) / on_c * over_spread, density(d) / on_d * over_spread
    for k in range(5):
        dmean, dp, dr, dl, du = 1.0 * (k == 0), 1.0 * (k == 1), 1.0 * (k == 2), 1.0 * (k == 3), 1.0 * (k == 4)
        part = (dp + dr) * over_total
        dm = dmean * (1 - gain) + (dp * over_total - gain * part) * error
        ds = 0.5 * ((dp * r + p * dr) * over_total - s * s * part) * over_s
        da, db = (dl - dm - a * ds) * over_s, (du - dm - b * ds) * over_s
        grows = fb * db - fa * da
        d_at = error * over_total * (dmean + 0.5 * error * part) - 0.5 * part + grows
        d_lower = (y - lower) * over_r * (dl + 0.5 * (y - lower) * dr * over_r) - 0.5 * dr * over_r
        d_lower += fc * (dl - dmean - 0.5 * c * dp * over_spread)
        d_upper = (y - upper) * over_r * (du + 0.5 * (y - upper) * dr * over_r) - 0.5 * dr * over_r
        d_upper += fd * (dmean - du - 0.5 * d * dp * over_spread)
        dlogl = w * d_at + wl * d_lower + wu * d_upper
        dw, dwl, dwu = w * (d_at - dlogl), wl * (d_lower - dlogl), wu * (d_upper - dlogl)
        if usual:
            dfa, dfb = -fa * (a * da + grows), -fb * (b * db + grows)
            dinner = dm + ds * (fa - fb) + s * (dfa - dfb)
            bends = da * fa + a * dfa - db * fb - b * dfb - 2 * (fa - fb) * (dfa - dfb) if factor > 1e-6 else 0.0
            dvariance = 2 * s * ds * factor + s * s * bends
        else:
            dinner, dvariance = (dl if m < lower else du), 0.0
        table[k, 0] = dlogl
        table[k, 1] = dw * inner + dwl * lower + dwu * upper + w * dinner + wl * dl + wu * du
        # The spread of three points around their mean: moving the mean itself changes nothing in first order.
        table[k, 2] = dw * (variance + (inner - x) ** 2) + dwl * (lower - x) ** 2 + dwu * (upper - x) ** 2
        table[k, 2] += w * (dvariance + 2 * (inner - x) * dinner)
        table[k, 2] += 2 * wl * (lower - x) * dl + 2 * wu * (upper - x) * du
    return logl, x, max(v, 1e-14)
