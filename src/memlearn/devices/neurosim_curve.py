"""NeuroSim's exponential curve of conductance against pulse number, by its non-linearity label."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..core.component import quantity
from ..core.errors import InputError
from ..ops.pulse_update import Kernels
from .affine import KERNELS, columns
from .base import AbstractDevice
from .state import Cells

# One unit of the label is this largest vertical distance of the curve from the straight line: 0.07 perpendicular.
_UNIT = 0.07 * math.sqrt(2)
_LARGEST = 10.0
# Below this curvature the closed forms cancel, and a series is exact to twelve digits and more.
_FLAT = 0.05


def label_to_a(label: float) -> float:
    """Curvature A of y(x) = (1 - exp(-x / A)) / (1 - exp(-1 / A)) for a label, infinite (a straight line) for 0.

    Arguments:
        label: -10 to 10; the sign is that of A.

    Raises:
        InputError: the label lies beyond what a curve can have (10.1 is a step).
    """
    if not abs(label) <= _LARGEST:
        raise InputError("label", label, f"must lie from {-_LARGEST:g} to {_LARGEST:g}")
    return 1 / float(curvature(np.array(label))) if label else math.inf


def a_to_label(a: float) -> float:
    """The label of a curvature; inverse of `label_to_a`.

    Raises:
        InputError: `a` is zero or not a number.
    """
    if a == 0 or math.isnan(a):
        raise InputError("a", a, "must be a number other than zero", "A straight line has a = inf.")
    return math.copysign(float(_distance(np.array(1 / abs(a))) / _UNIT), a) if math.isfinite(a) else 0.0


def curvature(label: np.ndarray) -> np.ndarray:
    """k = 1 / A of each label, float64; 0 is the straight line, and labels beyond -10 to 10 are cut.

    A table gives the start, on logarithmic axes, where the curve is nearly straight; Newton's steps do the rest.
    """
    wanted = np.minimum(np.abs(label), _LARGEST) * _UNIT
    nodes = np.linspace(math.log(1e-3), math.log(1e4), 512)
    with np.errstate(divide="ignore"):
        k = np.exp(np.interp(np.log(wanted), np.log(_distance(np.exp(nodes))), nodes))
    k = np.where(wanted < 1e-4, 8 * wanted, k)
    for _ in range(4):
        k = np.maximum(k - (_distance(k) - wanted) / _growth(k), 0.5 * k)
    return np.copysign(k, label)


def step_and_slope(k: np.ndarray, pulses: float) -> tuple[np.ndarray, np.ndarray]:
    """One pulse on the curve as the affine step D (1 - slope w), w in [-1, 1].

    Arguments:
        k: 1 / A up, -1 / A down; any shape.
        pulses: for the whole range.

    Returns:
        D, slope; shape of k.
    """
    slope = np.tanh(k / 2)
    curved = np.where(np.abs(k) < 1e-12, 1.0, k)
    return np.where(np.abs(k) < 1e-12, 2 / pulses, -np.expm1(-curved / pulses) / np.tanh(curved / 2)), slope


def _distance(k: np.ndarray) -> np.ndarray:
    """Largest vertical distance of the curve of curvature k >= 0 from the straight line, over the range."""
    curved = np.maximum(k, _FLAT)
    rise = -np.expm1(-curved)
    exact = 1 / rise - (1 + np.log(curved / rise)) / curved
    return np.where(k < _FLAT, k / 8 - k**3 / 576 + k**5 / 25920, exact)


def _growth(k: np.ndarray) -> np.ndarray:
    """Derivative of `_distance`."""
    curved = np.maximum(k, _FLAT)
    rise, rest = -np.expm1(-curved), np.exp(-curved)
    exact = rest / rise * (1 / curved - 1 / rise) + np.log(curved / rise) / curved**2
    return np.where(k < _FLAT, 1 / 8 - k**2 / 192 + k**4 / 5184, exact)


class NeuroSimCurve(AbstractDevice):
    """Exponential curve between the bounds in a given number of pulses: the device of many published benchmarks.

        up     y(x) = (1 - exp(-x / A)) / (1 - exp(-1 / A)),  x = pulses / states,  A = label_to_a(label_up)
        down   the same curve mirrored for a negative label (steep at its start, as usual), retraced for a positive

    A pulse on this curve is exactly an affine step, D (1 - slope w / b), with w = G - middle and b the cell's own bound
    on the side that is being approached; `step_and_slope` converts. `states` counts pulses, so the step at mid-range is
    not range / states but as the labels say. A spread `shape` of the labels from cell to cell passes through zero, the
    straight line, to the other curvature, and ends at -10 and 10.
    """

    kind: Literal["neurosim_curve"] = "neurosim_curve"
    kernels: ClassVar[Kernels] = KERNELS
    step_columns: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)
    sources: ClassVar[tuple[str, ...]] = (
        "Chen, Peng and Yu, IEEE TCAD 37:3067 (2018), NeuroSim: the curve and its label",
        "Conversion of labels and pulses to affine steps: derived for memlearn",
    )

    states: float = quantity(97, unit="1", ge=2, doc="up pulses for the whole range; writers count with range / states")
    pulses_down: float = quantity(0, unit="1", ge=0, doc="down pulses for the whole range; 0: as many as up")
    label_up: float = quantity(2.4, unit="1", ge=-10, le=10, doc="non-linearity of up pulses, above 0 steep at first")
    label_down: float = quantity(
        -4.88, unit="1", ge=-10, le=10, doc="non-linearity of down pulses, below 0 steep at first, above 0 retraces"
    )
    a_up: float | None = quantity(None, unit="1", doc="A of up pulses, instead of label_up")
    a_down: float | None = quantity(None, unit="1", doc="A of down pulses, instead of label_down")

    def model_post_init(self, context: Any) -> None:
        """A curvature must be one."""
        super().model_post_init(context)
        for name in ("a_up", "a_down"):
            a = getattr(self, name)
            if a is not None and (a == 0 or abs(a_to_label(a)) > _LARGEST):
                raise InputError(name, a, f"must have a label from {-_LARGEST:g} to {_LARGEST:g}", "|a| >= 0.0016 has.")

    def label(self, up: bool) -> float:
        """The label of a polarity, however it was given."""
        a, label = (self.a_up, self.label_up) if up else (self.a_down, self.label_down)
        return label if a is None else a_to_label(a)

    def affine(self, label: np.ndarray, up: bool) -> tuple[np.ndarray, np.ndarray]:
        """D, for a range of 2, and slope of pulses of a polarity with such labels; shape of `label`."""
        k = curvature(label)
        return step_and_slope(k if up else -k, self.states if up else self.pulses_down or self.states)

    def middle_factor(self, up: bool) -> float:
        """D, of a range of 2, over 2 / states."""
        return 0.5 * self.states * float(self.affine(np.array(self.label(up)), up)[0])

    def columns(self, cells: Cells) -> list[Tensor]:
        """Step at the bound ahead and slope, up then down."""
        (up, slope_up), (down, slope_down) = self._each(cells.shape_up, True), self._each(cells.shape_down, False)
        return columns(cells._replace(up=cells.up * up, down=cells.down * down), self.middle, (slope_up, slope_down))

    def _each(self, shift: Tensor, up: bool) -> tuple[Tensor, Tensor]:
        """Middle factor and slope of every cell, whose label is shifted so (shape)."""
        labels = self.label(up) + (shift.double().numpy() if shift.any() else np.zeros(1))
        step, slope = self.affine(labels, up)
        made = (
            torch.as_tensor(part, dtype=shift.dtype).expand(shift.shape) for part in (0.5 * self.states * step, slope)
        )
        return next(made), next(made)
