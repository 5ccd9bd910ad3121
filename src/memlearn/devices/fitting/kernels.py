"""Compiled code of the fit: the laws' steps, the filter that gives the likelihood, and simulation.

Everything here is in units of the data (z = (G - offset) / scale). The filter's derivatives are in `tangents`.

A parameter vector is [step, balance, lower, upper, shapes..., cycle, additive, read, read_relative]: logarithm of the
mean step and half the logarithm of up over down step at the middle; bounds; the law's shapes; logarithms of the noises.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...ops.guard import Guarded

AFFINE, POWER, EXPONENTIAL, PIECEWISE = 0, 1, 2, 3
STEP, BALANCE, LOWER, UPPER, SHAPES = 0, 1, 2, 3, 4
NOISES = 4
"""Entries before the shapes, and entries behind them."""
OFF = -40.0
"""Logarithm of a noise that is switched off."""
TINY = 1e-300
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_ROOT_HALF = math.sqrt(0.5)
FAR = 6.0
"""A bound further away than so many standard deviations does not matter."""
NARROWEST = 1e-3
jit: Any = numba.njit(cache=True, error_model="numpy", nogil=True)


@jit
def exponent(theta, i):  # noqa: ANN001, ANN201
    """A number from its logarithm, without overflow."""
    return math.exp(min(max(theta[i], -60.0), 60.0))


@jit
def step_and_slope(code, theta, middle, z, up):  # noqa: ANN001, ANN201
    """Size of one step at z, never negative, and its derivative; `middle` may be NaN: half-way between the bounds."""
    lower, upper = theta[LOWER], max(theta[UPPER], theta[LOWER] + NARROWEST)
    if math.isnan(middle):
        middle = 0.5 * (lower + upper)
    sign = 1.0 if up else -1.0
    size = math.exp(min(max(theta[STEP] + sign * theta[BALANCE], -60.0), 60.0))
    shapes = (theta.size - SHAPES - NOISES) // 2
    own = SHAPES if up else SHAPES + shapes
    ahead = upper - middle if up else middle - lower
    ahead = max(ahead, NARROWEST)
    x = sign * (z - middle)  # how far beyond the middle, in the direction of the pulse
    if code == AFFINE:
        slope = theta[own] / ahead
        s, ds = size * (1 - slope * x), -size * slope
    elif code == POWER:
        left, power = (ahead - x) / ahead, exponent(theta, own)
        if left <= 0:
            return 0.0, 0.0
        s = size * left**power
        ds = -s * power / (max(left, 1e-3) * ahead)
    elif code == EXPONENTIAL:
        plateau, rate = exponent(theta, own), 2 * theta[own + 1] / (upper - lower)
        growth = (plateau - 1) * math.exp(min(max(rate * x, -60.0), 60.0))
        s, ds = size * (plateau - growth), -size * growth * rate
    else:
        nodes = shapes + 1
        place = (z - lower) / (upper - lower) * (nodes - 1)
        k = int(min(max(place, 0.0), nodes - 1.5))
        part = min(max(place - k, 0.0), 1.0)
        a, b = node(theta, own, k, nodes), node(theta, own, k + 1, nodes)
        s = size * (a + (b - a) * part)
        inside = 0.0 < place < nodes - 1
        ds = sign * size * (b - a) * (nodes - 1) / (upper - lower) if inside else 0.0
    if s <= 0:
        return 0.0, 0.0
    return s, sign * ds


@jit
def node(theta, own, k, nodes):  # noqa: ANN001, ANN201
    """Relative step at node k; the middle node is 1 by definition and has no entry."""
    middle = nodes // 2
    if k == middle:
        return 1.0
    return exponent(theta, own + (k if k < middle else k - 1))


@jit
def phi(x):  # noqa: ANN001, ANN201
    """The normal distribution function."""
    return 0.5 * math.erfc(-x * _ROOT_HALF)


@jit
def density(x):  # noqa: ANN001, ANN201
    """The normal density."""
    return 0.3989422804014327 * math.exp(-0.5 * x * x)


@jit
def cut(mean, spread, lower, upper):  # noqa: ANN001, ANN201
    """Mean and variance of a normal number that is moved onto the bounds when it lies beyond them."""
    a, b = (lower - mean) / spread, (upper - mean) / spread
    below, above = phi(a), phi(-b)
    inside = max(1 - below - above, 0.0)
    da, db = density(a), density(b)
    first = inside * mean + spread * (da - db)
    second = inside * (mean * mean + spread * spread) + 2 * mean * spread * (da - db)
    second += spread * spread * (a * da - b * db)
    m = lower * below + upper * above + first
    v = lower * lower * below + upper * upper * above + second - m * m
    return m, max(v, 1e-14)


@jit
def observe_at_bounds(y, mean, p, r, lower, upper):  # noqa: ANN001, ANN201
    """Log-density of a reading, and mean and variance of the state behind it, next to the bounds.

    Before the bounds act the state is normal (mean, p); they move what is beyond onto themselves. So it is a mixture of
    two points and a cut normal, and the density of the reading (noise variance r) is exact.
    """
    spread, root = math.sqrt(p), math.sqrt(r)
    total = p + r
    gain = p / total
    m, s = mean + gain * (y - mean), math.sqrt(p * r / total)
    a, b = (lower - m) / s, (upper - m) / s
    inside = phi(b) - phi(a) if b < 0 or a > 0 else 1 - phi(a) - phi(-b)
    at = -0.5 * (y - mean) ** 2 / total - 0.5 * math.log(total) + math.log(max(inside, TINY))
    on_lower = -0.5 * ((y - lower) / root) ** 2 - math.log(root) + math.log(max(phi((lower - mean) / spread), TINY))
    on_upper = -0.5 * ((y - upper) / root) ** 2 - math.log(root) + math.log(max(phi((mean - upper) / spread), TINY))
    top = max(at, on_lower, on_upper)
    w, wl, wu = math.exp(at - top), math.exp(on_lower - top), math.exp(on_upper - top)
    whole = w + wl + wu
    logl = top + math.log(whole) - HALF_LOG_2PI
    if inside > 1e-12:
        da, db = density(a) / inside, density(b) / inside
        inner = m + s * (da - db)
        variance = s * s * max(1 + a * da - b * db - (da - db) ** 2, 1e-6)
    else:
        inner, variance = (lower if m < lower else upper), 1e-14
    w, wl, wu = w / whole, wl / whole, wu / whole
    x = w * inner + wl * lower + wu * upper
    v = w * (variance + (inner - x) ** 2) + wl * (lower - x) ** 2 + wu * (upper - x) ** 2
    return logl, x, max(v, 1e-14)


@jit
def _filter(code, theta, setup, y, up, pulses, out):  # noqa: ANN001, ANN202
    """Log-density of every reading given those before it, (5, readings): also its error, variance, kind, and the state.

    `setup` is (middle, zero of conductance, variance of rounding). The first reading only says where the trace starts.
    """
    middle, zero, rounding = setup
    last = theta.size
    cycle, additive = exponent(theta, last - 4), exponent(theta, last - 3)
    read, relative = exponent(theta, last - 2) ** 2, exponent(theta, last - 1) ** 2
    lower, upper = theta[LOWER], max(theta[UPPER], theta[LOWER] + NARROWEST)
    x = y[0]
    p = read + relative * (x - zero) ** 2 + rounding
    out[:, 0] = 0.0
    out[4, 0] = x
    for t in range(1, y.size):
        near = False
        for _pulse in range(pulses[t]):
            if near:
                x, p = cut(x, math.sqrt(p), lower, upper)
            s, ds = step_and_slope(code, theta, middle, x, up[t])
            if up[t]:
                x += s
                p = (1 + ds) ** 2 * p + (cycle * s + additive) ** 2 + (cycle * ds) ** 2 * p
            else:
                x -= s
                p = (1 - ds) ** 2 * p + (cycle * s + additive) ** 2 + (cycle * ds) ** 2 * p
            p = max(p, 1e-14)
            reach = FAR * math.sqrt(p)
            near = x - reach < lower or x + reach > upper
        r = read + relative * (x - zero) ** 2 + rounding
        total = p + r
        error = y[t] - x
        if near:
            cut_mean, cut_variance = cut(x, math.sqrt(p), lower, upper)
            out[1, t], out[2, t], out[3, t] = y[t] - cut_mean, cut_variance + r, 1.0
            out[0, t], x, p = observe_at_bounds(y[t], x, p, r, lower, upper)
        else:
            out[0, t] = -0.5 * error * error / total - 0.5 * math.log(total) - HALF_LOG_2PI
            out[1, t], out[2, t], out[3, t] = error, total, 0.0
            x += p / total * error
            p = p * r / total
        out[4, t] = x


@jit
def _likelihood(code, thetas, setup, y, up, pulses, weight, starts, owner):  # noqa: ANN001, ANN202, PLR0913
    """Log-likelihood of all traces, each with the parameters of its owner; readings count with their weights."""
    total = 0.0
    for i in range(owner.size):
        a, b = starts[i], starts[i + 1]
        out = np.empty((5, b - a))
        _filter(code, thetas[owner[i]], setup, y[a:b], up[a:b], pulses[a:b], out)
        for t in range(1, b - a):
            total += weight[a + t] * out[0, t]
    return total


@jit
def _simulate(code, theta, setup, start, up, pulses, normals):  # noqa: ANN001, ANN202
    """Readings of one trace from its true start; `normals` (pulses in all + readings) are used in order."""
    middle, zero, _rounding = setup
    last = theta.size
    cycle, additive = exponent(theta, last - 4), exponent(theta, last - 3)
    read, relative = exponent(theta, last - 2) ** 2, exponent(theta, last - 1) ** 2
    lower, upper = theta[LOWER], max(theta[UPPER], theta[LOWER] + NARROWEST)
    x, y, used = min(max(start, lower), upper), np.empty(up.size), 0
    for t in range(up.size):
        for _ in range(pulses[t] if t else 0):
            s, _slope = step_and_slope(code, theta, middle, x, up[t])
            s += (cycle * s + additive) * normals[used]  # one number for both, as in the package
            used += 1
            x = min(max(x + s if up[t] else x - s, lower), upper)
        y[t] = x + math.sqrt(read + relative * (x - zero) ** 2) * normals[used]
        used += 1
    return y


likelihood = Guarded(_likelihood)
run_filter = Guarded(_filter)
simulate = Guarded(_simulate)
step_at = Guarded(step_and_slope)
