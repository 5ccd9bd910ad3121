"""What fused kernels find in the cells, for the ledger; the half-selected ones by the mean of a span's two ends."""

from __future__ import annotations

import numpy as np

from ...core.ledger import Amount, Pass
from ...ops.heat import Survey
from ...programming.heat import Amounts, Sums
from ...tile import Tile

Meter = tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
"""What reads find, (L, 2, 3), and conductances of word lines and of bit lines, S, which a kernel keeps up to date."""


def reads_meter(tiles: list[Tile], sums: list[Sums]) -> Meter:
    """Room for what reads find; without layers where no ledger measures, which have no sums either.

    Arguments:
        tiles: of the layers.
        sums: of their lines, tile by tile.
    """
    if not sums:
        nothing = tuple(np.zeros(0) for _ in tiles)
        return np.zeros((0, 2, 3)), nothing, nothing
    return np.zeros((len(tiles), 2, 3)), tuple(own.rows[0].copy() for own in sums), tuple(np.zeros(0) for _ in tiles)


def surveys(tiles: list[Tile], sums: list[Sums], rows: tuple[np.ndarray, ...]) -> tuple[Survey, ...]:
    """Room for what pulses find.

    Arguments:
        tiles: of the layers.
        sums: of their lines, or none.
        rows: the sums of word lines that the kernel keeps.
    """
    columns = [own.columns[0] for own in sums] or [np.zeros(tile.conductance.shape[3]) for tile in tiles]
    sharing = [tile.array.crossbar.write_sharing for tile in tiles]
    empty = (Survey.empty(*own) for own in zip(rows, columns, sharing, strict=True))
    return tuple(own._replace(rows=kept) for own, kept in zip(empty, rows, strict=True))


def enter_reads(tile: Tile, found: np.ndarray) -> None:
    """Enter what a layer's reads forward and back have found, (2, 3), in units of the read voltage."""
    square = tile.array.crossbar.read_voltage**2
    for during, (driven, squares, heat) in zip((Pass.FORWARD, Pass.BACKWARD), found.tolist(), strict=True):
        amounts: Amounts = {
            Amount.DRIVEN: driven,
            Amount.SQUARE: squares * square,
            Amount.READ_HEAT: heat * square,
        }
        if tile.ledger is not None:
            tile.ledger.enter(tile.name, during, amounts)


def line_sums(tiles: list[Tile]) -> list[Sums]:
    """Conductances of the lines as reads see them now."""
    return [Sums.of(tile.array.device.visible(tile.state)) for tile in tiles]
