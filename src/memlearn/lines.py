"""Single word lines of a tile: read alone, pulsed alone; what second arrays pass on is theirs."""

from __future__ import annotations

import torch
from torch import Tensor

from .core.ledger import Amount, Event, Pass
from .core.types import Counts
from .devices import symmetric_point
from .ops.pulse_update import Tally
from .periphery import DAC
from .tile import Tile


def read(tile: Tile, line: int, share: float = 1.0, reference: Tensor | None = None) -> Tensor:
    """Read the weights of one word line, driven alone, by the converters of a forward read.

    Arguments:
        tile: whose.
        line: which.
        share: of the drivers' range, on the line.
        reference: weights (outputs,) beside it, whose currents are subtracted before they are sensed.

    Returns:
        (outputs,): the weights, as converted.
    """
    drive = tile.array.periphery.forward.drive
    full = drive.input_range if isinstance(drive, DAC) else 1.0
    values = torch.zeros(1, tile.inputs, dtype=tile.conductance.dtype, device=tile.conductance.device)
    values[0, line] = share * full
    ledger, tile.ledger = tile.ledger, None  # one line costs less than a read of all, and is counted by itself
    driven, at = tile.drive(values, Pass.FORWARD)
    signal = tile.signal(driven.voltage, Pass.FORWARD, at)
    if reference is not None:
        row, place = divmod(line, tile.part[0])
        level = driven.voltage[0, row, place] / tile.array.crossbar.read_voltage
        signal = signal.clone()
        signal[row, :, 0] -= tile.cut(reference[None].to(signal), 1)[0] * (level * tile.unit_current)
    found = tile.sense(signal, driven, Pass.FORWARD, at)[0] / (share * full)
    tile.ledger = ledger
    if ledger is not None:
        count_reads(tile, 1)
        if ledger.measures:
            row, place = divmod(line, tile.part[0])
            shown = tile.array.device.visible(tile.state)[row, :, place].sum()
            measure_reads(tile, 1, float(driven.voltage[0, row, place]), float(shown))
    return found


def count_reads(tile: Tile, number: int) -> None:
    """Enter the events of reading so many word lines one by one, each converted once."""
    assert tile.ledger is not None
    port, mapping = tile.array.periphery.forward, tile.array.crossbar.mapping
    line = torch.ones(1, tile.outputs, dtype=torch.bool)
    cells = int(mapping.cells(line[None, None]).sum())
    if port.drive.event is not None:
        tile.ledger.count(tile.name, Pass.TRANSFER, port.drive.event, number * tile.tiles[1])
    for event, n in port.sense.uses(number * tile.outputs).items():
        tile.ledger.count(tile.name, Pass.TRANSFER, event, n)
    tile.ledger.count(tile.name, Pass.TRANSFER, Event.CELL_READ, number * cells)


def measure_reads(tile: Tile, number: int, voltage: float, shown: float) -> None:
    """Enter what reads of so many lines find in the cells; of lines without resistance.

    Arguments:
        tile: whose.
        number: of lines.
        voltage: V, on each.
        shown: S, their cells, added up over reads.
    """
    assert tile.ledger is not None
    copies, square = tile.tiles[1], voltage * voltage
    found = {
        Amount.DRIVEN: float(number * copies),
        Amount.SQUARE: number * copies * square,
        Amount.READ_HEAT: shown * square,
    }
    tile.ledger.enter(tile.name, Pass.TRANSFER, found)


def write(tile: Tile, line: int, pulses: Tensor) -> Tally:
    """Pulse the weights of one word line: as a `write` of `Counts` that are zero on all others, to the bit.

    Arguments:
        tile: whose.
        line: which.
        pulses: (outputs,), signed counts.
    """
    plan = torch.zeros(tile.inputs, tile.outputs, dtype=torch.int32, device=pulses.device)
    plan[line] = pulses.int()
    tile.writing = Pass.TRANSFER
    tally = tile.write(Counts(plan))
    tile.writing = Pass.UPDATE
    return tally


def symmetric_weights(tile: Tile) -> Tensor:
    """The weights (inputs, outputs) at which pulses up and down cancel in each cell, by its own law.

    An ideal calibration finds them; it costs and counts nothing. Cells that no update pulses stay as they are.
    """
    device, mapping = tile.array.device, tile.array.crossbar.mapping
    one = torch.ones(tile.inputs, tile.outputs, dtype=torch.int32)
    pulsed = mapping.counts(Counts(tile.cut_weights(one))).pulses.to(tile.conductance.device) != 0
    points = symmetric_point(device, tile.state).where(pulsed & tile.used(), tile.conductance)
    return tile.whole(mapping.weight(points, device.g_min, device.g_max))
