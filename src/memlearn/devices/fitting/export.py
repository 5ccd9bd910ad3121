"""A fit as a device of the package, and as a preset file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...core.component import kind_of
from ...core.errors import InputError
from ..base import AbstractDevice
from ..neurosim_curve import a_to_label
from . import kernels
from .estimate import Estimate
from .jumps import Table
from .laws import noise_entries
from .packed import Packed


class Exported(NamedTuple):
    """A device as a table, and where it departs from the fit, in words."""

    table: dict[str, Any]
    deviations: tuple[str, ...]


def device_class(kind: str) -> type[AbstractDevice]:
    """The package's device of that kind.

    Raises:
        InputError: the package has none.
    """
    found, todo = {}, list(AbstractDevice.__subclasses__())
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        if (name := kind_of(cls)) is not None:
            found[name] = cls
    if kind not in found:
        raise InputError("law", kind, "the package has no device of this kind", f"It has {', '.join(sorted(found))}.")
    return found[kind]


def export(found: Estimate, kind: str) -> Exported:
    """The population of a fit as a device table.

    Arguments:
        kind: the law's name, or neurosim_curve for a linear step under its other name.
    """
    packed, theta, notes = found.task.packed, found.point.theta, []
    lower, upper = (packed.offset + packed.scale * float(theta[k]) for k in (kernels.LOWER, kernels.UPPER))
    if lower < 0:
        notes.append(f"The fitted lower bound, {lower:.3g} S, is below zero; 0 S is used.")
        lower = 0.0
    up, down = (_size(found, way) * packed.scale for way in (True, False))
    table: dict[str, Any] = {"kind": kind, "g_min": lower, "g_max": upper}
    table |= _steps(kind, upper - lower, up, down, notes) | _shapes(found, kind)
    if kind == "neurosim_curve":
        table |= neurosim(float(theta[kernels.SHAPES]), float(theta[kernels.SHAPES + 1]), up, down, upper - lower)
    cycle, additive, read, relative = (
        0.0 if k in found.silent else math.exp(theta[entry]) for k, entry in enumerate(noise_entries(found.task.law))
    )
    range_spread = additive * packed.scale / (upper - lower)
    table["cycle_to_cycle"] = {"spread": cycle, "range_spread": range_spread}
    table["read_noise"] = {"absolute": read * packed.scale, "relative": relative}
    if len(found.task.random):
        table["device_to_device"] = _between(found, upper - lower)
    if len(found.task.random) and kind in ("exponential_step", "piecewise_step"):
        notes.append("Devices differ in step and bounds only: no spread of the shape was fitted for this law.")
    return Exported(_plain(table), tuple(notes))


def _size(found: Estimate, up: bool) -> float:
    """What the package scales the step with: the step at the middle, but D for the exponential law."""
    theta = found.point.theta
    size = math.exp(theta[kernels.STEP] + (1 if up else -1) * theta[kernels.BALANCE])
    if found.task.law.kind == "exponential_step":
        size *= math.exp(theta[kernels.SHAPES + (0 if up else 2)])
    return size


def _steps(kind: str, width: float, up: float, down: float, notes: list[str]) -> dict[str, Any]:
    """`states` and `asymmetry`; a curve by pulse numbers has its own."""
    if kind == "neurosim_curve":
        return {}
    states = width / (0.5 * (up + down))
    if states < 2:
        notes.append(f"A step is {1 / states:.0%} of the range; the package allows half of it at most.")
    return {"states": max(states, 2.0), "asymmetry": (up - down) / (up + down)}


def _shapes(found: Estimate, kind: str) -> dict[str, Any]:
    """The law's own fields."""
    theta = found.point.theta
    own = [float(x) for x in theta[kernels.SHAPES : kernels.SHAPES + len(found.task.law.shapes)]]
    if kind == "soft_bounds":
        return {"mix_up": 1.0, "mix_down": 1.0}
    if kind == "linear_step":
        return {"slope_up": own[0], "slope_down": own[1]}
    if kind == "power_step":
        return {"exponent_up": math.exp(own[0]), "exponent_down": math.exp(own[1])}
    if kind == "exponential_step":
        weights = [1 - math.exp(-own[k]) for k in (0, 2)]
        rates = {"gamma_up": own[1], "gamma_down": own[3]}
        return {"A_up": weights[0], "A_down": weights[1], **rates, "a": 1.0, "b": 0.0}
    if kind == "piecewise_step":
        half = len(own) // 2
        nodes = [[math.exp(x) for x in part] for part in (own[:half], own[half:])]
        for row in nodes:
            row.insert(half // 2, 1.0)
        return {"nodes_up": nodes[0], "nodes_down": nodes[1]}
    return {}


def neurosim(slope_up: float, slope_down: float, up: float, down: float, width: float) -> dict[str, Any]:
    """NeuroSim's labels and pulse numbers of a linear step (devices.md 2.4).

    Raises:
        InputError: a slope that no label has.
    """
    found: dict[str, Any] = {}
    for way, slope, step in (("up", slope_up, up), ("down", slope_down, down)):
        size = 2 * step / width
        if abs(slope) >= 1 or size * slope >= 1:
            raise InputError(f"slope_{way}", slope, "no NeuroSim label has such a step", "Take linear_step.")
        k = 2 * math.atanh(slope)
        # A straight line has no curvature to divide by.
        pulses = 2 / size if abs(k) < 1e-6 else -k / math.log(1 - size * slope)
        sign = 1.0 if way == "up" else -1.0
        found[f"label_{way}"] = sign * a_to_label(1 / k if abs(k) > 1e-9 else math.inf)
        found["states" if way == "up" else "pulses_down"] = pulses
    return found


def _between(found: Estimate, width: float) -> dict[str, Any]:
    """Spreads between devices as the package's settings."""
    task, packed = found.task, found.task.packed
    tau = {int(task.free[k]): float(t) for k, t in zip(task.random, found.point.tau, strict=True)}
    bound = packed.scale / (0.5 * width)
    shapes = [tau[k] for k in tau if k >= kernels.SHAPES]
    if task.law.kind == "power_step":  # a spread of the logarithm there, of the exponent here
        theta = found.point.theta
        shapes = [t * math.exp(theta[k]) for k, t in tau.items() if k >= kernels.SHAPES]
    fields = {
        "step": tau.get(kernels.STEP, 0.0),
        "balance": 2 * tau.get(kernels.BALANCE, 0.0),
        "upper_bound": bound * tau.get(kernels.UPPER, 0.0),
        "lower_bound": bound * tau.get(kernels.LOWER, 0.0),
        "distribution": "log_normal",
    }
    if shapes:
        fields["shape"] = math.sqrt(sum(t * t for t in shapes) / len(shapes))
    return fields


def export_jumps(table: Table, packed: Packed) -> Exported:
    """A jump table as a device table."""
    width = table.upper - table.lower
    lower, upper = (packed.offset + packed.scale * x for x in (table.lower, table.upper))
    plain = {
        "kind": "jump_table",
        "g_min": max(lower, 0.0),
        "g_max": upper,
        "edges": table.edges.tolist(),
        "probabilities": table.probabilities.tolist(),
        "up": (table.up / width).tolist(),
        "down": (table.down / width).tolist(),
    }
    notes = ("Every cell draws from all jumps that were measured at its state, anew at every pulse.",)
    return Exported(_plain(plain), notes)


def _plain(value: Any) -> Any:
    """Numbers of Python, six digits: more is not known."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return value
    return float(f"{float(value):.6g}")


def write_preset(path: Path, preset: Mapping[str, Any]) -> Path:
    """Write a preset file: name, title, sources, deviations, then tables."""
    lines = [f"{key} = {_toml(value)}" for key, value in preset.items() if not isinstance(value, Mapping)]
    for key, value in preset.items():
        if isinstance(value, Mapping):
            lines += ["", *_section(key, value)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path


def _section(name: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in table.items() if not isinstance(v, Mapping))]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", *_section(f"{name}.{key}", value)]
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        items = [_toml(item) for item in value]
        inline = f"[{', '.join(items)}]"
        return inline if len(inline) < 100 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ("nan" if math.isnan(value) else f"{'-' * (value < 0)}inf")
    return json.dumps(value, ensure_ascii=False)
