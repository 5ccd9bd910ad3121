"""Stanford/PKU RRAM model: a gap in a filament that field and heat open and close."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from numba.extending import overload, register_jitable
from scipy.integrate import quad
from torch import Tensor

from ..core.component import quantity, setting
from ..core.errors import InputError
from ..ops.pulse_update import Kernels, compile_step
from .base import Pulse
from .state import Cells
from .voltage import VoltageDriven

_BOLTZMANN = 8.617333262e-5
"""eV/K, which is also V/K for one elementary charge."""
_NANO = 1e-9
_ZERO, _HALF, _ONE, _TWO, _THREE, _SIX = (np.float32(v) for v in (0, 0.5, 1, 2, 3, 6))
_TINY, _HOT = np.float32(1e-30), np.float32(60)
# A substep changes the exponent of the rate by at most this, which leaves a relative error of the change near 1e-6.
_CHANGE = np.float32(0.15)
_SUBSTEPS = 4000


def pending(remaining: Any) -> bool:
    """Whether any cell has time left; in a kernel there is one."""
    return bool(np.any(remaining > 0))


@overload(pending)
def _pending(remaining):  # noqa: ANN001, ANN202
    return lambda remaining: remaining > 0


@register_jitable
def rate(gap: Any, voltage: Any, speed: Any, gamma: Any, p: Any) -> Any:
    """|dgap/dt| in nm/s and the exponent's change per nm, for p as in `step`, voltage in magnitude."""
    rise = voltage * p[16] * np.exp(np.minimum(voltage / p[15], _HOT) - gap / p[14]) * p[17]
    rise = rise * _HALF * (_ONE - np.exp(-_TWO * np.minimum(voltage / p[15], _HOT)))
    temperature, field = p[18] + rise, p[12] * voltage
    strength = np.maximum(gamma - p[10] * gap * gap * gap, _ZERO)
    exponent = np.minimum((field * strength - p[13]) / temperature, _HOT)
    # sinh(a) exp(-b), a = field strength / T, b = p[13] / T, without the overflow of either.
    found = speed * _HALF * np.exp(exponent) * (_ONE - np.exp(-_TWO * field * strength / temperature))
    slope = np.abs(exponent * rise / p[14] - _THREE * p[10] * gap * gap * field) / temperature
    return found, slope + _ONE / p[14]


@register_jitable
def travel(g: Any, p: Any, pulse: Any, closes: Any, most: Any) -> Any:
    """Way of the gap in nm under one pulse, at most `most`; classic Runge-Kutta, substeps as the rate asks for.

    Arguments:
        g, p: as in `step`.
        pulse: magnitude of the voltage (V), width (s), v0 (nm/s), gamma0.
        closes: -1 where the gap closes, 1 where it opens.
        most: nm, at the cell's bound.
    """
    voltage, remaining, speed, gamma = pulse
    gap = p[14] * np.log(p[19] / g)
    way = _ZERO * gap
    for _ in range(_SUBSTEPS):
        if not pending(remaining):
            break
        k1, slope = rate(gap + closes * way, voltage, speed, gamma, p)
        h = np.minimum(remaining, _CHANGE / (slope * np.maximum(k1, _TINY)))
        k2, slope = rate(gap + closes * (way + _HALF * h * k1), voltage, speed, gamma, p)
        k3, slope = rate(gap + closes * (way + _HALF * h * k2), voltage, speed, gamma, p)
        k4, slope = rate(gap + closes * (way + h * k3), voltage, speed, gamma, p)
        way = np.minimum(way + h * (k1 + _TWO * k2 + _TWO * k3 + k4) / _SIX, most)
        # At the bound the rest of the pulse does nothing.
        remaining = np.maximum(remaining - h, _ZERO) * np.ceil(np.minimum(most - way, _ONE))
    return way


