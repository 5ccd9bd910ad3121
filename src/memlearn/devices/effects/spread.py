"""Variation of the step: from pulse to pulse in one cell, and from cell to cell."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from ...core.component import Component, quantity, setting
from ...core.errors import InputError
from ...core.random import Stream
from ...ops import random
from .fields import cholesky, smooth


class CycleToCycle(Component):
    """Spread of the change made by one pulse, drawn anew for every pulse; z is standard normal.

        step x (1 + spread z) + (range_spread x range + slope x (G - lower bound)) z

    A percentage says nothing before it is said of what: `spread` is relative to the *step*, so that a cell at a soft
    bound is silent; `range_spread` is relative to the *range*, does not shrink with the step, and is the same as a
    spread of range_spread x states at mid-range; n pulses add in variance in either case.
    """

    sources: ClassVar[tuple[str, ...]] = (
        "Gokmen and Vlasov, Front. Neurosci. 10:333 (2016): relative to the step",
        "Chen, Peng and Yu, IEEE TCAD 37:3067 (2018), NeuroSim: relative to the range",
        "Nandakumar et al., Front. Neurosci. 14:406 (2020): three terms, for phase-change cells",
    )

    spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of one step, relative to that step")
    range_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of one step, relative to the range")
    slope: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of one step, relative to G - lower bound")


Parameter = Literal["step", "upper_bound", "lower_bound", "balance", "shape_up", "shape_down"]
PARAMETERS: tuple[str, ...] = get_args(Parameter)
_STREAMS = {"upper_bound": "upper", "lower_bound": "lower"}


class DeviceToDevice(Component):
    """Spread of the parameters from cell to cell, drawn once, when the cells are made.

    Each parameter has a standard normal number z of each cell: the step is multiplied by 1 + step z (cut at zero) or
    by exp(step z), a bound's distance from mid-range by 1 + upper_bound z, the ratio of steps by 1 + balance z, and
    shape z is added to the law's non-linearity. These z are independent between cells and between parameters, unless

    - `correlations` says what the coefficient of two parameters is; balance counts as up over down;
    - `correlation_length` makes a share `spatial_fraction` of the variance of every parameter vary smoothly over the
      tile: z of two cells d apart has the correlation spatial_fraction x exp(-d^2 / (2 correlation_length^2)).

    Tiles are independent of each other. Either way each z stays standard normal.
    """

    step: float = quantity(0.0, unit="1", ge=0, doc="spread of the step size, relative")
    upper_bound: float = quantity(0.0, unit="1", ge=0, doc="spread of the upper bound, relative to half the range")
    lower_bound: float = quantity(0.0, unit="1", ge=0, doc="spread of the lower bound, relative to half the range")
    balance: float = quantity(0.0, unit="1", ge=0, doc="spread of the ratio of up step to down step")
    shape: float = quantity(0.0, unit="1", ge=0, doc="spread of the law's slope, exponent or label, absolute")
    distribution: Literal["normal", "log_normal"] = setting(
        "normal", doc="of the step size: 1 + spread x normal, cut at zero, or exp(spread x normal)"
    )
    correlations: tuple[tuple[Parameter, Parameter, float], ...] = setting(
        (), doc="pairs of parameters with the correlation of their deviations; shape is shape_up, shape_down"
    )
    correlation_length: float = quantity(0.0, unit="cells", ge=0, doc="over which deviations are alike; 0: not at all")
    spatial_fraction: float = quantity(
        1.0, unit="1", ge=0, le=1, doc="share of the variance that is alike within the correlation length"
    )

    def model_post_init(self, _: Any) -> None:
        """Coefficients must be those of some distribution."""
        seen: set[frozenset[str]] = set()
        for one, other, value in self.correlations:
            pair = frozenset((one, other))
            if one == other or pair in seen:
                raise InputError("correlations", (one, other), "must name each pair of two parameters once")
            if not -1 <= value <= 1:
                raise InputError("correlations", value, f"of {one} and {other} must lie within -1 .. 1")
            seen.add(pair)
        if self._mixing() is None:
            raise InputError(
                "correlations",
                self.correlations,
                "are not those of any distribution: their matrix is not positive definite",
                "Weaken one of them, or add the pair that is missing.",
            )

    def deviate(self, name: Parameter, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
        """The standard normal number of every cell, (shape), that makes one parameter differ."""
        weights = dict(zip(PARAMETERS, (self._mixing() or {}).get(name, ()), strict=False)) or {name: 1.0}
        total = None
        for source, weight in weights.items():
            if weight:
                part = self._source(source, shape, stream, like)
                part = part if weight == 1 else weight * part
                total = part if total is None else total + part
        return like.new_zeros(shape) if total is None else total

    def step_factor(self, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
        """What each cell's step is multiplied by, (shape), never negative."""
        if not self.step:
            return like.new_ones(shape)
        drawn = self.step * self.deviate("step", shape, stream, like)
        return drawn.exp() if self.distribution == "log_normal" else (1 + drawn).clamp_min(0)

    def half_range_factor(
        self, which: Literal["upper", "lower"], shape: torch.Size, stream: Stream, like: Tensor
    ) -> Tensor:
        """What each cell's distance from mid-range to a bound is multiplied by, (shape), at least 0.01."""
        spread = self.upper_bound if which == "upper" else self.lower_bound
        if not spread:
            return like.new_ones(shape)
        name: Parameter = "upper_bound" if which == "upper" else "lower_bound"
        return (1 + spread * self.deviate(name, shape, stream, like)).clamp_min(0.01)

    def balance_shift(self, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
        """Half the relative difference of up and down step of each cell, (shape): the ratio is about 1 + 2 shift."""
        if not self.balance:
            return like.new_zeros(shape)
        return 0.5 * self.balance * self.deviate("balance", shape, stream, like)

    def shape_shifts(self, shape: torch.Size, stream: Stream, like: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to each cell's non-linearity up and down, (shape) each."""
        if not self.shape:
            return like.new_zeros(shape), like.new_zeros(shape)
        names: tuple[Parameter, Parameter] = ("shape_up", "shape_down")
        up, down = (self.shape * self.deviate(name, shape, stream, like) for name in names)
        return up, down

    def _source(self, name: str, shape: torch.Size, stream: Stream, like: Tensor) -> Tensor:
        """Independent standard normal numbers of a parameter, part of them smooth over the tile."""
        stream = stream.child(_STREAMS.get(name, name))
        share = self.spatial_fraction if self.correlation_length else 0.0
        if not share:
            return random.normal(stream, 0, shape, like)
        field = smooth(self.correlation_length, shape, stream.child("smooth"), like)
        if share == 1:
            return field
        return math.sqrt(share) * field + math.sqrt(1 - share) * random.normal(stream, 0, shape, like)

    def _mixing(self) -> dict[str, list[float]] | None:
        """How much of each independent source a parameter takes; None if no distribution has these correlations."""
        if not self.correlations:
            return {}
        matrix = [[float(i == j) for j in range(len(PARAMETERS))] for i in range(len(PARAMETERS))]
        for one, other, value in self.correlations:
            i, j = PARAMETERS.index(one), PARAMETERS.index(other)
            matrix[i][j] = matrix[j][i] = value
        root = cholesky(matrix)
        return None if root is None else dict(zip(PARAMETERS, root, strict=True))
