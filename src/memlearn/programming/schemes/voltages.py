"""What schemes that choose amplitude or width know of a device's own pulses."""

from __future__ import annotations

from typing import NamedTuple

from ...core.errors import InputError
from ...devices import AbstractDevice


class OwnDrive(NamedTuple):
    """A device's own pulses, as numbers."""

    up_voltage: float
    up_width: float
    down_voltage: float
    down_width: float


def own_drive(device: AbstractDevice) -> OwnDrive:
    """The pulses that a law with a voltage axis has without a plan's."""
    return OwnDrive(*(float(part) for part in device.drive))  # type: ignore[attr-defined]


def need_voltage(device: AbstractDevice, scheme: str) -> None:
    """Refuse laws whose pulse has no amplitude and no width.

    Raises:
        InputError: with the laws that do.
    """
    if device.drive_columns is None or not hasattr(device, "drive"):
        raise InputError(
            "scheme",
            scheme,
            f"chooses amplitude or width of its pulses, and {device.kind} has no such axis",  # type: ignore[attr-defined]
            'Take "write_verify", whose pulses are identical, or a law with voltages: "vteam", "stanford".',
        )
