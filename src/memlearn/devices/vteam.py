"""VTEAM: a state that moves at a rate set by the voltage beyond a threshold."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from ..core.component import quantity, setting
from ..ops.pulse_update import Kernels, compile_step
from .base import Pulse
from .state import Cells
from .voltage import VoltageDriven

_ONE, _ZERO, _MOST = np.float32(1), np.float32(0), np.float32(80)
_NEARLY = np.float32(1e-6)
_LEAST = 1e-3
"""Least exponent of a cell: with 0 a pulse would move it below threshold."""


def step(g: Any, p: Any, up: bool) -> Any:
    """S: from p[2..5] pulses, p[6], p[9] thresholds, p[7], p[10] exponents, p[8], p[11] rates; p[12] is 1 for ln R.

    A pulse moves the resistance by a = rate x width (in ohm), or its logarithm by a: both are exact for any width.
    """
    if up:
        a = p[8] * p[3] * np.maximum(p[2] / p[6] - _ONE, _ZERO) ** p[7]
        x = np.minimum(g * a, _MOST)
        linear, log = g * x / np.maximum(_ONE - x, _NEARLY), g * np.expm1(np.minimum(a, _MOST))
        return np.minimum(p[12] * log + (_ONE - p[12]) * linear, np.maximum(p[1] - g, _ZERO))
    a = p[11] * p[5] * np.maximum(p[4] / p[9] - _ONE, _ZERO) ** p[10]
    x = g * a
    linear, log = g * (x / (_ONE + x)), -g * np.expm1(-a)
    return np.minimum(p[12] * log + (_ONE - p[12]) * linear, np.maximum(g - p[0], _ZERO))


class VTEAM(VoltageDriven):
    """Voltage threshold adaptive memristor, its state x between 0 (lowest resistance) and d.

        dx/dt = k_off (v / v_off - 1) ** alpha_off     v >= v_off > 0: resistance rises, a pulse down
        dx/dt = k_on (v / v_on - 1) ** alpha_on        v <= v_on < 0: resistance falls, a pulse up
        R = 1/g_max + (1/g_min - 1/g_max) x / d,       or ln R linear in x

    Below threshold nothing moves. Without a window function a pulse of constant voltage has a closed form, which is
    what is computed: no time step, and two pulses of a width are one of twice that width. Windows are not offered.

    From cell to cell: `step`, `balance` and `asymmetry` scale k_on and k_off, `shape` adds to alpha_on and alpha_off,
    and bounds cut x. Defaults are the values that MemTorch ships, with amplitudes of 1.5 and 2 times the thresholds.
    Positive voltage lowers the conductance: the pulse up is the negative one.
    """

    kind: Literal["vteam"] = "vteam"
    kernels: ClassVar[Kernels] = compile_step(step)
    direction: ClassVar[int] = -1
    sources: ClassVar[tuple[str, ...]] = (
        "Kvatinsky et al., IEEE Trans. Circuits Syst. II 62:786 (2015), VTEAM",
        "Lammie et al., Neurocomputing 485:124 (2022), MemTorch: default values",
    )

    g_min: float = quantity(1e-3, unit="S", ge=0, doc="lowest conductance of the nominal range: x = d")
    g_max: float = quantity(20e-3, unit="S", gt=0, doc="highest conductance of the nominal range: x = 0")
    up_pulse: Pulse = setting(Pulse(voltage=-0.3), doc="pulse that raises the conductance: negative, beyond v_on")
    down_pulse: Pulse = setting(Pulse(voltage=0.04), doc="pulse that lowers the conductance: positive, beyond v_off")
    v_on: float = quantity(-0.2, unit="V", lt=0, doc="threshold of pulses up")
    v_off: float = quantity(0.02, unit="V", gt=0, doc="threshold of pulses down")
    k_on: float = quantity(-10.0, unit="m/s", lt=0, doc="rate of x at twice v_on")
    k_off: float = quantity(5e-4, unit="m/s", gt=0, doc="rate of x at twice v_off")
    alpha_on: float = quantity(3.0, unit="1", gt=0, doc="exponent of the overdrive up")
    alpha_off: float = quantity(1.0, unit="1", gt=0, doc="exponent of the overdrive down")
    d: float = quantity(3e-9, unit="m", gt=0, doc="length that x can go")
    resistance: Literal["linear", "exponential"] = setting("linear", doc="resistance in x: linear, or its logarithm")

    @property
    def span(self) -> float:
        """What x = d adds to the resistance (ohm), or to its logarithm (1)."""
        if self.resistance == "linear":
            return 1 / self.g_min - 1 / self.g_max
        return math.log(self.g_max / self.g_min)

    def threshold(self, up: bool) -> float:
        """The same wherever the cell is."""
        return self.v_on if up else self.v_off

    def least_voltage(self, up: bool) -> float:
        """The threshold, which no cell has to itself."""
        return abs(self.threshold(up))

    def rate(self, voltage: float) -> float:
        """dx/dt, m/s, under a constant voltage (V): positive raises the resistance."""
        if voltage >= self.v_off:
            return self.k_off * (voltage / self.v_off - 1) ** self.alpha_off
        if voltage <= self.v_on:
            return self.k_on * (voltage / self.v_on - 1) ** self.alpha_on
        return 0.0

    def width_for(self, voltage: float, conductance: float) -> float:
        """The closed form, solved for time."""
        before, after = self.middle, conductance
        way = 1 / after - 1 / before if self.resistance == "linear" else math.log(before / after)
        return way / self.span * self.d / self.rate(voltage)

    def constants(self, cells: Cells, up: Tensor, down: Tensor) -> list[Tensor | float]:
        """Threshold, exponent, rate in ohm/s (or 1/s) up, then down; whether the logarithm moves."""
        scale = self.span / self.d
        return [
            self.v_on,
            (self.alpha_on + cells.shape_up).clamp_min(_LEAST),
            -self.k_on * scale * up,
            self.v_off,
            (self.alpha_off + cells.shape_down).clamp_min(_LEAST),
            self.k_off * scale * down,
            float(self.resistance == "exponential"),
        ]
