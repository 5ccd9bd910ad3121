"""Digital-to-analogue converter: a number becomes a line voltage."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..core.component import quantity, setting
from ..core.ledger import Event
from ..ops.converters import drive_rows
from .base import AbstractDriver, Address, Driven, disturbed, quantise, steps_per_side


class DAC(AbstractDriver):
    """Signed converter: values in [-input_range, input_range] become -read_voltage .. read_voltage, others clip.

    With `bits` b there are 2^(b-1) - 1 steps on each side of zero, so that zero is exact.
    """

    kind: Literal["dac"] = "dac"
    event: ClassVar[Event | None] = Event.DAC
    sources: ClassVar[tuple[str, ...]] = (
        "Gokmen, Onen, Haensch, Front. Neurosci. 11:538 (2017), noise management (scaling by the largest value)",
    )

    bits: int | None = quantity(8, unit="bit", ge=2, le=24, doc="resolution with sign; none for a continuous converter")
    input_range: float = quantity(1.0, unit="1", gt=0, doc="the value that stands for the full read voltage")
    scaling: Literal["none", "max"] = setting(
        "none",
        doc="'max' divides each sample by its largest magnitude first, and multiplies the outcome by it afterwards",
    )
    stochastic_rounding: bool = setting(False, doc="round up with the probability of the remainder")
    noise: float = quantity(0.0, unit="V", ge=0, doc="standard deviation of each conversion")
    gain_spread: float = quantity(0.0, unit="1", ge=0, doc="standard deviation of the gain from converter to converter")
    offset_spread: float = quantity(
        0.0, unit="V", ge=0, doc="standard deviation of the offset from converter to converter"
    )
    sharing: int = quantity(1, unit="1", ge=1, doc="lines that take turns at one converter")

    def encode(self, values: Tensor, at: Address) -> Tensor:
        """What the register holds: clipped where the converter's range is fixed, so that updates clip as reads do."""
        return values if self.scaling == "max" else values.clamp(-self.input_range, self.input_range)

    def drive(self, values: Tensor, read_voltage: float, at: Address) -> Driven:
        """Scale, clip, quantise, then the errors of the circuit."""
        found = self._at_once(values, read_voltage)
        voltage, scale = self._step_by_step(values, read_voltage, at) if found is None else found
        voltage = disturbed(
            voltage,
            tuple(voltage.shape[1:]),
            at,
            gain_spread=self.gain_spread,
            offset_spread=self.offset_spread,
            noise=self.noise,
            sharing=self.sharing,
        )
        full = self.input_range if scale is None else scale * self.input_range
        return Driven(voltage, full)

    def _step_by_step(self, values: Tensor, read_voltage: float, at: Address) -> tuple[Tensor, Tensor | None]:
        """Voltages without the errors of the circuit, and what each sample was divided by."""
        scale = None
        if self.scaling == "max":
            scale = _largest(values)
            scale = scale.masked_fill(scale == 0, 1.0)
        # In place from here on: the patches of a convolution are many, and new memory costs more than the arithmetic.
        values = values / (self.input_range if scale is None else scale)
        if scale is not None:
            values.div_(self.input_range)
        values.clamp_(-1, 1)
        if self.bits is not None:
            values = quantise(values, steps_per_side(self.bits), self.stochastic_rounding, at)
        return values.mul_(read_voltage), scale

    def _at_once(self, values: Tensor, read_voltage: float) -> tuple[Tensor, Tensor] | None:
        """The same to the bit by one kernel, where there is one: many values that are scaled and rounded."""
        plain = values.is_cpu and values.dtype == torch.float32 and not values.requires_grad
        if self.scaling == "none" or self.bits is None or self.stochastic_rounding or not plain:
            return None
        rows = values.flatten(1)
        if values.numel() < _MANY_VALUES or rows.shape[1] < _FEW or not values.is_contiguous():
            return None
        voltage, scale = drive_rows(rows.numpy(), steps_per_side(self.bits), self.input_range, read_voltage)
        each = (-1, *(1,) * (values.dim() - 1))
        return torch.from_numpy(voltage).view_as(values), torch.from_numpy(scale).reshape(each)


def _largest(values: Tensor) -> Tensor:
    """Largest magnitude of each sample, with an axis of length 1 for each axis that is gone."""
    found = values.abs().flatten(1)
    # Torch reduces short rows slowly, number by number: many of them are first folded onto themselves.
    while len(found) >= _MANY and 1 < found.shape[1] <= _SHORT:
        half = (found.shape[1] + 1) // 2
        found = torch.maximum(found[:, :half], found[:, -half:])
    return found.amax(dim=1).reshape(-1, *(1,) * (values.dim() - 1))


_MANY, _SHORT, _FEW, _MANY_VALUES = 2048, 64, 12, 16384
