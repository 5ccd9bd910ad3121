"""What has been published about the devices of the presets, and how far the models are from it.

NeuroSim: manual and source of V3.0 and V2.0 (levels, labels, resistance, ratio, C2C). Steps: derived from those for
weights in [-1, 1]. aihwkit: its presets, in normalised weights.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from memlearn.core.random import Stream
from memlearn.core.types import Counts
from memlearn.devices import AbstractDevice, Preset
from memlearn.devices.effects import CycleToCycle, DeviceToDevice, StuckCells


class Curve(NamedTuple):
    """A device of the NeuroSim benchmark."""

    pulses_up: int
    pulses_down: int
    label_up: float
    label_down: float
    resistance: float
    """Ohm, the lowest."""
    ratio: float
    c2c: float
    """Of the range."""
    a_up: float
    a_down: float
    slope_up: float
    slope_down: float
    step_up: float
    step_down: float
    symmetric_point: float
    c2c_of_step: float


NAN = math.nan
CURVES = {
    "ag_a_si": Curve(
        97, 100, 2.4, -4.88, 26e6, 12.5, 0.035, 0.499181, -0.200303, 0.7623, 0.9865, 0.026815, 0.049364, -0.326, 2.61
    ),
    "taox_hfox": Curve(
        128, 128, 0.04, -0.63, 100e3, 10, 0.037, 31.566827, -1.997332, 0.0158, 0.2452, 0.015624, 0.015919, -0.071, 4.74
    ),
    "pcmo": Curve(
        50, 50, 3.68, -6.76, 23e6, 6.84, 0.01, 0.300644, -0.100251, 0.9306, 0.9999, 0.069157, 0.180876, -0.456, 0.29
    ),
    "alox_hfo2": Curve(
        40, 40, 1.94, -0.61, 16.9e3, 4.43, 0.05, 0.629249, -2.063266, 0.6610, 0.2377, 0.058927, 0.050667, 0.162, 1.70
    ),
    "gst_pcm": Curve(
        100, 100, 0.105, 2.4, 4.71e3, 19.8, 0.015, 12.024471, 0.499181, 0.0416, -0.7623, 0.020003, 0.026545, 0.337, 1.50
    ),
    "epiram": Curve(
        64, 64, 0.5, -0.5, 81e3, 50.2, 0.02, 2.519877, -2.519877, 0.1959, 0.1959, 0.031561, 0.031561, 0.0, 1.27
    ),
    "hzo_fefet": Curve(
        32, 32, 1.75, 1.46, 559.28e3, 45, 0.005, 0.702081, 0.848677, 0.6120, -0.5293, 0.071131, 0.070866, 0.044, 0.14
    ),
    "taox_tio2": Curve(
        102, 102, 1.85, -1.79, 5e6, 2, 0.01, 0.661941, -0.685502, 0.6383, 0.6227, 0.023031, 0.022804, 0.008, 0.87
    ),
    "neurosim_ideal": Curve(64, 64, 0, 0, 1 / 5e-6, 50, 0, math.inf, math.inf, 0, 0, 2 / 64, 2 / 64, NAN, 0),
    "capacitor_3t1c": Curve(32, 32, 0.2, -0.2, 1 / 2e-5, 5, 0.005, NAN, NAN, NAN, NAN, NAN, NAN, 0, NAN),
    "fefet_2t1f": Curve(
        64, 64, 0.5, 0.5, 1 / 1.788e-6, 1.788e-6 / 3.973e-8, 0, 2.519877, 2.519877, 0.1959, -0.1959, NAN, NAN, NAN, 0
    ),
}


class Weights(NamedTuple):
    """A preset of aihwkit, in weights: steps at w = 0, bounds, then spreads relative to what they belong to."""

    step_up: float
    step_down: float
    w_max: float
    w_min: float
    step_spread: float
    """D2D of the step, and of its balance in steps, then of the bounds; then C2C and write noise in steps."""
    balance_spread: float
    max_spread: float
    min_spread: float
    c2c: float
    write_noise: float
    symmetric_point: float = NAN


RERAM_UP, RERAM_DOWN = 1 + 1.18445 * math.exp(-2.5), 1 + 0.081404 * math.exp(2.5)
"""The bracket of the exponential step at w = 0, where dw_min is not the step."""
WEIGHTS = {
    "aihwkit_reram_es": Weights(
        0.00135 * RERAM_UP,
        0.00135 * (1 - 0.259359) * RERAM_DOWN,
        1,
        -1,
        0.2,
        0.05,
        0.3,
        0.3,
        5.0,
        75,
        symmetric_point=-0.2172,
    ),
    "aihwkit_reram_sb": Weights(0.002, 0.002, 1.25, -0.75, 0.3, 0.01, 0.24, 0.4, 3.75, 56, symmetric_point=0.0),
    "aihwkit_capacitor": Weights(0.005, 0.005, 1, -1, 0.1, 0.06, 0.07, 0.07, 0.3, 0, symmetric_point=0.0),
    "aihwkit_ecram": Weights(0.002, 0.002, 1.1724, -0.8276, 0.1, 0.01, 0.05, 0.05, 0.3, 0),
    "aihwkit_ecram_mo": Weights(2.8214e-4, 2.8214e-4, 1.1714, -0.8286, 0.1, 0.01, 0.05, 0.05, 2.0, 0),
    "aihwkit_idealized": Weights(0.0002, 0.0002, 1, -1, 0.3, 0.0, 0.3, 0.3, 0.3, 0),
    "aihwkit_gokmen_vlasov": Weights(0.0016, 0.0016, 1, -1, 0.3, 0.01, 0.3, 0.3, 0.3, 0),
    "aihwkit_reram_array_om": Weights(
        0.0949, 0.0949, 1, -1, 0.7829, 0.01, 0.3499, 0.5695, 0.4158, 1.4113, symmetric_point=0.0
    ),
    "aihwkit_reram_array_hfo2": Weights(
        0.4622, 0.4622, 1, -1, 0.7125, 0.01, 0.4295, 0.5990, 0.2174, 0.5841, symmetric_point=0.0
    ),
}


def ideal(device: AbstractDevice) -> AbstractDevice:
    """The device without spread, noise and faults."""
    own = {"reference_error": 0.0} if "reference_error" in type(device).model_fields else {}
    return device.replace(
        cycle_to_cycle=CycleToCycle(),
        device_to_device=DeviceToDevice(),
        faults=StuckCells(),
        series_resistance=0.0,
        **own,
    )


def step_at(device: AbstractDevice, w: float, low: float, high: float, up: bool) -> float:
    """Mean step of a nominal cell at weight w, in weights, when [low, high] is the range."""
    scale = device.range / (high - low)
    law = ideal(device)
    state = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    # A cell that is read against a reference stands at mid-range where the difference is zero.
    referenced = device.kind == "soft_bounds_reference"
    state.conductance.fill_(device.middle + w * scale if referenced else device.g_min + (w - low) * scale)
    start = state.conductance.clone()
    columns = [column.numpy() for column in state.parameters.unbind(-1)]
    return float(np.asarray(law.kernels.step(start.numpy(), columns, up)).reshape(-1)[0]) / scale


def curve(device: AbstractDevice, up: bool, pulses: int) -> np.ndarray:
    """Conductances over the range of a nominal cell, from a bound, after 0 to `pulses` pulses."""
    law = ideal(device)
    state = law.init((1, 1, 1, 1), Stream.root(0), torch.float64)
    state.conductance.fill_(law.g_min if up else law.g_max)
    found = [float(state.conductance)]
    for event in range(pulses):
        plan = Counts(torch.full((1, 1, 1, 1), 1 if up else -1, dtype=torch.int32))
        state, _ = law.pulse(state, plan, Stream.root(0), event, backend="reference")
        found.append(float(state.conductance))
    return (np.array(found) - law.g_min) / law.range


def published_curve(a: float, pulses: int) -> np.ndarray:
    """y(x) at 0 to `pulses` pulses."""
    x = np.linspace(0, 1, pulses + 1)
    return x if not math.isfinite(a) else np.expm1(-x / a) / math.expm1(-1 / a)


def residuals(preset: Preset) -> dict[str, float]:
    """How far a preset's model is from the published numbers, to two digits; empty when there are none to compare."""
    found: dict[str, float] = {}
    if preset.name in CURVES:
        found = _of_curve(preset.device, CURVES[preset.name])
    elif preset.name in WEIGHTS:
        found = _of_weights(preset.device, WEIGHTS[preset.name])
    elif preset.name == "aihwkit_pcm":
        ends = ((0.0, True, 0.282), (2 - 1e-6, True, 0.0118))  # the first pulse of 28.2 steps of 0.01, and the last
        names = ("first_step", "last_step")
        found = {
            n: step_at(preset.device, w, 0, 2, up) / true - 1 for n, (w, up, true) in zip(names, ends, strict=True)
        }
    return {name: float(f"{abs(value):.2g}") if abs(value) > 1e-9 else 0.0 for name, value in found.items()}


