"""Energy of closed-loop writes in the cells themselves."""

from __future__ import annotations

from ..core.ledger import Event, Ledger
from ..devices import AbstractDevice


def write_energy(ledger: Ledger, device: AbstractDevice, *, layer: str | None = None) -> float | None:
    """V^2 G t, summed over the pulses of closed loops, with the conductance before each pulse, J.

    Drivers, half-selected cells and verify reads are not in it. A pulse that raises its cell takes a little more than
    this, one that lowers it a little less, by the change that it makes.

    Arguments:
        ledger: with the doses that closed loops enter.
        device: whose pulses were sent.
        layer: only of this layer; None for all.

    Returns:
        J, or None where the device does not state height and width of both pulses.
    """
    total = 0.0
    for pulse, event in ((device.up_pulse, Event.DOSE_UP), (device.down_pulse, Event.DOSE_DOWN)):
        if pulse.voltage is None or pulse.width is None:
            return None
        total += pulse.voltage**2 * pulse.width * 1e-15 * ledger.total(event, layer=layer)
    return total