def step(g: Any, p: Any, up: bool) -> Any:
    """S, from p[2..5] pulses, p[6], p[7] v0 up and down (nm/s), p[8], p[9] gamma0 up and down, and of all pulses:

    p[10] beta (1/nm^3), p[11] least gamma |V| (V), p[12] a0 q / (tox k) (K/V), p[13] Ea q / k (K), p[14] g0 (nm),
    p[15] V0 (V), p[16] I0 (A), p[17] Rth (K/W), p[18] T0 (K), p[19] conductance at gap 0 (S).
    """
    g = np.maximum(g, _TINY)
    if up:
        voltage, gamma = np.abs(p[2]), p[8]
        width, speed = p[3], p[6]
    else:
        voltage, gamma = np.abs(p[4]), p[9]
        width, speed = p[5], p[7]
    # gamma |V| must stay at or above p[11]: true below a gap at which opening stops for good.
    edge = (np.maximum(gamma - p[11] / np.maximum(voltage, _TINY), _ZERO) / p[10]) ** (_ONE / _THREE)
    room = edge - p[14] * np.log(p[19] / g)
    width = width * np.ceil(np.minimum(np.maximum(room, _ZERO), _ONE))
    if up:
        most = np.maximum(p[14] * np.log(p[1] / g), _ZERO)
        way = travel(g, p, (voltage, width, speed, gamma), -_ONE, most)
        return g * np.expm1(way / p[14])
    most = np.maximum(p[14] * np.log(g / np.maximum(p[0], _TINY)), _ZERO)
    most = np.maximum(np.minimum(most, room), _ZERO)
    way = travel(g, p, (voltage, width, speed, gamma), _ONE, most)
    return -g * np.expm1(-way / p[14])


