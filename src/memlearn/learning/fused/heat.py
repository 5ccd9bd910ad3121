"""What fused kernels find in the cells, for the ledger; the half-selected ones by the mean of a span's two ends."""

from __future__ import annotations

import numpy as np

from ...core.ledger import Amount, Pass
from ...programming.heat import Amounts, Sums
from ...tile import Tile


def reads_meter(tiles: list[Tile]) -> np.ndarray:
    """Room for what reads find, (L, 2, 3); without layers where no ledger measures."""
    return np.zeros((len(tiles) if tiles[0].measures else 0, 2, 3))


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