def _of_curve(device: AbstractDevice, true: Curve) -> dict[str, float]:
    from memlearn.devices.neurosim_curve import label_to_a

    up, down = curve(device, True, true.pulses_up), 1 - curve(device, False, true.pulses_down)
    a_up = true.a_up if math.isfinite(true.a_up) else label_to_a(true.label_up)
    # A positive label of the down branch retraces the way up: y(x) of the same curve, from its end.
    a_down = true.a_down if math.isfinite(true.a_down) else label_to_a(true.label_down)
    down_true = published_curve(-a_down if math.isfinite(a_down) else a_down, true.pulses_down)
    found = {
        "curve_up": np.abs(up - published_curve(a_up, true.pulses_up)).max(),
        "curve_down": np.abs(down - down_true).max(),
        "on_resistance": device.g_max * true.resistance - 1,
        "on_off": device.g_max / device.g_min / true.ratio - 1,
        "c2c_of_range": device.cycle_to_cycle.range_spread - true.c2c,
    }
    for name, want, up_ in (("step_up", true.step_up, True), ("step_down", true.step_down, False)):
        if math.isfinite(want):
            found[name] = step_at(device, 0.0, -1, 1, up_) / want - 1
    if math.isfinite(true.symmetric_point):
        found["symmetric_point"] = symmetric_point(device, -1, 1) - true.symmetric_point
    return {name: float(value) for name, value in found.items()}


def _of_weights(device: AbstractDevice, true: Weights) -> dict[str, float]:
    bounds = true.w_min, true.w_max
    found = {
        "step_up": step_at(device, 0.0, *bounds, True) / true.step_up - 1,
        "step_down": step_at(device, 0.0, *bounds, False) / true.step_down - 1,
    }
    if math.isfinite(true.symmetric_point):
        found["symmetric_point"] = symmetric_point(device, *bounds) - true.symmetric_point
    return found


def symmetric_point(device: AbstractDevice, low: float, high: float) -> float:
    """Where an up and a down step of a nominal cell cancel, by bisection, in weights; it need not attract."""

    def rises(w: float) -> bool:
        return step_at(device, w, low, high, True) > step_at(device, w, low, high, False)

    a, b = low, high
    at_low = rises(low)
    for _ in range(60):
        middle = 0.5 * (a + b)
        a, b = (middle, b) if rises(middle) == at_low else (a, middle)
    return 0.5 * (a + b)