class Stanford(VoltageDriven):
    """Stanford/PKU model of metal-oxide RRAM: the current tunnels through a gap, field and heat move its edge.

        dgap/dt = -v0 exp(-Ea / kT) sinh(gamma a0 q V / (tox kT))
        gamma = gamma0 - beta (gap / 1 nm)^3, and 0 while gamma |V| / tox < f_min: below it nothing moves
        I = I0 exp(-gap / g0) sinh(V / V0),   T = T0 + |V I| Rth
        G = I0 exp(-gap / g0) sinh(Vr / V0) / Vr, the conductance at the read voltage Vr: the state

    A pulse is integrated by classic Runge-Kutta steps in time, each so short that the exponent of the rate changes by
    at most 0.15; the gap at which gamma |V| falls below the threshold is solved for, not stepped over. Against a
    solver of high order the change of conductance is right to 1e-5 relative, in double precision. Two pulses of a width
    are one of twice that width, as heat comes and goes at once in this model.

    The published random term, delta, is a new number in each time step of a simulator: its effect depends on that step
    and has no limit. Its part is played by `cycle_to_cycle`, one number per pulse. From cell to cell: `step`, `balance`
    and `asymmetry` scale v0, `shape` adds to gamma0, and bounds cut the gap. Defaults are the values that MemTorch
    ships (0.2 to 1.7 nm, read at 0.1 V). Positive voltage raises the conductance.
    """

    kind: Literal["stanford"] = "stanford"
    kernels: ClassVar[Kernels] = compile_step(step)
    direction: ClassVar[int] = 1
    sources: ClassVar[tuple[str, ...]] = (
        "Jiang et al., SISPAD (2014) and IEEE Trans. Electron Devices 63:1884 (2016), Stanford/PKU RRAM model",
        "Lammie et al., Neurocomputing 485:124 (2022), MemTorch: default values",
    )

    g_min: float = quantity(4.5748e-6, unit="S", ge=0, doc="lowest conductance of the nominal range, at read_voltage")
    g_max: float = quantity(1.8447e-3, unit="S", gt=0, doc="highest conductance of the nominal range, at read_voltage")
    up_pulse: Pulse = setting(Pulse(voltage=1.5), doc="pulse that raises the conductance: positive")
    down_pulse: Pulse = setting(Pulse(voltage=-1.5), doc="pulse that lowers the conductance: negative")
    read_voltage: float = quantity(0.1, unit="V", gt=0, doc="voltage at which conductances are stated")
    gap_scale: float = quantity(0.25e-9, unit="m", gt=0, doc="g0: gap over which the current falls by e")
    voltage_scale: float = quantity(0.25, unit="V", gt=0, doc="V0 of the current's sinh")
    current_scale: float = quantity(1e-3, unit="A", gt=0, doc="I0")
    velocity: float = quantity(10.0, unit="m/s", gt=0, doc="v0")
    activation: float = quantity(0.6, unit="eV", gt=0, doc="Ea")
    gamma0: float = quantity(16.0, unit="1", gt=0, doc="field enhancement at gap 0")
    beta: float = quantity(0.8, unit="1", gt=0, doc="loss of field enhancement at a gap of 1 nm")
    hop: float = quantity(0.25e-9, unit="m", gt=0, doc="a0, atomic spacing")
    thickness: float = quantity(12e-9, unit="m", gt=0, doc="tox")
    f_min: float = quantity(1.4e9, unit="V/m", ge=0, doc="enhanced field below which nothing moves")
    thermal_resistance: float = quantity(2.1e3, unit="K/W", ge=0, doc="Rth")
    ambient: float = quantity(298.0, unit="K", gt=0, doc="T0")

    def model_post_init(self, context: Any) -> None:
        """A gap is not negative."""
        if self.g_max > self.conductance_at(0.0):
            allowed = f"must not exceed {self.conductance_at(0.0):.4g} S, the conductance at gap 0"
            raise InputError("g_max", self.g_max, allowed, "Raise current_scale, or lower g_max.")
        super().model_post_init(context)

    def conductance_at(self, gap: float) -> float:
        """G, S, at the read voltage, for a gap in m."""
        ratio = self.read_voltage / self.voltage_scale
        return self.current_scale * math.exp(-gap / self.gap_scale) * math.sinh(ratio) / self.read_voltage

    def gap_at(self, conductance: float) -> float:
        """Gap, m, for a conductance at the read voltage, S; inverse of `conductance_at`."""
        return self.gap_scale * math.log(self.conductance_at(0.0) / conductance)

    def threshold(self, up: bool) -> float:
        """Where gamma |V| / tox reaches f_min at the gap of mid-range."""
        gamma = self.gamma0 - self.beta * (self.gap_at(self.middle) / _NANO) ** 3
        return self.direction * (1 if up else -1) * (self.f_min * self.thickness / gamma if gamma > 0 else math.inf)

    def width_for(self, voltage: float, conductance: float) -> float:
        """Time from gap to gap: the integral of 1 / rate."""
        start, end = (self.gap_at(g) / _NANO for g in (self.middle, conductance))
        edge = max(0.0, (self.gamma0 - self.f_min * self.thickness / abs(voltage)) / self.beta) ** (1 / 3)
        if end >= edge:
            allowed = f"opens the gap to {edge:.3g} nm only, and a step of range / states needs {end:.3g} nm"
            raise InputError("down_pulse.voltage", voltage, allowed, "Raise the amplitude, or give the width.")
        p = np.array([math.nan] * 10 + self._shared() + [self.velocity / _NANO, self.gamma0])

        def time(gap: float) -> float:
            return 1 / float(rate(np.float64(gap), np.float64(abs(voltage)), p[20], p[21], p)[0])

        return abs(float(quad(time, start, end, epsabs=0, epsrel=1e-10)[0]))

    def constants(self, cells: Cells, up: Tensor, down: Tensor) -> list[Tensor | float]:
        """v0 and gamma0 of each cell, up and down; then what all pulses share."""
        speed = self.velocity / _NANO
        gammas = self.gamma0 + cells.shape_up, self.gamma0 + cells.shape_down
        return [speed * up, speed * down, *gammas, *self._shared()]

    def _shared(self) -> list[float]:
        """p[10] to p[19] of `step`."""
        return [
            self.beta,
            self.f_min * self.thickness,
            self.hop / (self.thickness * _BOLTZMANN),
            self.activation / _BOLTZMANN,
            self.gap_scale / _NANO,
            self.voltage_scale,
            self.current_scale,
            self.thermal_resistance,
            self.ambient,
            self.conductance_at(0.0),
        ]
